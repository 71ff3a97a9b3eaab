# SPDX-License-Identifier: GPL-2.0-or-later
"""Statistics against values worked out by hand and against SciPy where it has the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hintfleet.statistics import intervals as s
from scipy import stats


def test_median_counts_censored_values_as_last() -> None:
    assert s.median([3.0, 1.0, 2.0]) == 2.0
    assert s.median([1.0, 2.0, 3.0, 6.0]) == 2.5
    assert s.median([1.0, math.inf, 2.0]) == 2.0
    assert s.median([1.0, math.inf, math.inf]) == math.inf


def test_nan_and_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        s.median([1.0, math.nan])
    with pytest.raises(ValueError, match="shape"):
        s.as_floats([[1.0]])
    with pytest.raises(ValueError, match="at least one"):
        s.median([])


@pytest.mark.parametrize(("hits", "n"), [(0, 3), (1, 3), (3, 3), (57, 60), (500, 1000)])
def test_share_interval_is_scipys_exact_one(hits: int, n: int) -> None:
    expected = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
    interval = s.share_interval(hits, n)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_three_of_three_show_little() -> None:
    # one tail: 0.05 ** (1 / 3)
    assert s.share_at_least(3, 3) == pytest.approx(0.3684, abs=1e-4)
    assert s.share_at_least(0, 3) == 0.0


def test_59_blocks_show_95_percent() -> None:
    # 0.95 ** 59 = 0.0485 <= 0.05 < 0.0510 = 0.95 ** 58
    assert s.trials_for_share(0.95) == 59
    assert s.reliable_count([7] * 59) == 7
    assert s.reliable_count([7] * 58) is None


def test_reliable_count_steps_down_to_what_is_shown() -> None:
    assert s.reliable_count([6] * 10 + [7] * 90) == 6


def test_holm_by_hand() -> None:
    # sorted 0.01 0.02 0.03 -> 0.03, 0.04, max(0.04, 0.03)
    assert s.holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert s.holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])


def test_benjamini_hochberg_is_scipys() -> None:
    p_values = [0.03, 0.001, 0.2, 0.02, 0.9]
    expected = stats.false_discovery_control(p_values)
    assert s.benjamini_hochberg(p_values) == pytest.approx(expected)
    assert s.benjamini_hochberg([]).size == 0


def test_blocks_needed_are_a_range_that_settles_eight_of_ten() -> None:
    found = s.blocks_needed(0.03, 4, 0.02)
    assert found is not None

    def reach(size: int, deviation: float) -> float:
        quantiles = stats.t.ppf(0.975, size - 1) + stats.t.ppf(0.8, size - 1)
        return float(quantiles * deviation / math.sqrt(size))

    for n, share in zip(found, (0.9, 0.1), strict=True):
        deviation = 0.03 * math.sqrt(4 / stats.chi2.ppf(share, 4))
        assert reach(n, deviation) <= 0.02 < reach(n - 1, deviation)
    assert s.blocks_needed(1.0, 4, 1e-6) is None
    assert s.blocks_needed(0.0, 4, 0.1) == (2, 2)
    # without any scatter the guard alone decides: t(0.975, n - 1) * 0.2 / n <= 0.1
    assert s.blocks_needed(0.0, 4, 0.1, unseen=0.2) == (6, 6)


def test_outliers_name_the_one_that_stands_out() -> None:
    assert s.outliers([7.0, 7.1, 6.9, 7.0, 3.0]).tolist() == [False] * 4 + [True]
    assert s.outliers([7.0, 7.0, 7.0, 7.0, 6.0]).tolist() == [False] * 4 + [True]
    assert not s.outliers([7.0, 7.0, 7.0]).any()
    # equal nodes with counts of 7, 8 and 9 by chance
    assert not s.outliers([7.0, 8.0, 9.0, 8.0, 8.0, 8.0, 7.0], least=1.0).any()
    assert s.outliers([8.0, 8.0, 8.0, 8.0, 3.0], least=1.0).tolist() == [False] * 4 + [True]


def test_group_medians_are_told_for_each_value() -> None:
    values, groups = np.array([5.0, 1.0, 3.0, 2.0, 4.0]), np.array([7, 7, 7, 2, 2])
    assert s.group_medians(values, groups).tolist() == [3.0, 3.0, 3.0, 3.0, 3.0]
    assert s.group_medians(values, np.array([0, 1, 1, 1, 0])).tolist() == [4.5, 2.0, 2.0, 2.0, 4.5]
