# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns values into figures: estimate, spread, interval, and what n allows to say about them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hintfleet.figures.figure import DEFAULTS, Figure, Objection, Thresholds, Verdict, overrule
from hintfleet.figures.judge import UNENDED, Evidence, judge_absolute, judge_effect, nothing
from hintfleet.records.observations import Codes, Values
from hintfleet.statistics.intervals import (
    CELLS_AS_SAMPLE,
    Floats,
    Interval,
    group_means,
    mean_interval,
    median,
    sign_flip_p,
    smallest_sign_flip_p,
    smallest_two_sample_p,
    two_sample_p,
    welch_interval,
)

RAREST_NEEDED = 0.04
"""A permutation test is used once its least p is this share of the allowed one, so that it can
still speak after a correction for 25 comparisons: from 10 pairs on."""

RESAMPLED_CELLS = 1000
"""The mean of more values is normal enough for Student's t, and a permutation of so many would cost
more than reading the runs."""


def absolute(
    values: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
    resolution: float = 0.0,
    largest_spread: float | None = None,
    unseen: tuple[str, str] = UNENDED,
) -> Figure:
    """A measured value over blocks: the median, its extremes, the interval of the mean.

    Censored values are +inf; unseen says what that means and what to do. largest_spread is in the
    unit of the values; without it the relative limit of the thresholds holds.
    """
    numbers = values.numbers
    known = numbers[np.isfinite(numbers)]
    if numbers.size == 0:
        return Figure(unit, 0, None, None, None, None, nothing())
    censored = int(numbers.size - known.size)
    middle = median(numbers)
    interval = None
    if not censored:
        interval = mean_interval(known, limits.confidence, resolution, values.cell)
    judgement = judge_absolute(known, censored, limits, largest_spread, unit, unseen)
    return Figure(
        unit,
        int(numbers.size),
        middle if math.isfinite(middle) else None,
        float(known.min()) if known.size else None,
        float(known.max()) if known.size else None,
        interval,
        overrule(judgement, objections),
        censored,
    )


def difference(
    baseline: Values,
    other: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
    resolution: float = 0.0,
    practical: float = 0.0,
) -> Figure:
    """other - baseline, paired within blocks; practical is in the unit."""
    steps = other.numbers - baseline.numbers
    # a difference of two readings carries the rounding of both
    evidence = _paired(steps, baseline.cell, limits, resolution * math.sqrt(2.0))
    return _effect(evidence, unit, objections, limits, practical)


