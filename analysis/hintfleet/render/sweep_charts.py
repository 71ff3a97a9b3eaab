# SPDX-License-Identifier: GPL-2.0-or-later
"""A sweep, and gain against cost, drawn with characters."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from string import ascii_lowercase

from rich.console import Group, RenderableType
from rich.text import Text

from hintfleet.figures.figure import Figure
from hintfleet.render.console import chart_line
from hintfleet.render.swept import GainAndCost, deciding, members
from hintfleet.render.words import short
from hintfleet.report.build import Report
from hintfleet.report.sweeps import Sweep
from hintfleet.statistics.units import change, number

NARROWEST, WIDEST = 20, 100
SCATTER_HEIGHT = 10
MARGIN = 11


def sweep_charts(report: Report, sweep: Sweep, width: int, ascii_only: bool) -> RenderableType:
    """Each figure that decides against the settings: a mark, and a line as long as its interval."""
    parts: list[RenderableType] = [Text(sweep.advice, style="report.answer")]
    names = members(sweep)
    margin = max(len(sweep.setting(name)) for name in names) + 1
    for what, figures in deciding(report, sweep):
        ends = [end for figure in figures.values() for end in _ends(figure)]
        low, high = min(ends), max(ends)
        text = change if next(iter(figures.values())).unit == "ratio" else number
        room = max(min(width, WIDEST) - margin - MARGIN, NARROWEST)
        parts.append(Text(f"\n{what}, {text(low)} to {text(high)}"))
        for name in names:
            line = Text(sweep.setting(name).ljust(margin), style="report.dim")
            figure = figures.get(name)
            if figure is not None:
                line.append(_whisker(figure, low, high, room, ascii_only), "chart.curve")
                line.append(f" {short(figure)}")
            line.no_wrap = True
            parts.append(line)
    return Group(*parts)


def _ends(figure: Figure) -> tuple[float, ...]:
    estimate = figure.estimate or 0.0
    if figure.interval is None:
        return (estimate,)
    return figure.interval.low, estimate, figure.interval.high


def _whisker(figure: Figure, low: float, high: float, room: int, ascii_only: bool) -> str:
    line, mark = ("-", "o") if ascii_only else ("─", "●")
    span = high - low or 1.0
    places = [round((end - low) / span * (room - 1)) for end in _ends(figure)]
    row = [" "] * room
    for place in range(places[0], places[-1] + 1):
        row[place] = line
    row[places[len(places) // 2]] = mark
    return "".join(row)


def gain_chart(shown: GainAndCost, width: int, ascii_only: bool) -> RenderableType:
    """Gain against the first cost, a letter for each arm; what is soundly beaten is a dot."""
    what, cost = shown.costs[0]
    names = [name for name in shown.gain if name in cost]
    told = [name for name in names if name not in shown.beaten]
    letters = dict(zip(told, cycle(ascii_lowercase), strict=False))
    across, up = (
        {name: figures[name].estimate or 0.0 for name in names} for figures in (shown.gain, cost)
    )
    room = max(min(width, WIDEST) - MARGIN - 1, NARROWEST)
    grid = [[" "] * room for _ in range(SCATTER_HEIGHT)]
    for name in [*told, *(name for name in names if name in shown.beaten)]:
        row = grid[SCATTER_HEIGHT - 1 - _place(up, name, SCATTER_HEIGHT)]
        # beside the others that lie there
        free = [k for k, mark in enumerate(row) if mark == " "]
        wanted = _place(across, name, room)
        row[min(free, key=lambda k: abs(k - wanted))] = letters.get(name, ".")
    parts: list[RenderableType] = [Text(f"{what} (upwards) against {shown.words} (to the right)")]
    scale = {0: change(max(up.values())), SCATTER_HEIGHT - 1: change(min(up.values()))}
    for index, marks in enumerate(grid):
        parts.append(chart_line(scale.get(index, ""), "".join(marks), MARGIN, ""))
    text = change if next(iter(shown.gain.values())).unit == "ratio" else number
    left, right = text(min(across.values())), text(max(across.values()))
    parts.append(Text(" " * MARGIN + left + right.rjust(room - len(left)), style="report.dim"))
    parts += [Text(f"  {letter} {name}") for name, letter in letters.items()]
    beaten = [name for name in names if name in shown.beaten]
    if beaten:
        parts.append(Text(f"  . soundly beaten: {', '.join(beaten)}", style="report.dim"))
    return Group(*parts)


def _place(across: Mapping[str, float], name: str, room: int) -> int:
    low, high = min(across.values()), max(across.values())
    return round((across[name] - low) / (high - low) * (room - 1)) if high > low else 0
