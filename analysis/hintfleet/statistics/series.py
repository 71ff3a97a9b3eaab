# SPDX-License-Identifier: GPL-2.0-or-later
"""Pure functions on what was recorded as a curve: histograms and samples over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hintfleet.statistics.intervals import Floats, as_floats

Histogram = tuple[Floats, NDArray[np.int64]]
"""Bounds and counts, one bound more than counts."""


def merged_bins(lower: Floats, upper: Floats, counts: NDArray[np.int64]) -> Histogram | None:
    """One histogram of bins that may occur many times: bins that nothing fell into come back with
    a count of 0. None if there are none, or if unlike bins overlap: their counts cannot be added.
    """
    edges = np.unique(np.stack([lower, upper]), axis=1)
    if not edges.size or np.any(edges[0, 1:] < edges[1, :-1]):
        return None
    bounds = np.unique(edges)
    total = np.zeros(bounds.size - 1, dtype=np.int64)
    np.add.at(total, np.searchsorted(bounds, lower), counts)
    return bounds, total


def histogram_quantile(bounds: ArrayLike, counts: ArrayLike, share: float) -> float:
    """Value below which `share` of the observations lie, interpolated inside its bin.

    Linear in the logarithm when both edges are positive (the bins are spaced that way), else
    linear. The true quantile lies in the same bin. ValueError for an empty histogram.
    """
    edges, heights = as_floats(bounds), np.asarray(counts, dtype=np.int64)
    total = int(heights.sum())
    if total == 0:
        raise ValueError("an empty histogram has no quantile")
    reached = np.cumsum(heights)
    wanted = share * total
    index = int(np.searchsorted(reached, max(wanted, np.finfo(np.float64).tiny), side="left"))
    before = float(reached[index] - heights[index])
    part = (wanted - before) / float(heights[index])
    low, high = float(edges[index]), float(edges[index + 1])
    if low > 0.0:
        return float(low * (high / low) ** part)
    return low + (high - low) * part


def integral(seconds: ArrayLike, values: ArrayLike, end: float) -> float:
    """Trapezoid integral of values over seconds up to `end`, in value times second.

    Between two samples the curve is a straight line, also up to `end` if that lies between
    them. After the last sample nothing is assumed: an ended guest holds no memory, and filling
    its last value forward would charge it for the time of others.
    """
    times, heights = as_floats(seconds), as_floats(values)
    if times.size != heights.size:
        raise ValueError(f"{times.size} times but {heights.size} values")
    if np.any(np.diff(times) < 0.0):
        raise ValueError("the clock went back")
    if times.size < 2 or end <= times[0]:
        return 0.0
    if end < times[-1]:
        at_end = float(np.interp(end, times, heights))
        inside = times < end
        times = np.append(times[inside], end)
        heights = np.append(heights[inside], at_end)
    return float(((heights[1:] + heights[:-1]) * np.diff(times)).sum() / 2.0)


def resample(seconds: ArrayLike, values: ArrayLike, end: float, columns: int) -> Floats:
    """Largest value in each of `columns` equal slices of 0..end; NaN where nothing was sampled.

    The largest, not the mean: a peak of swap must not vanish when a curve is drawn small.
    """
    times, heights = as_floats(seconds), as_floats(values)
    result = np.full(columns, np.nan)
    if times.size == 0 or end <= 0.0:
        return result
    slots = np.minimum((times / end * columns).astype(np.int64), columns - 1)
    inside = times <= end
    for slot in np.unique(slots[inside]):
        result[slot] = heights[inside & (slots == slot)].max()
    filled = np.flatnonzero(~np.isnan(result))
    if filled.size:
        span = np.arange(filled[0], filled[-1] + 1)
        result[span] = np.interp(span, filled, result[filled])
    return result
