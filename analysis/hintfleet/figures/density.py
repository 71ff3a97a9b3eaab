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
from hintfleet.records.observations import (
    BASELINE,
    DensityObservation,
    Values,
    by_mechanism,
    pairs_of,
    values_of,
)
from hintfleet.statistics.intervals import (
    Interval,
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
    observations: tuple[DensityObservation, ...]
    fits: tuple[Fit, ...]
    reliable: int | None
    blocks_for_reliable: int
    cells_that_stand_out: tuple[str, ...]
    figures: Figures


def densities(
    observations: Sequence[DensityObservation],
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, Density]:
    """Density of every mechanism, compared with the baseline where both ran."""
    groups = by_mechanism(observations)
    baseline = groups.get(BASELINE, [])
    return {
        name: _density(name, group, baseline, objections, limits) for name, group in groups.items()
    }


def _density(
    mechanism: str,
    group: list[DensityObservation],
    baseline: list[DensityObservation],
    objections: Sequence[Objection],
    limits: Thresholds,
) -> Density:
    against = [o for o in objections if o.concerns([mechanism], WORKLOAD)]
    counts = [o.guests_without_swap for o in group]

    def measured(values: Values, unit: str, step: float = 0.0, width: float = 1.0) -> Figure:
        return absolute(values, unit, against, limits, step, width)

    figures: Figures = {
        "guests_without_swap": measured(
            values_of(group, lambda o: o.guests_without_swap), "guests", 1.0
        ),
        "guests_at_first_swap": measured(
            values_of(group, lambda o: o.guests_at_first_swap), "guests", 1.0
        ),
        "swap_end_mib": absolute(
            values_of(group, lambda o: o.swap_end_mib), "MiB", against, limits
        ),
        "physical_limit_guests": measured(
            values_of(group, lambda o: o.physical_limit_guests), "guests", 1.0
        ),
        "share_of_physical_limit": measured(
            values_of(group, _share_of_limit), "share", width=limits.spread_ratio
        ),
        "idle_footprint_mib": absolute(
            values_of(group, lambda o: o.idle_footprint_mib), "MiB", against, limits
        ),
        "host_cpu_seconds_per_guest": absolute(
            values_of(group, cpu_seconds_per_guest), "s", against, limits
        ),
    }
    if mechanism != BASELINE and baseline:
        both = [o for o in objections if o.concerns([mechanism, BASELINE], WORKLOAD)]
        left, right = pairs_of(baseline, group, lambda o: o.guests_without_swap)
        figures["more_guests_than_none"] = difference(
            left, right, "guests", both, limits, resolution=1.0
        )
        left, right = pairs_of(baseline, group, cpu_seconds_per_guest)
        figures["host_cpu_per_guest_vs_none"] = ratio(left, right, "ratio", both, limits)
    reliable = reliable_count(counts, limits.reliable_share, limits.confidence)
    figures["reliable_guests"] = _reliable_figure(counts, reliable, limits)
    return Density(
        mechanism,
        tuple(group),
        fits_of(counts, limits.confidence),
        reliable,
        trials_for_share(limits.reliable_share, limits.confidence),
        cells_that_stand_out(group),
        {name: figure for name, figure in figures.items() if figure.n},
    )


def fits_of(counts: Sequence[int], confidence: float = 0.95) -> tuple[Fit, ...]:
    """For each count that occurred: in how many blocks at least so many guests fitted."""
    n = len(counts)
    fits = []
    for k in sorted(set(counts)):
        hits = sum(count >= k for count in counts)
        interval = share_interval(hits, n, confidence)
        fits.append(Fit(k, hits, n, interval, share_at_least(hits, n, confidence)))
    return tuple(fits)


def cells_that_stand_out(observations: Sequence[DensityObservation]) -> tuple[str, ...]:
    """Cells whose mean count lies far from those of the others; needs five cells."""
    names = sorted({o.cell for o in observations})
    if len(names) < 5:
        return ()
    means = [
        float(np.mean([o.guests_without_swap for o in observations if o.cell == name]))
        for name in names
    ]
    return tuple(name for name, out in zip(names, outliers(means), strict=True) if out)


def cpu_seconds_per_guest(observation: DensityObservation) -> float | None:
    """Host CPU a guest costs: CPU time of the cell by guests started."""
    started = observation.guests_at_first_swap or observation.guests_without_swap
    if observation.host_cpu_seconds is None or not started:
        return None
    return observation.host_cpu_seconds / started


def _share_of_limit(observation: DensityObservation) -> float | None:
    limit = observation.physical_limit_guests
    return observation.guests_without_swap / limit if limit else None


def _reliable_figure(counts: Sequence[int], reliable: int | None, limits: Thresholds) -> Figure:
    needed = trials_for_share(limits.reliable_share, limits.confidence)
    n = len(counts)
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
