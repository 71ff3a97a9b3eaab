# SPDX-License-Identifier: GPL-2.0-or-later
"""Pure functions on arrays: no files, no words, no decisions about trust.

Arrays are one-dimensional float64 unless a docstring says otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hintfleet.statistics.distributions import beta_quantile, student_t_cdf, student_t_quantile

Floats = NDArray[np.float64]

VALUES_AT_ONCE = 1 << 20
"""How many values a permutation test draws at once, which bounds its memory."""

CELLS_AS_SAMPLE = 5
"""From this many cells on they stand for a fleet; fewer stand for themselves only."""

EXACT_PERMUTATIONS = 1 << 12
"""Up to this many sign patterns a permutation test visits all of them."""


@dataclass(frozen=True)
class Interval:
    """Where a value lies with the stated confidence, and by which method we know."""

    low: float
    high: float
    confidence: float
    method: str
    degrees: float | None = None
    """Degrees of freedom, if the method is Student's t."""

    def p_of(self, value: float) -> float | None:
        """Two-sided p of the t test that the truth is `value`; None for another method."""
        reach = (self.high - self.low) / 2.0
        if self.degrees is None:
            return None
        distance = abs((self.high + self.low) / 2.0 - value)
        if reach == 0.0:
            return 1.0 if distance == 0.0 else 0.0
        error = reach / student_t_quantile(0.5 + self.confidence / 2.0, self.degrees)
        return 2.0 * student_t_cdf(-distance / error, self.degrees)


def as_floats(values: ArrayLike) -> Floats:
    """A one-dimensional float64 array; ValueError for another shape or NaN."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"expected a list of numbers, found an array of shape {array.shape}")
    if np.isnan(array).any():
        raise ValueError("expected numbers, found NaN")
    return array


def median(values: ArrayLike) -> float:
    """The median; +inf stands for a censored observation and sorts last."""
    array = np.sort(as_floats(values))
    if array.size == 0:
        raise ValueError("a median needs at least one value")
    low, high = array[(array.size - 1) // 2], array[array.size // 2]
    return float(low if low == high else (low + high) / 2.0)


def relative_spread(values: ArrayLike) -> float:
    """(largest - smallest) / median; 0 for a single value, inf if the median is 0."""
    array = as_floats(values)
    width = float(array.max() - array.min())
    middle = median(array)
    if width == 0.0:
        return 0.0
    return width / abs(middle) if middle else math.inf


def mean_interval(
    values: ArrayLike,
    confidence: float = 0.95,
    resolution: float = 0.0,
    groups: ArrayLike | None = None,
) -> Interval | None:
    """Two-sided interval of the mean; None for fewer than two independent values.

    resolution is the step of the measuring device (1 for a count of guests): the standard
    deviation is taken as at least resolution / sqrt(12), the deviation of a rounding error
    (GUM, JCGM 100:2008, F.2.2.1), so that equal counts do not claim perfect knowledge.

    groups says the cell of each value (names or codes). One cell: Student's t, whatever the number
    of values, for a resampling of counts that tie can draw one value only, whose interval has no
    end. A few cells: t with the variance within cells (one-way analysis of variance, fixed cells),
    so that a difference between cells is not taken for noise. CELLS_AS_SAMPLE cells or more: the
    same as for one cell, on the means of the cells, which then stand for a fleet.
    """
    array = as_floats(values)
    floor = resolution / math.sqrt(12.0)
    if groups is not None:
        if len(labels := np.asarray(groups)) != array.size:
            raise ValueError(f"{array.size} values but {len(labels)} groups")
        names, group = np.unique(labels, return_inverse=True)
        if 1 < names.size < CELLS_AS_SAMPLE:
            return _within_groups(array, group, confidence, floor)
        if names.size >= CELLS_AS_SAMPLE:
            array = group_means(array, labels)
    if array.size < 2:
        return None
    deviation = float(array.std(ddof=1))
    error = max(deviation, floor) / math.sqrt(array.size)
    return _t_interval(float(array.mean()), error, array.size - 1, confidence, "Student t")


def group_means(values: Floats, groups: ArrayLike) -> Floats:
    """Mean of the values of each group, in the order of the groups' names or codes."""
    _, group, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    means: Floats = np.bincount(group, weights=values) / counts
    return means


