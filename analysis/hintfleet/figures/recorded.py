# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded work: somebody else's runs, of which memory over time, seconds or a rate are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hintfleet.figures.estimate import absolute, ratio
from hintfleet.figures.figure import DEFAULTS, Figures, Objection, Thresholds
from hintfleet.records.curves import MIB_A_GIB
from hintfleet.records.observations import Observations, pairs_of, values_of
from hintfleet.statistics.intervals import Floats

WORKLOAD = "recorded"
MEASURES = {
    "footprint": ("footprint_gib_min", "GiB·min"),
    "peak": ("peak_gib", "GiB"),
    "seconds": ("seconds", "s"),
    "rate": ("rate_per_second", "1/s"),
}
"""By measure: the end of its figure's name, and the unit."""


@dataclass(frozen=True)
class RecordedResult:
    """Recorded work under one arm."""

    arm: str
    observations: Observations
    figures: Figures


def recorded_results(
    observations: Observations,
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, RecordedResult]:
    """Recorded work by arm: values, and ratios to the baseline. observations: finished."""
    measured = recorded_numbers(observations)
    results = {}
    for name in observations.arms:
        against = [o for o in objections if o.concerns([name], WORKLOAD)]
        both = [o for o in objections if o.concerns([name, observations.baseline], WORKLOAD)]
        compared = name != observations.baseline and observations.baseline in observations.arms
        figures: Figures = {}
        for measure, numbers in measured.items():
            end, unit = MEASURES[measure]
            values = values_of(observations, name, numbers)
            figures[f"recorded_{end}"] = absolute(values, unit, against, limits)
            if compared:
                left, right = pairs_of(observations, observations.baseline, name, numbers)
                figures[f"recorded_{measure}_vs_none"] = ratio(left, right, "ratio", both, limits)
        known = {key: figure for key, figure in figures.items() if figure.n}
        results[name] = RecordedResult(name, observations.of(name), known)
    return results


def recorded_numbers(observations: Observations) -> dict[str, Floats]:
    """By measure: a number for each run."""
    numbers = observations.numbers
    return {
        "footprint": numbers["footprint_gib_min"],
        "peak": numbers["peak_mib"] / MIB_A_GIB,
        "seconds": numbers["work_seconds"],
        "rate": numbers["work_rate"],
    }
