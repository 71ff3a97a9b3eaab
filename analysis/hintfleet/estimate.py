# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns values into figures: estimate, spread, interval, and what n allows to say about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hintfleet.distributions import student_t_quantile
from hintfleet.figures import (
    Figure,
    Figures,
    Judgement,
    Objection,
    Thresholds,
    Values,
    Verdict,
    overrule,
)
from hintfleet.statistics import (
    CELLS_AS_SAMPLE,
    Floats,
    Interval,
    as_floats,
    blocks_needed,
    group_means,
    holm,
    mean_interval,
    median,
    relative_spread,
    sign_flip_p,
    smallest_sign_flip_p,
    smallest_two_sample_p,
    two_sample_p,
    welch_interval,
)
from hintfleet.units import percent

DEFAULTS = Thresholds()

RAREST_NEEDED = 0.04
"""A permutation test is used once its least p is this share of the allowed one, so that it can
still speak after a correction for 25 comparisons: from 10 pairs on."""

UNENDED = (
    "were not seen to end within their time",
    "raise the deadline, or see with hintfleet show whether a guest died",
)
"""What it means that a value is censored, and what to do about it."""

MANY_TIMES = 10
"""If so many times the blocks were needed, a quieter host is the shorter way."""


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
    numbers = as_floats(values.numbers)
    known = numbers[np.isfinite(numbers)]
    if numbers.size == 0:
        return Figure(unit, 0, None, None, None, None, _nothing())
    censored = int(numbers.size - known.size)
    middle = median(numbers)
    interval = None
    if not censored:
        interval = mean_interval(known, limits.confidence, resolution, values.cells)
    judgement = _judge_absolute(known, censored, limits, largest_spread, unit, unseen)
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
    evidence = _paired(steps, baseline.cells, limits, resolution * math.sqrt(2.0))
    return _effect(evidence, unit, objections, limits, practical)


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
    usable = _has_logarithm(left) & _has_logarithm(right)
    cells = [cell for cell, use in zip(baseline.cells, usable, strict=True) if use]
    evidence = _paired(np.log(right[usable] / left[usable]), cells, limits, 0.0)
    figure = _effect(evidence, unit, objections, limits, math.log1p(limits.practical_ratio))
    return _exponential(figure, int(left.size - usable.sum()))


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
    left, right = as_floats(first.numbers), as_floats(second.numbers)
    return _effect(_unpaired(left, right, limits, resolution), unit, objections, limits, practical)


