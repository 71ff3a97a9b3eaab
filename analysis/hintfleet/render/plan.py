# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan as text for the terminal and as JSON for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hintfleet.figures.figure import Verdict
from hintfleet.plan.answer import Answer, Plan
from hintfleet.plan.demand import Trace
from hintfleet.plan.model import Footprint, as_json
from hintfleet.plan.validation import TOLERANCE_GUESTS, Comparison
from hintfleet.render.console import VERDICT_STYLE, heading_line, panel, table
from hintfleet.render.plan_words import (
    answer_words,
    doubts_of,
    of_types,
    plan_title,
    risk_words,
    verdict_of,
)
from hintfleet.render.tables import Cell, ReportTable, Row
from hintfleet.statistics.units import UNKNOWN, number

PLAN_SCHEMA = "hintfleet.plan/2"


def plan_text(
    plan: Plan, notes: Sequence[str], baseline: str, ascii_only: bool = False
) -> RenderableType:
    """The answer first with what it assumes and its verdict, then how it comes about."""
    head = Text(answer_words(plan, baseline), style="report.answer")
    head.append("\n")
    words, step = verdict_of(plan)
    head.append("Verdict: ", "")
    head.append(words, VERDICT_STYLE[plan.verdict])
    head.append("." if not step else f". Next: {step}.", "report.next")
    parts: list[RenderableType] = [panel(head, plan_title(plan), ascii_only)]
    for data in plan_tables(plan):
        parts += [heading_line(data.heading), table(data, ascii_only)]
    parts.append(Text(f"\n{risk_words(plan)}", "report.dim"))
    parts += _remarks(plan)
    parts += [Text(f"* {note}", "report.dim") for note in notes]
    return Group(*parts)


def plan_tables(plan: Plan) -> list[ReportTable]:
    """One table for each kind of node; columns are arms."""
    tables = []
    for kind in plan.question.kinds:
        answers = [answer for answer in plan.answers if answer.kind == kind]
        cells = {
            "guests a node": [
                Cell(str(answer.guests), answer.judgement.verdict) for answer in answers
            ],
            "  of each type": [Cell(of_types(plan, answer.of_type)) for answer in answers],
            "  interval": [Cell(_interval(answer)) for answer in answers],
            "chance of swap": [Cell(_chance(answer, answer.guests)) for answer in answers],
            "  with one more": [Cell(_chance(answer, answer.guests + 1)) for answer in answers],
            "if all peak at once": [Cell(str(answer.at_once)) for answer in answers],
            "if they peak in turn": [Cell(str(answer.in_turn)) for answer in answers],
            "counted, in turn": [Cell(_counted(plan, answer)) for answer in answers],
            "verdict": [
                Cell(str(answer.judgement.verdict), answer.judgement.verdict) for answer in answers
            ],
        }
        if len(plan.question.types) == 1:
            del cells["  of each type"]
        if all(cell.text == UNKNOWN for cell in cells["counted, in turn"]):
            del cells["counted, in turn"]
        tables.append(
            ReportTable(
                f"{kind.count:,} {'node' if kind.count == 1 else 'nodes'} of "
                f"{number(kind.memory_mib)} MiB",
                tuple(answer.arm for answer in answers),
                tuple(Row(label, tuple(row)) for label, row in cells.items()),
            )
        )
    return tables


def _interval(answer: Answer) -> str:
    if answer.low is None or answer.high is None:
        return "unknown"
    return f"{answer.low} to {answer.high}"


def _counted(plan: Plan, answer: Answer) -> str:
    return number(plan.basis.counted.get((answer.kind.memory_mib, answer.arm)))


def _chance(answer: Answer, guests: int) -> str:
    """The interval of the chance; without guests nothing swaps."""
    chance = answer.at(guests)
    if chance is None:
        return "none" if guests == 0 else "-"
    return f"{number(100.0 * chance.interval.low)} to {number(100.0 * chance.interval.high)} %"


def _remarks(plan: Plan) -> list[Text]:
    """What else is not sound beside the worst, which the verdict has told."""
    return [
        Text(
            f"* {', '.join(arms)}: {one.verdict}: {one.reason}. Next: {one.next_step}.",
            VERDICT_STYLE[one.verdict],
        )
        for one, arms in doubts_of(plan)[1:]
        if one.verdict is not Verdict.SOUND
    ]


