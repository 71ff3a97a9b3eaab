# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of `hintfleet plan`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

from rich.console import Console

from hintfleet.plan import Question, make_plan
from hintfleet.plan_input import Measured, load_trace, measured, parse_mechanism, parse_node
from hintfleet.plan_model import Demand, Trace, by_mechanism
from hintfleet.plan_validation import validate
from hintfleet.plan_view import plan_json, plan_text, validation_json, validation_text
from hintfleet.records import UnusableError

DEFAULT_DEMAND = Demand()
DESCRIPTION = (
    "How many guests may be placed on each node of a fleet, so that the chance of swap stays "
    "below a bound: by simulation, from measured footprints and return times and a demand."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; names carry their unit."""
    source = parser.add_argument_group("what a guest needs")
    source.add_argument(
        "--from", dest="results", type=Path, metavar="RESULTS",
        help="results/<study> or a Parquet store with consolidation runs",
    )
    source.add_argument(
        "--mechanism", action="append", default=[], metavar="NAME,active=MIB,idle=MIB,...",
        help="a footprint by hand instead; also touched=MIB, freed=MIB and the seconds until "
        "50, 90 and 99 %% of it are back: s50= s90= s99=",
    )
    source.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="plan for this mechanism only"
    )
    source.add_argument(
        "--validate", type=Path, metavar="RESULTS",
        help="no plan: hold the simulation against the consolidation runs measured there",
    )
    fleet = parser.add_argument_group("the fleet")
    fleet.add_argument(
        "--node", action="append", default=[], metavar="MIB[xCOUNT]",
        help="memory of a node, and how many of them there are (default: the study's cells)",
    )
    fleet.add_argument(
        "--reserve-mib", type=float, default=0.0, help="memory of each node kept for the host"
    )
    demand = parser.add_argument_group("when guests use memory")
    demand.add_argument("--hours", type=float, default=DEFAULT_DEMAND.horizon_seconds / 3600.0)
    demand.add_argument(
        "--active-minutes", type=float, default=DEFAULT_DEMAND.active_seconds / 60.0,
        help="mean time a guest uses what the study's program used (default %(default)g)",
    )
    demand.add_argument(
        "--idle-minutes", type=float, default=DEFAULT_DEMAND.idle_seconds / 60.0,
        help="mean time it rests in between (default %(default)g)",
    )
    demand.add_argument(
        "--spread", type=float, default=DEFAULT_DEMAND.spread,
        help="coefficient of variation of both times (default %(default)g)",
    )
    demand.add_argument(
        "--least-level", type=float, default=DEFAULT_DEMAND.least_level,
        help="smallest share of the study's allocation a guest uses (default %(default)g)",
    )
    demand.add_argument(
        "--together", type=float, default=DEFAULT_DEMAND.together,
        help="share of the guests of a node that peak at the same moment (default %(default)g)",
    )
    demand.add_argument(
        "--stagger-minutes", type=float,
        help="start each guest so long after the one before, not at a random moment",
    )
    demand.add_argument(
        "--trace", type=Path, metavar="CSV",
        help="recorded use of memory instead of phases: seconds,guest,used_mib",
    )
    answer = parser.add_argument_group("the answer")
    answer.add_argument(
        "--bound", type=float, default=0.01,
        help="largest chance that a node swaps within --hours (default %(default)g)",
    )
    answer.add_argument("--confidence", type=float, default=0.95)
    answer.add_argument(
        "--nodes", type=int, default=4000, help="nodes to simulate (default %(default)d)"
    )
    answer.add_argument("--seed", type=int, default=20190603)
    answer.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1,
        help="processes to simulate with; the answer does not depend on it",
    )
    answer.add_argument("--format", choices=("terminal", "json"), default="terminal")


def main(args: argparse.Namespace, console: Console | None = None) -> int:
    """Runs the command: 0 sound, 2 not to be trusted; UnusableError for what cannot be done."""
    console = console or Console()
    if args.validate:
        return _validate(args, console)
    found = _found(args)
    footprints = [f for f in found.footprints if not args.only or f.mechanism in args.only]
    if args.workers < 1:
        raise UnusableError(f"--workers must be at least 1, found {args.workers}")
    question = Question(
        kinds=tuple(parse_node(text) for text in args.node) or found.nodes,
        demand=_demand(args),
        bound=args.bound,
        confidence=args.confidence,
        nodes=args.nodes,
        reserve_mib=args.reserve_mib,
        seed=args.seed,
    )
    plan = make_plan(question, by_mechanism(footprints), args.workers)
    if args.format == "json":
        _print_json(console, plan_json(plan, footprints, found.notes))
    else:
        console.print(plan_text(plan, found.notes))
    return 0 if plan.trusted else 2


def _found(args: argparse.Namespace) -> Measured:
    if bool(args.results) == bool(args.mechanism):
        raise UnusableError(
            "a plan needs footprints from one place: either --from RESULTS or --mechanism "
            "NAME,active=MIB,idle=MIB,..."
        )
    if args.results:
        return measured(args.results)
    return Measured(tuple(parse_mechanism(text) for text in args.mechanism), (), (), ())


def _demand(args: argparse.Namespace) -> Demand | Trace:
    stagger = None if args.stagger_minutes is None else args.stagger_minutes * 60.0
    demand = Demand(
        horizon_seconds=args.hours * 3600.0,
        active_seconds=args.active_minutes * 60.0,
        idle_seconds=args.idle_minutes * 60.0,
        spread=args.spread,
        least_level=args.least_level,
        together=args.together,
        stagger_seconds=stagger,
    )
    if args.trace is None:
        return demand
    return dataclasses.replace(
        load_trace(args.trace),
        together=demand.together,
        stagger_seconds=stagger,
        horizon_seconds=demand.horizon_seconds,
    )


def _validate(args: argparse.Namespace, console: Console) -> int:
    comparisons = validate(measured(args.validate).rows)
    if not comparisons:
        raise UnusableError(
            f"{args.validate} has no finished consolidation run with a boot time: "
            "run the consolidation workload first"
        )
    if args.format == "json":
        _print_json(console, validation_json(comparisons))
    else:
        console.print(validation_text(comparisons))
    return 0 if all(comparison.agrees for comparison in comparisons) else 2


def _print_json(console: Console, document: object) -> None:
    console.out(json.dumps(document, indent=2), highlight=False)
