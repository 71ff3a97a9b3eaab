# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures to short texts, the same in every format, and what the marks mean."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hintfleet.figures import Figure, Objection, Verdict, worst
from hintfleet.observations import BASELINE
from hintfleet.report import DECIDING, NamedFigure, Report, all_figures
from hintfleet.units import UNKNOWN, change, number, percent, plural, quantity, spread

MARKS = {Verdict.SOUND: "", Verdict.UNSETTLED: " ?", Verdict.NOT_TO_BE_TRUSTED: " !"}
LEGEND = "? unsettled   ! not to be trusted"


NAMES = {
    "guests_without_swap": "guests without swap",
    "guests_at_first_swap": "guests when swap began",
    "more_guests_than_none": "more guests than none",
    "reliable_guests": "reliable guests",
    "physical_limit_guests": "physical limit of guests",
    "share_of_physical_limit": "share of the physical limit reached",
    "active_footprint_mib": "memory of a guest in use",
    "idle_footprint_mib": "memory of an idle guest",
    "host_cpu_seconds_per_guest": "host CPU a guest",
    "host_cpu_per_guest_vs_none": "host CPU a guest vs none",
    "last_guest_vs_none": "memhog in the last guest vs none",
    "swap_end_less_than_none_mib": "less swap at the end than none",
    "memhog_footprint_gib_min": "memory held by memhog",
    "memhog_footprint_vs_none": "memory held by memhog vs none",
    "memhog_peak_mib": "peak memory of memhog",
    "memhog_swapped_out_mib": "swapped out by memhog",
    "memhog_swapped_in_mib": "swapped in by memhog",
    "returned_mib_per_cpu_second": "memory back a CPU second",
    "more_guests": "more guests",
    "memhog_last_guest": "memhog in the last guest",
    "memhog_footprint": "memory held by memhog",
    "processes": "page fault rate",
    "fault_p99": "single fault p99",
    "seconds_to_return": "time until 90 % is back",
    "host_cpu_per_guest": "host CPU a guest",
}
"""What figures are called wherever no heading says what they are about."""

PATTERNS = (
    (r"seconds_to_return_(\d+)", r"time until \1 % is back"),
    (r"guest(\d+)_seconds", r"memhog in guest \1"),
    (r"guest(\d+)_vs_none", r"memhog in guest \1 vs none"),
    (r"(processes|threads)_vs_none", r"page fault rate of \1 vs none"),
    (r"(processes|threads)_vs_none_at_(\d+)_tasks", r"page fault rate of \2 \1 vs none"),
    (r"(processes|threads)(?:_per_second)?_at_(\d+)_tasks", r"page fault rate of \2 \1"),
    (r"fault_p(\d\d)_ns(_vs_none)?", r"single fault p\1\2"),
    (r"fault_p999_ns(_vs_none)?", r"single fault p99.9\1"),
    (r"fault_p(\d\d)_ns_merged", r"single fault p\1, all runs"),
    (r"fault_p999_ns_merged", "single fault p99.9, all runs"),
)


@dataclass(frozen=True)
class Doubt:
    """A reason not to believe something, said once however many figures it fell on."""

    verdict: Verdict
    reason: str
    places: tuple[str, ...]
    """What it fell on, in words; none if it fell on the whole."""
    next_step: str

    @property
    def sentence(self) -> str:
        """Reason and the first of the places, without a full stop."""
        return f"{self.reason}: {_few(self.places)}" if self.places else self.reason


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


def doubts(report: Report) -> list[Doubt]:
    """Every distinct doubt: the gravest first, then those about figures that decide.

    A reason that an objection gave is not repeated for each figure it fell on.
    """
    found = objection_doubts(report.objections)
    given = {objection.reason for objection in report.objections}
    groups: dict[tuple[Verdict, str], list[NamedFigure]] = {}
    entries = [entry for entry in all_figures(report) if entry[3].verdict != Verdict.SOUND]
    for entry in sorted(entries, key=_weight):
        judgement = entry[3].judgement
        if judgement.reason not in given:
            groups.setdefault((judgement.verdict, judgement.reason), []).append(entry)
    for (verdict, reason), members in groups.items():
        places = (f"{label(topic, name)} ({mechanism})" for topic, mechanism, name, _ in members)
        found.append(Doubt(verdict, reason, tuple(places), _next_step(members)))
    return sorted(found, key=lambda doubt: doubt.verdict != Verdict.NOT_TO_BE_TRUSTED)


