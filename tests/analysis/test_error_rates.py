# SPDX-License-Identifier: GPL-2.0-or-later
"""Of equal mechanisms few are called different, under every kind of noise and for every layout.

The full table is that of docs/statistics.md: make bench-error-rates
"""

from __future__ import annotations

import os

import error_rates
import pytest
from error_rates import MODELS, Layout, Rates, rates
from scipy import stats

STUDIES = 20 * int(os.environ.get("HINTFLEET_TRIALS", "1"))
MOST_FALSE = 0.05
LUCK = 0.001
LAYOUTS = [Layout(1, 1, 3), Layout(1, 2, 8), Layout(2, 2, 5), Layout(3, 1, 3), Layout(6, 2, 3)]
DEPENDENT = {name for name in MODELS if name.startswith("blocks resemble")}


@pytest.mark.parametrize("name", MODELS)
def test_equal_mechanisms_are_rarely_called_different(name: str) -> None:
    found = [rates(MODELS[name], layout, STUDIES, seed) for seed, layout in enumerate(LAYOUTS)]
    total = Rates(
        *(sum(column) for column in zip(*(vars(one).values() for one in found), strict=True))
    )
    print(f"{name}: {total.false} of {total.studies}, covered {total.covered}/{total.intervals}")
    assert total.false <= stats.binom.ppf(1 - LUCK, total.studies, MOST_FALSE)
    if name not in DEPENDENT and name not in error_rates.UNSTATED:
        # the comparisons of a study share no noise; 2 % are what discrete noise may cost
        assert total.covered >= stats.binom.ppf(LUCK, total.intervals, 0.93)


def test_a_study_with_another_truth_would_fail_this() -> None:
    """The counting itself: mechanisms that differ by a third are called different."""

    def unequal(random: object, layout: Layout) -> error_rates.Sides:
        sides = MODELS["normal 2 %"](random, layout)  # type: ignore[arg-type]
        return error_rates.Sides(sides.first, 1.5 * sides.second)

    found = rates(unequal, Layout(1, 1, 5), 10, 1)
    assert (found.false, found.covered) == (10, 0)
