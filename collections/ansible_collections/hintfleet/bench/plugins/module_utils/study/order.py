# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of arms within a block: random, and balanced over the blocks of a cell.

What comes first in a block may meet a colder host, and what follows another arm may inherit
from it. In a Williams square every arm takes every place once and follows every other once,
so neither is taken for an effect (Williams 1949, Australian Journal of Scientific Research A 2).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

MOST_IN_A_BLOCK = 16  # arms; more are spread over blocks


def williams_squares(size: int) -> list[list[list[int]]]:
    """One square of size rows if size is even, else two, which are balanced together.

    Each is a Latin square: every number of 0..size-1 stands once in each row and each column.
    """
    first = [0]
    for step in range(1, size):
        first.append((first[-1] + (step if step % 2 else -step)) % size)
    square = [[(number + row) % size for number in first] for row in range(size)]
    mirror = [row[::-1] for row in square]
    return [square] if size % 2 == 0 or size == 1 else [square, mirror]


def arms_of_block(
    draw: str, cell: str, block: int, arms: Sequence[str], baseline: str
) -> list[str]:
    """All arms of a study; of more than MOST_IN_A_BLOCK a part, and the baseline always.

    The others take turns in an order that is drawn for the cell: after any number of blocks none
    has been in more blocks than another by more than one. A block that takes too long is no block:
    the host changes under it.
    """
    if len(arms) <= MOST_IN_A_BLOCK:
        return list(arms)
    others = [name for name in arms if name != baseline]
    random.Random(  # noqa: S311 - an order, no secret
        hashlib.sha256(f"{draw}/{cell}/turns".encode()).digest()
    ).shuffle(others)
    size = MOST_IN_A_BLOCK - 1
    first = (block - 1) * size
    return [baseline, *(others[(first + k) % len(others)] for k in range(size))]


def order_of_block(draw: str, cell: str, block: int, arms: Sequence[str]) -> list[str]:
    """The arms of block 1, 2, ... of a cell, in the order in which they run.

    It depends on nothing else, so that added cells or blocks move no other. Rows come in random
    order and arms take random numbers, drawn anew for every study (draw), cell and round.
    """
    squares = williams_squares(len(arms))
    turn, place = divmod(block - 1, len(squares) * len(arms))
    source = random.Random(  # noqa: S311 - an order, no secret
        hashlib.sha256(f"{draw}/{cell}/{turn}".encode()).digest()
    )
    source.shuffle(squares)
    for square in squares:
        source.shuffle(square)
    names = list(arms)
    source.shuffle(names)
    rows = [row for square in squares for row in square]
    return [names[number] for number in rows[place]]
