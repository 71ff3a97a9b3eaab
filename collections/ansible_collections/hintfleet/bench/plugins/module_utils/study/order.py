# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of mechanisms within a block: random, and balanced over the blocks of a cell.

What comes first in a block may meet a colder host, and what follows another mechanism may inherit
from it. In a Williams square every mechanism takes every place once and follows every other once,
so neither is taken for an effect (Williams 1949, Australian Journal of Scientific Research A 2).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence


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


def order_of_block(draw: str, cell: str, block: int, mechanisms: Sequence[str]) -> list[str]:
    """The mechanisms of block 1, 2, ... of a cell, in the order in which they run.

    It depends on nothing else, so that added cells or blocks move no other. Rows come in random
    order and mechanisms take random numbers, drawn anew for every study (draw), cell and round.
    """
    squares = williams_squares(len(mechanisms))
    turn, place = divmod(block - 1, len(squares) * len(mechanisms))
    source = random.Random(  # noqa: S311 - an order, no secret
        hashlib.sha256(f"{draw}/{cell}/{turn}".encode()).digest()
    )
    source.shuffle(squares)
    for square in squares:
        source.shuffle(square)
    names = list(mechanisms)
    source.shuffle(names)
    rows = [row for square in squares for row in square]
    return [names[number] for number in rows[place]]
