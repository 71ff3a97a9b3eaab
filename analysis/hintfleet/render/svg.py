# SPDX-License-Identifier: GPL-2.0-or-later
"""How pictures are drawn: SVG by matplotlib that scales and follows the page's colours.

Colours are names of CSS variables in disguise: matplotlib draws in marker colours, which are
replaced afterwards, so that one picture serves the light and the dark page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hintfleet.figures.gain import Standing
from hintfleet.render.tables import ReportTable, ranked_arms
from hintfleet.render.words import arms
from hintfleet.report.build import Report

INK, FAINT, GREY = "#010203", "#040506", "#070809"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05")
VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    GREY: "var(--grey)",
    **{colour: f"var(--series-{index})" for index, colour in enumerate(SERIES)},
}
MARKERS = "osD^v"
WIDTH_INCHES, HEIGHT_INCHES = 6.4, 3.2
LONGEST_IN_TWO_COLUMNS = 32
"""Letters of a name in a legend of two columns."""


@dataclass(frozen=True)
class Plot:
    """A picture, what it shows in words, and its numbers."""

    heading: str
    caption: str
    svg: str
    data: ReportTable


@dataclass(frozen=True)
class Look:
    """How an arm is drawn; one that is not told apart is grey, and in no legend."""

    colour: str
    marker: str
    told: bool = True


def looks(report: Report) -> dict[str, Look]:
    """The look of each arm, in all pictures: of more arms than there are colours the baseline and
    the best that no other soundly beats have one."""
    every = arms(report)
    chosen = every
    if len(every) > len(SERIES):
        baseline = report.study.baseline
        standing = [n for n in ranked_arms(report) if report.front.get(n) != Standing.BEATEN]
        best = [name for name in standing if name != baseline][: len(SERIES) - 1]
        chosen = [baseline, *best]
    told = {name: Look(SERIES[k], MARKERS[k]) for k, name in enumerate(chosen)}
    return {name: told.get(name, Look(GREY, ".", told=False)) for name in every}


def legend(axes: Any, look: dict[str, Look], shown: list[str]) -> None:
    """Names of those that are told apart, and how many others there are."""
    others = sum(not look[name].told for name in shown)
    if others:
        axes.plot([], [], color=GREY, linewidth=1.0, label=f"{others} other arms")
    handles, labels = axes.get_legend_handles_labels()
    if others:
        columns = 2 if max(map(len, labels)) <= LONGEST_IN_TWO_COLUMNS else 1
        axes.figure.legend(
            handles, labels, loc="outside lower center", ncols=columns, fontsize=10, frameon=False
        )
    else:
        axes.legend(loc="best", fontsize=10)


def svg(draw: Callable[[Any], None], height_inches: float = HEIGHT_INCHES, panels: int = 1) -> str:
    """Draws on fresh axes and returns inline SVG that scales and takes its colours from CSS.

    Of several panels, one below the other, `draw` gets a list.
    """
    import matplotlib as mpl

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "hintfleet",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": FAINT,
        "grid.linewidth": 0.6,
        "xtick.color": INK,
        "ytick.color": INK,
        "text.color": INK,
        "legend.frameon": False,
    }
    with mpl.rc_context(settings):
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Canvas

        figure = Canvas(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots(panels, 1, sharex=panels > 1))
        target = io.StringIO()
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    text = target.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    return text
