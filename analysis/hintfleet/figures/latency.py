# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs: memhog seconds, page fault rates, and the latency of single faults."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hintfleet.figures.estimate import absolute, difference, ratio
from hintfleet.figures.family import corrected
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
    MemhogObservation,
    PageFaultObservation,
    by_mechanism,
    pairs_of,
    values_of,
)
from hintfleet.records.types import PageFaultRow
from hintfleet.statistics.series import histogram_quantile, merge_histograms
from hintfleet.statistics.units import percent, plural

QUANTILES = {"p50_ns": 0.5, "p95_ns": 0.95, "p99_ns": 0.99, "p999_ns": 0.999}
MODES = ("processes", "threads")


@dataclass(frozen=True)
class MemhogResult:
    """memhog under one mechanism."""

    mechanism: str
    observations: tuple[MemhogObservation, ...]
    figures: Figures


@dataclass(frozen=True)
class PageFaultResult:
    """page_fault under one mechanism; curves holds the ratio to none by mode and tasks."""

    mechanism: str
    observations: tuple[PageFaultObservation, ...]
    curves: dict[str, dict[int, Figure]]
    merged: tuple[list[float], list[int]] | None
    """Bounds (ns) and counts of the fault latency of all runs together."""
    figures: Figures


def memhog_results(
    observations: Sequence[MemhogObservation],
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, MemhogResult]:
    """memhog by mechanism, each guest position by itself: the last one meets a full node."""
    groups = by_mechanism(observations)
    results = {}
    for name, group in groups.items():
        against = [o for o in objections if o.concerns([name], "memhog")]
        both = [o for o in objections if o.concerns([name, BASELINE], "memhog")]
        baseline = groups.get(BASELINE, []) if name != BASELINE else []
        last = max(len(o.seconds) for o in group)
        figures: Figures = {}
        for position in range(1, last + 1):
            seconds = seconds_at(position)
            figures[f"guest{position}_seconds"] = absolute(
                values_of(group, seconds), "s", against, limits
            )
            if baseline:
                left, right = pairs_of(baseline, group, seconds)
                prefix = "last_guest" if position == last else f"guest{position}"
                figures[f"{prefix}_vs_none"] = ratio(left, right, "ratio", both, limits)
        swap = values_of(group, lambda o: o.swap_end_mib)
        unused = swap.size > 0 and float(swap.numbers.max()) <= limits.swap_unused_mib
        figures["swap_end_mib"] = absolute(
            swap,
            "MiB",
            against,
            limits,
            largest_reach=limits.swap_unused_mib if unused else 0.0,
        )
        if baseline:
            left, right = pairs_of(baseline, group, lambda o: o.swap_end_mib)
            figures["swap_end_less_than_none_mib"] = difference(
                right, left, "MiB", both, limits, practical=limits.swap_unused_mib
            )
        results[name] = MemhogResult(name, tuple(group), figures)
    return results


def page_fault_results(
    observations: Sequence[PageFaultObservation],
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, PageFaultResult]:
    """page_fault by mechanism: rates relative to none by task count, and fault latency."""
    groups = by_mechanism(observations)
    results = {}
    for name, group in groups.items():
        against = [o for o in objections if o.concerns([name], "page_fault")]
        both = [o for o in objections if o.concerns([name, BASELINE], "page_fault")]
        baseline = groups.get(BASELINE, []) if name != BASELINE else []
        curves: dict[str, dict[int, Figure]] = {}
        figures: Figures = {}
        for mode in MODES if baseline else ():
            curves[mode] = _curve(mode, baseline, group, both, limits)
            left, right = pairs_of(baseline, group, overall_rate(mode))
            figures[f"{mode}_vs_none"] = ratio(left, right, "ratio", both, limits)
        tasks = max((row["tasks"] for o in group for row in o.rows), default=0)
        for mode in MODES if tasks else ():
            figures[f"{mode}_per_second_at_{tasks}_tasks"] = absolute(
                values_of(group, rate_at(mode, tasks)), "touches/s", against, limits
            )
        merged = _merged(group)
        figures |= _latency_figures(group, baseline, merged, against, both, limits)
        results[name] = PageFaultResult(name, tuple(group), curves, merged, figures)
    return results


