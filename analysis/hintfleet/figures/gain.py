# SPDX-License-Identifier: GPL-2.0-or-later
"""Gain and cost in one view: which mechanisms does no other beat on everything?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hintfleet.figures.figure import DEFAULTS, Figures, Thresholds


@dataclass(frozen=True)
class Criterion:
    """One thing a mechanism is judged by."""

    topic: str
    figure: str
    more_is_better: bool


CRITERIA = (
    Criterion("density", "guests_without_swap", True),
    Criterion("memory", "memhog_footprint_gib_min", False),
    Criterion("memhog", "last_guest_vs_none", False),
    Criterion("page_fault", "processes_vs_none", True),
    Criterion("page_fault", "fault_p99_ns", False),
    Criterion("density", "host_cpu_seconds_per_guest", False),
)
"""none is its own measure: where a figure is relative to it, it counts as 1."""

Topics = Mapping[str, Mapping[str, Figures]]
"""Figures by topic and mechanism."""


def beaten_by(
    topics: Topics, mechanisms: list[str], limits: Thresholds = DEFAULTS
) -> dict[str, tuple[str, ...]]:
    """For each mechanism those that are at least as good on every criterion and better on one.

    Values closer than the practical threshold count as equal. A mechanism without any value
    neither beats nor is beaten. An empty tuple: nothing else is better on everything (it lies on
    the Pareto front).
    """
    values = {name: [_value(topics, name, c) for c in CRITERIA] for name in mechanisms}
    return {
        name: tuple(
            other
            for other in mechanisms
            if other != name and _beats(values[other], values[name], limits.practical_ratio)
        )
        for name in mechanisms
    }


def _beats(one: list[float | None], other: list[float | None], tolerance: float) -> bool:
    better = False
    for criterion, a, b in zip(CRITERIA, one, other, strict=True):
        if a is None or b is None:
            continue
        gain = (a - b) if criterion.more_is_better else (b - a)
        if gain < -tolerance * max(abs(a), abs(b)):
            return False
        better = better or gain > tolerance * max(abs(a), abs(b))
    return better


def _value(topics: Topics, mechanism: str, criterion: Criterion) -> float | None:
    figures = topics.get(criterion.topic, {}).get(mechanism)
    if figures is None:
        return None
    figure = figures.get(criterion.figure)
    if figure is None:
        return 1.0 if mechanism == "none" and criterion.figure.endswith("_vs_none") else None
    return figure.estimate
