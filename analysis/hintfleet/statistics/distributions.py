# SPDX-License-Identifier: GPL-2.0-or-later
"""The two distributions the statistics need, so that SciPy need not be installed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

_TINY = 1e-300
_TOLERANCE = 1e-14


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), a and b > 0.

    By its continued fraction (DLMF 8.17.22), evaluated with the modified Lentz method; the
    symmetry I_x(a, b) = 1 - I_{1-x}(b, a) keeps it on the side where it converges fast.
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return math.exp(log_front) / (a * _continued_fraction(x, a, b))


def _continued_fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22."""
    value, c, d = 1.0, 1.0, 0.0
    for n in range(1, 10_000):
        m = n // 2
        if n % 2:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 + step * d
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = 1.0 + step / c
        c = c if abs(c) > _TINY else _TINY
        value *= c * d
        if abs(c * d - 1.0) < _TOLERANCE:
            return value
    raise ArithmeticError(f"beta_cdf({x}, {a}, {b}) did not converge in 10000 terms")


@lru_cache(maxsize=4096)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = probability."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability must lie in 0..1, found {probability}")
    return _bisect(lambda x: beta_cdf(x, a, b), probability, 0.0, 1.0)


def student_t_cdf(t: float, degrees: float) -> float:
    """Student's t distribution function, by the incomplete beta function (DLMF 8.17)."""
    tail = 0.5 * beta_cdf(degrees / (degrees + t * t), degrees / 2.0, 0.5)
    return 1.0 - tail if t > 0 else tail


@lru_cache(maxsize=4096)
def student_t_quantile(probability: float, degrees: float) -> float:
    """The t with student_t_cdf(t, degrees) = probability, 0 < probability < 1."""
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability must lie between 0 and 1, found {probability}")
    if probability < 0.5:
        return -student_t_quantile(1.0 - probability, degrees)
    high = 1.0
    while student_t_cdf(high, degrees) < probability:
        high *= 2.0
    return _bisect(lambda t: student_t_cdf(t, degrees), probability, 0.0, high)


def _bisect(cdf: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Root of a rising function by bisection, to the last bit that matters."""
    for _ in range(200):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        if cdf(middle) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
