# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns values into figures: estimate, spread, interval, and what they allow to say.

Numbers that are shown side by side come from the same aggregation: the mean over hosts of the means
over their nodes (replication.py). What is compared by ratios is averaged on logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hintfleet.figures.figure import (
    DEFAULTS,
    Evidence,
    Figure,
    Objection,
    Scope,
    Thresholds,
    Verdict,
    overrule,
)
from hintfleet.figures.judge import UNENDED, is_settled, judge_absolute, judge_effect, nothing
from hintfleet.records.observations import Values
from hintfleet.statistics.intervals import Floats, Interval, group_medians, median
from hintfleet.statistics.replication import (
    HOSTS_AS_SAMPLE,
    Places,
    Replication,
    contrast,
    replicated,
)

ADDED_UP = ("guests", "tiles", "MiB", "share")
"""Units of values that are compared by differences; others are compared by ratios."""

ROUNDED = 1.0 / math.sqrt(12.0)
"""Standard deviation of a rounding error, in steps (GUM, JCGM 100:2008, F.2.2.1)."""

FEWEST_TO_BREAK = 8
"""A block stands out only among so many."""

BROKEN = 10.0
"""A block so many times further from its cell's median than blocks typically lie is broken."""

LEAST_BROKEN = 1.0
"""On logarithms, or as a share; nothing nearer is broken: states of a host may lie so far apart."""


def absolute(
    values: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
    resolution: float = 0.0,
    largest_reach: float = 0.0,
    unseen: tuple[str, str] = UNENDED,
) -> Figure:
    """A measured value: its mean, the extremes over blocks, the interval of the mean.

    Censored values are +inf: then the median, in which they count as what they are; unseen says
    what that means and what to do. resolution is the step of what measured it (1 for guests). The
    value is sound if its interval reaches no further than the relative limit of the thresholds, or
    than largest_reach, in the unit.
    """
    numbers = values.numbers
    if numbers.size == 0:
        return Figure(unit, 0, None, None, None, None, nothing())
    finite = np.isfinite(numbers)
    known, censored = numbers[finite], int(numbers.size - finite.sum())
    estimate, interval, mean, reach = None, None, None, None
    if censored:
        middle = median(numbers)
        estimate = middle if math.isfinite(middle) else None
    else:
        logarithmic = unit not in ADDED_UP and bool(numbers.min() > 0.0)
        mean = replicated(np.log(numbers) if logarithmic else numbers, _places(values))
        interval = mean.interval(limits.confidence, resolution * ROUNDED)
        estimate = math.exp(mean.centre) if logarithmic else mean.centre
        if known.min() == known.max():
            estimate = float(known[0])  # what all are, and not what is left of it by rounding
        interval = _exponential(interval) if logarithmic else interval
    if interval is not None and estimate is not None:
        reach = max(interval.high - estimate, estimate - interval.low)
        largest_reach = max(largest_reach, limits.spread_ratio * abs(estimate))
    judgement = judge_absolute(
        int(numbers.size), censored, mean, reach, largest_reach, limits, unseen
    )
    return Figure(
        unit,
        int(numbers.size),
        estimate,
        float(known.min()) if known.size else None,
        float(known.max()) if known.size else None,
        interval,
        overrule(judgement, objections),
        censored,
        scope=scope_of(mean) if mean is not None else None,
    )


def difference(
    baseline: Values,
    other: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
    resolution: float = 0.0,
    practical: float | None = None,
) -> Figure:
    """other - baseline, paired within blocks. practical: the smallest difference that matters, in
    the unit; without it the relative one of the thresholds, of the baseline's mean."""
    if baseline.size == 0:
        return _no_pairs(unit)
    base = replicated(baseline.numbers, _places(baseline)).centre
    level = (base + replicated(other.numbers, _places(other)).centre) / 2.0
    if practical is None:
        practical = limits.practical_ratio * base
    # a difference of two readings carries the rounding of both
    weigh = _Weighing(limits, level, practical, resolution * math.sqrt(2.0))
    evidence = weigh.paired(other.numbers - baseline.numbers, baseline)
    return replace(_effect(evidence, unit, objections, limits), base=base)


