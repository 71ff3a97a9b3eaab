# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan as text for the terminal and as JSON for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hintfleet.figures import Verdict
from hintfleet.observations import BASELINE
from hintfleet.plan import Answer, Plan
from hintfleet.plan_model import Demand, Footprint, Trace, as_json
from hintfleet.plan_validation import TOLERANCE_GUESTS, Comparison

PLAN_SCHEMA = "hintfleet.plan/1"

VERDICT_STYLE = {
    Verdict.SOUND: "green",
    Verdict.UNSETTLED: "yellow",
    Verdict.NOT_TO_BE_TRUSTED: "red",
}


def plan_text(plan: Plan, notes: Sequence[str]) -> RenderableType:
    """The answer first, then how it comes about."""
    parts: list[RenderableType] = [_headline(plan), _table(plan)]
    parts += [Text(line) for line in _remarks(plan)]
    parts.append(Text(_conditions(plan), style="dim"))
    parts += [Text(f"Note: {note}", style="dim") for note in notes]
    return Group(*parts)


def _headline(plan: Plan) -> Text:
    """What to do, in one sentence for each mechanism."""
    text = Text()
    nodes = sum(kind.count for kind in plan.question.kinds)
    baseline = plan.fleet_guests(BASELINE) if BASELINE in plan.mechanisms else None
    for mechanism in plan.mechanisms:
        guests = plan.fleet_guests(mechanism)
        line = f"{mechanism}: place {guests} guests on {nodes} node(s)"
        if baseline and mechanism != BASELINE:
            line += f", {guests - baseline:+d} ({guests / baseline:.2f} times) against {BASELINE}"
        text.append(line + "\n", style="bold")
    return text


def _table(plan: Plan) -> Table:
    table = Table(title="Guests a node", title_justify="left")
    for name, justify in (
        ("node MiB", "right"),
        ("nodes", "right"),
        ("mechanism", "left"),
        ("guests", "right"),
        ("interval", "right"),
        ("chance of swap", "right"),
        ("with one more", "right"),
        ("verdict", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for answer in plan.answers:
        table.add_row(
            f"{answer.kind.memory_mib:g}",
            str(answer.kind.count),
            answer.mechanism,
            str(answer.guests),
            f"{answer.low}..{answer.high}",
            _chance(answer, answer.guests),
            _chance(answer, answer.guests + 1),
            Text(str(answer.judgement.verdict), style=VERDICT_STYLE[answer.judgement.verdict]),
        )
    return table


def _chance(answer: Answer, guests: int) -> str:
    chance = answer.at(guests)
    if chance is None:
        return "-"
    return f"{chance.share:.2%} (≤ {chance.interval.high:.2%})"


def _remarks(plan: Plan) -> list[str]:
    """Reason and next step of every verdict that is not sound, each once."""
    lines: dict[str, None] = {}
    for answer in plan.answers:
        judgement = answer.judgement
        if judgement.verdict is not Verdict.SOUND:
            step = f"; {judgement.next_step}" if judgement.next_step else ""
            lines[f"{answer.mechanism}: {judgement.verdict}: {judgement.reason}{step}"] = None
    return list(lines)


def _conditions(plan: Plan) -> str:
    question = plan.question
    return (
        f"A node may swap with a chance of at most {question.bound:g} within "
        f"{question.demand.horizon_seconds / 3600.0:g} h ({question.confidence:.0%} confidence). "
        f"{_demand_words(question.demand)} {question.nodes} nodes simulated with footprints of "
        f"{plan.hosts_measured} host(s), seed {question.seed}."
    )


def _demand_words(demand: Demand | Trace) -> str:
    if isinstance(demand, Trace):
        recorded, steps = demand.used_mib.shape
        what = f"Guests repeat {recorded} recorded trace(s) of {steps * demand.step_seconds:g} s,"
    else:
        what = (
            f"Guests use memory for {demand.active_seconds:g} s and rest for "
            f"{demand.idle_seconds:g} s on average (coefficient of variation {demand.spread:g}),"
        )
    if demand.stagger_seconds is None:
        when = "each at its own time"
    else:
        when = f"each {demand.stagger_seconds:g} s after the one before"
    if demand.together:
        when += f", {demand.together:.0%} of them all at once"
    return f"{what} {when}."


def plan_json(
    plan: Plan, footprints: Sequence[Footprint], notes: Sequence[str]
) -> dict[str, Any]:
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


def validation_text(comparisons: Sequence[Comparison]) -> RenderableType:
    """Measured against simulated counts, the sum of it first."""
    wrong = [c for c in comparisons if not c.agrees]
    blocks = sum(len(c.measured) for c in comparisons)
    headline = (
        f"{blocks - sum(_misses(c) for c in comparisons)} of {blocks} measured counts are "
        f"reproduced within {TOLERANCE_GUESTS} guest"
    )
    table = Table(title="Guests without swap, sequential launch", title_justify="left")
    for name in ("cell", "mechanism", "blocks", "measured", "simulated", "largest miss"):
        table.add_column(name)
    for c in comparisons:
        table.add_row(
            c.cell,
            c.mechanism,
            str(len(c.measured)),
            _counts(c.measured),
            _counts(c.predicted),
            Text(str(c.worst_miss), style="green" if c.agrees else "red"),
        )
    how = "Each block is simulated from the footprints of the other blocks of its cell."
    if not all(c.held_out for c in comparisons):
        how += " Where there is one block only, from its own: run at least 2 blocks."
    style = "bold red" if wrong else "bold"
    return Group(Text(headline, style=style), table, Text(how, style="dim"))


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
