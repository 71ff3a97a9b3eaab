# SPDX-License-Identifier: GPL-2.0-or-later
"""Orders are random and yet fair: no mechanism gets the better places or the better neighbours."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.study.order import (
    MOST_IN_A_BLOCK,
    arms_of_block,
    order_of_block,
    williams_squares,
)

NAMES = "abcdefg"


def blocks(size: int, count: int, draw: str = "d", cell: str = "c") -> list[list[str]]:
    return [order_of_block(draw, cell, block, NAMES[:size]) for block in range(1, count + 1)]


@pytest.mark.parametrize("size", range(1, 8))
def test_every_mechanism_takes_every_place_once_in_as_many_blocks(size: int) -> None:
    for draw in "123456":
        orders = blocks(size, 4 * size, draw)
        for start in range(0, 4 * size, size):
            for place in range(size):
                taken = {order[place] for order in orders[start : start + size]}
                assert taken == set(NAMES[:size])


@pytest.mark.parametrize("size", range(2, 8))
def test_every_mechanism_follows_every_other_equally_often(size: int) -> None:
    turn = size * len(williams_squares(size))
    followed = Counter(pair for order in blocks(size, turn) for pair in pairwise(order))
    assert len(followed) == size * (size - 1)
    assert len(set(followed.values())) == 1


def test_another_study_cell_or_round_has_another_order() -> None:
    assert blocks(3, 6) == blocks(3, 6)
    assert len({str(blocks(3, 6, draw=str(number))) for number in range(50)}) > 20
    assert len({str(blocks(3, 6, cell=str(number))) for number in range(50)}) > 20
    rounds = blocks(3, 60)
    assert len({str(rounds[start : start + 6]) for start in range(0, 60, 6)}) > 5


def test_every_order_is_as_likely_as_any_other_to_come_first() -> None:
    first = Counter("".join(blocks(3, 1, draw=str(number))[0]) for number in range(6000))
    assert len(first) == 6
    assert all(abs(count - 1000) < 150 for count in first.values())


def test_of_many_arms_each_is_in_as_many_blocks_and_the_baseline_in_all() -> None:
    arms = [f"arm{k}" for k in range(30)]
    seen: Counter[str] = Counter()
    for block in range(1, 21):
        part = arms_of_block("draw", "cell", block, arms, "arm7")
        assert part[0] == "arm7" and len(set(part)) == len(part) == MOST_IN_A_BLOCK
        seen.update(part)
        others = [seen[name] for name in arms if name != "arm7"]
        assert max(others) - min(others) <= 1
    assert seen["arm7"] == 20


def test_few_arms_are_all_in_every_block() -> None:
    assert arms_of_block("draw", "cell", 5, ["a", "none", "b"], "none") == ["a", "none", "b"]
