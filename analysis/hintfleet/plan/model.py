# SPDX-License-Identifier: GPL-2.0-or-later
"""What a plan is computed from: measured footprints of guests, by arm, type of guest and host."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hintfleet.plan.demand import ONE_TYPE, GuestType
from hintfleet.records.observations import BASELINE, baseline_first
from hintfleet.records.read import UnusableError
from hintfleet.statistics.intervals import Floats, t_quantile
from hintfleet.statistics.replication import Codes

NEVER_SECONDS = 1e12
"""Stands for "is never returned" in a curve of return times; far beyond any horizon."""

GIVEN_HOST = "given"
"""Host of a footprint that was stated by hand."""

RETURNED_SHARES = (0.5, 0.9, 0.99, 1.0)
"""The points of a return curve: the three a run record's proof has, and the end."""


@dataclass(frozen=True)
class Footprint:
    """One guest as measured in one run (or given by hand). Memory in MiB, times in seconds."""

    arm: str
    host: str
    active_mib: float
    idle_mib: float
    touched_mib: float
    freed_mib: float
    seconds_to: tuple[float | None, float | None, float | None]
    """Until 50, 90 and 99 % of freed_mib were back at the host; None: not while watched."""
    type: str = ""
    """Which guests of a node it is of."""
    by_hand: bool = False
    """Whether it was stated, and not measured."""

    def __post_init__(self) -> None:
        for name in ("active_mib", "touched_mib", "freed_mib"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise UnusableError(
                    f"{self.arm} on {self.host}: {name} must be above 0, "
                    f"found {getattr(self, name)}"
                )
        if not 0.0 <= self.idle_mib <= self.active_mib:
            raise UnusableError(
                f"{self.arm} on {self.host}: idle_mib must lie in 0..active_mib "
                f"({self.active_mib:g}), found {self.idle_mib:g}"
            )
        known = [value for value in self.seconds_to if value is not None]
        if any(value < 0.0 for value in known) or known != sorted(known):
            raise UnusableError(
                f"{self.arm} on {self.host}: return times must rise from 50 to 99 %, "
                f"found {self.seconds_to}"
            )

    @property
    def base_mib(self) -> float:
        """Memory of a guest that uses nothing and has given everything back."""
        return min(self.idle_mib, max(self.active_mib - self.touched_mib, 0.0))

    @property
    def kept_share(self) -> float:
        """Share of what a guest once used and no longer uses that stays with it for good: all if
        the proof saw nothing come back."""
        if self.seconds_to[0] is None:
            return 1.0
        span = self.active_mib - self.base_mib
        return (self.idle_mib - self.base_mib) / span if span else 0.0

    @property
    def delay_seconds(self) -> float:
        """How long nothing comes back: where the line through the 50 and 90 % points meets 0 %.

        A mechanism that waits and then returns at a steady rate has both points on that line.
        """
        half, most, _ = self.seconds_to
        if half is None or most is None:
            return 0.0
        return max(half - (most - half) / 0.4 * 0.5, 0.0)

    def return_curve(self) -> tuple[float, float, float, float]:
        """Seconds after the delay until each of RETURNED_SHARES is back, strictly rising.

        A missing point continues the straight line through the two before it: nothing faster
        was seen. Without the 50 % point nothing is ever returned.
        """
        shares, seconds = [0.0], [0.0]
        for share, value in zip(RETURNED_SHARES, self.seconds_to, strict=False):
            if value is None:
                break
            shares.append(share)
            seconds.append(max(value - self.delay_seconds, seconds[-1] + 1e-6))
        if len(seconds) == 1:
            return NEVER_SECONDS, 2 * NEVER_SECONDS, 3 * NEVER_SECONDS, 4 * NEVER_SECONDS
        slope = (seconds[-1] - seconds[-2]) / (shares[-1] - shares[-2])
        for share in RETURNED_SHARES[len(seconds) - 1 :]:
            seconds.append(seconds[-1] + slope * (share - shares[-1]))
            shares.append(share)
        return seconds[1], seconds[2], seconds[3], seconds[4]


@dataclass(frozen=True)
class Footprints:
    """All footprints of one arm as arrays, ordered by type of guest and host.

    Type t on host i has the rows first[t, i] .. first[t, i] + runs[t, i] - 1. Arrays over rows:
    MiB, seconds; return_seconds has one row for each of RETURNED_SHARES.
    """

    arm: str
    hosts: tuple[str, ...]
    by_hand: tuple[str, ...]
    """Types of guest whose footprints were stated, and not measured."""
    first: Codes
    runs: Codes
    base_mib: Floats
    span_mib: Floats
    kept_share: Floats
    touched_mib: Floats
    freed_mib: Floats
    delay_seconds: Floats
    return_seconds: Floats

    @property
    def active_mib(self) -> Floats:
        """Of a guest that uses all that the study's program touched."""
        return self.base_mib + self.span_mib

    @property
    def idle_mib(self) -> Floats:
        """Of a guest that has used it and rests."""
        return self.base_mib + self.kept_share * self.span_mib

    @property
    def fewest_boots(self) -> int:
        """That stand for a type of guest on a host."""
        return int(self.runs.min())

    @cached_property
    def error(self) -> float:
        """What is not known of the mean footprint of these hosts, relative, with 95 % confidence.

        Boots of a host differ; a mean over few of them is off by Student's t times its standard
        error, pooled over hosts. The largest of any type of guest, in use or at rest.
        """
        logs = [np.log(np.maximum(mib, 1e-9)) for mib in (self.active_mib, self.idle_mib)]
        return max(
            _relative_error(values[first[0] : first[-1] + runs[-1]], runs)
            for values in logs
            for first, runs in zip(self.first, self.runs, strict=True)
        )

    def guests_in_turn(self, room_mib: float, order: Codes) -> int:
        """Guests that fit if no two use memory at once and all is back in between: the most that
        any demand allows. order: the type of each; at most so many fit (median over hosts)."""
        active, idle = (self._of_guests(values, order) for values in self._typical())
        together = np.cumsum(idle, axis=1) + np.maximum.accumulate(active - idle, axis=1)
        return _median_count(together, room_mib)

    def guests_at_once(self, room_mib: float, order: Codes) -> int:
        """Guests that fit if all use memory at the same moment: the least (median over hosts)."""
        active, _ = self._typical()
        return _median_count(np.cumsum(self._of_guests(active, order), axis=1), room_mib)

    def _typical(self) -> tuple[Floats, Floats]:
        """Memory of a guest in use and at rest, (types, hosts): medians over runs."""
        return self._medians(self.active_mib), self._medians(self.idle_mib)

    def _medians(self, values: Floats) -> Floats:
        place = np.repeat(np.arange(self.runs.size), self.runs.ravel())
        rising = values[np.lexsort((values, place))]
        lower, upper = self.first + (self.runs - 1) // 2, self.first + self.runs // 2
        medians: Floats = (rising[lower] + rising[upper]) / 2.0
        return medians

    @staticmethod
    def _of_guests(values: Floats, order: Codes) -> Floats:
        """Values of types on hosts as those of guests in their order, (hosts, guests)."""
        return values[order].T


def _median_count(memory_mib: Floats, room_mib: float) -> int:
    """Of rising sums (hosts, guests), how many stay within the room."""
    return int(np.median(np.count_nonzero(memory_mib <= room_mib, axis=1)))


def _relative_error(logs: Floats, runs: Codes) -> float:
    """Half of the 95 % interval of the mean over hosts, relative, from logarithms ordered by host,
    so many of each; 0 where no host has two."""
    degrees = int(runs.sum()) - runs.size
    if degrees < 1:
        return 0.0
    starts = np.cumsum(runs) - runs
    moved = logs - np.repeat(np.add.reduceat(logs, starts) / runs, runs)
    error = math.sqrt(float(moved @ moved) / degrees * float((1.0 / runs).sum())) / runs.size
    return math.expm1(t_quantile(0.975, degrees) * error)


def collect(footprints: Iterable[Footprint], types: Sequence[GuestType] = ONE_TYPE) -> Footprints:
    """The arrays of footprints of one arm on hosts that have every type of guest."""
    names = [one.name for one in types]
    ordered = sorted(footprints, key=lambda one: (names.index(one.type), one.host))
    arms = {footprint.arm for footprint in ordered}
    if len(arms) != 1:
        raise UnusableError(
            f"expected footprints of one arm, found {', '.join(sorted(arms)) or 'none'}"
        )
    hosts = sorted({one.host for one in ordered})
    count = Counter((one.type, one.host) for one in ordered)
    runs = np.array([[count[name, host] for host in hosts] for name in names], dtype=np.int64)
    first = np.cumsum(runs).reshape(runs.shape) - runs

    def values(name: str) -> Floats:
        return np.array([getattr(footprint, name) for footprint in ordered], dtype=np.float64)

    base = values("base_mib")
    return Footprints(
        arm=arms.pop(),
        hosts=tuple(hosts),
        by_hand=tuple(name for name in names if any(f.by_hand for f in ordered if f.type == name)),
        first=first,
        runs=runs,
        base_mib=base,
        span_mib=values("active_mib") - base,
        kept_share=values("kept_share"),
        touched_mib=values("touched_mib"),
        freed_mib=values("freed_mib"),
        delay_seconds=values("delay_seconds"),
        return_seconds=np.array([f.return_curve() for f in ordered], dtype=np.float64).T.copy(),
    )


def by_arm(
    footprints: Sequence[Footprint],
    types: Sequence[GuestType] = ONE_TYPE,
    baseline: str = BASELINE,
) -> dict[str, Footprints]:
    """Arrays for each arm, the baseline first, over the hosts that all arms and types of guest were
    measured on.

    Only those, because a difference between arms must not be one between hosts. What was stated by
    hand holds on every host.
    """
    arms = baseline_first({footprint.arm for footprint in footprints}, baseline)
    if not arms:
        raise UnusableError("no footprint to plan with: run the consolidation workload first")
    hosts: dict[tuple[str, str], set[str]] = {}
    for one in footprints:
        hosts.setdefault((one.arm, one.type), set()).add(one.host)
    for arm in arms:
        for name in (one.name for one in types):
            if (arm, name) not in hosts:
                raise UnusableError(_no_footprint(arm, name, hosts))
    measured = [found for found in hosts.values() if found != {GIVEN_HOST}]
    common = set.intersection(*measured) if measured else {GIVEN_HOST}
    if not common:
        of = f" and all of the guests {', '.join(one.name for one in types)}" if types[1:] else ""
        raise UnusableError(
            f"no host has consolidation results of all of {', '.join(arms)}{of}: "
            "finish the study or name fewer arms with --arm"
        )
    found: dict[str, list[Footprint]] = {arm: [] for arm in arms}
    for one in footprints:
        if one.host in common:
            found[one.arm].append(one)
        elif one.host == GIVEN_HOST:
            found[one.arm] += [replace(one, host=host) for host in sorted(common)]
    return {arm: collect(mine, types) for arm, mine in found.items()}


def _no_footprint(arm: str, name: str, known: Iterable[tuple[str, str]]) -> str:
    with_it = ", ".join(sorted({other for other, of in known if of == name})) or "no arm"
    return (
        f"guests of type {name} have no footprint under {arm}, only under {with_it}: measure or "
        "state it (--mechanism ...,guest=...), or plan for the arms that all types have (--arm)"
    )


def as_json(footprint: Footprint) -> Mapping[str, object]:
    """A footprint as a JSON object with units in the names."""
    keys = ("arm", "type", "host", "active_mib", "idle_mib", "touched_mib", "freed_mib")
    result: dict[str, object] = {key: getattr(footprint, key) for key in keys}
    for share, value in zip((50, 90, 99), footprint.seconds_to, strict=True):
        result[f"seconds_to_{share}"] = value
    return result
