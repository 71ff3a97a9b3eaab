# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole reports at fixed width, as text: a change of wording or layout is seen, and accepted.

To accept what the code now writes (and then read `git diff tests/analysis/golden`):

    HINTFLEET_ACCEPT=1 .venv/bin/pytest tests/analysis/test_golden.py
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hintfleet.cli import main
from synthetic import Builder

GOLDEN = Path(__file__).parent / "golden"
ACCEPT = "HINTFLEET_ACCEPT"


def trouble(builder: Builder) -> None:
    """A study in which something of everything went wrong."""
    builder.blocks = 2
    builder.write()
    runs = builder.folder / "runs"
    (runs / "local-node0.b2.none.memhog" / "record.json").write_text("{")
    (runs / "local-node0.b2.none.page_fault" / "record.json").unlink()
    file = runs / "local-node0.b1.page_hinting.consolidation" / "record.json"
    record = json.loads(file.read_text())
    record["proof"].update(acted=False, as_expected=False, dropped_mib=3.0)
    record["parity"]["thp_enabled"] = "always"
    file.write_text(json.dumps(record))
    file = runs / "local-node0.b1.page_hinting.memhog" / "record.json"
    record = json.loads(file.read_text())
    record["outcome"] = {"status": "failed", "reason": "guest 3's agent stayed silent for 60 s"}
    record["result"] = None
    file.write_text(json.dumps(record))


SWEPT = ((0, 7, 1.2, 0.0), (150, 6, 1.4, 0.0), (500, 4, 2.1, 90.0))
"""Age, and what comes of it: guests, seconds of the third memhog, its swap."""


def twelve(builder: Builder) -> None:
    """Twelve arms: two mechanisms and a sweep, of which some fit fewer guests and some as many."""
    builder.mechanisms = ("none", "free_page_reporting", "page_hinting")
    builder.sweep = {
        f"page_hinting/age_ms={age},batch={batch}": replace(
            builder.truth["page_hinting"],
            guests=guests,
            third_memhog_seconds=seconds,
            memhog_swap_mib=swap,
        )
        for (age, guests, seconds, swap) in (
            (0, 7, 1.2, 0.0),
            (150, 6, 1.4, 0.0),
            (500, 4, 2.1, 90.0),
        )
        for batch in (8, 16, 32)
    }
    builder.blocks = 4
    builder.write()


CASES: dict[str, tuple[Callable[[Builder], object], list[str]]] = {
    "laptop-80.txt": (Builder.write, ["report", "{}", "--width", "80"]),
    "laptop-160-detail.txt": (Builder.write, ["report", "{}", "--width", "160", "--detail"]),
    "laptop-ascii.txt": (Builder.write, ["report", "{}", "--width", "80", "--ascii"]),
    "laptop.md": (Builder.write, ["report", "{}", "--format", "markdown"]),
    "twelve-80.txt": (twelve, ["report", "{}", "--width", "80"]),
    "twelve.md": (twelve, ["report", "{}", "--format", "markdown"]),
    "trouble-80.txt": (trouble, ["report", "{}", "--width", "80"]),
    "published-80.txt": (
        Builder.write,
        ["compare", "{}", "--published", "v10-reply", "--width", "80"],
    ),
    "show-80.txt": (
        Builder.write,
        ["show", "{}/runs/local-node0.b1.page_hinting.consolidation", "--width", "80"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_reports_read_as_accepted(
    builder: Builder,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare, arguments = CASES[name]
    prepare(builder)
    # paths in a report are as the reader typed them: relative, the same on every machine
    monkeypatch.chdir(builder.root)
    main([argument.replace("{}", builder.study) for argument in arguments])
    written = "\n".join(line.rstrip() for line in capsys.readouterr().out.split("\n"))
    file = GOLDEN / name
    if os.environ.get(ACCEPT):
        file.write_text(written)
    accepted = file.read_text() if file.exists() else ""
    difference = "".join(
        difflib.unified_diff(
            accepted.splitlines(True), written.splitlines(True), f"golden/{name}", "now"
        )
    )
    assert not difference, f"{difference}\nTo accept it: {ACCEPT}=1 pytest {Path(__file__).name}"