def rate_at(mode: str, tasks: int) -> Callable[[PageFaultObservation], float | None]:
    """The rate of one mode at one number of tasks, None where it was not measured."""

    def rate(observation: PageFaultObservation) -> float | None:
        return next((_rate(row, mode) for row in observation.rows if row["tasks"] == tasks), None)

    return rate


def _rate(row: PageFaultRow, mode: str) -> float:
    return row["processes"] if mode == "processes" else row["threads"]


def overall_rate(mode: str) -> Callable[[PageFaultObservation], float | None]:
    """Geometric mean of the rates over all task counts, so that each counts the same."""

    def rate(observation: PageFaultObservation) -> float | None:
        rates = [_rate(row, mode) for row in observation.rows if row["tasks"] > 0]
        if not rates or min(rates) <= 0:
            return None
        return math.exp(sum(math.log(value) for value in rates) / len(rates))

    return rate


def _curve(
    mode: str,
    baseline: Sequence[PageFaultObservation],
    group: Sequence[PageFaultObservation],
    objections: Sequence[Objection],
    limits: Thresholds,
) -> dict[int, Figure]:
    """Ratio to none at each number of tasks; p values are corrected for their number (Holm)."""
    counts = sorted({row["tasks"] for o in group for row in o.rows if row["tasks"] > 0})
    figures = {}
    for tasks in counts:
        left, right = pairs_of(baseline, group, rate_at(mode, tasks))
        figure = ratio(left, right, "ratio", objections, limits)
        if figure.n:
            figures[tasks] = _noise_checked(figure, limits)
    return dict(zip(figures, corrected(list(figures.values()), limits), strict=True))


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
    group: Sequence[PageFaultObservation],
    baseline: Sequence[PageFaultObservation],
    merged: tuple[list[float], list[int]] | None,
    against: Sequence[Objection],
    both: Sequence[Objection],
    limits: Thresholds,
) -> Figures:
    """Percentiles: the estimate from the merged histogram, the spread from the single runs."""
    figures: Figures = {}
    if merged is None:
        return figures
    for name, share in QUANTILES.items():
        of_run = run_quantile(share)
        single = absolute(values_of(group, of_run), "ns", against, limits)
        figures[f"fault_{name}"] = replace(single, estimate=histogram_quantile(*merged, share))
        if baseline:
            left, right = pairs_of(baseline, group, of_run)
            figures[f"fault_{name}_vs_none"] = ratio(left, right, "ratio", both, limits)
    return figures


def run_quantile(share: float) -> Callable[[PageFaultObservation], float | None]:
    """A quantile of one run's fault latency, in ns."""

    def quantile(observation: PageFaultObservation) -> float | None:
        if observation.latency is None or not sum(observation.latency["histogram"]["counts"]):
            return None
        histogram = observation.latency["histogram"]
        return histogram_quantile(histogram["bounds_ns"], histogram["counts"], share)

    return quantile


def _merged(group: Sequence[PageFaultObservation]) -> tuple[list[float], list[int]] | None:
    """All runs in one histogram; None if there is none or their bins are not the same."""
    histograms = [
        (o.latency["histogram"]["bounds_ns"], o.latency["histogram"]["counts"])
        for o in group
        if o.latency is not None
    ]
    try:
        bounds, counts = merge_histograms(histograms)
    except ValueError:
        return None
    return (bounds.tolist(), counts.tolist()) if counts.sum() else None


def seconds_at(position: int) -> Callable[[MemhogObservation], float | None]:
    """Seconds of one guest position; a guest that did not end is +inf, never left out."""

    def seconds(observation: MemhogObservation) -> float | None:
        if len(observation.seconds) < position:
            return None
        value = observation.seconds[position - 1]
        return math.inf if value is None else value

    return seconds
