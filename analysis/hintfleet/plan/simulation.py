# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory of guests on many nodes over time, from their demand and a mechanism's speed.

A guest that uses `level` times the measured allocation needs base + level * span MiB at the
host. What it used before and no longer uses goes back as fast as the mechanism was measured to
return it; a share of it may stay for good. Memory only rises when demand does, so the largest
sum of a node lies at the moment of a rise: it is enough to look there, and nothing is lost
between steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hintfleet.plan.model import RETURNED_SHARES, Demand, Footprints, Trace
from hintfleet.statistics.intervals import Floats

Indices = NDArray[np.int64]

CHUNK_GUESTS = 32_768
"""Guests simulated at a time: small enough for a processor's cache, large enough for numpy."""

_PARTS = np.diff((0.0, *RETURNED_SHARES))


@dataclass(frozen=True)
class Schedule:
    """Changes of demand in order of time, arrays of shape (nodes, changes).

    At `seconds`, the use of `guest` (0 is the first of its node) becomes `level`.
    """

    seconds: Floats
    guest: Indices
    level: Floats


class Residency:
    """Memory at the host of every guest, kept as flat arrays of nodes * guests entries."""

    def __init__(self, footprints: Footprints, runs: Indices) -> None:
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

    def change(self, at: Indices, seconds: Floats, level: Floats) -> None:
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

    def resident_mib(self, nodes: Indices, seconds: Floats) -> Floats:
        """Memory of each guest of these nodes (one time for each): shape (nodes, guests)."""
        guests = self.shape[1]
        resident = self.floor_mib.reshape(self.shape)[nodes]
        done = self._done_seconds.reshape(self.shape)[nodes]
        row, guest = np.nonzero(done > seconds[:, None])
        if row.size:
            resident[row, guest] += self._left_mib(nodes[row] * guests + guest, seconds[row])
        return resident

    def _left_mib(self, at: Indices, seconds: Floats) -> Floats:
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


def peaks(
    footprints: Footprints, runs: Indices, schedule: Schedule, horizon_seconds: float
) -> Floats:
    """Largest memory of the first n guests of each node, n = 1 .. guests: (nodes, guests).

    One simulation answers for every count: the first n guests are a node with n guests.
    Only what happens from 0 up to horizon_seconds counts; changes before 0 warm up.
    """
    nodes, guests = runs.shape
    residency = Residency(footprints, runs)
    every = np.arange(nodes)
    level = np.zeros((nodes, guests))

    def apply(k: int, active: NDArray[np.bool_]) -> tuple[Indices, Floats]:
        """Change k of the active nodes; the nodes whose demand rose, and when."""
        node = every[active]
        seconds, guest, wanted = (
            values[node, k] for values in (schedule.seconds, schedule.guest, schedule.level)
        )
        rises = wanted > level[node, guest]
        level[node, guest] = wanted
        residency.change(node * guests + guest, seconds, wanted)
        return node[rises], seconds[rises]

    before = (schedule.seconds < 0.0).sum(axis=1)
    until = (schedule.seconds < horizon_seconds).sum(axis=1)
    for k in range(before.max()):
        apply(k, k < before)
    largest = np.cumsum(residency.resident_mib(every, np.zeros(nodes)), axis=1)
    for k in range(before.min(), until.max()):
        rose, seconds = apply(k, (before <= k) & (k < until))
        if rose.size:
            total = np.cumsum(residency.resident_mib(rose, seconds), axis=1)
            largest[rose] = np.maximum(largest[rose], total)
    return largest


def trace_peaks(
    footprints: Footprints, runs: Indices, trace: Trace, random: np.random.Generator
) -> Floats:
    """The same for guests that each repeat a recorded trace of their use of memory."""
    nodes, guests = runs.shape
    residency = Residency(footprints, runs)
    largest = np.zeros((nodes, guests))
    touched = footprints.touched_mib[runs].ravel()
    recorded, length = trace.used_mib.shape
    which, shift = _trace_choice(trace, random, nodes, guests, recorded, length)
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
    trace: Trace,
    random: np.random.Generator,
    nodes: int,
    guests: int,
    recorded: int,
    length: int,
) -> tuple[Indices, Indices]:
    shape = (nodes, guests)
    which = random.integers(0, recorded, shape)
    if trace.stagger_seconds is None:
        shift = random.integers(0, length, shape)
    else:
        steps = np.rint(np.arange(guests) * trace.stagger_seconds / trace.step_seconds)
        shift = np.broadcast_to(-steps.astype(np.int64), shape)
    follows = random.random(shape) < trace.together
    common = random.integers(0, length, (nodes, 1))
    return which, np.where(follows, common, shift)


def draw_schedule(demand: Demand, random: np.random.Generator, nodes: int, guests: int) -> Schedule:
    """Phases of every guest as changes of its use, from before 0 until the horizon."""
    cycle = demand.active_seconds + demand.idle_seconds
    shape = (nodes, guests)
    # One column more than guests: the common schedule of the node.
    if demand.stagger_seconds is None:
        start = -random.random((nodes, guests + 1)) * cycle
    else:
        start = np.tile(np.append(np.arange(guests), 0) * demand.stagger_seconds, (nodes, 1))
    follows = random.random(shape) < demand.together
    times, levels = [np.full((*shape, 1), -2.0 * cycle)], [np.zeros((*shape, 1))]
    for on, off, level in _phases(demand, random, start):
        on, off, level = (np.where(follows, a[:, -1:], a[:, :-1]) for a in (on, off, level))
        times.append(np.stack([on, off], axis=2))
        levels.append(np.stack([level, np.zeros(shape)], axis=2))
    return in_order(np.concatenate(times, axis=2), np.concatenate(levels, axis=2))


def in_order(seconds: Floats, level: Floats) -> Schedule:
    """A schedule from the changes of each guest: arrays of shape (nodes, guests, changes)."""
    nodes, guests, changes = seconds.shape
    flat = seconds.reshape(nodes, -1)
    order = np.argsort(flat, axis=1, kind="stable")
    guest = np.broadcast_to(np.repeat(np.arange(guests), changes), flat.shape)
    return Schedule(
        seconds=np.take_along_axis(flat, order, axis=1),
        guest=np.take_along_axis(guest, order, axis=1),
        level=np.take_along_axis(level.reshape(nodes, -1), order, axis=1),
    )


def _phases(
    demand: Demand, random: np.random.Generator, start: Floats
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """(on, off, level) of one active phase after another until all are past the horizon."""
    on = start
    while bool((on < demand.horizon_seconds).any()):
        active = _durations(demand.active_seconds, demand.spread, random, start.shape)
        idle = _durations(demand.idle_seconds, demand.spread, random, start.shape)
        level = demand.least_level + (1.0 - demand.least_level) * random.random(start.shape)
        yield on, on + active, level
        on = on + active + idle


def _durations(
    mean: float, spread: float, random: np.random.Generator, shape: tuple[int, ...]
) -> Floats:
    """Log-normal with this mean and coefficient of variation."""
    variance = np.log1p(spread**2)
    drawn = random.standard_normal(shape)
    durations: Floats = mean * np.exp(drawn * np.sqrt(variance) - variance / 2.0)
    return durations
