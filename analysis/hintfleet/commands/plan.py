# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet plan"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from hintfleet.commands.output import add_terminal_options, exit_code, write, write_terminal
from hintfleet.plan.answer import make_plan
from hintfleet.plan.arms import chosen_arms
from hintfleet.plan.demand import Demand, Trace
from hintfleet.plan.given import (
    GivenType,
    load_trace,
    parse_guests,
    parse_mechanisms,
    parse_node,
)
from hintfleet.plan.input import Measured, joined, measured
from hintfleet.plan.model import by_arm
from hintfleet.plan.nodes import Question
from hintfleet.plan.tiles import has_tiles_only, measured_tiles, types_of, validate_tiles
from hintfleet.plan.validation import validate
from hintfleet.records.read import UnusableError
from hintfleet.render.plan import plan_json, plan_text, validation_json, validation_text

DEFAULT_DEMAND = Demand()
DESCRIPTION = (
    "How many guests may be placed on each node of a fleet, so that the chance of swap stays "
    "below a bound: by simulation, from measured footprints and return times and a demand."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; names carry their unit."""
    source = parser.add_argument_group("what a guest needs")
    source.add_argument(
        "--from",
        dest="results",
        type=Path,
        metavar="RESULTS",
        help="results/<study> or a Parquet store with consolidation runs",
    )
    source.add_argument("--study", metavar="NAME", help="which study of a store to plan with")
    source.add_argument(
        "--guest",
        action="append",
        default=[],
        metavar="NAME,...",
        help="one type of the guests on a node, of several: share=N (as many as fit, so many parts "
        "of all) or count=N (so many on every node), from=RESULTS and study=NAME unless they are "
        "those of --from, active-minutes= idle-minutes= spread= least-level= unless they are those "
        "of all",
    )
    source.add_argument(
        "--mechanism",
        action="append",
        default=[],
        metavar="NAME,active=MIB,idle=MIB,...",
        help="a footprint by hand instead; also touched=MIB, freed=MIB, the seconds until 50, 90 "
        "and 99 %% of it are back: s50= s90= s99=, and guest=NAME if --guest names types",
    )
    source.add_argument(
        "--arm",
        "--only",
        dest="arms",
        action="append",
        default=[],
        metavar="NAME",
        help="plan for this arm; may be repeated (default: all arms, of more than five the "
        "baseline and the two that hold most guests)",
    )
    source.add_argument(
        "--validate",
        type=Path,
        metavar="RESULTS",
        help="no plan: hold the simulation against the consolidation runs measured there",
    )
    fleet = parser.add_argument_group("the fleet")
    fleet.add_argument(
        "--node",
        action="append",
        default=[],
        metavar="MIB[xCOUNT]",
        help="memory of a node, and how many of them there are (default: the study's cells)",
    )
    fleet.add_argument(
        "--reserve-mib", type=float, default=0.0, help="memory of each node kept for the host"
    )
    demand = parser.add_argument_group("when guests use memory")
    demand.add_argument("--hours", type=float, default=DEFAULT_DEMAND.horizon_seconds / 3600.0)
    demand.add_argument(
        "--active-minutes",
        type=float,
        default=DEFAULT_DEMAND.active_seconds / 60.0,
        help="mean time a guest uses what the study's program used (default %(default)g)",
    )
    demand.add_argument(
        "--idle-minutes",
        type=float,
        default=DEFAULT_DEMAND.idle_seconds / 60.0,
        help="mean time it rests in between (default %(default)g)",
    )
    demand.add_argument(
        "--spread",
        type=float,
        default=DEFAULT_DEMAND.spread,
        help="coefficient of variation of both times (default %(default)g)",
    )
    demand.add_argument(
        "--least-level",
        type=float,
        default=DEFAULT_DEMAND.least_level,
        help="smallest share of the study's allocation a guest uses (default %(default)g)",
    )
    demand.add_argument(
        "--together",
        type=float,
        default=DEFAULT_DEMAND.together,
        help="share of the guests of a node that peak at the same moment (default %(default)g)",
    )
    demand.add_argument(
        "--stagger-minutes",
        type=float,
        help="start each guest so long after the one before, not at a random moment",
    )
    demand.add_argument(
        "--trace",
        type=Path,
        metavar="CSV",
        help="recorded use of memory instead of phases: seconds,guest,used_mib",
    )
    answer = parser.add_argument_group("the answer")
    answer.add_argument(
        "--bound",
        type=float,
        default=0.01,
        help="largest chance that a node swaps within --hours (default %(default)g)",
    )
    answer.add_argument("--confidence", type=float, default=0.95)
    answer.add_argument(
        "--nodes", type=int, default=4000, help="nodes to simulate (default %(default)d)"
    )
    answer.add_argument("--seed", type=int, default=20190603)
    answer.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="processes to simulate with; the answer does not depend on it",
    )
    answer.add_argument("--format", choices=("terminal", "json"), default="terminal")
    answer.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    add_terminal_options(parser)


def main(options: argparse.Namespace) -> int:
    """Runs the command: 0 sound or unsettled, 2 not to be trusted."""
    if options.validate:
        return _validate(options)
    if options.workers < 1:
        raise UnusableError(f"--workers must be at least 1, found {options.workers}")
    given = _given(options)
    demand = _demand(options)
    types = tuple(one.as_type(demand) for one in given)
    found = _found(options, given)
    question = Question(
        kinds=tuple(parse_node(text) for text in options.node) or found.basis.cells,
        demand=demand,
        bound=options.bound,
        confidence=options.confidence,
        nodes=options.nodes,
        reserve_mib=options.reserve_mib,
        seed=options.seed,
        types=types,
    )
    footprints, arms_note = chosen_arms(found, question, options.arms)
    notes = [*arms_note, *found.notes]
    arrays = by_arm(footprints, types, found.baseline)
    plan = make_plan(question, arrays, found.basis, options.workers)
    if options.format == "json":
        _write_json(options, plan_json(plan, footprints, notes))
    else:
        write_terminal(
            lambda width: plan_text(plan, notes, found.baseline, options.ascii),
            options,
            options.output,
        )
    return exit_code(plan.verdict)


def _found(options: argparse.Namespace, given: Sequence[GivenType]) -> Measured:
    """The footprints of every type of guest, from where the command line says."""
    by_hand = parse_mechanisms(options.mechanism, given)
    stated = {footprint.type for footprint in by_hand}
    sources = {one.name: one.source or options.results for one in given}
    for one in given:
        if (one.name in stated) == bool(sources[one.name]):
            raise UnusableError(_where_from(one.name, one.name in stated))
    parts: list[Measured] = [Measured(tuple(by_hand))] if by_hand else []
    for one in given:
        source = sources[one.name]
        if source is not None:
            parts.append(_measured(source, one.study or options.study, one.name))
    return joined(parts)


def _given(options: argparse.Namespace) -> list[GivenType]:
    """The types of guest that are named; if none is, of a study of tiles the guests of its tile."""
    given = parse_guests(options.guest)
    if options.guest or not options.results or not has_tiles_only(options.results, options.study):
        return given
    names = types_of(measured_tiles(options.results, options.study))
    return [GivenType(name) for name in names]


def _measured(source: Path, study: str | None, name: str) -> Measured:
    """Footprints of a type of guest: those of a study's guests, or of the guest of a study's tile
    that is called so."""
    if not has_tiles_only(source, study):
        return measured(source, study).of_type(name)
    found = measured_tiles(source, study)
    mine = tuple(one for one in found.footprints if one.type == name)
    if not mine:
        raise UnusableError(
            f"--guest {name}: the tile of {source} has no such guest; it has "
            f"{', '.join(types_of(found))}"
        )
    return dataclasses.replace(found, footprints=mine)


def _where_from(name: str, is_stated: bool) -> str:
    if not name:
        return (
            "a plan needs footprints from one place: either --from RESULTS or --mechanism "
            "NAME,active=MIB,idle=MIB,..."
        )
    if is_stated:
        return (
            f"--guest {name} has footprints from two places: a study (from= or --from) and "
            f"--mechanism ...,guest={name}; leave one away"
        )
    return (
        f"--guest {name} has no footprint: name a study (from=RESULTS, or --from for all), or "
        f"state one with --mechanism NAME,active=MIB,idle=MIB,guest={name}"
    )


def _demand(options: argparse.Namespace) -> Demand | Trace:
    stagger = None if options.stagger_minutes is None else options.stagger_minutes * 60.0
    demand = Demand(
        horizon_seconds=options.hours * 3600.0,
        active_seconds=options.active_minutes * 60.0,
        idle_seconds=options.idle_minutes * 60.0,
        spread=options.spread,
        least_level=options.least_level,
        together=options.together,
        stagger_seconds=stagger,
    )
    if options.trace is None:
        return demand
    return dataclasses.replace(
        load_trace(options.trace),
        together=demand.together,
        stagger_seconds=stagger,
        horizon_seconds=demand.horizon_seconds,
    )


def _validate(options: argparse.Namespace) -> int:
    if has_tiles_only(options.validate, options.study):
        comparisons = validate_tiles(measured_tiles(options.validate, options.study).rows)
    else:
        comparisons = validate(measured(options.validate, options.study).rows)
    if not comparisons:
        raise UnusableError(
            f"{options.validate} has no finished consolidation run with a boot time: "
            "run the consolidation workload first"
        )
    if options.format == "json":
        _write_json(options, validation_json(comparisons))
    else:
        write_terminal(
            lambda width: validation_text(comparisons, options.ascii), options, options.output
        )
    return 0 if all(comparison.agrees for comparison in comparisons) else 2


def _write_json(options: argparse.Namespace, document: object) -> None:
    write(json.dumps(document, indent=2) + "\n", options.output)
