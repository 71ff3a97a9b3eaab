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
from hintfleet.plan.model import Demand, Footprint, Trace, as_json
from hintfleet.plan.validation import TOLERANCE_GUESTS, Comparison
from hintfleet.records.observations import BASELINE
from hintfleet.render.console import VERDICT_STYLE, heading_line, table
from hintfleet.render.tables import Cell, ReportTable, Row
from hintfleet.statistics.units import number, percent, plural, quantity

PLAN_SCHEMA = "hintfleet.plan/1"


def plan_text(plan: Plan, notes: Sequence[str], ascii_only: bool = False) -> RenderableType:
    """The answer first, then how it comes about."""
    parts: list[RenderableType] = [Text(line, "report.answer") for line in _answers(plan)]
    for data in plan_tables(plan):
        parts += [heading_line(data.heading), table(data, ascii_only)]
    parts.append(Text(f"\n{_conditions(plan)}", "report.dim"))
    parts += _remarks(plan)
    parts += [Text(f"* {note}", "report.dim") for note in notes]
    return Group(*parts)


def _answers(plan: Plan) -> list[str]:
    """What to do, in one sentence for each mechanism."""
    lines = []
    nodes = sum(kind.count for kind in plan.question.kinds)
    baseline = plan.fleet_guests(BASELINE) if BASELINE in plan.mechanisms else None
    for mechanism in plan.mechanisms:
        guests = plan.fleet_guests(mechanism)
        line = f"{mechanism}: place {plural(guests, 'guest')} on {plural(nodes, 'node')}"
        if baseline and mechanism != BASELINE:
            if guests == baseline:
                line += f", as many as with {BASELINE}"
            else:
                times = number(guests / baseline)
                line += f", {guests - baseline:+d} against {BASELINE} ({times} times as many)"
        lines.append(f"{line}.")
    return [*lines, *_what_demand_costs(plan)]


def _what_demand_costs(plan: Plan) -> list[str]:
    """Why a mechanism that fits many guests in a study may fit few here: demand decides."""
    held_back = [a for a in plan.answers if a.mechanism != BASELINE and a.guests < a.in_turn]
    if not held_back:
        return []
    most = max(held_back, key=lambda answer: answer.in_turn - answer.guests)
    return [
        f"Demand decides: with {most.mechanism} a node holds {most.in_turn} guests that use "
        f"memory in turn, {most.at_once} that all do at once, and {most.guests} under the demand "
        "below. Memory that was given back helps only while nobody else needs it."
    ]


def plan_tables(plan: Plan) -> list[ReportTable]:
    """One table for each kind of node; columns are mechanisms."""
    tables = []
    for kind in plan.question.kinds:
        answers = [answer for answer in plan.answers if answer.kind == kind]
        cells = {
            "guests a node": [
                Cell(str(answer.guests), answer.judgement.verdict) for answer in answers
            ],
            "  interval": [Cell(f"{answer.low} to {answer.high}") for answer in answers],
            "chance of swap": [Cell(_chance(answer, answer.guests)) for answer in answers],
            "  with one more": [Cell(_chance(answer, answer.guests + 1)) for answer in answers],
            "if all peak at once": [Cell(str(answer.at_once)) for answer in answers],
            "if they peak in turn": [Cell(str(answer.in_turn)) for answer in answers],
            "verdict": [
                Cell(str(answer.judgement.verdict), answer.judgement.verdict) for answer in answers
            ],
        }
        tables.append(
            ReportTable(
                f"{plural(kind.count, 'node')} of {number(kind.memory_mib)} MiB",
                tuple(answer.mechanism for answer in answers),
                tuple(Row(label, tuple(row)) for label, row in cells.items()),
            )
        )
    return tables


def _chance(answer: Answer, guests: int) -> str:
    """The interval of the chance; without guests nothing swaps."""
    chance = answer.at(guests)
    if chance is None:
        return "none" if guests == 0 else "-"
    return f"{number(100.0 * chance.interval.low)} to {number(100.0 * chance.interval.high)} %"