def plan_json(plan: Plan, footprints: Sequence[Footprint], notes: Sequence[str]) -> dict[str, Any]:
    """Everything a program needs to use or repeat the plan; units in the names."""
    question = plan.question
    demand = dataclasses.asdict(question.demand)
    if isinstance(question.demand, Trace):
        demand["used_mib"] = question.demand.used_mib.tolist()
    return {
        "schema": PLAN_SCHEMA,
        "bound": question.bound,
        "confidence": question.confidence,
        "simulated_nodes": question.nodes,
        "reserve_mib": question.reserve_mib,
        "seed": question.seed,
        "demand": demand,
        "types": [dataclasses.asdict(one) for one in question.types],
        "studies": list(plan.basis.studies),
        "emulated": plan.basis.emulated,
        "blocks": plan.basis.blocks,
        "hosts_measured": plan.hosts_measured,
        "verdict": str(plan.verdict),
        "fleet_guests": {name: plan.fleet_guests(name) for name in plan.arms},
        "answers": [_answer_json(answer) for answer in plan.answers],
        "footprints": [as_json(footprint) for footprint in footprints],
        "notes": list(notes),
    }


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "memory_mib": answer.kind.memory_mib,
        "nodes": answer.kind.count,
        "arm": answer.arm,
        "guests": answer.guests,
        "guests_of_type": list(answer.of_type),
        "guests_low": answer.low,
        "guests_high": answer.high,
        "guests_if_all_peak_at_once": answer.at_once,
        "guests_if_they_peak_in_turn": answer.in_turn,
        "verdict": str(answer.judgement.verdict),
        "reason": answer.judgement.reason,
        "next_step": answer.judgement.next_step,
        "chance_of_swap": [
            {
                "guests": chance.guests,
                "nodes": chance.nodes,
                "swapping": chance.swapping,
                "low": chance.interval.low,
                "high": chance.interval.high,
            }
            for chance in answer.curve
        ],
    }


def validation_text(comparisons: Sequence[Comparison], ascii_only: bool = False) -> RenderableType:
    """Measured against simulated counts, the sum of it first."""
    blocks = sum(len(c.measured) for c in comparisons)
    missed = sum(_misses(c) for c in comparisons)
    what = comparisons[0].what
    headline = (
        f"{blocks - missed} of {blocks} measured counts are reproduced within "
        f"{TOLERANCE_GUESTS} {what[:-1]}"
    )
    rows = tuple(
        Row(
            f"{c.cell} {c.arm}",
            (
                Cell(str(len(c.measured))),
                Cell(_counts(c.measured) + (" or more" if any(c.at_least) else "")),
                Cell(_counts(c.predicted)),
                Cell(
                    str(c.worst_miss),
                    Verdict.SOUND if c.agrees else Verdict.NOT_TO_BE_TRUSTED,
                ),
            ),
        )
        for c in comparisons
    )
    data = ReportTable(
        f"{what.capitalize()} without swap, started one after the other",
        ("blocks", "measured", "simulated", "largest miss"),
        rows,
    )
    how = "Each block is simulated from the footprints of the other blocks of its cell."
    if not all(c.held_out for c in comparisons):
        how += " Where there is one block only, from its own: run at least 2 blocks."
    if any(any(c.at_least) for c in comparisons):
        how += (
            " Where something other than memory ended a count, it is the least that fits, and a "
            "simulated one agrees unless it is lower."
        )
    style = VERDICT_STYLE[Verdict.NOT_TO_BE_TRUSTED] if missed else "report.answer"
    return Group(
        Text(headline, style),
        heading_line(data.heading),
        table(data, ascii_only),
        Text(how, "report.dim"),
    )


def _misses(comparison: Comparison) -> int:
    return sum(miss > TOLERANCE_GUESTS for miss in comparison.misses)


def _counts(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}..{high}"


def validation_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": "hintfleet.plan_validation/2",
        "tolerance_guests": TOLERANCE_GUESTS,
        "agrees": all(c.agrees for c in comparisons),
        "cells": [
            {
                "cell": c.cell,
                "arm": c.arm,
                f"measured_{c.what}": list(c.measured),
                f"simulated_{c.what}": list(c.predicted),
                "held_out": c.held_out,
                "ended_by_memory": [not bound for bound in c.at_least],
            }
            for c in comparisons
        ],
    }
