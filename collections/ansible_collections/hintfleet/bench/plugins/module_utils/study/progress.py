# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a study is, in lines for a terminal or a log."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line

LONGEST_LINE = 2000
Kind = tuple[str, str]  # runs of the same workload and arm take about the same time


def duration(seconds: float) -> str:
    """For people: 41 s, 7 min, 2 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def describe(run: dict[str, Any]) -> str:
    """A run in a few words."""
    return f"{run['cell']} block {run['block']}  {run['arm']}  {run['workload']}"


class Progress:
    """`plan` first; then `started` and `ended` as runs start and end on hosts.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._runs: dict[str, dict[str, Any]] = {}
        self._pending: dict[str, list[str]] = {}
        self._began: dict[str, dict[str, float]] = {}  # runs under way, by host
        self._together: dict[str, int] = {}  # how many runs of a host were under way at a time
        self._gone: set[str] = set()
        self._took: dict[Kind, list[float]] = {}

    def plan(self, runs: list[dict[str, Any]]) -> None:
        """Runs as M(hintfleet.bench.study_plan) returns them."""
        self._runs = {run["run_id"]: run for run in runs}
        self._pending = {}
        for run in runs:
            waiting = self._pending.setdefault(run["host"], [])
            if run["status"] != "done":
                waiting.append(run["run_id"])

    def started(self, host: str, run_id: str | None = None) -> str | None:
        """The line that says what this host does now; None if that was said, or is not known.

        Without a name it is the next run of the plan, if the host has nothing to do.
        """
        under_way, waiting = self._began.setdefault(host, {}), self._pending.get(host, [])
        if run_id is None:
            run_id = waiting[0] if waiting and not under_way else None
        if run_id not in waiting or run_id in under_way:
            return None
        under_way[run_id] = self._clock()
        self._together[host] = max(self._together.get(host, 1), len(under_way))
        left = self.seconds_left()
        rest = "" if left is None else f"  (about {duration(left)} left)"
        return _line(f"{self._place(run_id)}  {describe(self._runs[run_id])} ...{rest}")

    def ended(self, host: str, result: dict[str, Any]) -> str:
        """The line that says what came of a run; `result` is that of M(hintfleet.bench.run)."""
        run_id, status, seconds = (
            result["run_id"],
            result["outcome"]["status"],
            result["duration_seconds"],
        )
        run = self._runs.get(run_id)
        self.forget(host, run_id)
        if run is None:
            return _line(f"{run_id}: {result['summary']}, {duration(seconds)}")
        self._took.setdefault(_kind(run), []).append(seconds)
        said = result["summary"] if status == "finished" else f"{status}: {result['summary']}"
        return _line(f"{self._place(run_id)}  {describe(run)}: {said}, {duration(seconds)}")

    def forget(self, host: str, run_id: str | None) -> None:
        """Do not wait for this run any more."""
        waiting = self._pending.get(host, [])
        if run_id in waiting:
            waiting.remove(run_id)
        self._began.get(host, {}).pop(run_id or "", None)

    def lose(self, host: str) -> None:
        """Do not wait for this host any more."""
        self._gone.add(host)
        self._began[host] = {}

    def seconds_left(self) -> float | None:
        """Until the slowest host is done; None before any run has ended."""
        if not self._took:
            return None
        return max((self._left_on(host) for host in self._pending), default=0.0)

    def line(self) -> str | None:
        """How many runs are done and how long the rest takes; None if none is under way."""
        if not any(self._began.values()):
            return None
        left = self.seconds_left()
        rest = "" if left is None else f", about {duration(left)} left"
        return f"{self._done()} of {len(self._runs)} runs{rest}"

    def fleet(self, width: int, height: int) -> list[str]:
        """A line for each host, those at work first, in at most `height` lines of `width`."""
        hosts = sorted(self._pending, key=lambda host: (not self._began.get(host), host))
        rows = [self._row(host) for host in hosts]
        if len(rows) > height:
            more = len(rows) - height + 1
            rows = [*rows[: height - 1], (f"and {more} more hosts", "", "", "")]
        widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
        return [_line("  ".join(map(str.ljust, row, widths)))[:width] for row in rows]

    def _row(self, host: str) -> tuple[str, str, str, str]:
        """Host, how far it is, what it does, when it will be done."""
        every = sum(run["host"] == host for run in self._runs.values())
        done = f"{every - len(self._pending[host])} of {every}"
        if host in self._gone:
            return host, done, "cannot be reached", ""
        if not self._pending[host]:
            return host, done, "done", ""
        under_way = self._began.get(host, {})
        if not under_way:
            return host, done, "waits", ""
        what = ", ".join(describe(self._runs[name]) for name in under_way)
        since = f"since {_time_of_day(min(under_way.values()))}"
        if self._took:
            since += f", done about {_time_of_day(self._clock() + self._left_on(host))}"
        return host, done, what, since

    def _left_on(self, host: str) -> float:
        """Seconds until this host is done; a kind not seen yet counts as an average one."""
        if host in self._gone:
            return 0.0
        average = statistics.mean(seconds for kind in self._took.values() for seconds in kind)
        expected = {kind: statistics.mean(seconds) for kind, seconds in self._took.items()}
        now, under_way = self._clock(), self._began.get(host, {})
        left = 0.0
        for name in self._pending[host]:
            whole = expected.get(_kind(self._runs[name]), average)
            left += max(whole - (now - under_way.get(name, now)), 0.0)
        return left / self._together.get(host, 1)

    def _done(self) -> int:
        return len(self._runs) - sum(len(waiting) for waiting in self._pending.values())

    def _place(self, run_id: str) -> str:
        return f"run {list(self._runs).index(run_id) + 1} of {len(self._runs)}"


def _line(text: str) -> str:
    """One line for a terminal: what hosts and guests say of a run is in it."""
    return one_line(text, LONGEST_LINE)


def _kind(run: dict[str, Any]) -> Kind:
    return run["workload"], run["arm"]


def _time_of_day(timestamp: float) -> str:
    return time.strftime("%H:%M", time.localtime(timestamp))
