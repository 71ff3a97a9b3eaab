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


def test_relative_spread() -> None:
    assert s.relative_spread([9.0, 10.0, 12.0]) == pytest.approx(0.3)
    assert s.relative_spread([5.0]) == 0.0
    assert s.relative_spread([0.0, 0.0]) == 0.0
    assert s.relative_spread([-1.0, 0.0, 1.0]) == math.inf


def test_t_interval_of_few_values_is_scipys() -> None:
    values = [1.0, 2.0, 4.0]
    interval = s.mean_interval(values)
    assert interval is not None
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert interval.method == "Student t"


def test_one_value_has_no_interval() -> None:
    assert s.mean_interval([5.0]) is None


def test_equal_counts_still_have_the_width_of_their_resolution() -> None:
    interval = s.mean_interval([7.0, 7.0, 7.0], resolution=1.0)
    assert interval is not None
    # t(0.975, 2) / sqrt(12) / sqrt(3) = 4.302653 / 6
    assert interval.high - 7.0 == pytest.approx(4.302653 / 6.0, rel=1e-6)
    assert 7.0 - interval.low == pytest.approx(4.302653 / 6.0, rel=1e-6)


def test_a_difference_between_two_cells_is_not_noise() -> None:
    values, cells = [1.0, 1.2, 9.0, 9.2], ["a", "a", "b", "b"]
    interval = s.mean_interval(values, groups=cells)
    assert interval is not None
    # within cells: s^2 = (0.02 + 0.02) / 2 = 0.02, error = sqrt(0.02 * (1/2 + 1/2)) / 2
    reach = stats.t.ppf(0.975, 2) * math.sqrt(0.02) / 2.0
    assert (interval.low, interval.high) == pytest.approx((5.1 - reach, 5.1 + reach))


def test_many_cells_stand_for_a_fleet() -> None:
    values = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]
    cells = [f"c{index // 2}" for index in range(10)]
    interval = s.mean_interval(values, groups=cells)
    means = [1.0, 2.0, 3.0, 4.0, 5.0]
    expected = stats.t.interval(0.95, 4, np.mean(means), stats.sem(means))
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_sign_flip_is_scipys_permutation_test() -> None:
    differences = np.array([0.3, 1.2, -0.4, 2.0, 0.9, 1.1, 0.2])
    expected = stats.permutation_test(
        (differences, np.zeros_like(differences)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    assert s.sign_flip_p(differences) == pytest.approx(expected)


def test_three_equal_signs_give_one_quarter() -> None:
    assert s.sign_flip_p([1.0, 2.0, 3.0]) == 0.25 == s.smallest_sign_flip_p(3)
    assert s.smallest_sign_flip_p(6) == pytest.approx(0.03125)


def test_many_pairs_are_sampled_and_never_certain() -> None:
    p = s.sign_flip_p(np.ones(40), resamples=999)
    assert p == pytest.approx(1.0 / 1000.0)


def test_two_samples_are_scipys_permutation_test() -> None:
    first, second = [1.0, 2.0, 3.5, 2.2], [2.5, 4.0, 5.0]
    expected = stats.permutation_test(
        (first, second),
        lambda x, y, axis: np.abs(np.mean(x, axis=axis) - np.mean(y, axis=axis)),
        n_resamples=np.inf,
        vectorized=True,
        alternative="greater",
    ).pvalue
    assert s.two_sample_p(first, second) == pytest.approx(expected)


def test_welch_interval_is_scipys() -> None:
    first, second = [1.0, 2.0, 3.5, 2.2], [2.5, 4.0, 5.0]
    interval = s.welch_interval(first, second)
    expected = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


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


def test_blocks_needed_is_the_first_n_that_reaches() -> None:
    n = s.blocks_needed(0.03, 0.02)
    assert n is not None

    def reach(size: int) -> float:
        return float(stats.t.ppf(0.975, size - 1) * 0.03 / math.sqrt(size))

    assert reach(n) <= 0.02 < reach(n - 1)
    assert s.blocks_needed(1.0, 1e-6) is None
    assert s.blocks_needed(0.0, 0.1) == 2


def test_outliers_name_the_one_that_stands_out() -> None:
    assert s.outliers([7.0, 7.1, 6.9, 7.0, 3.0]).tolist() == [False] * 4 + [True]
    assert s.outliers([7.0, 7.0, 7.0, 7.0, 6.0]).tolist() == [False] * 4 + [True]
    assert not s.outliers([7.0, 7.0, 7.0]).any()


@pytest.mark.parametrize(("usual", "other", "n"), [(6, 4, 12), (6, 0, 30), (6, 0, 100), (9, 3, 13)])
def test_one_block_that_differs_leaves_a_finite_interval(usual: int, other: int, n: int) -> None:
    found = s.mean_interval([usual] * (n - 1) + [other], resolution=math.sqrt(2.0))
    assert found is not None
    assert math.isfinite(found.low) and math.isfinite(found.high)
    assert found.low < usual - (usual - other) / n < found.high < usual + (usual - other)
