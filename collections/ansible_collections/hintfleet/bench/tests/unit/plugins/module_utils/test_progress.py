# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said while a study runs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils._progress import Progress, duration


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def planned(host: str, block: int, mechanism: str, status: str = "pending") -> dict[str, Any]:
    cell = f"{host}-node0"
    run_id = f"{cell}.b{block}.{mechanism}.memhog"
    names = {"run_id": run_id, "host": host, "cell": cell, "block": block, "status": status}
    return {**names, "mechanism": mechanism, "workload": "memhog"}


def result(run: dict[str, Any], status: str = "finished") -> dict[str, Any]:
    return {
        "run_id": run["run_id"],
        "outcome": {"status": status, "reason": None},
        "summary": "1.2 / 1.3 s, no swap",
        "duration_seconds": 14.2,
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
    assert progress.started("h") == "run 2 of 3  h-node0 block 1  page_hinting  memhog ..."
    assert progress.started("h") is None
    clock.now = 20.0
    assert progress.ended("h", result(runs[1])) == (
        "run 2 of 3  h-node0 block 1  page_hinting  memhog: 1.2 / 1.3 s, no swap, 14 s"
    )
    line = progress.started("h")
    assert line is not None
    assert line.endswith("(about 20 s left)")
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
    progress.ended("fast", result(fast[0]))
    assert progress.seconds_left() == pytest.approx(30)  # three of a kind not seen yet
    clock.now = 40.0
    progress.ended("slow", result(slow[0]))
    assert progress.seconds_left() == pytest.approx(80)


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
