# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of a sweep: what decides against each parameter; and gain against cost of all arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hintfleet.figures.figure import Figure
from hintfleet.render.svg import GREY, INK, MARKERS, SERIES, Plot, looks, svg
from hintfleet.render.swept import (
    GainAndCost,
    deciding,
    gain_and_cost,
    members,
    sweep_heading,
)
from hintfleet.render.tables import Cell, ReportTable, Row
from hintfleet.render.words import interval_text, short
from hintfleet.report.build import Report
from hintfleet.report.sweeps import Sweep

PANEL_INCHES, MARGIN_INCHES = 1.9, 1.1
APART = 0.06
"""Between lines at the same value of a parameter."""


def sweep_plots(report: Report) -> Iterator[Plot]:
    """For each parameter that is swept one, and one of gain and cost of all arms."""
    for sweep in report.sweeps:
        for place in range(len(sweep.parameters)):
            plot = _against_parameter(report, sweep, place)
            if plot is not None:
                yield plot
    shown = gain_and_cost(report)
    if shown is not None:
        yield _gain_and_cost(report, shown)


def _against_parameter(report: Report, sweep: Sweep, place: int) -> Plot | None:
    """What decides over the values of one parameter, a line for each setting of the others."""
    values = sweep.values(place)
    panels = deciding(report, sweep)
    if not panels or len(values) < 2:
        return None
    lines = _lines(sweep, place)
    last = len(panels) - 1

    def draw(axes: Any) -> None:
        for index, (one, (words, figures)) in enumerate(zip(_several(axes), panels, strict=True)):
            if sweep.default in figures:
                level = _percent(figures[str(sweep.default)])
                one.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (4, 2)), label="default")
            for number, (name, by_value) in enumerate(lines.items()):
                drawn = {
                    values.index(value) + APART * (number - (len(lines) - 1) / 2): figures[arm]
                    for value, arm in by_value.items()
                    if arm in figures
                }
                colour, marker = SERIES[(number + 1) % len(SERIES)], MARKERS[number % len(MARKERS)]
                _points(one, drawn, colour, f"-{marker}", name)
            one.set_ylabel(_axis(words, next(iter(figures.values()))), fontsize=10)
            if index == last:
                one.set_xticks(range(len(values)), values)
                one.set_xlabel(sweep.short_parameters[place])
                if len(lines) > 1 or sweep.default in figures:
                    handles = one.get_legend_handles_labels()
                    one.figure.legend(
                        *handles, loc="outside lower center", ncols=3, fontsize=10, frameon=False
                    )

    rows = tuple(
        Row(
            f"{words}, {sweep.setting(name)}",
            (
                Cell(short(figures[name]), figures[name].verdict),
                Cell(interval_text(figures[name])),
                Cell(str(figures[name].n)),
            ),
        )
        for words, figures in panels
        for name in members(sweep)
        if name in figures
    )
    heading = f"{sweep_heading(sweep)}, against {sweep.short_parameters[place]}"
    caption = (
        "Figures that decide, with their intervals; the broken line is the default. " + sweep.advice
    )
    height = MARGIN_INCHES + PANEL_INCHES * len(panels)
    data = ReportTable("", ("value", "95 % interval", "n"), rows)
    return Plot(heading, caption, svg(draw, height, len(panels)), data)


def _lines(sweep: Sweep, place: int) -> dict[str, dict[str, str]]:
    """By the setting of the other parameters: the arm of each value of this one."""
    found: dict[str, dict[str, str]] = {}
    for arm, values in sweep.settings.items():
        others = ", ".join(
            f"{name}={value}"
            for k, (name, value) in enumerate(zip(sweep.short_parameters, values, strict=True))
            if k != place
        )
        found.setdefault(others or "set", {})[values[place]] = arm
    return found


def _gain_and_cost(report: Report, shown: GainAndCost) -> Plot:
    """A panel for each cost; arms that another soundly beats are grey."""
    look = looks(report)
    costs = shown.costs
    names = list(shown.gain)

    def draw(axes: Any) -> None:
        for words, figures, one in (
            (*cost, a) for cost, a in zip(costs, _several(axes), strict=True)
        ):
            for name in sorted(names, key=lambda name: name not in shown.beaten):
                if name not in figures:
                    continue
                own, beaten = look[name], name in shown.beaten
                colour = GREY if beaten or not own.told else own.colour
                x, y = shown.gain[name], figures[name]
                xs, ys = _percent(x), _percent(y)
                marker = "." if beaten else own.marker
                label = name if own.told and not beaten else None
                one.plot([xs], [ys], marker, color=colour, markersize=6, label=label)
                if not beaten and y.interval:
                    ends = [_in_percent(y, end) for end in (y.interval.low, y.interval.high)]
                    one.plot([xs, xs], ends, color=colour, linewidth=1.0)
            one.set_ylabel(_axis(words, next(iter(figures.values()))), fontsize=10)
        one.set_xlabel(_axis(shown.words, next(iter(shown.gain.values()))))
        one.figure.legend(
            *one.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=1,
            fontsize=10,
            frameon=False,
        )

    rows = tuple(
        Row(
            name + (" (soundly beaten)" if name in shown.beaten else ""),
            tuple(
                Cell(short(one[name]), one[name].verdict) if name in one else Cell("-")
                for one in (shown.gain, *(figures for _, figures in costs))
            ),
        )
        for name in names
    )
    caption = "To the right is more gained, upwards more of what is named; grey: soundly beaten."
    data = ReportTable("", (shown.words, *(words for words, _ in costs)), rows)
    height = MARGIN_INCHES + 0.5 + PANEL_INCHES * len(costs)
    return Plot("Gain against cost", caption, svg(draw, height, len(costs)), data)


def _points(axes: Any, drawn: Mapping[float, Figure], colour: str, style: str, name: str) -> None:
    xs, figures = list(drawn), list(drawn.values())
    axes.plot(
        xs, [_percent(f) for f in figures], style, color=colour, markersize=5, linewidth=1.0,
        label=name,
    )  # fmt: skip
    for x, figure in zip(xs, figures, strict=True):
        if figure.interval is not None:
            ends = [_in_percent(figure, e) for e in (figure.interval.low, figure.interval.high)]
            axes.plot([x, x], ends, color=colour, linewidth=1.0)


def _several(axes: Any) -> list[Any]:
    """Axes as a list: of one panel they come by themselves."""
    return list(axes) if hasattr(axes, "__len__") else [axes]


def _percent(figure: Figure) -> float:
    return _in_percent(figure, figure.estimate or 0.0)


def _in_percent(figure: Figure, value: float) -> float:
    """A ratio as a change in percent; anything else as it is."""
    return (value - 1.0) * 100.0 if figure.unit == "ratio" else value


def _axis(words: str, figure: Figure) -> str:
    """Words broken so that they fit a panel's side."""
    half = len(words) // 2
    gaps = [k for k, letter in enumerate(words) if letter == " "]
    at = min(gaps, key=lambda k: abs(k - half), default=None)
    text = words if at is None or len(words) < 20 else f"{words[:at]}\n{words[at + 1 :]}"
    return f"{text}, %" if figure.unit == "ratio" else text
