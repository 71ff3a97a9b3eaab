# SPDX-License-Identifier: GPL-2.0-or-later
"""Our two distributions against SciPy's."""

from __future__ import annotations

import pytest
from hintfleet.statistics.distributions import (
    beta_cdf,
    beta_quantile,
    student_t_cdf,
    student_t_quantile,
)
from scipy import special, stats


@pytest.mark.parametrize("a", [0.5, 1.0, 3.0, 58.0, 5000.0])
@pytest.mark.parametrize("b", [0.5, 1.0, 2.0, 40.0])
@pytest.mark.parametrize("x", [0.0, 1e-6, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_beta_cdf_is_scipys(a: float, b: float, x: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("probability", [0.001, 0.025, 0.5, 0.975, 0.999])
@pytest.mark.parametrize(("a", "b"), [(1, 3), (3, 1), (57, 4), (0.5, 0.5)])
def test_beta_quantile_is_scipys(probability: float, a: float, b: float) -> None:
    assert beta_quantile(probability, a, b) == pytest.approx(
        stats.beta.ppf(probability, a, b), rel=1e-8
    )


@pytest.mark.parametrize("degrees", [1, 2, 5, 30, 1000])
def test_student_t_is_scipys(degrees: int) -> None:
    for probability in (0.005, 0.025, 0.5, 0.9, 0.975, 0.9995):
        t = stats.t.ppf(probability, degrees)
        assert student_t_quantile(probability, degrees) == pytest.approx(t, rel=1e-8, abs=1e-9)
        assert student_t_cdf(t, degrees) == pytest.approx(probability, rel=1e-9)


def test_a_probability_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found 1\.5"):
        beta_quantile(1.5, 1, 1)
    with pytest.raises(ValueError, match="found 0"):
        student_t_quantile(0.0, 3)
