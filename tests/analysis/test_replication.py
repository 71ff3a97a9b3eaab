# SPDX-License-Identifier: GPL-2.0-or-later
"""Means and their errors against values worked out by hand and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hintfleet.statistics.replication import Places, Replication, contrast, replicated
from scipy import stats


def mean_of(rows: list[tuple[int, int, int, float]], hosts_as_sample: int = 5) -> Replication:
    """rows: host, node, block, value."""
    host, node, block, values = (np.array(column) for column in zip(*rows, strict=True))
    places = Places(host, host * 10 + node, block)
    return replicated(values.astype(float), places, hosts_as_sample)


def test_blocks_of_one_node_are_scipys_t_interval() -> None:
    values = [1.0, 2.0, 4.0]
    mean = mean_of([(0, 0, block, value) for block, value in enumerate(values)])
    interval = mean.interval(0.95)
    assert interval is not None and not interval.guard and not mean.of_hosts
    expected = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert mean.p_value() == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue)
    assert interval.method == "Student t over 3 blocks"


def test_one_block_has_no_interval() -> None:
    mean = mean_of([(0, 0, 1, 5.0), (0, 1, 1, 6.0)])
    assert mean.centre == 5.5
    assert mean.interval(0.95) is None and mean.p_value() is None and mean.guarded_p(0.2) is None


def test_nodes_of_a_host_that_share_a_block_are_one_unit() -> None:
    """Each block moves both nodes alike: three units, not six."""
    rows = [(0, node, block, 10.0 * node + block) for node in (0, 1) for block in (1, 2, 3)]
    mean = mean_of(rows)
    assert (mean.centre, mean.units, mean.degrees) == (7.0, 3, 2.0)
    assert mean.error == pytest.approx(stats.sem([1.0, 2.0, 3.0]))


def test_a_difference_between_few_hosts_is_not_noise() -> None:
    mean = mean_of([(0, 0, 1, 1.0), (0, 0, 2, 1.2), (1, 0, 1, 9.0), (1, 0, 2, 9.2)])
    # each host: s^2 = 0.02, its mean has 0.02 / 2; the mean of two hosts (0.01 + 0.01) / 4
    assert mean.error == pytest.approx(math.sqrt(0.005))
    assert (mean.centre, mean.degrees, mean.units) == pytest.approx((5.1, 2.0, 4))


def test_a_quiet_host_does_not_lend_its_degrees_to_a_noisy_one() -> None:
    mean = mean_of([(host, 0, b, v * host) for host in (0, 1) for b, v in enumerate((1, 2, 4))])
    assert mean.degrees == pytest.approx(2.0)


def test_a_host_with_one_block_borrows_the_scatter_of_the_others() -> None:
    mean = mean_of([(0, 0, 1, 1.0), (0, 0, 2, 3.0), (1, 0, 1, 5.0)])
    # s^2 = 2 with one degree: (2 / 2 + 2 / 1) / 4
    assert mean.error == pytest.approx(math.sqrt(0.75))
    assert mean.degrees == 1.0


def test_many_hosts_are_the_sample_whatever_they_hold() -> None:
    rows = [(host, node, b, float(host)) for host in range(5) for node in (0, 1) for b in (1, 2)]
    mean = mean_of(rows)
    expected = stats.t.interval(0.95, 4, 2.0, stats.sem([0.0, 1.0, 2.0, 3.0, 4.0]))
    interval = mean.interval(0.95)
    assert interval is not None and mean.of_hosts
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert interval.method == "Student t over 5 hosts"


def test_a_node_with_more_runs_counts_no_more_than_another() -> None:
    rows = [(0, 0, block, 1.0) for block in range(9)] + [(0, 1, 0, 3.0), (0, 1, 1, 3.0)]
    assert mean_of(rows).centre == 2.0


def test_equal_counts_have_the_width_of_their_rounding_and_it_is_called_a_guard() -> None:
    interval = mean_of([(0, 0, block, 7.0) for block in range(3)]).interval(0.95, 1 / math.sqrt(12))
    assert interval is not None and interval.guard
    # t(0.975, 2) / sqrt(12) / sqrt(3) = 4.302653 / 6
    assert interval.high - 7.0 == pytest.approx(4.302653 / 6.0, rel=1e-6)
    assert interval.method == "guard against rounding"


def test_few_equal_blocks_do_not_make_certain() -> None:
    """Three equal differences of 0.1: variance 0.2^2 / 3, as if one more lay 0.2 away."""
    mean = mean_of([(0, 0, block, 0.1) for block in range(3)])
    t = 0.1 / (0.2 / 3.0)
    assert mean.guarded_p(0.2) == pytest.approx(2 * stats.t.sf(t, 2))
    assert mean.p_value() == 0.0
    assert mean_of([(0, 0, block, 0.1) for block in range(30)]).guarded_p(0.2) < 1e-9


def test_blocks_that_resemble_the_one_before_count_for_less() -> None:
    slow = [math.sin(block / 5.0) for block in range(30)]
    mixed = [slow[(7 * block) % 30] for block in range(30)]
    means = [mean_of([(0, 0, b, v) for b, v in enumerate(values)]) for values in (slow, mixed)]
    assert means[0].deviation == pytest.approx(means[1].deviation)
    assert means[0].dependence > 4.0 > 2.0 > means[1].dependence
    assert means[0].degrees < means[1].degrees


def test_two_samples_are_scipys_welch_test() -> None:
    samples = [[1.0, 2.0, 3.5, 2.2], [2.5, 4.0, 5.0]]
    first, second = (mean_of([(0, 0, b, v) for b, v in enumerate(one)]) for one in samples)
    interval = contrast(first, second).interval(0.95)
    expected = stats.ttest_ind(*samples[::-1], equal_var=False).confidence_interval(0.95)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_one_host_against_another_has_no_interval() -> None:
    sides = [mean_of([(0, 0, block, 1.0 + block) for block in range(3)], 1) for _ in range(2)]
    assert contrast(*sides).interval(0.95) is None


@pytest.mark.parametrize(("usual", "other", "n"), [(6, 4, 12), (6, 0, 30), (6, 0, 100), (9, 3, 13)])
def test_one_block_that_differs_leaves_a_finite_interval(usual: int, other: int, n: int) -> None:
    values = [float(usual)] * (n - 1) + [float(other)]
    found = mean_of([(0, 0, b, v) for b, v in enumerate(values)]).interval(0.95, 0.4)
    assert found is not None
    assert found.low < usual - (usual - other) / n < found.high < usual + (usual - other)