def _next_step(members: Sequence[NamedFigure]) -> str:
    """The step that settles those of the figures that weigh most."""
    gravest = min(map(_weight, members))
    figures = [entry[3] for entry in members if _weight(entry) == gravest]
    return max(figures, key=lambda f: f.blocks_to_settle or math.inf).judgement.next_step


def objection_doubts(objections: Iterable[Objection]) -> list[Doubt]:
    """Objections with the same reason as one doubt that says everywhere it was found."""
    places: dict[tuple[Verdict, str, str], list[str]] = {}
    for one in objections:
        places.setdefault((one.verdict, one.reason, one.next_step), []).append(one.about)
    return [
        Doubt(verdict, reason, tuple(filter(None, about)), step)
        for (verdict, reason, step), about in places.items()
    ]


def _few(names: Sequence[str], most: int = 2) -> str:
    """The first few names, and how many more there are."""
    if len(names) == most + 1:
        most += 1
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + rest


def missing_words(report: Report) -> list[str]:
    """Runs without a result, those with the same reason in one line; damaged ones are named with
    their damage."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in report.missing:
        if one.status != "damaged":
            groups.setdefault((one.status, one.reason), []).append(one.run_id)
    return [f"{status}: {_few(names)}: {reason}" for (status, reason), names in groups.items()]


def _weight(entry: NamedFigure) -> int:
    """Order of doubts: what decides, the rest, and last what few studies can ever settle."""
    name = entry[2]
    return 0 if name in DECIDING else 2 if name == "reliable_guests" else 1


def label(topic: str, name: str) -> str:
    """A figure's name for readers who see no heading above it."""
    if name == "swap_end_mib":
        return f"swap at the end of {'consolidation' if topic == 'density' else topic}"
    if name in NAMES:
        return NAMES[name]
    for pattern, words in PATTERNS:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, words, name).replace("_", " ")
    return name.replace("_", " ")


def title(report: Report) -> str:
    """Which study, and how much of it there is."""
    study = report.study
    parts = [f"study {study.name}", plural(study.blocks, "block")]
    parts.append(plural(len(study.cells), "cell"))
    parts.append(f"{study.finished} of {study.planned} runs")
    parts += ["emulated"] if study.emulated else []
    return " · ".join(parts)


def verdict_words(report: Report) -> tuple[str, str]:
    """The verdict in words, and the next step ("" if there is none)."""
    words = str(report.verdict)
    if report.verdict == Verdict.SOUND:
        return words + (_OTHERS_OPEN if doubts(report) else ""), ""
    objections = [one for one in report.objections if one.verdict == report.verdict]
    deciding = [entry for entry in all_figures(report) if entry[2] in DECIDING]
    open_ones = [entry for entry in deciding if entry[3].verdict == report.verdict]
    if report.verdict == Verdict.UNSETTLED and open_ones:
        words += f": {_sound_and_open(deciding)}"
    if objections:
        return words, objections[0].next_step
    return words, _next_step(open_ones) if open_ones else ""


_OTHERS_OPEN = " in what decides; some other figures are not settled"


def _sound_and_open(deciding: Sequence[NamedFigure]) -> str:
    """Which of gain and cost can be relied on: "the gain is sound, memhog is not settled"."""
    found: dict[str, list[Verdict]] = {}
    for topic, _, _, figure in deciding:
        found.setdefault(TOPICS[topic], []).append(figure.verdict)
    told = {name: worst(verdicts) == Verdict.SOUND for name, verdicts in found.items()}
    return ", ".join(
        f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} {words}"
        for wanted, words in ((True, "sound"), (False, "not settled"))
        if (names := [name for name, sound in told.items() if sound == wanted])
    )


TOPICS = {"density": "the gain", "memhog": "memhog", "page_fault": "the page fault rate"}
"""What the figures that decide are about."""


def mechanisms(report: Report) -> list[str]:
    """Every mechanism that has results, the baseline first."""
    seen = {*report.density, *report.memhog, *report.page_fault}
    return sorted(seen, key=lambda name: (name != BASELINE, name))