def ratio(
    baseline: Values,
    other: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> Figure:
    """other / baseline, paired within blocks: the geometric mean, on logarithms.

    A value that was not seen to end is longer than any that was: a pair with one of them says at
    least, or at most, how the two compare, and the interval is open at that end. Pairs of two such
    values, and those with a zero, say nothing; they are counted as censored.
    """
    left, right = baseline.numbers, other.numbers
    says = (left > 0.0) & (right > 0.0) & (np.isfinite(left) | np.isfinite(right))
    silent = int(left.size - says.sum())
    if left.size == 0 or silent == left.size:
        return replace(_no_pairs(unit), censored=silent)
    places = baseline.where(says)
    left, right = left[says], right[says]
    longer, shorter = np.isinf(right), np.isinf(left)
    longest = float(max(left[~shorter].max(initial=0.0), right[~longer].max(initial=0.0)))
    with_bounds = [np.where(np.isinf(side), longest, side) for side in (left, right)]
    logs = np.log(with_bounds[1] / with_bounds[0])
    evidence = _of_ratios(limits).paired(logs, places)
    evidence = _opened(evidence, int(shorter.sum()), int(longer.sum()))
    doubts = [*without_ratio(silent, silent + int(left.size)), *objections]
    figure = _as_ratio(
        _effect(evidence, unit, doubts, limits), silent + int(longer.sum()) + int(shorter.sum())
    )
    told = np.isfinite(left)
    if evidence.left_out:
        told &= places.block != evidence.stands_out
    if not told.any():  # the baseline was not seen to end in any of them
        return figure
    base = replicated(np.log(left[told]), _places(places.where(told))).centre
    return replace(figure, base=math.exp(base))


def independent_difference(
    first: Values,
    second: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
    resolution: float = 0.0,
    same_hosts: bool = False,
) -> Figure:
    """second - first of two studies, which share no blocks.

    Studies of other hosts are samples of hosts, however few: what differs between two hosts is no
    effect of what was changed. Two of the same hosts speak for these.
    """
    if not first.size or not second.size:
        return _no_pairs(unit)
    means = _two_means(first, second, same_hosts)
    base = means[0].centre
    level = sum(mean.centre for mean in means) / 2.0
    weigh = _Weighing(limits, level, limits.practical_ratio * base, resolution * math.sqrt(2.0))
    figure = _effect(weigh.independent(*means), unit, objections, limits)
    return replace(figure, base=base)


def independent_ratio(
    first: Values,
    second: Values,
    unit: str,
    objections: Iterable[Objection] = (),
    limits: Thresholds = DEFAULTS,
    same_hosts: bool = False,
) -> Figure:
    """second / first of two studies, which share no blocks: of the geometric means."""
    usable = [side.where(_has_logarithm(side.numbers)) for side in (first, second)]
    total = first.size + second.size
    censored = total - sum(side.size for side in usable)
    if not all(side.size for side in usable):
        return replace(_no_pairs(unit), censored=censored)
    logs = [replace(side, numbers=np.log(side.numbers)) for side in usable]
    evidence = _of_ratios(limits).independent(*_two_means(logs[0], logs[1], same_hosts))
    doubts = [*without_ratio(censored, total), *objections]
    return _as_ratio(_effect(evidence, unit, doubts, limits), censored)


def _two_means(first: Values, second: Values, same_hosts: bool) -> list[Replication]:
    few = HOSTS_AS_SAMPLE if same_hosts else 1
    return [replicated(side.numbers, _places(side), few) for side in (first, second)]


def without_ratio(silent: int, n: int) -> list[Objection]:
    """The doubt about a ratio that so many of n say nothing of."""
    if not silent:
        return []
    reason = f"{silent} of {n} have no ratio (zero, or {UNENDED[0]})"
    return [Objection(Verdict.UNSETTLED, reason, UNENDED[1])]


def scope_of(mean: Replication) -> Scope:
    """What a mean speaks for."""
    return Scope(mean.hosts, mean.of_hosts)


def _places(values: Values) -> Places:
    return Places(values.host, values.cell, values.turn)


def _no_pairs(unit: str) -> Figure:
    return Figure(unit, 0, None, None, None, None, nothing("block gave it for both"))


@dataclass(frozen=True)
class _Weighing:
    """How differences become evidence. level: of what they are differences; 1 for logarithms."""

    limits: Thresholds
    level: float
    practical: float
    resolution: float

    def paired(self, steps: Floats, places: Values) -> Evidence:
        """Evidence of all blocks; without the one that is broken, if that alone unsettles it."""
        every = self._evidence(steps, replicated(steps, _places(places)))
        broken = _broken(steps, places.cell, LEAST_BROKEN * self.level)
        if broken is None:
            return every
        every = replace(every, stands_out=int(places.block[broken]))
        rest = np.arange(steps.size) != broken
        others = replicated(steps[rest], _places(places.where(rest)))
        without = self._evidence(steps[rest], others)
        if is_settled(every, self.limits) or not is_settled(without, self.limits):
            return every
        return replace(without, stands_out=every.stands_out, left_out=True)

    def independent(self, first: Replication, second: Replication) -> Evidence:
        """Evidence of what two samples differ by."""
        mean = contrast(first, second)
        return self._evidence(np.array([mean.centre]), mean)

    def _evidence(self, steps: Floats, mean: Replication) -> Evidence:
        floor, unseen = self.resolution * ROUNDED, self.limits.unseen_ratio * self.level
        return Evidence(
            (float(steps.min()), float(steps.max())),
            mean,
            mean.interval(self.limits.confidence, floor),
            mean.p_value(floor),
            mean.guarded_p(unseen, floor),
            mean.runs,
            max(mean.deviation, floor),
            unseen,
            self.practical,
        )


def _of_ratios(limits: Thresholds) -> _Weighing:
    return _Weighing(limits, 1.0, math.log1p(limits.practical_ratio), 0.0)


def _broken(steps: Floats, cell: NDArray[np.int64], least: float) -> int | None:
    """Index of the block that lies furthest from the median of its cell, if it is broken.

    Of two that lie as far nobody can say which, whatever order they are in.
    """
    if steps.size < FEWEST_TO_BREAK:
        return None
    # of a cell with one or two blocks nobody can say which is broken: then all cells are one
    distance = np.abs(steps - np.median(steps))
    if (several := (np.bincount(cell) > 2)[cell]).any():
        own = steps[several]
        distance[several] = np.abs(own - group_medians(own, cell[several]))
    furthest = int(distance.argmax())
    if np.count_nonzero(distance >= distance[furthest] * (1.0 - 1e-9)) > 1:
        return None
    typical = 1.4826 * float(np.median(np.delete(distance, furthest)))
    return furthest if distance[furthest] > max(BROKEN * typical, least) else None


def _opened(evidence: Evidence, at_most: int, at_least: int) -> Evidence:
    """Evidence whose interval is open where values are only known to lie beyond what was seen."""
    interval = evidence.interval
    if interval is not None and (at_most or at_least):
        low = -math.inf if at_most else interval.low
        high = math.inf if at_least else interval.high
        interval = replace(interval, low=low, high=high)
    return replace(evidence, interval=interval, open_blocks=at_most + at_least)


def _effect(
    evidence: Evidence, unit: str, objections: Iterable[Objection], limits: Thresholds
) -> Figure:
    judgement, more, claims = judge_effect(evidence, limits, unit)
    return Figure(
        unit,
        evidence.n,
        evidence.mean.centre,
        *evidence.extremes,
        evidence.interval,
        overrule(judgement, objections),
        0,
        evidence.p_value,
        more,
        claims,
        scope_of(evidence.mean),
        evidence=evidence,
    )


def _has_logarithm(values: Floats) -> NDArray[np.bool_]:
    return (values > 0) & np.isfinite(values)


def _exponential(interval: Interval | None) -> Interval | None:
    if interval is None:
        return None
    low, high = (math.exp(end) for end in (interval.low, interval.high))
    return replace(interval, low=low, high=high)


def _as_ratio(figure: Figure, censored: int) -> Figure:
    """An effect on logarithms as the ratio it means; of an open one only the interval is known."""

    def power(value: float | None) -> float | None:
        return None if value is None else math.exp(value)

    return replace(
        figure,
        estimate=None if censored else power(figure.estimate),
        low=power(figure.low),
        high=power(figure.high),
        interval=_exponential(figure.interval),
        censored=censored,
    )
