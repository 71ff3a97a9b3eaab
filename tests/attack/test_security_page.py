# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/security.md promises is held by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = (ROOT / "tests", ROOT / "collections/ansible_collections/hintfleet/bench/tests")


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/security.md").read_text()))
    assert len(named) > 50
    there = {
        name
        for folder in TESTS
        for path in folder.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    assert named - there == set()


def test_every_fuzzer_that_is_named_is_there() -> None:
    named = set(re.findall(r"tests/fuzz/\w+\.py", (ROOT / "docs/security.md").read_text()))
    assert {ROOT / name for name in named} == {
        path for path in (ROOT / "tests/fuzz").glob("*.py") if not path.name.startswith("test_")
    }
