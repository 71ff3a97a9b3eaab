# SPDX-License-Identifier: GPL-2.0-or-later
"""What the comparison and the mutation check compute, without a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from compare_engines import bytes_sent_twice, fewest_calls
from kernel_guest import Discard
from mutate import MutationError, changed_line, dropped_patch, table

MIB = 1 << 20
PATCH = "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1,3 +1,3 @@\n one\n-2\n+two\n three\n"


def ranges(*pairs: tuple[int, int]) -> list[Discard]:
    """Ranges of memory in MiB: start and length."""
    return [Discard(0.0, "ram", start * MIB, length * MIB) for start, length in pairs]


def test_fewest_calls_are_those_that_32_mib_away_allow() -> None:
    assert fewest_calls(ranges((64, 2))) == 1
    assert fewest_calls(ranges((0, 32), (32, 32))) == 2
    # one run of 34 MiB, however it was cut and in whatever order, and one of 2
    assert fewest_calls(ranges((48, 2), (16, 32), (100, 2))) == 3


def test_bytes_sent_twice_are_those_of_ranges_that_overlap() -> None:
    assert bytes_sent_twice(ranges((0, 4), (4, 4))) == 0
    assert bytes_sent_twice(ranges((0, 8), (4, 2), (6, 4))) == 4 * MIB


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "mm").mkdir()
    (tmp_path / "mm/a.c").write_text("one\ntwo\nthree\n")
    return tmp_path


def test_a_changed_line_becomes_a_patch(tree: Path) -> None:
    wanted = {"name": "n", "file": "mm/a.c", "old": "three", "new": "3"}
    assert changed_line(tree, wanted).patch() == (
        "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1,3 +1,3 @@\n one\n two\n-three\n+3\n"
    )


@pytest.mark.parametrize("old", ["four", "e"])
def test_a_mutation_that_fits_no_line_or_several_is_refused(tree: Path, old: str) -> None:
    with pytest.raises(MutationError, match=r"adapt mutations\.yml"):
        changed_line(tree, {"name": "n", "file": "mm/a.c", "old": old, "new": ""})


def test_a_patch_is_dropped_unless_others_stand_on_it(tree: Path) -> None:
    dropped = dropped_patch(tree, "0001-two.patch", PATCH)
    assert dropped
    assert dropped.files["mm/a.c"] == ("one\ntwo\nthree\n", "one\n2\nthree\n")
    (tree / "mm/a.c").write_text("one\ntwo and more\nthree\n")
    assert dropped_patch(tree, "0001-two.patch", PATCH) is None
    (tree / "mm/a.c").unlink()
    assert dropped_patch(tree, "0001-two.patch", PATCH) is None


def test_the_table_says_what_was_not_run() -> None:
    lines = list(table({"a": {"6.12": "test_x", "6.1": "none"}, "b": {"6.1": "test_y"}}))
    assert lines[0] == "| mutation | noticed by, 6.1 | noticed by, 6.12 |"
    assert lines[2:] == ["| a | none | test_x |", "| b | test_y | not run |"]
