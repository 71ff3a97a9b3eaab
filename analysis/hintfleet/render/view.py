# SPDX-License-Identifier: GPL-2.0-or-later
"""A comparison as tables and sentences, the same for every format."""

from __future__ import annotations

from typing import Any

from hintfleet.figures.figure import Figure, Verdict
from hintfleet.render.doubts import Doubt, objection_doubts
from hintfleet.render.json_report import damage_document, doubt_document, figure_document
from hintfleet.render.names import label
from hintfleet.render.tables import INTERVAL, Cell, ReportTable, Row
from hintfleet.render.words import interval_text, short
from hintfleet.report.compare import Comparison, Entry
from hintfleet.statistics.units import UNKNOWN, number, plural

COMPARISON_SCHEMA = "hintfleet.comparison/2"


GAINS = {
    "density.more_guests_than_none": "More guests than none",
    "tile.more_tiles_than_none": "More tiles than none",
}
"""What a study is made for, and its words."""


def comparison_title(comparison: Comparison) -> str:
    """What is compared with what."""
    return f"{comparison.first.label} and {comparison.second.label}"


def comparison_answer(comparison: Comparison) -> str:
    """What each side gained over its own baseline, what differs, and for which hosts that holds."""
    if not comparison.entries:
        return "The two have no arm in common: nothing can be compared."
    gains: dict[str, list[str]] = {}
    for name, entries in comparison.entries.items():
        for entry in entries:
            if entry.name not in GAINS or entry.first is None or entry.second is None:
                continue
            first, second = (number(f.estimate) for f in (entry.first, entry.second))
            gains.setdefault(entry.name, []).append(
                f"{name} {first} in {comparison.first.label}, {second} in {comparison.second.label}"
            )
    said = [f"{what}: {'; '.join(gains[name])}." for name, what in GAINS.items() if name in gains]
    said += _differences(comparison)
    return " ".join(said) or "The two have no figure in common."


def _differences(comparison: Comparison) -> list[str]:
    """What differs beyond chance, and for which hosts that holds, in a sentence each."""
    claims: dict[str, list[str]] = {}
    changes: list[Figure] = []
    for name, entries in comparison.entries.items():
        for entry in entries:
            change = entry.change
            if change is None:
                continue
            changes.append(change)
            if change.claims_effect and change.verdict == Verdict.SOUND:
                claim = f"{label(*entry.name.split('.'))} under {name} ({short(change)})"
                claims.setdefault(str(change.scope), []).append(claim)
    if claims or not changes:
        return [
            f"Different beyond chance {scope}: {', '.join(told)}." for scope, told in claims.items()
        ]
    known = [change for change in changes if change.interval is not None]
    if not known:
        return [f"Whether anything differs is not known: {changes[0].judgement.reason}."]
    where = " and ".join(dict.fromkeys(str(change.scope) for change in known))
    still_open = sum(change.verdict != Verdict.SOUND for change in changes)
    if not still_open:
        return [f"No value differs by more than what matters {where}."]
    return [
        f"No value differs beyond chance {where}; {still_open} of "
        f"{plural(len(changes), 'change')} {'is' if still_open == 1 else 'are'} open."
    ]


def comparison_tables(comparison: Comparison) -> list[ReportTable]:
    """One table for each arm: both sides, and the second against the first."""
    found = []
    for name, entries in comparison.entries.items():
        other = comparison.names[name]
        labels = comparison.first.label, comparison.second.label
        changes = any(entry.change for entry in entries)
        columns = (*labels, "change", INTERVAL) if changes else labels
        rows = tuple(
            Row(
                label(*entry.name.split(".", 1)),
                (
                    _cell(entry.first),
                    _cell(entry.second),
                    Cell(short(entry.change), entry.change.verdict if entry.change else None),
                    Cell(interval_text(entry.change)),
                )[: len(columns)],
            )
            for entry in entries
        )
        heading = name
        if name != other:
            said = "there" if comparison.second.measured else "published as"
            heading = f"{name}, {said} {other}"
        found.append(ReportTable(heading, columns, rows))
    if comparison.conditions:
        found.append(
            ReportTable(
                "Conditions that differ",
                (comparison.first.label, comparison.second.label),
                tuple(
                    Row(name, (Cell(first), Cell(second)))
                    for name, first, second in comparison.conditions
                ),
            )
        )
    return found


def comparison_doubts(comparison: Comparison) -> list[Doubt]:
    """Doubts of both sides, of the changes, and values of a side that nobody should believe."""
    found = objection_doubts(comparison.objections)
    given = {objection.reason for objection in comparison.objections}
    places: dict[tuple[Verdict, str, str], list[str]] = {}
    for name, entries in comparison.entries.items():
        for entry in entries:
            sides = ((entry.first, comparison.first.label), (entry.second, comparison.second.label))
            doubtful = [
                (figure.judgement, f", {side}")
                for figure, side in sides
                if figure is not None and figure.verdict == Verdict.NOT_TO_BE_TRUSTED
            ]
            if entry.change and entry.change.verdict != Verdict.SOUND:
                doubtful.append((entry.change.judgement, ""))
            for judgement, side in doubtful:
                if judgement.reason not in given:
                    key = judgement.verdict, judgement.reason, judgement.next_step
                    place = f"{label(*entry.name.split('.'))} ({name}{side})"
                    places.setdefault(key, []).append(place)
    found += [
        Doubt(verdict, reason, tuple(where), step)
        for (verdict, reason, step), where in places.items()
    ]
    return sorted(found, key=lambda doubt: doubt.verdict != Verdict.NOT_TO_BE_TRUSTED)


def comparison_step(comparison: Comparison) -> str:
    """The first thing to do about the verdict, "" if there is none."""
    found = comparison_doubts(comparison)
    return next((d.next_step for d in found if d.verdict == comparison.verdict), "")


def comparison_damages(comparison: Comparison) -> list[str]:
    """What could not be used of either side."""
    sides = (comparison.first, comparison.second)
    return [f"unusable: {damage}" for side in sides for damage in side.damages]


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison for programs."""
    return {
        "schema": COMPARISON_SCHEMA,
        "first": comparison.first.label,
        "second": comparison.second.label,
        "answer": comparison_answer(comparison),
        "verdict": str(comparison.verdict),
        "arms": {
            name: {
                "second_name": comparison.names[name],
                "figures": {entry.name: _entry_document(entry) for entry in entries},
            }
            for name, entries in comparison.entries.items()
        },
        "conditions": [
            {"name": name, "first": first, "second": second}
            for name, first, second in comparison.conditions
        ],
        "unusable": [
            damage_document(damage)
            for side in (comparison.first, comparison.second)
            for damage in side.damages
        ],
        "warnings": [doubt_document(doubt) for doubt in comparison_doubts(comparison)],
    }


def _entry_document(entry: Entry) -> dict[str, Any]:
    sides = {"first": entry.first, "second": entry.second, "change": entry.change}
    return {name: figure and figure_document(figure) for name, figure in sides.items()}


def _cell(figure: Figure | None) -> Cell:
    if figure is None or not figure.n:
        return Cell(UNKNOWN)
    return Cell(short(figure), figure.verdict)
