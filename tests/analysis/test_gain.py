# SPDX-License-Identifier: GPL-2.0-or-later
"""Which mechanisms are beaten: only what is sound counts, and what is open is called open."""

from __future__ import annotations

import numpy as np
from hintfleet.figures.gain import Standing, front
from situations import Arm, Node, Place, figures_of

BLOCKS = 6
OPEN = Standing.OPEN


def standings(node: Node) -> dict[str, str]:
    topics, against = figures_of({Place(): node})
    return {name: str(standing) for name, standing in front(topics, against, list(node)).items()}


def test_a_gain_at_no_cost_beats_none() -> None:
    found = standings(
        {
            "none": Arm([2] * BLOCKS, rate=[100.0] * BLOCKS),
            "page_hinting": Arm([7] * BLOCKS, rate=[101.0] * BLOCKS),
        }
    )
    assert found == {"none": "no", "page_hinting": "yes"}


def test_a_gain_at_a_price_leaves_both() -> None:
    found = standings(
        {
            "none": Arm([2] * BLOCKS, rate=[100.0] * BLOCKS),
            "page_hinting": Arm([7] * BLOCKS, rate=[50.0] * BLOCKS),
        }
    )
    assert found == {"none": "yes", "page_hinting": "yes"}


def test_two_that_are_alike_are_open_against_each_other() -> None:
    found = standings(
        {
            "none": Arm([2] * BLOCKS),
            "free_page_reporting": Arm([7] * BLOCKS),
            "page_hinting": Arm([7] * BLOCKS),
        }
    )
    assert found == {"none": "no", "free_page_reporting": "open", "page_hinting": "open"}


def test_of_three_that_are_equal_hardly_any_is_called_beaten() -> None:
    random = np.random.default_rng(3)
    called, studies = 0, 40
    for _ in range(studies):
        found = standings(
            {
                name: Arm(
                    [int(count) for count in np.floor(7.4 + random.normal(0.0, 0.3, BLOCKS))],
                    *(list(np.exp(random.normal(0.0, 0.03, BLOCKS))) for _ in range(4)),
                )
                for name in ("none", "free_page_reporting", "page_hinting")
            }
        )
        called += any(standing != OPEN for standing in found.values())
    assert called <= 0.05 * studies


def test_without_figures_nothing_is_said() -> None:
    assert front({}, {}, ["none", "page_hinting"]) == {"none": OPEN, "page_hinting": OPEN}
