# SPDX-License-Identifier: GPL-2.0-or-later
"""Density: how many guests fit, as a distribution over blocks and not as one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.figures.estimate import absolute, difference, ratio
from hintfleet.figures.figure import (
    DEFAULTS,
    Figure,
    Figures,
    Judgement,
    Objection,
    Thresholds,
    Verdict,
)
from hintfleet.records.observations import BASELINE, Observations, pairs_of, values_of
from hintfleet.statistics.intervals import (
    Floats,
    Interval,
    group_means,
    outliers,
    reliable_count,
    share_at_least,
    share_interval,
    trials_for_share,
)
from hintfleet.statistics.units import percent

WORKLOAD = "consolidation"


@dataclass(frozen=True)
class Fit:
    """In how many blocks at least `guests` fitted."""

    guests: int
    blocks: int
    of: int
    share: Interval
    at_least: float
    """Lower bound of the share, one-sided, with the same confidence."""


@dataclass(frozen=True)
class Density:
    """Density under one mechanism."""

    mechanism: str
    observations: Observations
    fits: tuple[Fit, ...]
    reliable: int | None
    blocks_for_reliable: int
    cells_that_stand_out: tuple[str, ...]
    figures: Figures


def densities(
    observations: Observations,
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, Density]:
    """Density of every mechanism, compared with the baseline where both ran.

    observations: finished consolidation runs.
    """
    return {
        name: _density(name, observations, objections, limits) for name in observations.mechanisms
    }


def _density(
    mechanism: str,
    observations: Observations,
    objections: Sequence[Objection],
    limits: Thresholds,
) -> Density:
    against = [o for o in objections if o.concerns([mechanism], WORKLOAD)]
    numbers = observations.numbers
    mine = observations.of(mechanism)
    counts = values_of(observations, mechanism, numbers["guests_without_swap"]).numbers

    def measured(values: Floats, unit: str, step: float = 0.0, width: float = 0.0) -> Figure:
        found = values_of(observations, mechanism, values)
        return absolute(found, unit, against, limits, step, width)

    cpu = cpu_seconds_per_guest(observations)
    figures: Figures = {
        "guests_without_swap": measured(numbers["guests_without_swap"], "guests", 1.0, 1.0),
        "guests_at_first_swap": measured(numbers["guests_at_first_swap"], "guests", 1.0, 1.0),
        "swap_end_mib": measured(numbers["swap_end_mib"], "MiB"),
        "physical_limit_guests": measured(numbers["physical_limit_guests"], "guests", 1.0, 1.0),
        "share_of_physical_limit": measured(
            _share_of_limit(observations), "share", width=limits.spread_ratio
        ),
        "idle_footprint_mib": measured(numbers["idle_footprint_mib"], "MiB"),
        "host_cpu_seconds_per_guest": measured(cpu, "s"),
    }
    if mechanism != BASELINE and BASELINE in observations.mechanisms:
        both = [o for o in objections if o.concerns([mechanism, BASELINE], WORKLOAD)]
        left, right = pairs_of(observations, BASELINE, mechanism, numbers["guests_without_swap"])
        figures["more_guests_than_none"] = difference(
            left, right, "guests", both, limits, resolution=1.0
        )
        left, right = pairs_of(observations, BASELINE, mechanism, cpu)
        figures["host_cpu_per_guest_vs_none"] = ratio(left, right, "ratio", both, limits)
    reliable = reliable_count(counts, limits.reliable_share, limits.confidence)
    figures["reliable_guests"] = _reliable_figure(counts.size, reliable, limits)
    return Density(
        mechanism,
        mine,
        fits_of(counts, limits.confidence),
        reliable,
        trials_for_share(limits.reliable_share, limits.confidence),
        cells_that_stand_out(mine),
        {name: figure for name, figure in figures.items() if figure.n},
    )


def fits_of(counts: Floats, confidence: float = 0.95) -> tuple[Fit, ...]:
    """For each count that occurred: in how many blocks at least so many guests fitted."""
    n = counts.size
    fits = []
    for k in np.unique(counts):
        hits = int(np.count_nonzero(counts >= k))
        interval = share_interval(hits, n, confidence)
        fits.append(Fit(int(k), hits, n, interval, share_at_least(hits, n, confidence)))
    return tuple(fits)


def cells_that_stand_out(observations: Observations) -> tuple[str, ...]:
    """Cells whose mean count lies far from those of the others; needs five cells."""
    cell = observations.texts["cell"]
    present = np.unique(cell.codes)
    if present.size < 5:
        return ()
    means = group_means(observations.numbers["guests_without_swap"], cell.codes)
    return tuple(sorted(str(cell.texts[code]) for code in present[outliers(means)]))


def cpu_seconds_per_guest(observations: Observations) -> Floats:
    """Host CPU a guest costs, by run: CPU time of the cell by guests started."""
    started = observations.numbers["guests_at_first_swap"]
    started = np.where(
        np.isnan(started) | (started == 0.0), observations.numbers["guests_without_swap"], started
    )
    return _quotient(observations.cpu_seconds, started)


def _share_of_limit(observations: Observations) -> Floats:
    numbers = observations.numbers
    return _quotient(numbers["guests_without_swap"], numbers["physical_limit_guests"])


def _quotient(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    result: Floats = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0.0)
    return result


def _reliable_figure(n: int, reliable: int | None, limits: Thresholds) -> Figure:
    needed = trials_for_share(limits.reliable_share, limits.confidence)
    if reliable is not None:
        judgement = Judgement(
            Verdict.SOUND,
            f"fits in at least {percent(limits.reliable_share)} of blocks, "
            f"with {percent(limits.confidence)} confidence",
        )
    else:
        shown = share_at_least(n, n, limits.confidence)
        judgement = Judgement(
            Verdict.UNSETTLED,
            f"{n} of {n} blocks in which so many fit show it for only {percent(shown)} of all",
            f"run {needed} blocks (over all cells) to state {percent(limits.reliable_share)}",
        )
    return Figure(
        "guests", n, reliable, None, None, None, judgement, blocks_to_settle=(needed, needed)
    )
