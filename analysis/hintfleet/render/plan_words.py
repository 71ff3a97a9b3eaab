# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan in sentences: what to place, under which demand, and why a study counts other numbers."""

from __future__ import annotations

from collections.abc import Sequence

from hintfleet.figures.figure import Judgement, Verdict
from hintfleet.plan.answer import Plan
from hintfleet.plan.demand import Demand, NodeKind, Trace
from hintfleet.statistics.units import number, percent, plural, quantity


def plan_title(plan: Plan) -> str:
    """What the plan stands on."""
    basis, hosts = plan.basis, plural(plan.hosts_measured, "host")
    if not basis.studies:
        return "plan · footprints by hand, nothing measured"
    parts = ["plan", f"study {', '.join(basis.studies)}", hosts, plural(basis.blocks, "block")]
    return " · ".join([*parts, "emulated"] if basis.emulated else parts)


def answer_words(plan: Plan, baseline: str) -> str:
    """What to place, what of demand that assumes, and what a study's own count assumes."""
    said = [_placing(plan, baseline), *_too_many(plan), _assumed(plan), *_of_the_study(plan)]
    return " ".join(said)


def verdict_of(plan: Plan) -> tuple[str, str]:
    """The verdict with its reason and the arms that it is about, and the next step."""
    judgement, arms = doubts_of(plan)[0]
    if judgement.verdict == Verdict.SOUND:
        return f"{judgement.verdict} {judgement.reason}", ""
    about = f" ({', '.join(arms)})" if len(arms) < len(plan.arms) else ""
    return f"{judgement.verdict}{about}: {judgement.reason}", judgement.next_step


def doubts_of(plan: Plan) -> list[tuple[Judgement, list[str]]]:
    """Each judgement once with the arms that it is about, the worst first."""
    about: dict[Judgement, list[str]] = {}
    for answer in plan.answers:
        about.setdefault(answer.judgement, []).append(answer.arm)
    return [
        (judgement, list(dict.fromkeys(arms)))
        for verdict in reversed(Verdict)
        for judgement, arms in about.items()
        if judgement.verdict == verdict
    ]


def _placing(plan: Plan, baseline: str) -> str:
    counts = {arm: plan.fleet_guests(arm) for arm in plan.arms}
    where = _nodes(plan.question.kinds)
    if len(counts) > 1 and len({plan.fleet_of_type(arm) for arm in counts}) == 1:
        first = next(iter(counts))
        return f"Place {_guests(plan, first)} on {where}, whatever the arm: nothing is gained."
    said: list[str] = []
    base = counts.get(baseline, 0)
    for arm, guests in counts.items():
        what = _guests(plan, arm) if not said else _guests(plan, arm, noun=False)
        times = ""
        if arm != baseline and base and guests != base:
            times = f" ({number(guests / base)} times as many)"
        said.append(f"{what} with {arm}{times}")
    return f"On {where} place {_listed(said)}."


def _guests(plan: Plan, arm: str, noun: bool = True) -> str:
    guests = plan.fleet_guests(arm)
    told = f"{guests:,}{(' guest' if guests == 1 else ' guests') if noun else ''}"
    if len(plan.question.types) > 1:
        told += f" ({of_types(plan, plan.fleet_of_type(arm))})"
    return told


def of_types(plan: Plan, counts: Sequence[int]) -> str:
    """How many guests of each type."""
    types = plan.question.types
    return ", ".join(f"{count} {one.name}" for count, one in zip(counts, types, strict=True))


def _nodes(kinds: Sequence[NodeKind]) -> str:
    nodes = sum(kind.count for kind in kinds)
    sizes = {kind.memory_mib for kind in kinds}
    if len(sizes) > 1:
        return f"{nodes:,} nodes of {len(sizes)} sizes together"
    size = f"{number(sizes.pop())} MiB"
    return f"a node of {size}" if nodes == 1 else f"{nodes:,} nodes of {size} each"


def _assumed(plan: Plan) -> str:
    question = plan.question
    demand = question.demand
    types = question.types
    if isinstance(demand, Trace) or all(one.demand is None for one in types):
        return f"Demand: each guest {demand_words(demand)}."
    use = "; ".join(f"{one.name} {_phases(one.demand or demand)}" for one in types)
    return f"Demand: {use}; each {_when(demand)}."


def demand_words(demand: Demand | Trace) -> str:
    """What each guest does."""
    if isinstance(demand, Trace):
        recorded, steps = demand.used_mib.shape
        curves = "the recorded trace" if recorded == 1 else f"one of {recorded} recorded traces"
        return f"repeats {curves} of {quantity(steps * demand.step_seconds, 's')}, {_when(demand)}"
    return f"{_phases(demand)}, {_when(demand)}"


def _phases(demand: Demand) -> str:
    spread = f" (variation {demand.spread:g})" if demand.spread else ""
    least = f", {percent(demand.least_level)} of it at least," if demand.least_level < 1.0 else ""
    mean = " on average" if demand.spread else ""
    return (
        f"uses its memory{least} for {quantity(demand.active_seconds, 's')} and rests for "
        f"{quantity(demand.idle_seconds, 's')}{mean}{spread}"
    )


def _when(demand: Demand | Trace) -> str:
    if demand.together == 1.0:
        return "all at the same moment"
    if demand.stagger_seconds is None:
        when = "at its own time"
    else:
        when = f"{quantity(demand.stagger_seconds, 's')} after the one before"
    if demand.together:
        when += f", but {percent(demand.together)} of them all at once"
    return when


def _too_many(plan: Plan) -> list[str]:
    """Types of which every node is to hold more guests than it may."""
    few = {
        one.name: arms
        for index, one in enumerate(plan.question.types)
        if (arms := [a.arm for a in plan.answers if a.of_type[index] < one.count])
    }
    return [
        f"The {one.count} {one.name} that every node is to hold are too many for it with "
        f"{_listed(list(dict.fromkeys(few[one.name])))}: plan for larger nodes or fewer of them."
        for one in plan.question.types
        if one.name in few
    ]


def _of_the_study(plan: Plan) -> list[str]:
    """What the study counted, and what it assumes: only one guest at a time uses memory."""
    kinds = plan.question.kinds
    for kind in kinds:
        counted = {
            arm: count
            for arm in plan.arms
            if (count := plan.basis.counted.get((kind.memory_mib, arm))) is not None
        }
        if counted:
            told = _listed([f"{number(count)} with {arm}" for arm, count in counted.items()])
            where = f" on a node of {number(kind.memory_mib)} MiB" if len(kinds) > 1 else ""
            return [
                f"The study's count{where}, {told}, assumes that they do so in turn.{_why(plan)}"
            ]
    return []


def _why(plan: Plan) -> str:
    held_back = any(answer.guests < answer.in_turn for answer in plan.answers)
    if not held_back:
        return ""
    return " Memory that was given back helps only while nobody else needs it."


def risk_words(plan: Plan) -> str:
    """The risk that is taken, and what was simulated."""
    question = plan.question
    return (
        f"A node may swap with a chance of at most {question.bound:g} within "
        f"{question.demand.horizon_seconds / 3600.0:g} h "
        f"({percent(question.confidence)} confidence). "
        f"{plural(question.nodes, 'node')} simulated with "
        f"footprints of {plural(plan.hosts_measured, 'host')}, seed {question.seed}."
    )


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
