# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory: what a cell held over time, how fast it came back, and what that cost in CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.figures.estimate import absolute, ratio
from hintfleet.figures.figure import DEFAULTS, Figure, Figures, Objection, Thresholds
from hintfleet.records.observations import (
    NO_MECHANISM,
    Observations,
    Workloads,
    baseline_first,
    baseline_of,
    joined,
    pairs_of,
    values_of,
)
from hintfleet.statistics.intervals import Floats

SHARES = (50, 90, 99)
UNRETURNED = (
    "did not give back so much while the proof was watched",
    "nothing, if 90 % is enough; else watch the proof longer (study_proof_seconds)",
)


@dataclass(frozen=True)
class Memory:
    """Memory under one arm."""

    arm: str
    figures: Figures


def memories(
    workloads: Workloads,
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, Memory]:
    """Memory of every arm; workloads: the finished runs of each.

    Footprints are compared for memhog only: there every arm does the same work with the
    same number of guests, while consolidation starts more guests the better an arm is.
    """
    fixed, growing = workloads["memhog"], workloads["consolidation"]
    names = {name for observations in workloads.values() for name in observations.arms}
    held, baseline = fixed.numbers["footprint_gib_min"], baseline_of(workloads)
    results = {}
    for name in baseline_first(names, baseline):
        against = [o for o in objections if o.concerns([name], "memhog")]

        def measured(
            column: str, unit: str, name: str = name, against: Sequence[Objection] = against
        ) -> Figure:
            return absolute(values_of(fixed, name, fixed.numbers[column]), unit, against, limits)

        figures: Figures = {}
        figures["memhog_footprint_gib_min"] = measured("footprint_gib_min", "GiB·min")
        if name != baseline and baseline in names:
            both = [o for o in objections if o.concerns([name, baseline], "memhog")]
            left, right = pairs_of(fixed, baseline, name, held)
            figures["memhog_footprint_vs_none"] = ratio(left, right, "ratio", both, limits)
        figures["memhog_peak_mib"] = measured("peak_mib", "MiB")
        figures["memhog_swapped_out_mib"] = measured("swapped_out_mib", "MiB")
        figures["memhog_swapped_in_mib"] = measured("swapped_in_mib", "MiB")
        for share in SHARES:
            found = [values_of(one, name, seconds_to(one, share)) for one in workloads.values()]
            figures[f"seconds_to_return_{share}"] = absolute(
                joined(found), "s", against, limits, unseen=UNRETURNED
            )
        against = [o for o in objections if o.concerns([name], "consolidation")]
        figures["returned_mib_per_cpu_second"] = absolute(
            values_of(growing, name, _returned_per_cpu_second(growing)), "MiB/s", against, limits
        )
        known = {key: figure for key, figure in figures.items() if figure.n}
        results[name] = Memory(name, known)
    return results


def seconds_to(observations: Observations, share: int) -> Floats:
    """By run: seconds until this share (percent, one of SHARES) of the freed memory was back.

    Infinite if the share was not seen to come back; without a mechanism nothing has to. A proof
    that several runs share counts once.
    """
    seconds = observations.numbers[f"seconds_to_{share}"]
    watched = ~np.isnan(observations.numbers["as_expected"])
    watched &= ~observations.texts["mechanism"].equal(NO_MECHANISM)
    watched &= observations.texts["proof_of"].equal(None)
    known: Floats = np.where(np.isnan(seconds), np.inf, seconds)
    return np.where(watched, known, np.nan)


def _returned_per_cpu_second(observations: Observations) -> Floats:
    """By run: memory the guests gave back by CPU time of the cell, a lower bound of the efficiency,
    because that CPU time also booted the guests and ran their programs."""
    numbers, cpu = observations.numbers, observations.cpu_seconds
    each = np.maximum(numbers["active_footprint_mib"] - numbers["idle_footprint_mib"], 0.0)
    returned = each * numbers["guests_started"]
    result: Floats = np.divide(returned, cpu, out=np.full_like(cpu, np.nan), where=cpu > 0.0)
    return result
