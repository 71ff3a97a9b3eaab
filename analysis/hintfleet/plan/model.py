# SPDX-License-Identifier: GPL-2.0-or-later
"""What a plan is computed from: measured footprints of a guest, and when guests want memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hintfleet.records.observations import BASELINE
from hintfleet.records.read import UnusableError
from hintfleet.statistics.intervals import Floats

NEVER_SECONDS = 1e12
"""Stands for "is never returned" in a curve of return times; far beyond any horizon."""

GIVEN_HOST = "given"
"""Host of a footprint that was stated by hand."""

RETURNED_SHARES = (0.5, 0.9, 0.99, 1.0)
"""The points of a return curve: the three a run record's proof has, and the end."""


@dataclass(frozen=True)
class Footprint:
    """One guest as measured in one run (or given by hand). Memory in MiB, times in seconds."""

    mechanism: str
    host: str
    active_mib: float
    idle_mib: float
    touched_mib: float
    freed_mib: float
    seconds_to: tuple[float | None, float | None, float | None]
    """Until 50, 90 and 99 % of freed_mib were back at the host; None: not while watched."""

    def __post_init__(self) -> None:
        for name in ("active_mib", "touched_mib", "freed_mib"):
            if not getattr(self, name) > 0.0:
                raise UnusableError(
                    f"{self.mechanism} on {self.host}: {name} must be above 0, "
                    f"found {getattr(self, name)}"
                )
        if not 0.0 <= self.idle_mib <= self.active_mib:
            raise UnusableError(
                f"{self.mechanism} on {self.host}: idle_mib must lie in 0..active_mib "
                f"({self.active_mib:g}), found {self.idle_mib:g}"
            )
        known = [value for value in self.seconds_to if value is not None]
        if any(value < 0.0 for value in known) or known != sorted(known):
            raise UnusableError(
                f"{self.mechanism} on {self.host}: return times must rise from 50 to 99 %, "
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
class Demand:
    """When guests want memory: phases of use and of rest, drawn anew for each guest.

    Phases last active_seconds and idle_seconds on average, log-normal with `spread` as
    coefficient of variation (0: always as long). In each active phase a guest uses between
    `least_level` and 1 times what the study's program touched (uniform).

    Guests start at independent moments, unless stagger_seconds is given: then guest k of a
    node starts k * stagger_seconds after the first. A share `together` of the guests of each
    node follows one common schedule instead: 1 means that all peak at the same moment.
    """

    horizon_seconds: float = 86_400.0
    active_seconds: float = 600.0
    idle_seconds: float = 3_000.0
    spread: float = 1.0
    least_level: float = 1.0
    together: float = 0.0
    stagger_seconds: float | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("horizon_seconds", 1.0, 1e9),
            ("active_seconds", 1e-3, 1e9),
            ("idle_seconds", 1e-3, 1e9),
            ("spread", 0.0, 10.0),
            ("least_level", 0.0, 1.0),
            ("together", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UnusableError(
                    f"demand: {name} must lie in {low:g}..{high:g}, found {value:g}"
                )
        if self.stagger_seconds is not None and not self.stagger_seconds >= 0.0:
            raise UnusableError(
                f"demand: stagger_seconds must be at least 0, found {self.stagger_seconds:g}"
            )


@dataclass(frozen=True)
class Trace:
    """Recorded use of memory: used_mib[i, k] of guest i from k * step_seconds on, repeated."""

    step_seconds: float
    used_mib: Floats = field(repr=False)
    together: float = 0.0
    stagger_seconds: float | None = None
    horizon_seconds: float = 86_400.0


@dataclass(frozen=True)
class NodeKind:
    """Nodes of one size in the fleet the plan is for."""

    memory_mib: float
    count: int

    def __post_init__(self) -> None:
        if not self.memory_mib > 0.0 or self.count < 1:
            raise UnusableError(
                "a kind of node needs memory above 0 MiB and at least one node, "
                f"found {self.memory_mib:g} MiB x {self.count}"
            )


@dataclass(frozen=True)
class Footprints:
    """All footprints of one mechanism as arrays, ordered by host.

    Host i has the rows first[i] .. first[i] + runs[i] - 1. Arrays over rows: MiB, seconds;
    return_seconds has one row for each of RETURNED_SHARES.
    """

    mechanism: str
    hosts: tuple[str, ...]
    first: np.ndarray[Any, np.dtype[np.int64]]
    runs: np.ndarray[Any, np.dtype[np.int64]]
    base_mib: Floats
    span_mib: Floats
    kept_share: Floats
    touched_mib: Floats
    freed_mib: Floats
    delay_seconds: Floats
    return_seconds: np.ndarray[Any, np.dtype[np.float64]]

    def guests_in_turn(self, room_mib: float) -> int:
        """Guests that fit if no two use memory at once and all is back in between: the most that
        any demand allows (median over rows)."""
        active = self.base_mib + self.span_mib
        idle = self.base_mib + self.kept_share * self.span_mib
        counts = np.floor((room_mib - active) / np.maximum(idle, 1e-9)) + 1.0
        return int(np.median(np.where(active <= room_mib, counts, 0.0)))

    def guests_at_once(self, room_mib: float) -> int:
        """Guests that fit if all use memory at the same moment: the least (median over rows)."""
        return int(np.median(np.floor(room_mib / (self.base_mib + self.span_mib))))


def collect(footprints: Iterable[Footprint]) -> Footprints:
    """The arrays of footprints that share one mechanism, at least one."""
    ordered = sorted(footprints, key=lambda footprint: footprint.host)
    names = {footprint.mechanism for footprint in ordered}
    if len(names) != 1:
        raise UnusableError(
            f"expected footprints of one mechanism, found {', '.join(sorted(names)) or 'none'}"
        )
    hosts, first, runs = np.unique(
        [footprint.host for footprint in ordered], return_index=True, return_counts=True
    )

    def values(name: str) -> Floats:
        return np.array([getattr(footprint, name) for footprint in ordered], dtype=np.float64)

    base = values("base_mib")
    return Footprints(
        mechanism=names.pop(),
        hosts=tuple(str(host) for host in hosts),
        first=first.astype(np.int64),
        runs=runs.astype(np.int64),
        base_mib=base,
        span_mib=values("active_mib") - base,
        kept_share=values("kept_share"),
        touched_mib=values("touched_mib"),
        freed_mib=values("freed_mib"),
        delay_seconds=values("delay_seconds"),
        return_seconds=np.array([f.return_curve() for f in ordered], dtype=np.float64).T.copy(),
    )


def by_mechanism(footprints: Sequence[Footprint]) -> dict[str, Footprints]:
    """Arrays for each mechanism over the hosts that all mechanisms were measured on.

    Only those, because a difference between mechanisms must not be one between hosts.
    """
    names = {footprint.mechanism for footprint in footprints}
    mechanisms = sorted(names, key=lambda name: (name != BASELINE, name))
    if not mechanisms:
        raise UnusableError("no footprint to plan with: run the consolidation workload first")
    hosts = {name: {f.host for f in footprints if f.mechanism == name} for name in mechanisms}
    common = set.intersection(*hosts.values())
    if not common:
        raise UnusableError(
            f"no host has consolidation results of all of {', '.join(mechanisms)}: "
            "finish the study or name fewer mechanisms with --only"
        )
    return {
        name: collect(f for f in footprints if f.mechanism == name and f.host in common)
        for name in mechanisms
    }


def as_json(footprint: Footprint) -> Mapping[str, object]:
    """A footprint as a JSON object with units in the names."""
    keys = ("mechanism", "host", "active_mib", "idle_mib", "touched_mib", "freed_mib")
    result: dict[str, object] = {key: getattr(footprint, key) for key in keys}
    for share, value in zip((50, 90, 99), footprint.seconds_to, strict=True):
        result[f"seconds_to_{share}"] = value
    return result
