# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of the nodes of a fleet: how large they are, which guests, and when these want
memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hintfleet.records.read import UnusableError
from hintfleet.statistics.intervals import Floats
from hintfleet.statistics.replication import Codes
from hintfleet.statistics.units import number

MOST_PHASES = 100_000
"""Of a guest; a plan looks at each of them."""

OPTIONS = {
    "horizon_seconds": ("--hours", 3600.0, 0.001, 1e6),
    "active_seconds": ("--active-minutes", 60.0, 0.001, 1e7),
    "idle_seconds": ("--idle-minutes", 60.0, 0.001, 1e7),
    "spread": ("--spread", 1.0, 0.0, 10.0),
    "least_level": ("--least-level", 1.0, 0.0, 1.0),
    "together": ("--together", 1.0, 0.0, 1.0),
    "stagger_seconds": ("--stagger-minutes", 60.0, 0.0, 1e7),
}
"""By field of a demand: the option that states it, one unit of the option in that of the field, and
the least and the most that may be stated."""


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
        _require_limits({name: getattr(self, name) for name in OPTIONS})
        phases = self.horizon_seconds / self.cycle_seconds
        if phases > MOST_PHASES:
            raise UnusableError(
                f"{phases:,.0f} phases of {self.cycle_seconds:g} s for each guest are more than "
                f"{MOST_PHASES:,}: plan for fewer --hours, or for longer phases (--active-minutes, "
                "--idle-minutes)"
            )

    @property
    def cycle_seconds(self) -> float:
        """One phase of use and one of rest, on average."""
        return self.active_seconds + self.idle_seconds


@dataclass(frozen=True)
class Trace:
    """Recorded use of memory: used_mib[i, k] of guest i from k * step_seconds on, repeated.

    of_type[i] is the type of guest that curve i is of; empty: every curve is of every type.
    """

    step_seconds: float
    used_mib: Floats = field(repr=False)
    together: float = 0.0
    stagger_seconds: float | None = None
    horizon_seconds: float = 86_400.0
    of_type: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shared = ("together", "stagger_seconds", "horizon_seconds")
        _require_limits({name: getattr(self, name) for name in shared})
        if not (self.used_mib > 0.0).any():
            raise UnusableError(
                "the trace has no demand: no guest in it ever uses memory; record used_mib while "
                "guests work"
            )

    def curves_of(self, type_name: str) -> Codes:
        """Which curves a guest of this type may repeat."""
        if not self.of_type:
            return np.arange(len(self.used_mib))
        found = np.flatnonzero([name == type_name for name in self.of_type])
        if not found.size:
            known = ", ".join(dict.fromkeys(self.of_type))
            raise UnusableError(
                f"the trace has no curve of guests of type {type_name or '(none named)'}; its "
                f"column type names {known}"
            )
        return found


def _require_limits(values: Mapping[str, float | None]) -> None:
    for name, value in values.items():
        option, unit, low, high = OPTIONS[name]
        if value is not None and not low <= value / unit <= high:
            raise UnusableError(
                f"{option} must lie in {number(low)}..{number(high)}, found {value / unit:g}"
            )


@dataclass(frozen=True)
class NodeKind:
    """Nodes of one size in the fleet the plan is for."""

    memory_mib: float
    count: int

    def __post_init__(self) -> None:
        if not 0.0 < self.memory_mib < math.inf or self.count < 1:
            raise UnusableError(
                "a kind of node needs memory above 0 MiB and at least one node (--node "
                f"15360x200), found {self.memory_mib:g} MiB x {self.count}"
            )


@dataclass(frozen=True)
class GuestType:
    """Guests of one kind on every node: `count` of them, or as many as fit by their share.

    Of the types that have no count, as many are placed as their shares say, whatever fits. demand
    is when they use memory; None: as the question says for all.
    """

    name: str = ""
    share: float = 1.0
    count: int = 0
    demand: Demand | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.share < math.inf or self.count < 0:
            raise UnusableError(
                f"--guest {self.name}: share must be above 0 and count at least 0, found "
                f"share {self.share:g} and count {self.count}"
            )


ONE_TYPE = (GuestType(),)


def placed(types: Sequence[GuestType], guests: int) -> Codes:
    """The type of each guest in the order in which a node is filled, as an index of types.

    Those with a count come first. Of the others the next is always one of the type that lacks most
    of what its share of the guests would be, so that any number of them has the shares as well as
    whole guests can.
    """
    fixed = np.repeat(np.arange(len(types)), [one.count for one in types])[:guests]
    order = [int(index) for index in fixed]
    shares = np.array([0.0 if one.count else one.share for one in types])
    if not shares.any():
        return np.array(order, dtype=np.int64)
    shares /= shares.sum()
    have = np.zeros(len(types))
    for filled in range(1, guests - len(order) + 1):
        # a type without a share never comes next; rounding never decides between equal types
        lacking = np.where(shares > 0.0, shares * filled - have, -np.inf)
        index = int(np.argmax(lacking >= lacking.max() - 1e-9))
        have[index] += 1.0
        order.append(index)
    return np.array(order, dtype=np.int64)
