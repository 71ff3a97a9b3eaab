# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole reports at fixed width, as text: a change of wording or layout is seen, and accepted.

To accept what the code now writes (and then read `git diff tests/analysis/golden`):

    HINTFLEET_ACCEPT=1 .venv/bin/pytest tests/analysis/test_golden.py
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hintfleet.cli import main
from synthetic import Builder, twelve

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


def tiled(builder: Builder) -> None:
    """A study of tiles alone, as its workload is asked for."""
    builder.workloads, builder.blocks = ("tile",), 6
    builder.write()


CASES: dict[str, tuple[Callable[[Builder], object], list[str]]] = {
    "laptop-80.txt": (Builder.write, ["report", "{}", "--width", "80"]),
    "laptop-160-detail.txt": (Builder.write, ["report", "{}", "--width", "160", "--detail"]),
    "laptop-ascii.txt": (Builder.write, ["report", "{}", "--width", "80", "--ascii"]),
    "laptop.md": (Builder.write, ["report", "{}", "--format", "markdown"]),
    "twelve.html": (twelve, ["report", "{}", "--format", "html"]),
    "twelve.json": (twelve, ["report", "{}", "--format", "json"]),
    "twelve-sweep.txt": (twelve, ["report", "{}", "--width", "80", "--detail"]),
    "twelve-80.txt": (twelve, ["report", "{}", "--width", "80"]),
    "twelve.md": (twelve, ["report", "{}", "--format", "markdown"]),
    "tiles-80.txt": (tiled, ["report", "{}", "--width", "80"]),
    "tiles.md": (tiled, ["report", "{}", "--format", "markdown"]),
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


def words_of_pictures(page: str) -> str:
    """The page with the words in each picture instead of its lines, without its style and without
    what a reader has to unfold."""

    def words(picture: re.Match[str]) -> str:
        return f"<svg>{' | '.join(re.findall(r'<text[^>]*>([^<]*)</text>', picture[0]))}</svg>"

    for left_out in ("style", "details"):
        page = re.sub(rf"<{left_out}\b.*?</{left_out}>", "", page, flags=re.DOTALL)
    return re.sub(r"<svg.*?</svg>", words, page, flags=re.DOTALL)


def without_numbers_of_runs(text: str) -> str:
    """The document with the names of figures instead of what other cases show."""
    document = json.loads(text)
    for topic in ("density", "memhog", "page_fault", "tile", "memory", "against_each_other"):
        document[topic] = {name: sorted(one["figures"]) for name, one in document[topic].items()}
    document["timelines"] = [one["arm"] for one in document["timelines"]]
    return json.dumps(document, indent=1, ensure_ascii=False)


OF_A_SWEEP = re.compile(r"\n(Sweep of|more |memhog in|page fault|Gain against)")


def only_sweeps(text: str) -> str:
    """The table of a sweep and what is drawn of it."""
    parts = re.split(r"\n(?=\n[A-Za-z])", text)
    return "\n".join(part for part in parts if OF_A_SWEEP.match(part))


SHORTENED = {
    "twelve.html": words_of_pictures,
    "twelve.json": without_numbers_of_runs,
    "twelve-sweep.txt": only_sweeps,
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
    written = SHORTENED.get(name, str)(capsys.readouterr().out)
    written = "\n".join(line.rstrip() for line in written.split("\n"))
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
