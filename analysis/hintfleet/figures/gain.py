# SPDX-License-Identifier: GPL-2.0-or-later
"""Gain and cost in one view: which arms does no other beat on everything?

What is said here is sound: a difference between two arms counts only if its own comparison
shows it, among all comparisons that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    Criterion("recorded", "recorded_footprint_vs_none", "recorded_footprint", False),
    Criterion("recorded", "recorded_peak_vs_none", "recorded_peak", False),
    Criterion("recorded", "recorded_seconds_vs_none", "recorded_seconds", False),
    Criterion("recorded", "recorded_rate_vs_none", "recorded_rate", True),
)

Topics = Mapping[str, Mapping[str, Figures]]
"""Figures by topic and arm."""


def front(
    topics: Topics, against: Mapping[str, Figures], arms: list[str], baseline: str = BASELINE
) -> dict[str, Standing]:
    """Whether each arm is beaten: another is soundly better on something, and soundly no
    worse on anything. Unbeaten: soundly better than each of the others on something (it lies on the
    Pareto front). Else it is open.
    """
    better = {
        (one, other): _better(topics, against, one, other, baseline)
        for one in arms
        for other in arms
        if one != other
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


def _better(
    topics: Topics, against: Mapping[str, Figures], one: str, other: str, baseline: str
) -> bool:
    """Whether one is soundly better than the other on something."""
    for criterion in CRITERIA:
        figure, swapped = _comparison(topics, against, criterion, one, other, baseline)
        if figure is None or figure.verdict != Verdict.SOUND or not figure.claims_effect:
            continue
        nothing = 1.0 if figure.unit == "ratio" else 0.0
        is_more = (nothing if figure.estimate is None else figure.estimate) > nothing
        if (is_more != swapped) == criterion.more_is_better:
            return True
    return False


def _comparison(
    topics: Topics,
    against: Mapping[str, Figures],
    criterion: Criterion,
    one: str,
    other: str,
    baseline: str,
) -> tuple[Figure | None, bool]:
    """The figure of one relative to the other, and whether it is the other way round."""
    if baseline in (one, other):
        named = other if one == baseline else one
        group = topics.get(criterion.topic, {}).get(named, {})
        return group.get(criterion.vs_none), one == baseline
    direct = against.get(f"{one}{AGAINST}{other}", {}).get(criterion.against)
    if direct is not None:
        return direct, False
    return against.get(f"{other}{AGAINST}{one}", {}).get(criterion.against), True