def _within_groups(
    values: Floats, group: NDArray[np.int64], confidence: float, floor: float
) -> Interval | None:
    """group numbers the groups from 0 without a gap."""
    counts = np.bincount(group)
    degrees = values.size - counts.size
    if degrees < 1:
        return None
    means = np.bincount(group, weights=values) / counts
    squares = float(((values - means[group]) ** 2).sum())
    deviation = max(math.sqrt(squares / degrees), floor)
    error = deviation * math.sqrt(float((1.0 / counts).sum())) / counts.size
    return _t_interval(float(means.mean()), error, degrees, confidence, "Student t within cells")


def _t_interval(
    centre: float, error: float, degrees: int, confidence: float, method: str
) -> Interval:
    reach = student_t_quantile(0.5 + confidence / 2.0, degrees) * error
    return Interval(centre - reach, centre + reach, confidence, method, degrees)


def sign_flip_p(differences: ArrayLike, resamples: int = 9999, seed: int = 20190603) -> float:
    """Two-sided p of the paired permutation test: signs of the differences are exchangeable.

    Exact over all 2^n patterns while there are at most EXACT_PERMUTATIONS, else Monte Carlo
    with (hits + 1) / (resamples + 1) (Phipson and Smyth 2010), which never says 0.
    """
    array = as_floats(differences)
    if array.size == 0:
        raise ValueError("a permutation test needs at least one pair")
    observed = abs(float(array.sum())) * (1.0 - 1e-12)
    if array.size <= math.log2(EXACT_PERMUTATIONS):
        patterns = np.arange(1 << array.size)[:, None] >> np.arange(array.size) & 1
        sums = np.abs((1.0 - 2.0 * patterns) @ array)
        return float(np.count_nonzero(sums >= observed) / sums.size)
    random = np.random.default_rng(seed)
    hits, batch = 0, max(VALUES_AT_ONCE // array.size, 1)
    for start in range(0, resamples, batch):
        size = (min(batch, resamples - start), array.size)
        signs = random.integers(0, 2, size, dtype=np.int8) * 2.0 - 1.0
        hits += int(np.count_nonzero(np.abs(signs @ array) >= observed))
    return (hits + 1) / (resamples + 1)


def smallest_sign_flip_p(pairs: int) -> float:
    """The least two-sided p that this many pairs can give: 2 patterns of 2^n."""
    return min(1.0, 2.0 ** (1 - pairs))


def smallest_two_sample_p(first: int, second: int) -> float:
    """The least two-sided p of samples of these sizes: 2 splits of all (1 if one is empty)."""
    return min(1.0, 2.0 / math.comb(first + second, first))


def two_sample_p(
    first: ArrayLike, second: ArrayLike, resamples: int = 9999, seed: int = 20190603
) -> float:
    """Two-sided p of the permutation test of two independent samples, statistic: mean difference.

    Exact over all splits while there are at most EXACT_PERMUTATIONS, else Monte Carlo.
    """
    left, right = as_floats(first), as_floats(second)
    both = np.concatenate([left, right])
    total, size = float(both.sum()), both.size
    splits = math.comb(size, left.size)

    def gap(subset_sum: float) -> float:
        return abs(subset_sum / left.size - (total - subset_sum) / right.size)

    observed = gap(float(left.sum())) * (1.0 - 1e-12)
    if splits <= EXACT_PERMUTATIONS:
        sums = (sum(chosen) for chosen in combinations(both.tolist(), left.size))
        return sum(gap(value) >= observed for value in sums) / splits
    random = np.random.default_rng(seed)
    hits, batch = 0, max(VALUES_AT_ONCE // size, 1)
    for start in range(0, resamples, batch):
        shuffled = random.permuted(np.tile(both, (min(batch, resamples - start), 1)), axis=1)
        sums = shuffled[:, : left.size].sum(axis=1)
        gaps = np.abs(sums / left.size - (total - sums) / right.size)
        hits += int(np.count_nonzero(gaps >= observed))
    return (hits + 1) / (resamples + 1)


def welch_interval(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95, resolution: float = 0.0
) -> Interval | None:
    """Interval of mean(second) - mean(first) of independent samples (Welch 1947).

    None if either sample has fewer than two values. resolution as in mean_interval.
    """
    samples = [as_floats(first), as_floats(second)]
    if min(sample.size for sample in samples) < 2:
        return None
    floor = resolution**2 / 12.0
    parts = [max(float(sample.var(ddof=1)), floor) / sample.size for sample in samples]
    centre = float(samples[1].mean() - samples[0].mean())
    total = sum(parts)
    if total == 0.0:
        return Interval(centre, centre, confidence, "Welch t", sum(s.size for s in samples) - 2)
    weights = (part**2 / (sample.size - 1) for part, sample in zip(parts, samples, strict=True))
    degrees = total**2 / sum(weights)
    reach = student_t_quantile(0.5 + confidence / 2.0, degrees) * math.sqrt(total)
    return Interval(centre - reach, centre + reach, confidence, "Welch t", degrees)


def share_interval(hits: int, n: int, confidence: float = 0.95) -> Interval:
    """Exact two-sided interval of a share of n (Clopper and Pearson 1934)."""
    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"expected 0 <= hits <= n and n >= 1, found {hits} of {n}")
    tail = (1.0 - confidence) / 2.0
    low = beta_quantile(tail, hits, n - hits + 1) if hits else 0.0
    high = beta_quantile(1.0 - tail, hits + 1, n - hits) if hits < n else 1.0
    return Interval(low, high, confidence, "Clopper-Pearson")


def share_at_least(hits: int, n: int, confidence: float = 0.95) -> float:
    """One-sided lower bound of a share (Clopper and Pearson 1934, one tail)."""
    if not 0 <= hits <= n or n < 1:
        raise ValueError(f"expected 0 <= hits <= n and n >= 1, found {hits} of {n}")
    return beta_quantile(1.0 - confidence, hits, n - hits + 1) if hits else 0.0


def trials_for_share(share: float, confidence: float = 0.95) -> int:
    """Trials that must all succeed to show at least this share: share^n <= 1 - confidence."""
    return math.ceil(math.log(1.0 - confidence) / math.log(share) - 1e-12)


def reliable_count(counts: ArrayLike, share: float = 0.95, confidence: float = 0.95) -> int | None:
    """Largest k that fits in at least `share` of blocks, shown with this confidence.

    counts holds how many guests fitted in each block. None while n is too small to show it
    for any k.
    """
    array = as_floats(counts)
    for k in sorted({int(value) for value in array}, reverse=True):
        if share_at_least(int(np.count_nonzero(array >= k)), array.size, confidence) >= share:
            return k
    return None


def holm(p_values: ArrayLike) -> Floats:
    """p values adjusted for many comparisons (Holm 1979), in the order given."""
    array = as_floats(p_values)
    order = np.argsort(array, kind="stable")
    scaled = array[order] * (array.size - np.arange(array.size))
    adjusted = np.minimum(np.maximum.accumulate(scaled), 1.0)
    result = np.empty_like(adjusted)
    result[order] = adjusted
    return result


def blocks_needed(
    deviation: float, margin: float, confidence: float = 0.95, most: int = 10_000
) -> int | None:
    """Smallest n whose t interval reaches at most `margin` from its mean; None beyond `most`.

    deviation is the standard deviation seen so far, taken to stay as it is.
    """
    if margin <= 0.0:
        return None
    if deviation == 0.0:
        return 2

    def reaches(n: int) -> bool:
        error = deviation / math.sqrt(n)
        return student_t_quantile(0.5 + confidence / 2.0, n - 1) * error <= margin

    low, high = 2, 2
    while not reaches(high):
        low, high = high, high * 2
        if high > 2 * most:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle + 1, high)
    return high if high <= most else None


def outliers(values: ArrayLike, limit: float = 3.5) -> NDArray[np.bool_]:
    """Which values stand out: modified z score beyond limit (Iglewicz and Hoaglin 1993).

    With no spread around the median nothing but a differing value stands out, and only if
    more than half agree exactly.
    """
    array = as_floats(values)
    distance = np.abs(array - np.median(array))
    typical = float(np.median(distance))
    if typical == 0.0:
        return distance > 0.0
    return 0.6745 * distance / typical > limit
