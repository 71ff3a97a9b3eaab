# SPDX-License-Identifier: GPL-2.0-or-later
"""Studies by what was measured, block by block, for tests of what a report says of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hintfleet.figures.against import against_each_other
from hintfleet.figures.family import judge_side_figures
from hintfleet.figures.figure import Figures, Objection
from hintfleet.records.observations import Workloads, aligned, finished_row, from_rows
from hintfleet.records.observed import WORKLOADS
from hintfleet.report.build import FAMILY, results_of
from hintfleet.report.headline import headline
from hintfleet.report.kinds import kinds_of


@dataclass(frozen=True)
class Arm:
    """What one mechanism gave on one node; None where a run is missing.

    guests: that fitted; seconds: of the last memhog guest, inf if it was not seen to end; rate: of
    page faults; p99: of single faults, ns; cpu: host CPU seconds of a run.
    """

    guests: Sequence[int | None] = ()
    seconds: Sequence[float | None] = ()
    rate: Sequence[float | None] = ()
    p99: Sequence[float | None] = ()
    cpu: Sequence[float | None] = ()
    footprints: tuple[float, float] | None = None
    """Largest and idle footprint of a guest, MiB."""
    tiles: Sequence[int | None] = ()
    """At quality."""
    work: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By name and phase of a program: seconds for a unit of work, whatever the number of tiles."""
    slowest: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """The same of p99, ms."""
    held: Sequence[float] = ()
    """GiB·min of a round."""
    stopped: tuple[str, str | None] = ("quality", None)
    """What ended tiles, and why."""


Node = Mapping[str, Arm]
"""By mechanism."""


@dataclass(frozen=True)
class Place:
    """Where a node is."""

    host: str = "h1"
    cell: str = "h1-node0"
    memory_mib: float = 960.0
    cpu: str = "CPU A"


def workloads_of(fleet: Mapping[Place, Node]) -> Workloads:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in WORKLOADS}
    for place, node in fleet.items():
        for mechanism, arm in node.items():
            for workload, block, found in _results(arm):
                row = finished_row(mechanism, workload, "s", block, place.cell)
                facts = json.dumps({"host cpu model": place.cpu})
                where = {"host": place.host, "memory_mib": place.memory_mib, "facts": facts}
                rows[workload].append({**row, **where, **found})
    return aligned({name: from_rows(found) for name, found in rows.items()})


def _results(arm: Arm) -> list[tuple[str, int, dict[str, Any]]]:
    found: list[tuple[str, int, dict[str, Any]]] = []
    for block, guests in enumerate(arm.guests, 1):
        if guests is None:
            continue
        result: dict[str, Any] = {"guests_without_swap": guests, "stopped_by": "swap"}
        if arm.footprints:
            active, idle = arm.footprints
            result |= {"active_footprint_mib": active, "idle_footprint_mib": idle}
        if arm.cpu:
            spent = arm.cpu[block - 1]
            result |= {"cpu_user_seconds": spent, "cpu_system_seconds": 0.0}
        found.append(("consolidation", block, result))
    for block, seconds in enumerate(arm.seconds, 1):
        if seconds is not None:
            ended = None if seconds == float("inf") else seconds
            guests_ran = [{"guest": 1, "seconds": 1.2}, {"guest": 2, "seconds": ended}]
            found.append(("memhog", block, {"memhog_guests": guests_ran}))
    for block in range(1, max(len(arm.rate), len(arm.p99)) + 1):
        result = {}
        if arm.rate:
            each = [{"tasks": 1, "processes": arm.rate[block - 1], "threads": arm.rate[block - 1]}]
            result["page_fault_rows"] = each
        if arm.p99:
            result["fault_p99_ns"] = arm.p99[block - 1]
        found.append(("page_fault", block, result))
    found += [
        ("tile", block, _tiles_of(arm, block, count))
        for block, count in enumerate(arm.tiles, 1)
        if count is not None
    ]
    return found


def _tiles_of(arm: Arm, block: int, count: int) -> dict[str, Any]:
    """What a run of tiles comes to: each round costs the same."""
    rounds = range(1, count + 2)
    costs = [
        {"tiles": tiles, "name": name, "phase": phase, key: values[block - 1]}
        for key, group in (("seconds_per_work", arm.work), ("p99_ms", arm.slowest))
        for program, values in group.items()
        for name, phase in (program.split(),)
        for tiles in rounds
    ]
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in costs:
        where = one["tiles"], one["name"], one["phase"]
        merged.setdefault(where, {}).update(one)
    for one in merged.values():
        if one.get("seconds_per_work") == float("inf"):
            one["seconds_per_work"] = None
    held = [{"tiles": n, "held_gib_min": arm.held[block - 1]} for n in rounds if arm.held]
    return {
        "tiles_at_quality": count,
        "stopped_by": arm.stopped[0],
        "stop_reason": arm.stopped[1],
        "tile_rounds": held,
        "tile_costs": list(merged.values()),
    }


def figures_of(
    fleet: Mapping[Place, Node], objections: Sequence[Objection] = ()
) -> tuple[dict[str, dict[str, Figures]], dict[str, Figures]]:
    """By topic and mechanism, and of mechanisms against each other, corrected as in a report."""
    workloads = workloads_of(fleet)
    against = against_each_other(workloads, objections)
    topics = _topics(workloads, objections)
    beside = [curve for group in topics.values() for curve in group.values()]
    judge_side_figures([*beside, *against.values()], FAMILY)
    return topics, against


def said_of(fleet: Mapping[Place, Node], objections: Sequence[Objection] = ()) -> str:
    """The headline of a report on these."""
    workloads = workloads_of(fleet)
    against = figures_of(fleet, objections)[1]
    kinds = [(kind, _topics(kind.workloads, objections)) for kind in kinds_of(workloads)]
    return headline(kinds, against, workloads)


def _topics(workloads: Workloads, objections: Sequence[Objection]) -> dict[str, dict[str, Figures]]:
    return results_of(workloads, {}, objections).topics