def _remarks(plan: Plan) -> list[Text]:
    """Reason and next step of every verdict that is not sound, each once."""
    lines: dict[str, Verdict] = {}
    for answer in plan.answers:
        judgement = answer.judgement
        if judgement.verdict is not Verdict.SOUND:
            step = f". Next: {judgement.next_step}." if judgement.next_step else "."
            line = f"* {answer.mechanism}: {judgement.verdict}: {judgement.reason}{step}"
            lines[line] = judgement.verdict
    return [Text(line, VERDICT_STYLE[verdict]) for line, verdict in lines.items()]


def _conditions(plan: Plan) -> str:
    question = plan.question
    return (
        f"A node may swap with a chance of at most {question.bound:g} within "
        f"{question.demand.horizon_seconds / 3600.0:g} h "
        f"({percent(question.confidence)} confidence). "
        f"{_demand_words(question.demand)} {plural(question.nodes, 'node')} simulated with "
        f"footprints of {plural(plan.hosts_measured, 'host')}, seed {question.seed}."
    )


def _demand_words(demand: Demand | Trace) -> str:
    if isinstance(demand, Trace):
        recorded, steps = demand.used_mib.shape
        what = f"Guests repeat {recorded} recorded trace(s) of {steps * demand.step_seconds:g} s,"
    else:
        what = (
            f"Guests use memory for {quantity(demand.active_seconds, 's')} and rest for "
            f"{quantity(demand.idle_seconds, 's')} on average "
            f"(coefficient of variation {demand.spread:g}),"
        )
    if demand.stagger_seconds is None:
        when = "each at its own time"
    else:
        when = f"each {quantity(demand.stagger_seconds, 's')} after the one before"
    if demand.together:
        when += f", {percent(demand.together)} of them all at once"
    return f"{what} {when}."


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
        "hosts_measured": plan.hosts_measured,
        "fleet_guests": {name: plan.fleet_guests(name) for name in plan.mechanisms},
        "answers": [_answer_json(answer) for answer in plan.answers],
        "footprints": [as_json(footprint) for footprint in footprints],
        "notes": list(notes),
    }


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "memory_mib": answer.kind.memory_mib,
        "nodes": answer.kind.count,
        "mechanism": answer.mechanism,
        "guests": answer.guests,
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
    headline = (
        f"{blocks - missed} of {blocks} measured counts are reproduced within "
        f"{TOLERANCE_GUESTS} guest"
    )
    rows = tuple(
        Row(
            f"{c.cell} {c.mechanism}",
            (
                Cell(str(len(c.measured))),
                Cell(_counts(c.measured)),
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
        "Guests without swap, started one after the other",
        ("blocks", "measured", "simulated", "largest miss"),
        rows,
    )
    how = "Each block is simulated from the footprints of the other blocks of its cell."
    if not all(c.held_out for c in comparisons):
        how += " Where there is one block only, from its own: run at least 2 blocks."
    style = VERDICT_STYLE[Verdict.NOT_TO_BE_TRUSTED] if missed else "report.answer"
    return Group(
        Text(headline, style),
        heading_line(data.heading),
        table(data, ascii_only),
        Text(how, "report.dim"),
    )


def _misses(comparison: Comparison) -> int:
    pairs = zip(comparison.predicted, comparison.measured, strict=True)
    return sum(abs(p - m) > TOLERANCE_GUESTS for p, m in pairs)


def _counts(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}..{high}"


def validation_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": "hintfleet.plan_validation/1",
        "tolerance_guests": TOLERANCE_GUESTS,
        "agrees": all(c.agrees for c in comparisons),
        "cells": [
            {
                "cell": c.cell,
                "mechanism": c.mechanism,
                "measured_guests": list(c.measured),
                "simulated_guests": list(c.predicted),
                "held_out": c.held_out,
            }
            for c in comparisons
        ],
    }
