# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures to short texts, the same in every format, and what the marks mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hintfleet.figures import Figure, Objection, Verdict
from hintfleet.observations import BASELINE
from hintfleet.report import DECIDING, Report, all_figures
from hintfleet.units import UNKNOWN, change, number, percent, quantity, spread

MARKS = {Verdict.SOUND: "", Verdict.UNSETTLED: " ?", Verdict.NOT_TO_BE_TRUSTED: " !"}
LEGEND = "? unsettled   ! not to be trusted   [extremes over the blocks]"


@dataclass(frozen=True)
class Doubt:
    """A reason not to believe something, said once however many figures it fell on."""

    verdict: Verdict
    reason: str
    next_step: str


def short(figure: Figure | None, unit: str | None = None) -> str:
    """Estimate with its unit and the mark of its verdict; unit replaces the figure's."""
    if figure is None or not figure.n:
        return UNKNOWN
    return _estimate(figure, unit) + MARKS[figure.verdict]


def with_spread(figure: Figure | None, unit: str | None = None) -> str:
    """Estimate, extremes over blocks and mark; unit replaces the figure's."""
    if figure is None or not figure.n:
        return UNKNOWN
    text = _estimate(figure, unit)
    seen = extremes(figure)
    if figure.low != figure.high and seen not in text:
        text += f" [{seen}]"
    return text + MARKS[figure.verdict]


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
    return f"{number(low)} to {number(high)}"


def doubts(report: Report) -> list[Doubt]:
    """Every distinct doubt: the gravest first, then those about figures that decide.

    A reason that an objection gave is not repeated for each figure it fell on.
    """
    found = objection_doubts(report.objections)
    given = {objection.reason for objection in report.objections}
    groups: dict[tuple[Verdict, str], list[tuple[str, str, str, Figure]]] = {}
    entries = [entry for entry in all_figures(report) if entry[3].verdict != Verdict.SOUND]
    for entry in sorted(entries, key=_weight):
        judgement = entry[3].judgement
        if judgement.reason not in given:
            groups.setdefault((judgement.verdict, judgement.reason), []).append(entry)
    for (verdict, reason), members in groups.items():
        names = [f"{label(topic, name)} ({mechanism})" for topic, mechanism, name, _ in members]
        largest = max(members, key=lambda entry: entry[3].blocks_to_settle or 0)[3]
        found.append(Doubt(verdict, f"{_few(names)}: {reason}", largest.judgement.next_step))
    return sorted(found, key=lambda doubt: doubt.verdict != Verdict.NOT_TO_BE_TRUSTED)


def objection_doubts(objections: Iterable[Objection]) -> list[Doubt]:
    """Objections with the same reason as one doubt that says everywhere it was found."""
    places: dict[tuple[Verdict, str, str], list[str]] = {}
    for one in objections:
        places.setdefault((one.verdict, one.reason, one.next_step), []).append(one.about)
    return [
        Doubt(verdict, f"{_few(about)}: {reason}", step)
        for (verdict, reason, step), about in places.items()
    ]


def _few(names: list[str], most: int = 2) -> str:
    """The first few names, and how many more there are."""
    if len(names) == most + 1:
        most += 1
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + rest


def _weight(entry: tuple[str, str, str, Figure]) -> int:
    """Order of doubts: what decides, the rest, and last what few studies can ever settle."""
    name = entry[2]
    return 0 if name in DECIDING else 2 if name == "reliable_guests" else 1


def label(topic: str, name: str) -> str:
    """A figure's name for readers: guest3_vs_none of memhog is "memhog guest 3 vs none"."""
    words = re.sub(r"(?<=guest)(\d)", r" \1", name).replace("_", " ")
    words = re.sub(r" (mib|seconds|ns|gib min)(?= |$)", "", words)
    own = ("guests", "memhog", "fault", "returned", "seconds", "more", "reliable")
    return words if words.startswith(own) else f"{topic} {words}"


def title(report: Report) -> str:
    """Which study, and how much of it there is."""
    study = report.study
    parts = [f"study {study.name}"]
    for count, noun in ((study.blocks, "block"), (len(study.cells), "cell")):
        parts.append(f"{count} {noun}{'s' if count != 1 else ''}")
    parts.append(f"{study.finished} of {study.planned} runs")
    return " · ".join(parts)


def verdict_words(report: Report) -> tuple[str, str]:
    """The verdict in words, and the next step ("" if there is none)."""
    about = {
        Verdict.SOUND: "sound in what decides; some other figures are not settled",
        Verdict.UNSETTLED: "unsettled",
        Verdict.NOT_TO_BE_TRUSTED: "not to be trusted",
    }
    found = doubts(report)
    if not found:
        return str(report.verdict), ""
    same = [doubt.next_step for doubt in found if doubt.verdict == report.verdict]
    return about[report.verdict], same[0] if same else ""


def mechanisms(report: Report) -> list[str]:
    """Every mechanism that has results, the baseline first."""
    seen = {*report.density, *report.memhog, *report.page_fault}
    return sorted(seen, key=lambda name: (name != BASELINE, name))
