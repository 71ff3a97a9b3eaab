# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a study is, in lines for a terminal or a log."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

Kind = tuple[str, str]  # runs of the same workload and mechanism take about the same time


def duration(seconds: float) -> str:
    """For people: 41 s, 7 min, 2 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def describe(run: dict[str, Any]) -> str:
    """A run in a few words."""
    return f"{run['cell']} block {run['block']}  {run['mechanism']}  {run['workload']}"


class Progress:
    """`plan` first; then `started` and `ended` as runs start and end on hosts."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._runs: dict[str, dict[str, Any]] = {}
        self._pending: dict[str, list[str]] = {}
        self._began: dict[str, float] = {}
        self._current: dict[str, str] = {}
        self._took: dict[Kind, list[float]] = {}

    def plan(self, runs: list[dict[str, Any]]) -> None:
        """Runs as M(hintfleet.bench.study_plan) returns them."""
        self._runs = {run["run_id"]: run for run in runs}
        self._pending = {}
        for run in runs:
            if run["status"] != "done":
                self._pending.setdefault(run["host"], []).append(run["run_id"])

    def started(self, host: str) -> str | None:
        """The line that says what this host does now; None if that was said, or is not known."""
        waiting = self._pending.get(host, [])
        if not waiting or self._current.get(host) == waiting[0]:
            return None
        run_id = self._current[host] = waiting[0]
        self._began[host] = self._clock()
        place = list(self._runs).index(run_id) + 1
        left = self.seconds_left()
        rest = "" if left is None else f"  (about {duration(left)} left)"
        return f"run {place} of {len(self._runs)}  {describe(self._runs[run_id])} ...{rest}"

    def ended(self, host: str, result: dict[str, Any]) -> str:
        """The line that says what came of a run; `result` is that of M(hintfleet.bench.run)."""
        run_id, status = result["run_id"], result["outcome"]["status"]
        took = self._clock() - self._began.get(host, self._clock())
        run = self._runs.get(run_id)
        self.forget(host, run_id)
        if run is None:
            return f"{run_id}: {result['summary']}, {duration(result['duration_seconds'])}"
        self._took.setdefault(_kind(run), []).append(took)
        place = list(self._runs).index(run_id) + 1
        said = result["summary"] if status == "finished" else f"{status}: {result['summary']}"
        return (
            f"run {place} of {len(self._runs)}  {describe(run)}: {said}, "
            f"{duration(result['duration_seconds'])}"
        )

    def forget(self, host: str, run_id: str | None) -> None:
        """Do not wait for this run any more."""
        waiting = self._pending.get(host, [])
        if run_id in waiting:
            waiting.remove(run_id)

    def seconds_left(self) -> float | None:
        """Until the slowest host is done; None before any run has ended.

        A kind of run that has not been seen yet is taken for an average one.
        """
        every = [seconds for kind in self._took.values() for seconds in kind]
        if not every:
            return None
        average = statistics.mean(every)
        expected = {kind: statistics.mean(seconds) for kind, seconds in self._took.items()}
        hosts = [
            sum(expected.get(_kind(self._runs[run_id]), average) for run_id in waiting)
            for waiting in self._pending.values()
        ]
        return max(hosts, default=0.0)


def _kind(run: dict[str, Any]) -> Kind:
    return run["workload"], run["mechanism"]
