# SPDX-License-Identifier: GPL-2.0-or-later
"""Curves drawn with characters: data in, lines of text out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

EIGHTHS = " ▁▂▃▄▅▆▇█"
ASCII_PARTS = " .:#"
MARKS = "ox+*#"
_BRAILLE_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def stretch(values: Sequence[float | None], width: int) -> list[float | None]:
    """As many values as columns; where several fall into one column the largest is kept."""
    if not values:
        return [None] * width
    result: list[float | None] = []
    for column in range(width):
        first = column * len(values) // width
        last = max((column + 1) * len(values) // width, first + 1)
        known = [value for value in values[first:last] if value is not None]
        result.append(max(known) if known else None)
    return result


def columns(
    values: Sequence[float | None], height: int, top: float, ascii_only: bool = False
) -> list[str]:
    """Filled columns, one for each value, `height` lines, highest line first.

    A value above 0 always shows at least the smallest mark, so that a little swap is seen.
    """
    parts = ASCII_PARTS if ascii_only else EIGHTHS
    steps = len(parts) - 1
    levels = []
    for value in values:
        level = 0 if not value or top <= 0 else round(min(value / top, 1.0) * height * steps)
        levels.append(max(level, 1) if value and value > 0 else level)
    return [
        "".join(parts[min(max(level - row * steps, 0), steps)] for level in levels)
        for row in reversed(range(height))
    ]


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    width: int,
    height: int,
    low: float,
    high: float,
    ascii_only: bool = False,
) -> dict[str, list[str]]:
    """Each curve on its own grid of the same scale; points are joined by straight lines.

    Braille gives 2 x 4 dots a character; ASCII one mark a character.
    """
    xs = [x for points in curves.values() for x, _ in points]
    left, right = (min(xs), max(xs)) if xs else (0.0, 1.0)
    across, down = (1, 1) if ascii_only else (2, 4)
    grid_width, grid_height = width * across, height * down
    drawn = {}
    for index, (name, points) in enumerate(curves.items()):
        dots = set()
        for column in range(grid_width):
            x = left + (right - left) * column / max(grid_width - 1, 1)
            y = _interpolate(points, x)
            if y is not None and low <= y <= high:
                share = (y - low) / (high - low) if high > low else 0.5
                dots.add((column, round((1.0 - share) * (grid_height - 1))))
        drawn[name] = (
            _ascii_rows(dots, width, height, MARKS[index % len(MARKS)])
            if ascii_only
            else _braille_rows(dots, width, height)
        )
    return drawn


def _interpolate(points: Sequence[tuple[float, float]], x: float) -> float | None:
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0) if x1 > x0 else y0
    if len(points) == 1 and math.isclose(points[0][0], x):
        return points[0][1]
    return None


def _ascii_rows(dots: set[tuple[int, int]], width: int, height: int, mark: str) -> list[str]:
    return [
        "".join(mark if (column, row) in dots else " " for column in range(width))
        for row in range(height)
    ]


def _braille_rows(dots: set[tuple[int, int]], width: int, height: int) -> list[str]:
    cells = [[0] * width for _ in range(height)]
    for column, row in dots:
        cells[row // 4][column // 2] |= _BRAILLE_BITS[row % 4][column % 2]
    return ["".join(chr(0x2800 + bits) if bits else " " for bits in line) for line in cells]
