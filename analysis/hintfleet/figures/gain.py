# SPDX-License-Identifier: GPL-2.0-or-later
"""Gain and cost in one view: which arms does no other beat on everything?

What is said here is sound: a difference between two arms counts only if its own comparison
shows it, among all comparisons that are shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from hintfleet.figures.against import AGAINST
from hintfleet.figures.figure import Figure, Figures, Verdict
from hintfleet.records.observations import BASELINE


class Standing(StrEnum):
    """How an arm stands among the others."""

    UNBEATEN = "yes"
    BEATEN = "no"
    OPEN = "open"


@dataclass(frozen=True)
class Criterion:
    """One thing arms are compared by: against none, and against each other."""

    topic: str
    vs_none: str
    against: str
    more_is_better: bool


CRITERIA = (
    Criterion("density", "more_guests_than_none", "more_guests", True),
    Criterion("memory", "memhog_footprint_vs_none", "memhog_footprint", False),
    Criterion("memhog", "last_guest_vs_none", "memhog_last_guest", False),
    Criterion("page_fault", "processes_vs_none", "processes", True),
    Criterion("page_fault", "fault_p99_ns_vs_none", "fault_p99", False),
    Criterion("density", "host_cpu_per_guest_vs_none", "host_cpu_per_guest", False),
    Criterion("tile", "more_tiles_than_none", "more_tiles", True),
    Criterion("tile", "tile_held_vs_none", "tile_held", False),
    Criterion("tile", "tile_seconds_vs_none", "tile_seconds", False),
    Criterion("tile", "tile_p99_ms_vs_none", "tile_p99_ms", False),
    Criterion("recorded", "recorded_footprint_vs_none", "recorded_footprint", False),
    Criterion("recorded", "recorded_peak_vs_none", "recorded_peak", False),
    Criterion("recorded", "recorded_seconds_vs_none", "recorded_seconds", False),
    Criterion("recorded", "recorded_rate_vs_none", "recorded_rate", True),
)

Topics = Mapping[str, Mapping[str, Figures]]
"""Figures by topic and arm."""


@dataclass(frozen=True)
class Pairs:
    """What is known of any two arms, by criterion. topics: figures against the baseline; against:
    of the others among themselves (against.py)."""

    topics: Topics
    against: Mapping[str, Figures]
    baseline: str = BASELINE

    def figure(self, criterion: Criterion, one: str, other: str) -> Figure | None:
        """One relative to the other."""
        if one == self.baseline:
            found = self._vs_baseline(criterion, other)
            return found and turned(found)
        if other == self.baseline:
            return self._vs_baseline(criterion, one)
        direct = self.against.get(f"{one}{AGAINST}{other}", {}).get(criterion.against)
        if direct is not None:
            return direct
        found = self.against.get(f"{other}{AGAINST}{one}", {}).get(criterion.against)
        return found and turned(found)

    def _vs_baseline(self, criterion: Criterion, name: str) -> Figure | None:
        return self.topics.get(criterion.topic, {}).get(name, {}).get(criterion.vs_none)

    def is_better(self, one: str, other: str) -> bool:
        """Whether one is soundly better than the other on something."""
        for criterion in CRITERIA:
            figure = self.figure(criterion, one, other)
            if figure is not None and sound_gain(figure, criterion) is True:
                return True
        return False


GAINS = (("density", "more_guests_than_none"), ("tile", "more_tiles_than_none"))
"""What is counted, the first of which there is."""


def gain_of(topics: Topics, name: str) -> float:
    """How many more fit under an arm than under the baseline; 0 where that was not counted."""
    found = (topics.get(topic, {}).get(name, {}).get(figure) for topic, figure in GAINS)
    gain = next(filter(None, found), None)
    return (gain.estimate if gain else None) or 0.0


def sound_gain(figure: Figure, criterion: Criterion) -> bool | None:
    """Whether a comparison soundly says that the first is better; None if it claims nothing."""
    if figure.verdict != Verdict.SOUND or not figure.claims_effect:
        return None
    nothing = 1.0 if figure.unit == "ratio" else 0.0
    estimate = nothing if figure.estimate is None else figure.estimate
    return (estimate > nothing) == criterion.more_is_better


def front(
    topics: Topics, against: Mapping[str, Figures], arms: list[str], baseline: str = BASELINE
) -> dict[str, Standing]:
    """Whether each arm is beaten: another is soundly better on something, and soundly no
    worse on anything. Unbeaten: soundly better than each of the others on something (it lies on the
    Pareto front). Else it is open.
    """
    pairs = Pairs(topics, against, baseline)
    better = {
        (one, other): pairs.is_better(one, other) for one in arms for other in arms if one != other
    }
    result = {}
    for name in arms:
        others = [other for other in arms if other != name]
        if any(better[other, name] and not better[name, other] for other in others):
            result[name] = Standing.BEATEN
        elif all(better[name, other] for other in others):
            result[name] = Standing.UNBEATEN
        else:
            result[name] = Standing.OPEN
    return result


def turned(figure: Figure) -> Figure:
    """A comparison told the other way round: estimate and interval; the rest stays."""

    def other_way(value: float) -> float:
        if figure.unit != "ratio":
            return -value
        return 1.0 / value if value else math.inf

    interval = figure.interval
    if interval is not None:
        low, high = sorted((other_way(interval.low), other_way(interval.high)))
        interval = replace(interval, low=low, high=high)
    estimate = None if figure.estimate is None else other_way(figure.estimate)
    return replace(figure, estimate=estimate, interval=interval)
