# SPDX-License-Identifier: GPL-2.0-or-later
"""Where memory stays, as bars of letters: told apart without colour, in any terminal."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.text import Text

from hintfleet.figures.balance import Balance
from hintfleet.records.columns import HELD
from hintfleet.render.names import label
from hintfleet.statistics.units import number

LETTERS = {
    "programs": "p",
    "page_cache_clean": "c",
    "page_cache_dirty": "d",
    "kernel": "k",
    "free_small": "s",
    "free_listed": "l",
    "free_reportable": "f",
    "balloon": "b",
    "qemu_translation": "t",
    "qemu_other": "q",
    "unnamed": "u",
    "freed_lazily": "z",
}
COULD_COME_BACK = {"page_cache_clean", "page_cache_dirty", "free_small", "free_listed"}
COULD_COME_BACK |= {"free_reportable", "freed_lazily"}
WIDEST = 160
BETWEEN = "   "


def bars(balance: Mapping[str, Balance], width: int) -> RenderableType:
    """A bar for each arm, all on one scale, and the letters that any of them has."""
    wholes = {name: sum(_sizes(one).values()) for name, one in balance.items()}
    ends = {name: f" {number(whole)} MiB" for name, whole in wholes.items()}
    room = max(min(width, WIDEST) - max(map(len, ends.values())), 20)
    most = max(wholes.values())
    parts: list[RenderableType] = []
    for name, one in balance.items():
        parts.append(Text(name))
        line = Text(no_wrap=True)
        for part, cells in shares(_sizes(one), room, most).items():
            style = "chart.curve" if part in COULD_COME_BACK else "chart.memory"
            line.append(LETTERS[part] * cells, style)
        line.append(ends[name], "report.dim")
        parts.append(line)
    held = [part for part in HELD if any(part in _sizes(one) for one in balance.values())]
    words = [f"{LETTERS[part]} {label('balance', f'held_{part}_mib')}" for part in held]
    parts.append(Text(_lines(words, width), style="report.dim"))
    return Group(*parts)


def shares(sizes: Mapping[str, float], room: int, most: float) -> dict[str, int]:
    """Characters of each part; together they are as long as the whole, to half a character."""
    edges = [0.0]
    for size in sizes.values():
        edges.append(edges[-1] + size)
    places = [round(edge / most * room) for edge in edges]
    cells = (after - before for before, after in pairwise(places))
    return dict(zip(sizes, cells, strict=True))


def _sizes(one: Balance) -> dict[str, float]:
    """What changed while it was read may leave a part a little below nothing."""
    return {part: size for part, size in one.parts_mib.items() if size > 0.0}


def _lines(words: list[str], width: int) -> str:
    """Words with blanks between, broken between words."""
    lines = [""]
    for word in words:
        longer = lines[-1] + (BETWEEN if lines[-1] else "") + word
        if lines[-1] and len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)
