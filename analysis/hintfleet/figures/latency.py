# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs: memhog seconds, page fault rates, and the latency of single faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
from hintfleet.records.observations import Observations, pairs_of, values_of
from hintfleet.statistics.intervals import Floats
from hintfleet.statistics.series import Histogram
from hintfleet.statistics.units import percent, plural

QUANTILES = {"p50_ns": 0.5, "p95_ns": 0.95, "p99_ns": 0.99, "p999_ns": 0.999}
MODES = ("processes", "threads")


@dataclass(frozen=True)
class MemhogResult:
    """memhog under one arm."""

    arm: str
    observations: Observations
    figures: Figures


@dataclass(frozen=True)
class PageFaultResult:
    """page_fault under one arm; curves holds the ratio to none by mode and tasks."""

    arm: str
    observations: Observations
    curves: dict[str, dict[int, Figure]]
    merged: Histogram | None
    """Bounds (ns) and counts of the fault latency of all runs together."""
    figures: Figures


def memhog_results(
    observations: Observations,
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, MemhogResult]:
    """memhog by arm, each guest position by itself: the last one meets a full node.

    observations: finished memhog runs.
    """
    seconds = observations.matrices["memhog_seconds"]
    swap_end = observations.numbers["swap_end_mib"]
    results = {}
    for name in observations.arms:
        against = [o for o in objections if o.concerns([name], "memhog")]
        both = [o for o in objections if o.concerns([name, observations.baseline], "memhog")]
        compared = name != observations.baseline and observations.baseline in observations.arms
        mine = observations.of(name)
        positions = mine.matrices["memhog_seconds"].measured
        figures: Figures = {}
        for position in positions:
            column = seconds.at(position)
            figures[f"guest{position}_seconds"] = absolute(
                values_of(observations, name, column), "s", against, limits
            )
            if compared:
                left, right = pairs_of(observations, observations.baseline, name, column)
                prefix = "last_guest" if position == positions[-1] else f"guest{position}"
                figures[f"{prefix}_vs_none"] = ratio(left, right, "ratio", both, limits)
        swap = values_of(observations, name, swap_end)
        unused = swap.size > 0 and float(swap.numbers.max()) <= limits.swap_unused_mib
        figures["swap_end_mib"] = absolute(
            swap,
            "MiB",
            against,
            limits,
            largest_reach=limits.swap_unused_mib if unused else 0.0,
        )
        if compared:
            left, right = pairs_of(observations, observations.baseline, name, swap_end)
            figures["swap_end_less_than_none_mib"] = difference(
                right, left, "MiB", both, limits, practical=limits.swap_unused_mib
            )
        results[name] = MemhogResult(name, mine, figures)
    return results


def page_fault_results(
    observations: Observations,
    histograms: Mapping[str, Histogram],
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, PageFaultResult]:
    """page_fault by arm: rates relative to none by task count, and fault latency.

    observations: finished page_fault runs; histograms: the latency of all their faults.
    """
    overall = {mode: overall_rate(observations, mode) for mode in MODES}
    results = {}
    for name in observations.arms:
        against = [o for o in objections if o.concerns([name], "page_fault")]
        both = [o for o in objections if o.concerns([name, observations.baseline], "page_fault")]
        compared = name != observations.baseline and observations.baseline in observations.arms
        mine = observations.of(name)
        curves: dict[str, dict[int, Figure]] = {}
        figures: Figures = {}
        for mode in MODES if compared else ():
            curves[mode] = _curve(observations, name, mode, both, limits)
            left, right = pairs_of(observations, observations.baseline, name, overall[mode])
            figures[f"{mode}_vs_none"] = ratio(left, right, "ratio", both, limits)
        tasks = max(mine.matrices["processes"].measured, default=0)
        for mode in MODES if tasks else ():
            rates = observations.matrices[mode].at(tasks)
            figures[f"{mode}_per_second_at_{tasks}_tasks"] = absolute(
                values_of(observations, name, rates), "touches/s", against, limits
            )
        merged = histograms.get(name)
        figures |= _latency_figures(observations, name, compared, against, both, limits)
        results[name] = PageFaultResult(name, mine, curves, merged, figures)
    return results


def overall_rate(observations: Observations, mode: str) -> Floats:
    """By run: the geometric mean of the rates over its task counts, so that each counts the same;
    NaN if one of them is 0."""
    matrix = observations.matrices[mode]
    rates = matrix.values[:, [tasks > 0 for tasks in matrix.places]]
    known = ~np.isnan(rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(known, np.log(rates), 0.0).sum(axis=1) / known.sum(axis=1)
    means: Floats = np.where(np.isfinite(logs), np.exp(logs), np.nan)
    return means


def _curve(
    observations: Observations,
    arm: str,
    mode: str,
    objections: Sequence[Objection],
    limits: Thresholds,
) -> dict[int, Figure]:
    """Ratio to none at each number of tasks."""
    matrix = observations.matrices[mode]
    figures = {}
    for tasks in matrix.places:
        left, right = pairs_of(observations, observations.baseline, arm, matrix.at(tasks))
        figure = ratio(left, right, "ratio", objections, limits)
        if tasks > 0 and figure.n:
            figures[tasks] = _noise_checked(figure, limits)
    return figures


def _noise_checked(figure: Figure, limits: Thresholds) -> Figure:
    """A single boot that differs by far more than boots do is a finding about the boot."""
    most = 3.0 * limits.noise_ratio
    if figure.n >= limits.fewest_blocks or abs((figure.estimate or 1.0) - 1.0) <= most:
        return figure
    reason = (
        f"{plural(figure.n, 'boot')} that differ{'s' if figure.n == 1 else ''} by more than "
        f"{percent(most)}: three times what boots of one kernel differ by"
    )
    step = "compare the kernel configurations (debug options) and repeat with fresh boots"
    return replace(figure, judgement=Judgement(Verdict.NOT_TO_BE_TRUSTED, reason, step))


def _latency_figures(
    observations: Observations,
    arm: str,
    compared: bool,
    against: Sequence[Objection],
    both: Sequence[Objection],
    limits: Thresholds,
) -> Figures:
    """Percentiles of single runs, so that a value and its change are of the same numbers."""
    figures: Figures = {}
    for name in QUANTILES:
        of_runs = observations.numbers[f"fault_{name}"]
        of_arm = values_of(observations, arm, of_runs)
        if not of_arm.size:
            continue
        figures[f"fault_{name}"] = absolute(of_arm, "ns", against, limits)
        if compared:
            left, right = pairs_of(observations, observations.baseline, arm, of_runs)
            figures[f"fault_{name}_vs_none"] = ratio(left, right, "ratio", both, limits)
    return figures
