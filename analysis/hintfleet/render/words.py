# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures to short texts, the same in every format, and what the marks mean."""

from __future__ import annotations

from collections.abc import Callable

from hintfleet.figures.figure import Figure, Verdict
from hintfleet.records.observations import baseline_first
from hintfleet.report.build import Report
from hintfleet.statistics.units import UNKNOWN, change, number, percent, plural, quantity, spread

MARKS = {Verdict.SOUND: "", Verdict.UNSETTLED: " ?", Verdict.NOT_TO_BE_TRUSTED: " !"}
LEGEND = "? unsettled   ! not to be trusted"


def short(figure: Figure | None, unit: str | None = None) -> str:
    """Estimate with its unit and the mark of its verdict; unit replaces the figure's."""
    if figure is None or not figure.n:
        return UNKNOWN
    return _estimate(figure, unit) + MARKS[figure.verdict]


def with_spread(figure: Figure | None, unit: str | None = None) -> str:
    """Estimate, mark and extremes over blocks; unit replaces the figure's."""
    if figure is None or not figure.n:
        return UNKNOWN
    text, seen = _estimate(figure, unit), extremes(figure)
    spread_text = f" [{seen}]" if figure.low != figure.high and seen not in text else ""
    return text + MARKS[figure.verdict] + spread_text


def exact(places: int) -> Callable[[Figure | None], str]:
    """Estimate with so many decimals, mark and extremes, for figures that were published so."""

    def text(figure: Figure | None) -> str:
        if figure is None or figure.estimate is None:
            return with_spread(figure, "")
        seen = f" [{spread(figure.low, figure.high)}]" if figure.low != figure.high else ""
        return f"{figure.estimate:,.{places}f}{MARKS[figure.verdict]}{seen}"

    return text


def _estimate(figure: Figure, unit: str | None) -> str:
    if figure.estimate is None and figure.censored:
        return "not seen"
    return quantity(figure.estimate, figure.unit if unit is None else unit).rstrip()


def extremes(figure: Figure) -> str:
    """The extremes over blocks, without unit; ratios as changes."""
    if figure.unit == "ratio":
        return f"{change(figure.low)} to {change(figure.high)}"
    if figure.unit == "share" and figure.low is not None and figure.high is not None:
        return f"{percent(figure.low)}-{percent(figure.high)}"
    return spread(figure.low, figure.high)


def interval_text(figure: Figure | None) -> str:
    """The interval in the figure's unit, or a dash."""
    if figure is None or figure.interval is None:
        return UNKNOWN
    low, high = figure.interval.low, figure.interval.high
    if figure.unit == "ratio":
        return f"{change(low)} to {change(high)}"
    if figure.unit == "share":
        return f"{percent(low)} to {percent(high)}"
    return f"{number(low)} to {number(high)}"


def title(report: Report) -> str:
    """Which study, and how much of it there is."""
    study = report.study
    parts = [f"study {study.name}", plural(study.blocks, "block")]
    parts.append(plural(len(study.cells), "cell"))
    parts.append(f"{study.finished} of {study.planned} runs")
    parts += ["emulated"] if study.emulated else []
    return " · ".join(parts)


def arms(report: Report) -> list[str]:
    """Every arm that has results, the baseline first."""
    seen = {*report.density, *report.memhog, *report.page_fault, *report.tile, *report.recorded}
    return baseline_first(seen, report.study.baseline)