def ratio(
    baseline: Values,
    other: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> Figure:
    """other / baseline, paired within blocks: the geometric mean, on logarithms.

    Pairs with a zero or a censored value have no ratio; they are counted as censored, and the
    ratio of the others is not sound, for they were chosen by what is measured.
    """
    left, right = baseline.numbers, other.numbers
    usable = _has_logarithm(left) & _has_logarithm(right)
    logs = np.log(right[usable] / left[usable])
    evidence = _paired(logs, baseline.cell[usable], limits, 0.0)
    censored = int(left.size - usable.sum())
    doubts = [*without_ratio(censored, int(left.size)), *objections]
    figure = _effect(evidence, unit, doubts, limits, math.log1p(limits.practical_ratio))
    return _exponential(figure, censored)


def independent_difference(
    first: Values,
    second: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
    resolution: float = 0.0,
    practical: float = 0.0,
) -> Figure:
    """second - first of two studies, which share no blocks; practical is in the unit."""
    left, right = first.numbers, second.numbers
    return _effect(_unpaired(left, right, limits, resolution), unit, objections, limits, practical)


def independent_ratio(
    first: Values,
    second: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> Figure:
    """second / first of two studies, which share no blocks: of the geometric means."""
    left, right = first.numbers, second.numbers
    logs = [np.log(side[_has_logarithm(side)]) for side in (left, right)]
    evidence = _unpaired(logs[0], logs[1], limits, 0.0)
    total = int(left.size + right.size)
    censored = total - int(logs[0].size + logs[1].size)
    doubts = [*without_ratio(censored, total), *objections]
    figure = _effect(evidence, unit, doubts, limits, math.log1p(limits.practical_ratio))
    return _exponential(figure, censored)


def without_ratio(censored: int, n: int) -> list[Objection]:
    """The doubt about a ratio that leaves out so many of n."""
    if not censored:
        return []
    reason = f"{censored} of {n} have no ratio (zero, or {UNENDED[0]})"
    return [Objection(Verdict.UNSETTLED, reason, UNENDED[1])]


def _paired(steps: Floats, cell: Codes, limits: Thresholds, resolution: float) -> Evidence:
    if steps.size == 0:
        return Evidence(steps, 0.0, 0.0, None, None, 0)
    interval = mean_interval(steps, limits.confidence, resolution, cell)
    independent, means = steps, group_means(steps, cell)
    if means.size >= CELLS_AS_SAMPLE:
        independent = means
    p_value = paired_p(interval, independent, limits)
    spread = float(independent.std(ddof=1)) if independent.size > 1 else 0.0
    deviation = max(spread, resolution / math.sqrt(12.0))
    agree = float(np.ptp(steps)) == 0.0
    return Evidence(
        steps, float(steps.mean()), deviation, interval, p_value, int(steps.size), agree
    )


def paired_p(interval: Interval | None, independent: Floats, limits: Thresholds) -> float | None:
    """p that paired values have the mean 0: of the t test or, of enough values, a permutation."""
    p_value = _p_value(interval, smallest_sign_flip_p(independent.size), limits)
    if interval is not None and independent.size > RESAMPLED_CELLS:
        p_value = interval.p_of(0.0)
    if p_value is None and interval is not None:
        p_value = sign_flip_p(independent)
    return p_value


def _unpaired(left: Floats, right: Floats, limits: Thresholds, resolution: float) -> Evidence:
    n = int(min(left.size, right.size))
    if n == 0:
        return Evidence(left, 0.0, 0.0, None, None, 0)
    interval = welch_interval(left, right, limits.confidence, resolution)
    p_value = _p_value(interval, smallest_two_sample_p(left.size, right.size), limits)
    if p_value is None and interval is not None:
        p_value = two_sample_p(left, right)
    centre = float(right.mean() - left.mean())
    deviation = 0.0
    if n > 1:
        deviation = math.sqrt(float(left.var(ddof=1) + right.var(ddof=1)) + resolution**2 / 6.0)
    return Evidence(np.array([centre]), centre, deviation, interval, p_value, n)


def _p_value(interval: Interval | None, smallest: float, limits: Thresholds) -> float | None:
    """The t test while too few values allow a permutation to be rare; None: permute instead."""
    if interval is None or smallest <= RAREST_NEEDED * (1.0 - limits.confidence):
        return None
    return interval.p_of(0.0)


def _effect(
    evidence: Evidence,
    unit: str,
    objections: Iterable[Objection],
    limits: Thresholds,
    practical: float,
) -> Figure:
    if evidence.n == 0:
        return Figure(unit, 0, None, None, None, None, nothing("block gave it for both"))
    judgement, more, claims = judge_effect(evidence, limits, practical)
    return Figure(
        unit,
        evidence.n,
        evidence.centre,
        float(evidence.steps.min()),
        float(evidence.steps.max()),
        evidence.interval,
        overrule(judgement, objections),
        0,
        evidence.p_value,
        more,
        claims,
    )


def _has_logarithm(values: Floats) -> NDArray[np.bool_]:
    return (values > 0) & np.isfinite(values)


def _exponential(figure: Figure, censored: int) -> Figure:
    """An effect on logarithms as the ratio it means."""

    def power(value: float | None) -> float | None:
        return None if value is None else math.exp(value)

    interval = figure.interval
    if interval is not None:
        # no degrees: on the scale of ratios the interval is no longer symmetric
        interval = Interval(
            math.exp(interval.low), math.exp(interval.high), interval.confidence, interval.method
        )
    return replace(
        figure,
        estimate=power(figure.estimate),
        low=power(figure.low),
        high=power(figure.high),
        interval=interval,
        censored=censored,
    )
