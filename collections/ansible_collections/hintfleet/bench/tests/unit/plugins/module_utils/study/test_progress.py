# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said while a study runs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.study.progress import (
    Progress,
    duration,
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def planned(host: str, block: int, mechanism: str, status: str = "pending") -> dict[str, Any]:
    cell = f"{host}-node0"
    run_id = f"{cell}.b{block}.{mechanism}.memhog"
    names = {"run_id": run_id, "host": host, "cell": cell, "block": block, "status": status}
    return {**names, "arm": mechanism, "mechanism": mechanism, "workload": "memhog"}


def result(run: dict[str, Any], status: str = "finished", seconds: float = 14.2) -> dict[str, Any]:
    return {
        "run_id": run["run_id"],
        "outcome": {"status": status, "reason": None},
        "summary": "1.2 / 1.3 s, no swap",
        "duration_seconds": seconds,
    }


def test_a_study_from_its_first_run_to_its_last() -> None:
    clock = Clock()
    progress = Progress(clock)
    runs = [
        planned("h", 1, "none", "done"),
        planned("h", 1, "page_hinting"),
        planned("h", 2, "none"),
    ]
    progress.plan(runs)
    assert progress.line() is None
    assert progress.started("h") == "run 2 of 3  h-node0 block 1  page_hinting  memhog ..."
    assert progress.started("h") is None
    assert progress.line() == "1 of 3 runs"
    clock.now = 20.0
    assert progress.ended("h", result(runs[1])) == (
        "run 2 of 3  h-node0 block 1  page_hinting  memhog: 1.2 / 1.3 s, no swap, 14 s"
    )
    line = progress.started("h")
    assert line is not None
    assert line.endswith("(about 14 s left)")
    assert progress.line() == "2 of 3 runs, about 14 s left"
    progress.ended("h", result(runs[2]))
    assert progress.seconds_left() == 0
    assert progress.started("h") is None


def test_time_left_goes_by_kind_and_by_the_slowest_host() -> None:
    clock = Clock()
    progress = Progress(clock)
    fast = [planned("fast", block, "none") for block in (1, 2)]
    slow = [planned("slow", block, "page_hinting") for block in (1, 2, 3)]
    progress.plan(fast + slow)
    assert progress.seconds_left() is None
    progress.started("fast")
    progress.started("slow")
    clock.now = 10.0
    progress.ended("fast", result(fast[0], seconds=10))
    # Three of a kind not seen yet, the first of them under way for as long as one is to take.
    assert progress.seconds_left() == pytest.approx(20)
    clock.now = 40.0
    progress.ended("slow", result(slow[0], seconds=40))
    assert progress.seconds_left() == pytest.approx(80)


def test_runs_side_by_side_take_their_time_together() -> None:
    clock = Clock()
    progress = Progress(clock)
    first, second = planned("h", 1, "none"), {**planned("h", 1, "none"), "cell": "h-node1"}
    second["run_id"] = "h-node1.b1.none.memhog"
    later = [planned("h", 2, "none"), {**planned("h", 2, "none"), "run_id": "h-node1.b2"}]
    progress.plan([first, second, *later])
    progress.started("h")
    assert progress.started("h") is None
    assert progress.started("h", second["run_id"]) == (
        "run 2 of 4  h-node1 block 1  none  memhog ..."
    )
    assert progress.started("h", second["run_id"]) is None
    clock.now = 30.0
    progress.ended("h", result(first, seconds=30))
    assert progress.started("h") is None
    progress.ended("h", result(second, seconds=30))
    assert progress.seconds_left() == pytest.approx(30)


def test_the_fleet_is_a_line_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    clock = Clock()
    progress = Progress(clock)
    runs = {name: [planned(name, block, "none") for block in (1, 2)] for name in "abcd"}
    progress.plan([run for block in zip(*runs.values(), strict=True) for run in block])
    for name in "abc":
        progress.started(name)
    clock.now = 60.0
    progress.ended("a", result(runs["a"][0], seconds=60))
    progress.started("a")
    progress.lose("b")
    assert [line.rstrip() for line in progress.fleet(200, 9)] == [
        "a  1 of 2  a-node0 block 2  none  memhog  since 00:01, done about 00:02",
        "c  0 of 2  c-node0 block 1  none  memhog  since 00:00, done about 00:02",
        "b  0 of 2  cannot be reached",
        "d  0 of 2  waits",
    ]
    assert progress.fleet(18, 2) == ["a                 1"[:18], "and 3 more hosts  "]


def test_a_failure_is_called_one() -> None:
    progress = Progress(Clock())
    run = planned("h", 1, "none")
    progress.plan([run])
    assert "memhog: failed: 1.2" in progress.ended("h", result(run, "failed"))


def test_a_run_without_a_plan_is_shown_all_the_same() -> None:
    line = Progress(Clock()).ended("h", result(planned("h", 1, "none")))
    assert line == "h-node0.b1.none.memhog: 1.2 / 1.3 s, no swap, 14 s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (41.4, "41 s"), (420, "7 min"), (7500, "2 h 05 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_a_host_says_never_steers_the_terminal() -> None:
    progress = Progress(Clock())
    run = {**planned("h", 1, "none"), "cell": "h\x1b[2J-node0\u202e"}
    progress.plan([run, planned("h", 2, "none")])
    said = {**result(run, "failed"), "summary": "broke \x1b]0;owned\x07\n\x9b2J \u202e"}
    lines = [progress.started("h"), *progress.fleet(200, 5), progress.ended("h", said)]
    lines.append(progress.ended("h", {**said, "run_id": "nobody's\x1b"}))
    assert all(line and line.isprintable() for line in lines)
