# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts with their reasons, the same in every format: each reason once, the gravest first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hintfleet.figures.figure import Objection, Verdict, worst
from hintfleet.render.names import label
from hintfleet.report.build import DECIDING, NamedFigure, Report, all_figures

TOPICS = {
    "density": "the gain",
    "memhog": "memhog",
    "page_fault": "the page fault rate",
    "tile": "the gain in tiles",
    "recorded": "the recorded work",
}
"""What the figures that decide are about."""

OTHERS_OPEN = " in what decides; some other figures are not settled"


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
        baseline = report.study.baseline
        places = (f"{label(topic, name, baseline)} ({arm})" for topic, arm, name, _ in members)
        found.append(Doubt(verdict, reason, tuple(places), _next_step(members)))
    return sorted(found, key=lambda doubt: doubt.verdict != Verdict.NOT_TO_BE_TRUSTED)


NEVER = (math.inf, math.inf)
"""Blocks to settle a figure that no number of them settles."""


def _next_step(members: Sequence[NamedFigure]) -> str:
    """The step that settles those of the figures that weigh most."""
    gravest = min(map(_weight, members))
    figures = [entry[3] for entry in members if _weight(entry) == gravest]
    return max(figures, key=lambda f: f.blocks_to_settle or NEVER).judgement.next_step


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


def verdict_words(report: Report) -> tuple[str, str]:
    """The verdict in words, and the next step ("" if there is none)."""
    words = str(report.verdict)
    if report.verdict == Verdict.SOUND:
        return words + (OTHERS_OPEN if doubts(report) else ""), ""
    objections = [one for one in report.objections if one.verdict == report.verdict]
    deciding = [entry for entry in all_figures(report) if entry[2] in DECIDING]
    open_ones = [entry for entry in deciding if entry[3].verdict == report.verdict]
    if report.verdict == Verdict.UNSETTLED and open_ones:
        words += f": {_sound_and_open(deciding)}"
    if objections:
        return words, objections[0].next_step
    return words, _next_step(open_ones) if open_ones else ""


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
