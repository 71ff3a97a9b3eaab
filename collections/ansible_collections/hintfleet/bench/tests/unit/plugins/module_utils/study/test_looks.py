# SPDX-License-Identifier: GPL-2.0-or-later
"""A study that goes on until it is settled: what a look leads to, and that each is noted once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.study import looks as _looks
from ansible_collections.hintfleet.bench.plugins.module_utils.study.plan import SCHEMA

CAPS = {"blocks_max": 12, "hours_max": 0.0}


def seen(*still_open: str, verdict: str = "unsettled") -> dict[str, Any]:
    return {"verdict": verdict, "still_open": list(still_open)}


@pytest.mark.parametrize(
    ("report", "blocks", "hours", "caps", "ended", "then", "words"),
    [
        (seen("last_guest_vs_none (a)"), 3, 0, CAPS, False, 4, "last guest vs none (a). On to 4."),
        (seen("x"), 9, 0, CAPS, False, 11, "On to 11"),
        (seen("x"), 11, 0, CAPS, False, 12, "On to 12"),
        (seen("x"), 12, 0, CAPS, True, 12, "study_blocks_max 12, with x still open"),
        (seen(), 3, 0, CAPS, True, 3, "Settled after 3 blocks"),
        (seen("x", verdict="not to be trusted"), 3, 0, CAPS, True, 3, "no block mends"),
        (seen("x"), 3, 2.5, {**CAPS, "hours_max": 2}, True, 3, "study_hours_max 2"),
        (seen("x"), 3, 1.5, {**CAPS, "hours_max": 2}, False, 4, "On to 4"),
    ],
)
def test_what_comes_of_a_look(
    report: dict[str, Any], blocks: int, hours: float, caps: dict[str, Any],
    ended: bool, then: int, words: str,
) -> None:  # fmt: skip
    found = _looks.what_next(report, blocks, hours, caps)
    assert (found["ended"], found["blocks"]) == (ended, then)
    assert words in found["reason"]


def test_a_look_is_noted_once(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"schema": SCHEMA, "blocks": 3}))
    assert _looks.note_look(tmp_path, 3)
    assert not _looks.note_look(tmp_path, 3)
    assert _looks.note_look(tmp_path, 4)
    assert _looks.earlier_looks(tmp_path) == [3, 4]


def test_without_a_plan_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no plan"):
        _looks.note_look(tmp_path, 3)


def test_looks_are_further_apart_the_more_blocks_there_are() -> None:
    blocks = [3]
    while blocks[-1] < 40:
        blocks.append(_looks.next_look(blocks[-1]))
    assert blocks == [3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 41]
