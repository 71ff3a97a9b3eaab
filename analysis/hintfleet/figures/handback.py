# SPDX-License-Identifier: GPL-2.0-or-later
"""Handing back: what was made free and taken, what of page cache came back, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hintfleet.figures.estimate import absolute
from hintfleet.figures.figure import DEFAULTS, Figures, Objection, Thresholds
from hintfleet.records.columns import COSTS
from hintfleet.records.observations import (
    Observations,
    Workloads,
    baseline_first,
    baseline_of,
    joined,
    values_of,
)
from hintfleet.statistics.intervals import Floats

OF_PROOFS = {
    "cache_freed_share": "share",
    "cache_back_share": "share",
    "again_ratio": "ratio",
    "reread_ratio": "ratio",
}
"""By column of what a proof shows, its unit."""
OF_RUNS = {
    "reclaimed_mib": "MiB",
    "moved_mib": "MiB",
    "taken_mib": "MiB",
    "taking_seconds": "s",
    "giving_seconds": "s",
    "cell_pressure_seconds": "s",
    **{f"guest_{name}": {"mib": "MiB", "seconds": "s"}.get(name.rpartition("_")[2], "times")
       for name in COSTS},
}  # fmt: skip


def handed_back(
    workloads: Workloads,
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, Figures]:
    """By arm, if any of them hands back what was in use: a study of mechanisms that act by
    themselves on guests without files has none. Of consolidations and all proofs."""
    runs = workloads["consolidation"]
    if not any(_told(one) for one in workloads.values()):
        return {}
    names = {name for observations in workloads.values() for name in observations.arms}
    results = {}
    for name in baseline_first(names, baseline_of(workloads)):
        against = [o for o in objections if o.concerns([name], "consolidation")]
        figures: Figures = {
            column: absolute(values_of(runs, name, runs.numbers[column]), unit, against, limits)
            for column, unit in OF_RUNS.items()
        }
        for column, unit in OF_PROOFS.items():
            found = [values_of(one, name, _own(one, column)) for one in workloads.values()]
            figures[column] = absolute(joined(found), unit, against, limits)
        results[name] = {key: figure for key, figure in figures.items() if figure.n}
    return results


def _told(runs: Observations) -> bool:
    columns = ("reclaimed_mib", "moved_mib", "taken_mib", "cache_back_share")
    return any(bool(np.isfinite(runs.numbers[column]).any()) for column in columns)


def _own(runs: Observations, column: str) -> Floats:
    """By run: what its proof shows; a proof that several runs share counts once."""
    own = runs.texts["proof_of"].equal(None)
    result: Floats = np.where(own, runs.numbers[column], np.nan)
    return result
