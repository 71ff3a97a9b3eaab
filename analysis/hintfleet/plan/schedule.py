# SPDX-License-Identifier: GPL-2.0-or-later
"""When guests of many nodes change their use of memory, drawn from a demand window by window.

However long the horizon is, no more than a window of it is held in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.plan.demand import Demand
from hintfleet.statistics.intervals import Floats
from hintfleet.statistics.replication import Codes

WINDOW_PHASES = 8
"""Phases of the guests with the shortest ones that fall into one window, on average."""


@dataclass(frozen=True)
class Schedule:
    """Changes of demand in order of time, arrays of shape (nodes, changes).

    At `seconds`, the use of `guest` (0 is the first of its node) becomes `level`. A node with fewer
    changes than another has seconds of +inf at its end, which never come.
    """

    seconds: Floats
    guest: Codes
    level: Floats


@dataclass(frozen=True)
class _Changes:
    """The same as flat arrays in no order; node and guest say whose they are."""

    node: Codes
    guest: Codes
    seconds: Floats
    level: Floats

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> _Changes:
        return _Changes(
            self.node[chosen], self.guest[chosen], self.seconds[chosen], self.level[chosen]
        )


def draw_schedules(
    demand: Demand,
    of_type: Sequence[Demand],
    kind: Codes,
    random: np.random.Generator,
    nodes: int,
) -> Iterator[Schedule]:
    """The phases of every guest of `nodes` nodes, one window after another, from before 0 to the
    horizon. Guest k of each node is of type kind[k], and of_type[kind[k]] is its demand.

    Guests that peak together follow one schedule with the phases of `demand`, whatever their type.
    The first window is what was before 0; in it every guest comes to rest.
    """
    guests = kind.size
    phases = [*(of_type[index] for index in kind), demand]  # the last is the common schedule
    start = _starts(demand, phases, random, nodes)
    follows = random.random((nodes, guests)) < demand.together
    start[:, :-1][follows] = np.inf  # these have no phases of their own
    if not demand.together:
        start[:, -1] = np.inf
    cycle = [one.cycle_seconds for one in phases]
    drawing = _Drawing(phases, random, start.ravel())
    window = WINDOW_PHASES * min(cycle)
    rest = np.full((nodes, guests), -2.0 * max(cycle))
    before = drawing.until(0.0)
    at_rest = _Changes(*_places(nodes, guests), rest.ravel(), np.zeros(rest.size))
    yield _in_order(_join([at_rest, _led(before, follows)]), nodes)
    end = 0.0
    while end < demand.horizon_seconds:
        end = min(end + window, demand.horizon_seconds)
        yield _in_order(_led(drawing.until(end), follows), nodes)


def _starts(
    demand: Demand, phases: Sequence[Demand], random: np.random.Generator, nodes: int
) -> Floats:
    """When the first phase of each guest begins, of shape (nodes, guests and the common one)."""
    if demand.stagger_seconds is None:
        cycle = np.array([one.cycle_seconds for one in phases])
        spread: Floats = -random.random((nodes, len(phases))) * cycle
        return spread
    guests = np.append(np.arange(len(phases) - 1), 0)
    return np.tile(guests * demand.stagger_seconds, (nodes, 1))


class _Drawing:
    """Phases of many guests, each as far as it was asked for; memory does not grow with time."""

    def __init__(
        self, phases: Sequence[Demand], random: np.random.Generator, start: Floats
    ) -> None:
        self._columns = len(phases)
        self._phases = np.array(
            [[d.active_seconds, d.idle_seconds, d.spread, d.least_level] for d in phases]
        )
        self._random = random
        self._next_on = start
        self._held = self._changes(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))

    def until(self, end: float) -> _Changes:
        """All changes before `end` that were not given yet."""
        early = self._held.seconds < end
        found = [self._held.where(early)]
        held = [self._held.where(~early)]
        while (due := np.flatnonzero(self._next_on < end)).size:
            active, idle, spread, least = self._phases[due % self._columns].T
            on = self._next_on[due]
            off = on + self._lasting(active, spread)
            self._next_on[due] = off + self._lasting(idle, spread)
            level = least + (1.0 - least) * self._random.random(due.size)
            found.append(self._changes(due, on, level))
            offs = self._changes(due, off, np.zeros(due.size))
            found.append(offs.where(off < end))
            held.append(offs.where(off >= end))
        self._held = _join(held)
        return _join(found)

    def _lasting(self, mean: Floats, spread: Floats) -> Floats:
        """Log-normal with this mean and coefficient of variation."""
        variance = np.log1p(spread**2)
        drawn = self._random.standard_normal(mean.size)
        lasting: Floats = mean * np.exp(drawn * np.sqrt(variance) - variance / 2.0)
        return lasting

    def _changes(self, flat: Codes, seconds: Floats, level: Floats) -> _Changes:
        return _Changes(flat // self._columns, flat % self._columns, seconds, level)


def _led(changes: _Changes, follows: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> _Changes:
    """Changes of a node's common schedule as those of each guest that follows it."""
    guests = follows.shape[1]
    common = changes.guest == guests
    if not common.any():
        return changes
    leading = changes.where(common)
    index, guest = np.nonzero(follows[leading.node])
    led = _Changes(
        leading.node[index], guest.astype(np.int64), leading.seconds[index], leading.level[index]
    )
    return _join([changes.where(~common), led])


def _join(parts: Sequence[_Changes]) -> _Changes:
    return _Changes(
        np.concatenate([one.node for one in parts]),
        np.concatenate([one.guest for one in parts]),
        np.concatenate([one.seconds for one in parts]),
        np.concatenate([one.level for one in parts]),
    )


def _places(nodes: int, guests: int) -> tuple[Codes, Codes]:
    node, guest = np.indices((nodes, guests)).reshape(2, -1)
    return node, guest


def in_order(seconds: Floats, level: Floats) -> Schedule:
    """A schedule from the changes of each guest: arrays of shape (nodes, guests, changes)."""
    nodes, guests, changes = seconds.shape
    node, guest = (np.repeat(place, changes) for place in _places(nodes, guests))
    return _in_order(_Changes(node, guest, seconds.ravel(), level.ravel()), nodes)


def _in_order(changes: _Changes, nodes: int) -> Schedule:
    order = np.lexsort((changes.seconds, changes.node))
    node = changes.node[order]
    count = np.bincount(node, minlength=nodes)
    place = np.arange(node.size) - np.repeat(np.cumsum(count) - count, count)
    shape = (nodes, int(count.max(initial=0)))
    seconds, guest, level = np.full(shape, np.inf), np.zeros(shape, np.int64), np.zeros(shape)
    seconds[node, place] = changes.seconds[order]
    guest[node, place] = changes.guest[order]
    level[node, place] = changes.level[order]
    return Schedule(seconds, guest, level)
