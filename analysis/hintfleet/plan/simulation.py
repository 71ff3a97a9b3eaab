# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory of guests on many nodes over time, from their demand and a mechanism's speed.

A guest that uses `level` times the measured allocation needs base + level * span MiB at the
host. What it used before and no longer uses goes back as fast as the mechanism was measured to
return it; a share of it may stay for good. Memory only rises when demand does, so the largest
sum of a node lies at the moment of a rise: it is enough to look there, and nothing is lost
between steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from hintfleet.plan.demand import Trace
from hintfleet.plan.model import RETURNED_SHARES, Footprints
from hintfleet.plan.schedule import Schedule
from hintfleet.statistics.intervals import Floats
from hintfleet.statistics.replication import Codes

CHUNK_GUESTS = 32_768
"""Guests simulated at a time: small enough for a processor's cache, large enough for numpy."""

_PARTS = np.diff((0.0, *RETURNED_SHARES))


class Residency:
    """Memory at the host of every guest, kept as flat arrays of nodes * guests entries."""

    def __init__(self, footprints: Footprints, runs: Codes) -> None:
        """runs[node, guest]: the row of footprints that each guest behaves like."""
        self.shape = runs.shape
        self._run = runs.ravel()
        self._footprints = footprints
        size = self._run.size
        self.floor_mib = np.zeros(size)
        self._high_mib = np.zeros(size)
        self._waiting_mib = np.zeros(size)
        self._freed_seconds = np.zeros(size)
        self._stretch = np.ones(size)
        self._done_seconds = np.full(size, -np.inf)

    def change(self, at: Codes, seconds: Floats, level: Floats) -> None:
        """From `seconds` on, the guests with the flat indices `at` use `level`."""
        f, run = self._footprints, self._run[at]
        before = self._left_mib(at, seconds)
        need = f.base_mib[run] + level * f.span_mib[run]
        high = np.maximum(self._high_mib[at], need)
        floor = need + f.kept_share[run] * (high - need)
        after = np.maximum(self.floor_mib[at] + before - floor, 0.0)
        self._high_mib[at] = high
        self.floor_mib[at] = floor
        # More to return than before: all of it queues up again from now on, stretched if it is
        # more than the proof freed. Less: the guest took back part of its own memory in the queue.
        # The margin keeps rounding from being taken for newly freed memory.
        more = after > before * (1.0 + 1e-9) + 1e-6
        shrink = np.divide(after, before, out=np.zeros_like(after), where=before > 0.0)
        self._waiting_mib[at] = np.where(more, after, self._waiting_mib[at] * shrink)
        self._freed_seconds[at] = np.where(more, seconds, self._freed_seconds[at])
        stretch = np.maximum(after / f.freed_mib[run], 1.0)
        self._stretch[at] = np.where(more, stretch, self._stretch[at])
        self._done_seconds[at] = np.where(
            self._waiting_mib[at] > 0.0,
            self._freed_seconds[at]
            + f.delay_seconds[run]
            + self._stretch[at] * f.return_seconds[-1][run],
            -np.inf,
        )

    def resident_mib(self, nodes: Codes, seconds: Floats) -> Floats:
        """Memory of each guest of these nodes (one time for each): shape (nodes, guests)."""
        guests = self.shape[1]
        resident = self.floor_mib.reshape(self.shape)[nodes]
        done = self._done_seconds.reshape(self.shape)[nodes]
        row, guest = np.nonzero(done > seconds[:, None])
        if row.size:
            resident[row, guest] += self._left_mib(nodes[row] * guests + guest, seconds[row])
        return resident

    def _left_mib(self, at: Codes, seconds: Floats) -> Floats:
        """What these guests no longer need and have not returned yet."""
        f, run = self._footprints, self._run[at]
        age = (seconds - self._freed_seconds[at] - f.delay_seconds[run]) / self._stretch[at]
        points = f.return_seconds[:, run]
        left = np.ones_like(age)
        start: Floats | float = 0.0
        for part, end in zip(_PARTS, points, strict=True):
            left -= part * np.clip((age - start) / (end - start), 0.0, 1.0)
            start = end
        return self._waiting_mib[at] * np.maximum(left, 0.0)


