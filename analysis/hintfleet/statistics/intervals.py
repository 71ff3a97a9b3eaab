# SPDX-License-Identifier: GPL-2.0-or-later
"""Pure functions on arrays: no files, no words, no decisions about trust.

Arrays are one-dimensional float64 unless a docstring says otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Where a value lies with the stated confidence, and by which method we know."""

    low: float
    high: float
    confidence: float
    method: str
    guard: bool = False
    """Whether it is the least that rounding leaves open, and no confidence interval."""


def t_quantile(probability: float, degrees: float) -> float:
    """The t below which Student's t lies with this probability, between 0 and 1."""
    from scipy import special  # half of what the command would take to start

    return float(special.stdtrit(degrees, probability))


def two_sided_t(t: float, degrees: float) -> float:
    """The probability that Student's t lies as far from 0 as t, or further."""
    from scipy import special

    return float(2.0 * special.stdtr(degrees, -abs(t)))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = probability, the regularised incomplete beta function."""
    from scipy import special

    return float(special.betaincinv(a, b, probability))


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


def group_means(values: Floats, groups: ArrayLike) -> Floats:
    """Mean of the values of each group, in the order of the groups' names or codes."""
    _, group, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    means: Floats = np.bincount(group, weights=values) / counts
    return means


def group_medians(values: Floats, groups: NDArray[np.int64]) -> Floats:
    """For each value the median of its group."""
    order = np.lexsort((values, groups))
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    sizes = np.diff(starts, append=groups.size)
    ranked = values[order]
    middle = (ranked[starts + (sizes - 1) // 2] + ranked[starts + sizes // 2]) / 2.0
    result = np.empty_like(values)
    result[order] = np.repeat(middle, sizes)
    return result


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


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """p values adjusted so that few of those that pass are false (Benjamini and Hochberg 1995)."""
    array = as_floats(p_values)
    order = np.argsort(array, kind="stable")[::-1]
    scaled = array[order] * array.size / np.arange(array.size, 0, -1)
    result = np.empty_like(scaled)
    result[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return result


def blocks_needed(
    deviation: float,
    degrees: float,
    margin: float,
    unseen: float = 0.0,
    confidence: float = 0.95,
    most: int = 1000,
) -> tuple[int, int] | None:
    """Fewest and most n after which a t interval reaches at most `margin` from its mean.

    Eight studies of ten: n such that 80 % of studies like this one settle it, at each end of the
    80 % interval of the standard deviation (chi square), which was seen with these degrees of
    freedom. unseen as in Replication.guarded_p. None if even the fewest are not below `most`, and
    `most` instead of more.
    """
    from scipy import special

    if margin <= 0.0:
        return None
    n = np.arange(2, most)
    sure, lucky = (special.stdtrit(n - 1, p) for p in (0.5 + confidence / 2.0, 0.8))
    found = []
    for share in (0.1, 0.9):
        scatter = deviation * math.sqrt(degrees / float(special.chdtri(degrees, share)))
        guarded = np.maximum(scatter, np.sqrt(((n - 1) * scatter**2 + unseen**2) / n))
        enough = (sure * guarded + lucky * scatter) / np.sqrt(n) <= margin
        found.append(int(n[enough.argmax()]) if enough.any() else most)
    return None if found[0] == most else (found[0], found[1])


def outliers(values: ArrayLike, limit: float = 3.5, least: float = 0.0) -> NDArray[np.bool_]:
    """Which values stand out: modified z score beyond limit (Iglewicz and Hoaglin 1993).

    least: the standard deviation that is taken for chance at least. Without any scatter around the
    median and without it, nothing but a differing value stands out.
    """
    array = as_floats(values)
    distance = np.abs(array - np.median(array))
    typical = max(float(np.median(distance)), 0.6745 * least)
    if typical == 0.0:
        return distance > 0.0
    return 0.6745 * distance / typical > limit
