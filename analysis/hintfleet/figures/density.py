# SPDX-License-Identifier: GPL-2.0-or-later
"""Density: how many guests fit, as a distribution over blocks and not as one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hintfleet.figures.estimate import absolute, difference, ratio
from hintfleet.figures.figure import (
    DEFAULTS,
    Figure,
    Figures,
    Judgement,
    Objection,
    Scope,
    Thresholds,
    Verdict,
)
from hintfleet.records.observations import (
    Codes,
    Observations,
    Values,
    pairs_of,
    values_of,
)
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

BY_FOOTPRINT = "guests by footprints"
"""Unit of a gain that counts leave open, and footprints do not."""

FOOTPRINT_ERROR = 0.25
"""In guests; footprints are medians of a run, and its guests differ."""


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
    """Density under one arm."""

    arm: str
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
    """Density of every arm, compared with the baseline where both ran.

    observations: finished consolidation runs.
    """
    return {name: _density(name, observations, objections, limits) for name in observations.arms}


def _density(
    arm: str,
    observations: Observations,
    objections: Sequence[Objection],
    limits: Thresholds,
) -> Density:
    against = [o for o in objections if o.concerns([arm], WORKLOAD)]
    numbers = observations.numbers
    mine = observations.of(arm)
    counted = values_of(observations, arm, numbers["guests_without_swap"])
    counts = counted.numbers

    def measured(values: Floats, unit: str, step: float = 0.0, width: float = 0.0) -> Figure:
        found = values_of(observations, arm, values)
        return absolute(found, unit, against, limits, step, width)

    cpu, filled = cpu_seconds_per_guest(observations), guests_by_footprint(observations)
    figures: Figures = {
        "guests_without_swap": measured(numbers["guests_without_swap"], "guests", 1.0, 1.0),
        "guests_by_footprint": measured(filled, "guests"),
        "guests_at_first_swap": measured(numbers["guests_at_first_swap"], "guests", 1.0, 1.0),
        "swap_end_mib": measured(numbers["swap_end_mib"], "MiB"),
        "physical_limit_guests": measured(numbers["physical_limit_guests"], "guests", 1.0, 1.0),
        "share_of_physical_limit": measured(
            _share_of_limit(observations), "share", width=limits.spread_ratio
        ),
        "idle_footprint_mib": measured(numbers["idle_footprint_mib"], "MiB"),
        "idle_lazy_mib": measured(numbers["idle_lazy_mib"], "MiB"),
        "host_cpu_seconds_per_guest": measured(cpu, "s"),
    }
    baseline = observations.baseline
    if arm != baseline and baseline in observations.arms:
        both = [o for o in objections if o.concerns([arm, baseline], WORKLOAD)]
        pair = baseline, arm
        figures["more_guests_than_none"] = more_guests(observations, pair, both, limits)
        figures["more_room_than_none"] = more_room(observations, pair, both, limits)
        left, right = pairs_of(observations, *pair, cpu)
        figures["host_cpu_per_guest_vs_none"] = ratio(left, right, "ratio", both, limits)
    figures["reliable_guests"] = _reliable(counted, limits)
    found = figures["reliable_guests"].estimate
    return Density(
        arm,
        mine,
        fits_of(counts, limits.confidence),
        None if found is None else int(found),
        trials_for_share(limits.reliable_share, limits.confidence),
        cells_that_stand_out(mine),
        {name: figure for name, figure in figures.items() if figure.n},
    )


def more_guests(
    observations: Observations,
    pair: tuple[str, str],
    objections: Sequence[Objection],
    limits: Thresholds,
) -> Figure:
    """How many more fit with the second of a pair.

    By counts; where those tie and leave it open, by footprints if they settle it.
    """
    counts = pairs_of(observations, *pair, observations.numbers["guests_without_swap"])
    figure = difference(*counts, "guests", objections, limits, resolution=1.0)
    if figure.interval is None or not figure.interval.guard or figure.verdict is Verdict.SOUND:
        return figure
    room = more_room(observations, pair, objections, limits)
    if room.n != figure.n or room.verdict is not Verdict.SOUND:
        return figure
    return replace(room, unit=BY_FOOTPRINT)


def more_room(
    observations: Observations,
    pair: tuple[str, str],
    objections: Sequence[Objection],
    limits: Thresholds,
) -> Figure:
    """The same by footprints, with the part of a guest that there was room for."""
    filled = pairs_of(observations, *pair, guests_by_footprint(observations))
    return difference(*filled, "guests", objections, limits)


def guests_by_footprint(observations: Observations) -> Floats:
    """How many guests there is room for, by run, as a number that need not be whole.

    All but the last have given back what they freed, and the last needs its largest footprint:
    1 + (memory - active) / idle. It lies between what fitted and one more; NaN where it does not
    (by more than FOOTPRINT_ERROR): then something else was the limit. NaN also where swap did not
    end the run.
    """
    numbers = observations.numbers
    fitted, memory = numbers["guests_without_swap"], numbers["memory_mib"]
    room = 1.0 + _quotient(memory - numbers["active_footprint_mib"], numbers["idle_footprint_mib"])
    explains = (room > fitted - FOOTPRINT_ERROR) & (room < fitted + 1.0 + FOOTPRINT_ERROR)
    explains &= observations.texts["stopped_by"].equal("swap")
    filled: Floats = np.where(explains, np.clip(room, fitted, fitted + 1.0), np.nan)
    return filled


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
    # equal nodes may differ by a guest, by chance; less of it is left in a mean over blocks
    chance = 1.0 / np.sqrt(len(observations) / present.size)
    stand_out = outliers(means, least=float(chance))
    return tuple(sorted(str(cell.texts[code]) for code in present[stand_out]))


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


def _reliable(counted: Values, limits: Thresholds) -> Figure:
    """The count that nearly all hosts reach, or nearly all blocks of these hosts: no node of a host
    stands for another, so what counts is the fullest one."""
    needed = trials_for_share(limits.reliable_share, limits.confidence)
    hosts = int(np.unique(counted.host).size)
    scope = Scope(hosts, like_these=hosts >= needed)
    unit = counted.host if scope.like_these else _blocks_of_hosts(counted)
    order = np.lexsort((counted.numbers, unit))
    fullest = counted.numbers[order[np.unique(unit[order], return_index=True)[1]]]
    n, what = int(fullest.size), "hosts" if scope.like_these else "blocks"
    reliable = reliable_count(fullest, limits.reliable_share, limits.confidence)
    if reliable is not None:
        judgement = Judgement(
            Verdict.SOUND,
            f"fits in at least {percent(limits.reliable_share)} of {what} {scope}, "
            f"with {percent(limits.confidence)} confidence",
        )
    else:
        shown = share_at_least(n, n, limits.confidence) if n else 0.0
        judgement = Judgement(
            Verdict.UNSETTLED,
            f"{n} of {n} {what} in which so many fit show it for only {percent(shown)} of all",
            f"run {needed} blocks to state {percent(limits.reliable_share)} {scope}",
        )
    wanted = needed, needed
    return Figure(
        "guests", n, reliable, None, None, None, judgement, blocks_to_settle=wanted, scope=scope
    )


def _blocks_of_hosts(counted: Values) -> Codes:
    return counted.host * (int(counted.turn.max(initial=0)) + 1) + counted.turn
