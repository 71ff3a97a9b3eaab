# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns values into figures: estimate, spread, interval, and what n allows to say about them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from hintfleet.figures import Figure, Judgement, Objection, Thresholds, Values, Verdict, overrule
from hintfleet.statistics import (
    Interval,
    as_floats,
    blocks_needed,
    mean_interval,
    median,
    relative_spread,
    sign_flip_p,
    smallest_sign_flip_p,
)
from hintfleet.units import percent

DEFAULTS = Thresholds()


def absolute(
    values: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
    resolution: float = 0.0,
    largest_spread: float | None = None,
) -> Figure:
    """A measured value over blocks: the median, its extremes, the interval of the mean.

    Censored values are +inf. largest_spread is in the unit of the values; without it the
    relative limit of the thresholds holds.
    """
    numbers = as_floats(values.numbers)
    known = numbers[np.isfinite(numbers)]
    if numbers.size == 0:
        return Figure(unit, 0, None, None, None, None, _nothing())
    censored = int(numbers.size - known.size)
    middle = median(numbers)
    interval = None
    if not censored:
        interval = mean_interval(known, limits.confidence, resolution, values.cells)
    judgement = _judge_absolute(known, censored, limits, largest_spread, unit)
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
    steps = as_floats(other.numbers) - as_floats(baseline.numbers)
    # a difference of two readings carries the rounding of both
    figure = _effect(steps, baseline.cells, unit, limits, resolution * math.sqrt(2.0), practical)
    return _with_objections(figure, objections)


def ratio(
    baseline: Values,
    other: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> Figure:
    """other / baseline, paired within blocks: the geometric mean, on logarithms.

    Pairs with a zero or a censored value have no ratio; they are counted as censored.
    """
    left, right = as_floats(baseline.numbers), as_floats(other.numbers)
    usable = (left > 0) & (right > 0) & np.isfinite(left) & np.isfinite(right)
    cells = [cell for cell, use in zip(baseline.cells, usable, strict=True) if use]
    logs = np.log(right[usable] / left[usable])
    figure = _effect(logs, cells, unit, limits, 0.0, math.log1p(limits.practical_ratio))
    interval = figure.interval
    result = replace(
        figure,
        estimate=_exponential(figure.estimate),
        low=_exponential(figure.low),
        high=_exponential(figure.high),
        interval=interval
        and replace(interval, low=math.exp(interval.low), high=math.exp(interval.high)),
        censored=int(left.size - logs.size),
    )
    return _with_objections(result, objections)


def _exponential(value: float | None) -> float | None:
    return None if value is None else math.exp(value)


def _effect(
    steps: np.ndarray[tuple[int], np.dtype[np.float64]],
    cells: list[str],
    unit: str,
    limits: Thresholds,
    resolution: float,
    practical: float,
) -> Figure:
    if steps.size == 0:
        return Figure(unit, 0, None, None, None, None, _nothing())
    interval = mean_interval(steps, limits.confidence, resolution, cells)
    p_value = sign_flip_p(steps)
    judgement, more = _judge_effect(steps, interval, p_value, limits, resolution, practical)
    return Figure(
        unit,
        int(steps.size),
        float(steps.mean()),
        float(steps.min()),
        float(steps.max()),
        interval,
        judgement,
        0,
        p_value,
        more,
    )


def _judge_effect(
    steps: np.ndarray[tuple[int], np.dtype[np.float64]],
    interval: Interval | None,
    p_value: float,
    limits: Thresholds,
    resolution: float,
    practical: float,
) -> tuple[Judgement, int | None]:
    n = int(steps.size)
    if n < limits.fewest_blocks or interval is None:
        return _too_few(n, limits), limits.fewest_blocks
    sure = f"{percent(limits.confidence)}"
    differs = interval.low > 0 or interval.high < 0
    negligible = -practical <= interval.low and interval.high <= practical
    # with few pairs no permutation can be rare enough; then the interval decides alone
    alpha = 1.0 - limits.confidence
    refuted = differs and smallest_sign_flip_p(n) <= alpha < p_value
    if negligible:
        return Judgement(Verdict.SOUND, f"no difference of practical size ({sure} interval)"), None
    if differs and not refuted:
        return Judgement(Verdict.SOUND, f"the {sure} interval leaves no room for no effect"), None
    deviation = max(float(steps.std(ddof=1)), resolution / math.sqrt(12.0))
    centre = abs(float(steps.mean()))
    needed = blocks_needed(deviation, max(centre, practical - centre), limits.confidence)
    wanted = None if needed is None else max(needed, n + 1)
    reason = (
        f"the interval rules out no effect but the permutation test does not (p = {p_value:.2f})"
        if refuted
        else f"{n} blocks scatter too much to tell a gain from a loss"
    )
    remedy = "quieten the host; more blocks alone hardly help"
    if wanted is not None:
        remedy = f"run about {wanted} blocks in all ({wanted - n} more)"
    return Judgement(Verdict.UNSETTLED, reason, remedy), wanted


def _judge_absolute(
    known: np.ndarray[tuple[int], np.dtype[np.float64]],
    censored: int,
    limits: Thresholds,
    largest_spread: float | None,
    unit: str,
) -> Judgement:
    n = int(known.size) + censored
    if censored:
        return Judgement(
            Verdict.UNSETTLED,
            f"{censored} of {n} did not end before the deadline or their guest died",
            "raise the deadline or find out from the console why the guest died",
        )
    if n < limits.fewest_blocks:
        return _too_few(n, limits)
    width = float(known.max() - known.min())
    if largest_spread is not None:
        if width > largest_spread:
            return Judgement(
                Verdict.UNSETTLED,
                f"blocks differ by {width:g} {unit}",
                "run more blocks and look at what differs between them",
            )
    elif relative_spread(known) > limits.spread_ratio:
        return Judgement(
            Verdict.UNSETTLED,
            f"blocks differ by {percent(relative_spread(known))} of their median",
            "quieten the host or run more blocks",
        )
    return Judgement(Verdict.SOUND, f"{n} runs agree within the stated limits")


def _too_few(n: int, limits: Thresholds) -> Judgement:
    more = limits.fewest_blocks - n
    return Judgement(
        Verdict.UNSETTLED,
        f"{n} block{'s' if n != 1 else ''} cannot show how far a repetition would lie",
        f"run at least {more} more block{'s' if more != 1 else ''}",
    )


def _nothing() -> Judgement:
    return Judgement(Verdict.UNSETTLED, "no run gave this value", "run what is missing")


def _with_objections(figure: Figure, objections: Iterable[Objection]) -> Figure:
    return replace(figure, judgement=overrule(figure.judgement, objections))