def independent_ratio(
    first: Values,
    second: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> Figure:
    """second / first of two studies, which share no blocks: of the geometric means."""
    left, right = as_floats(first.numbers), as_floats(second.numbers)
    logs = [np.log(side[_has_logarithm(side)]) for side in (left, right)]
    evidence = _unpaired(logs[0], logs[1], limits, 0.0)
    figure = _effect(evidence, unit, objections, limits, math.log1p(limits.practical_ratio))
    return _exponential(figure, int(left.size + right.size - logs[0].size - logs[1].size))


def corrected(figures: Sequence[Figure], limits: Thresholds = DEFAULTS) -> list[Figure]:
    """The same effects judged as one family, their p values corrected for their number (Holm).

    An effect that stood alone but not among so many is unsettled; one that showed no difference
    of practical size stays sound, for it claims none.
    """
    p_values = holm([1.0 if f.p_value is None else f.p_value for f in figures])
    result = []
    for figure, p_value in zip(figures, p_values, strict=True):
        judgement = figure.judgement
        if figure.claims_effect and p_value > 1.0 - limits.confidence:
            wanted = _blocks_among(figure, len(figures), limits)
            figure = replace(figure, blocks_to_settle=wanted)
            judgement = Judgement(
                Verdict.UNSETTLED,
                f"sound alone, but among {len(figures)} comparisons one like it may be chance",
                _run_blocks(figure.n, wanted),
            )
        p = None if figure.p_value is None else float(p_value)
        result.append(replace(figure, p_value=p, judgement=judgement))
    return result


def judge_as_one_family(
    groups: Iterable[Figures], names: Sequence[str], limits: Thresholds = DEFAULTS
) -> None:
    """Replaces the figures of these names in all groups by what they are as one family."""
    family = [(group, name) for group in groups for name in names if name in group]
    judged = corrected([group[name] for group, name in family], limits)
    for (group, name), figure in zip(family, judged, strict=True):
        group[name] = figure


def _blocks_among(figure: Figure, comparisons: int, limits: Thresholds) -> int | None:
    """Blocks after which an effect like this would stand among so many, by its interval."""
    if figure.interval is None or figure.n < 2:
        return None
    low, high = figure.interval.low, figure.interval.high
    if figure.unit == "ratio":
        low, high = math.log(low), math.log(high)
    reach = student_t_quantile(0.5 + limits.confidence / 2.0, figure.n - 1)
    deviation = (high - low) / 2.0 / reach * math.sqrt(figure.n)
    among = 1.0 - (1.0 - limits.confidence) / comparisons
    wanted = blocks_needed(deviation, abs(high + low) / 2.0, among)
    return None if wanted is None else max(wanted, figure.n + 1)


def _run_blocks(n: int, wanted: int | None) -> str:
    """The next step for an effect that n blocks leave open."""
    if wanted is None:
        return "quieten the host; more blocks alone hardly help"
    if wanted > MANY_TIMES * n:
        return f"quieten the host: as it is, about {wanted} blocks would be needed"
    return f"run about {wanted} blocks in all ({wanted - n} more)"


@dataclass(frozen=True)
class _Evidence:
    """What was seen of an effect, as a number that is 0 without it."""

    steps: Floats
    centre: float
    deviation: float
    interval: Interval | None
    p_value: float | None
    n: int


def _paired(steps: Floats, cells: list[str], limits: Thresholds, resolution: float) -> _Evidence:
    if steps.size == 0:
        return _Evidence(steps, 0.0, 0.0, None, None, 0)
    interval = mean_interval(steps, limits.confidence, resolution, cells)
    independent, names = steps, sorted(set(cells))
    if len(names) >= CELLS_AS_SAMPLE:
        independent = group_means(steps, np.asarray(cells), names)
    p_value = paired_p(interval, independent, limits)
    spread = float(independent.std(ddof=1)) if independent.size > 1 else 0.0
    deviation = max(spread, resolution / math.sqrt(12.0))
    return _Evidence(steps, float(steps.mean()), deviation, interval, p_value, int(steps.size))


def paired_p(interval: Interval | None, independent: Floats, limits: Thresholds) -> float | None:
    """p that paired values have the mean 0: of the t test or, of enough values, a permutation."""
    p_value = _p_value(interval, smallest_sign_flip_p(independent.size), limits)
    if p_value is None and interval is not None:
        p_value = sign_flip_p(independent)
    return p_value


def _unpaired(left: Floats, right: Floats, limits: Thresholds, resolution: float) -> _Evidence:
    n = int(min(left.size, right.size))
    if n == 0:
        return _Evidence(left, 0.0, 0.0, None, None, 0)
    interval = welch_interval(left, right, limits.confidence, resolution)
    p_value = _p_value(interval, smallest_two_sample_p(left.size, right.size), limits)
    if p_value is None and interval is not None:
        p_value = two_sample_p(left, right)
    centre = float(right.mean() - left.mean())
    deviation = 0.0
    if n > 1:
        deviation = math.sqrt(float(left.var(ddof=1) + right.var(ddof=1)) + resolution**2 / 6.0)
    return _Evidence(np.array([centre]), centre, deviation, interval, p_value, n)


def _p_value(interval: Interval | None, smallest: float, limits: Thresholds) -> float | None:
    """The t test while too few values allow a permutation to be rare; None: permute instead."""
    if interval is None or smallest <= RAREST_NEEDED * (1.0 - limits.confidence):
        return None
    return interval.p_of(0.0)


def _effect(
    evidence: _Evidence,
    unit: str,
    objections: Iterable[Objection],
    limits: Thresholds,
    practical: float,
) -> Figure:
    if evidence.n == 0:
        return Figure(unit, 0, None, None, None, None, _nothing("block gave it for both"))
    judgement, more, claims = _judge_effect(evidence, limits, practical)
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


def _judge_effect(
    evidence: _Evidence, limits: Thresholds, practical: float
) -> tuple[Judgement, int | None, bool]:
    """Judgement, blocks that would settle it, and whether a difference is claimed."""
    n, interval, p_value = evidence.n, evidence.interval, evidence.p_value
    if n < limits.fewest_blocks or interval is None or p_value is None:
        return _too_few(n, limits), limits.fewest_blocks, False
    sure = percent(limits.confidence)
    if -practical <= interval.low and interval.high <= practical:
        reason = f"no difference of practical size ({sure} interval)"
        return Judgement(Verdict.SOUND, reason), None, False
    excludes_none = interval.low > 0 or interval.high < 0
    if excludes_none and p_value <= 1.0 - limits.confidence:
        reason = f"the {sure} interval leaves no room for no effect"
        return Judgement(Verdict.SOUND, reason), None, True
    centre = abs(evidence.centre)
    margin = max(centre, practical - centre)
    needed = blocks_needed(evidence.deviation, margin, limits.confidence)
    wanted = None if needed is None else max(needed, n + 1)
    reason = f"{n} blocks scatter too much to tell a gain from a loss"
    if excludes_none:
        reason = "the interval rules out no effect but a permutation test does not"
    elif float(np.ptp(evidence.steps)) == 0.0:
        reason = f"{n} blocks agree, but so few counts of whole guests leave one guest open"
    return Judgement(Verdict.UNSETTLED, reason, _run_blocks(n, wanted)), wanted, False


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


def _judge_absolute(
    known: np.ndarray[tuple[int], np.dtype[np.float64]],
    censored: int,
    limits: Thresholds,
    largest_spread: float | None,
    unit: str,
    unseen: tuple[str, str],
) -> Judgement:
    n = int(known.size) + censored
    if 0 < censored < n:
        return Judgement(Verdict.UNSETTLED, f"{censored} of {n} {unseen[0]}", unseen[1])
    if n < limits.fewest_blocks:
        return _too_few(n, limits)
    if not known.size:
        return Judgement(Verdict.SOUND, f"all of {n} {unseen[0]}")
    width = float(known.max() - known.min())
    if largest_spread is not None:
        if width > largest_spread:
            return Judgement(
                Verdict.UNSETTLED,
                f"blocks differ by more than {largest_spread:g} {unit}",
                "run more blocks and look at what differs between them",
            )
    elif relative_spread(known) > limits.spread_ratio:
        return Judgement(
            Verdict.UNSETTLED,
            f"blocks differ by more than {percent(limits.spread_ratio)} of their median",
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


def _nothing(what: str = "run gave this value") -> Judgement:
    return Judgement(Verdict.UNSETTLED, f"no {what}", "run what is missing")