class NodeMemory:
    """The largest memory of the first n guests of each node so far, n = 1 .. guests.

    One simulation answers for every count: the first n guests are a node with n guests. Only what
    happens from 0 up to horizon_seconds counts; changes before 0 warm up.
    """

    def __init__(self, footprints: Footprints, runs: Codes, horizon_seconds: float) -> None:
        self._residency = Residency(footprints, runs)
        self._nodes = np.arange(runs.shape[0])
        self._guests = runs.shape[1]
        self._level = np.zeros(runs.shape)
        self._horizon_seconds = horizon_seconds
        self._largest: Floats | None = None

    def follow(self, schedule: Schedule) -> None:
        """Lives through changes that come after all that were followed before."""
        before = (schedule.seconds < 0.0).sum(axis=1)
        until = (schedule.seconds < self._horizon_seconds).sum(axis=1)
        for k in range(before.max(initial=0)):
            self._apply(schedule, k, k < before)
        largest = self.largest_mib
        for k in range(before.min(initial=0), until.max(initial=0)):
            rose, seconds = self._apply(schedule, k, (before <= k) & (k < until))
            if rose.size:
                total = np.cumsum(self._residency.resident_mib(rose, seconds), axis=1)
                largest[rose] = np.maximum(largest[rose], total)

    @property
    def largest_mib(self) -> Floats:
        """MiB of shape (nodes, guests)."""
        if self._largest is None:
            start = np.zeros(self._nodes.size)
            resident = self._residency.resident_mib(self._nodes, start)
            self._largest = np.cumsum(resident, axis=1)
        return self._largest

    def _apply(self, schedule: Schedule, k: int, active: NDArray[np.bool_]) -> tuple[Codes, Floats]:
        """Change k of the active nodes; the nodes whose demand rose, and when."""
        node = self._nodes[active]
        seconds, guest, wanted = (
            values[node, k] for values in (schedule.seconds, schedule.guest, schedule.level)
        )
        rises = wanted > self._level[node, guest]
        self._level[node, guest] = wanted
        self._residency.change(node * self._guests + guest, seconds, wanted)
        return node[rises], seconds[rises]


def peaks(
    footprints: Footprints, runs: Codes, schedules: Iterable[Schedule], horizon_seconds: float
) -> Floats:
    """Largest memory of the first n guests of each node within the horizon: (nodes, guests)."""
    memory = NodeMemory(footprints, runs, horizon_seconds)
    for schedule in schedules:
        memory.follow(schedule)
    return memory.largest_mib


def trace_peaks(
    footprints: Footprints,
    runs: Codes,
    trace: Trace,
    random: np.random.Generator,
    type_names: Sequence[str],
) -> Floats:
    """The same for guests that each repeat a recorded trace of their use of memory; type_names: of
    guest k."""
    nodes, guests = runs.shape
    residency = Residency(footprints, runs)
    largest = np.zeros((nodes, guests))
    touched = footprints.touched_mib[runs].ravel()
    length = trace.used_mib.shape[1]
    curves = [trace.curves_of(name) for name in type_names]
    which, shift = _trace_choice(trace, random, (nodes, guests), curves)
    every, at = np.arange(nodes), np.arange(nodes * guests)
    steps = int(np.ceil(trace.horizon_seconds / trace.step_seconds))
    for k in range(-length, steps):  # one round of each trace to warm up
        seconds = np.full(at.size, k * trace.step_seconds)
        used = trace.used_mib[which, (k + shift) % length].ravel()
        residency.change(at, seconds, used / touched)
        if k >= 0:
            total = np.cumsum(residency.resident_mib(every, seconds[:nodes]), axis=1)
            np.maximum(largest, total, out=largest)
    return largest


def _trace_choice(
    trace: Trace, random: np.random.Generator, shape: tuple[int, int], curves: Sequence[Codes]
) -> tuple[Codes, Codes]:
    """Which curve each guest repeats, and from which step on; curves: those that guest k may."""
    nodes, guests = shape
    length = trace.used_mib.shape[1]
    which = np.column_stack([random.choice(own, nodes) for own in curves])
    if trace.stagger_seconds is None:
        shift = random.integers(0, length, shape)
    else:
        steps = np.rint(np.arange(guests) * trace.stagger_seconds / trace.step_seconds)
        shift = np.broadcast_to(-steps.astype(np.int64), shape)
    follows = random.random(shape) < trace.together
    common = random.integers(0, length, (nodes, 1))
    return which, np.where(follows, common, shift)
