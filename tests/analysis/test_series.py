# SPDX-License-Identifier: GPL-2.0-or-later
"""Curves and histograms, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hintfleet.statistics.series import histogram_quantile, integral, merged_bins, resample


def test_integral_is_the_area_of_the_trapezoids() -> None:
    assert integral([0, 2, 4], [0, 10, 0], 4) == pytest.approx(20.0)


def test_integral_ends_where_it_is_told() -> None:
    # up to 3: 10 + (10 + 5) / 2
    assert integral([0, 2, 4], [0, 10, 0], 3) == pytest.approx(17.5)
    assert integral([0, 2], [4, 4], 100) == pytest.approx(8.0), "nothing is held after the end"
    assert integral([5, 6], [1, 1], 5) == 0.0
    assert integral([], [], 5) == 0.0


def test_integral_refuses_a_clock_that_went_back() -> None:
    with pytest.raises(ValueError, match="went back"):
        integral([0, 2, 1], [1, 1, 1], 2)


def test_merged_quantile_is_of_all_observations() -> None:
    lower, upper = np.array([1.0, 4.0, 1.0]), np.array([2.0, 8.0, 2.0])
    merged = merged_bins(lower, upper, np.array([50, 10, 40]))
    assert merged is not None
    assert merged[0].tolist() == [1.0, 2.0, 4.0, 8.0] and merged[1].tolist() == [90, 0, 10]
    # the mean of the two runs' medians would be 1.4 and 5.7; of all 100 it lies in the first bin
    assert histogram_quantile(*merged, 0.5) == pytest.approx(2 ** (50 / 90))
    assert histogram_quantile(*merged, 0.95) == pytest.approx(4 * 2**0.5)
    assert histogram_quantile(*merged, 1.0) == pytest.approx(8.0)


def test_unlike_histograms_are_not_merged() -> None:
    assert merged_bins(np.array([1.0, 1.0]), np.array([2.0, 3.0]), np.array([1, 1])) is None
    assert merged_bins(np.array([]), np.array([]), np.array([], dtype=np.int64)) is None
    with pytest.raises(ValueError, match="empty"):
        histogram_quantile([1, 2], [0], 0.5)


def test_quantiles_of_a_histogram_lie_in_the_bin_of_the_true_ones() -> None:
    data = np.random.default_rng(7).lognormal(7, 0.5, 20_000)
    bounds = 2.0 ** (np.arange(6, 20, 1 / 16))
    counts, _ = np.histogram(data, bounds)
    for share in (0.5, 0.95, 0.99, 0.999):
        estimate, true = histogram_quantile(bounds, counts, share), np.quantile(data, share)
        assert abs(np.log2(estimate / true)) < 1 / 16


def test_resample_keeps_peaks_and_marks_gaps() -> None:
    result = resample([0.0, 1.0, 2.0, 3.0], [0.0, 9.0, 1.0, 2.0], 4.0, 2)
    assert result.tolist() == [9.0, 2.0]
    late = resample([3.0], [5.0], 4.0, 4)
    assert np.isnan(late[:3]).all() and late[3] == 5.0
    bridged = resample([0.0, 3.9], [0.0, 3.0], 4.0, 4)
    assert bridged.tolist() == pytest.approx([0.0, 1.0, 2.0, 3.0])
