# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes of level are found where they are, and not where nothing changed."""

from __future__ import annotations

import numpy as np
import pytest
from hintfleet.statistics.changes import FEWEST, change_points
from hintfleet.statistics.intervals import share_interval

SERIES = 600


@pytest.mark.parametrize("values", [6, 8, 12, 30])
@pytest.mark.parametrize("noise", ["normal", "heavy tails", "counts"])
def test_equal_levels_are_seldom_called_different(values: int, noise: str) -> None:
    random = np.random.default_rng(values)
    draw = {
        "normal": lambda: random.normal(size=values),
        "heavy tails": lambda: random.standard_t(4, size=values),
        "counts": lambda: np.round(random.normal(7.0, 0.5, size=values)),
    }[noise]
    wrong = sum(bool(change_points(draw())) for _ in range(SERIES))
    # the share is at most 5 %, as far as so many series can tell
    assert share_interval(wrong, SERIES).low <= 0.05


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([8.0] * 5 + [6.0] * 4, [5]),
        ([8.0] * 4 + [6.0] * 2, [4]),
        ([0.5, 0.51, 0.49] * 3 + [0.8, 0.81, 0.79] * 3 + [0.5, 0.49, 0.51] * 3, [9, 18]),
        ([8.0] * 9, []),
        ([8.0, 8.0, 8.0, 6.0, 6.0], []),
        ([], []),
    ],
)
def test_levels_are_found(values: list[float], found: list[int]) -> None:
    assert change_points(values) == found


def test_nothing_is_told_of_too_few() -> None:
    assert change_points([1.0] * 2 + [100.0] * (FEWEST - 3)) == []
