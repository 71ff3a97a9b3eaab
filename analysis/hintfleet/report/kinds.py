# SPDX-License-Identifier: GPL-2.0-or-later
"""Kinds of node: counts of nodes of 8 GiB and of 64 GiB have a mean that no node has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hintfleet.records.observations import Observations, Workloads, pairs_of
from hintfleet.statistics.intervals import Floats, group_means
from hintfleet.statistics.units import number, plural

ALIKE = 1.05
"""Nodes whose memory differs by less than this factor are of one kind."""

MIB_A_GIB = 1024.0

COUNTS = ("consolidation", "tile")
"""Workloads that count what fits a node."""


@dataclass(frozen=True)
class Kind:
    """Nodes of one size and one model of CPU, and the runs on them."""

    name: str
    nodes: int
    workloads: Workloads


def kinds_of(workloads: Workloads) -> list[Kind]:
    """The kinds of node that guests were counted on, largest first; one if all are alike."""
    counted = counted_in(workloads)
    cells, index = np.unique(counted.texts["cell"].codes, return_index=True)
    size = _sizes(np.nan_to_num(counted.numbers["memory_mib"][index]))
    facts = counted.texts["facts"].where(index)
    model_of = {code: _cpu_model(facts.texts[code]) for code in np.unique(facts.codes).tolist()}
    models = [model_of[code] for code in facts.codes.tolist()]
    known = sorted(set(zip(size.tolist(), models, strict=True)), reverse=True)
    if len(known) < 2:
        return [Kind("", int(cells.size), workloads)]
    several_models, several_sizes = (len({kind[k] for kind in known}) > 1 for k in (1, 0))
    found = []
    for memory, model in known:
        mine = [
            int(cell)
            for cell, own, its_model in zip(cells, size, models, strict=True)
            if (own, its_model) == (memory, model)
        ]
        name = " ".join(
            [
                *([f"{number(memory / MIB_A_GIB)} GiB"] if several_sizes else []),
                "nodes",
                *([f"with {model}"] if several_models else []),
            ]
        )
        found.append(
            Kind(
                name,
                len(mine),
                {
                    workload: runs.where(np.isin(runs.texts["cell"].codes, mine))
                    for workload, runs in workloads.items()
                },
            )
        )
    return found


def counted_in(workloads: Workloads) -> Observations:
    """The runs that count what fits a node: guests, or else tiles."""
    return next(filter(len, map(workloads.__getitem__, COUNTS)), workloads["consolidation"])


def fleet_total(workloads: Workloads) -> str:
    """Guests (or tiles) on all nodes together, with the arm that fits most; "" without a gain."""
    counted = counted_in(workloads)
    what, column = ("guests", "guests_without_swap")
    if counted is workloads["tile"]:
        what, column = ("tiles", "tiles_at_quality")
    totals: dict[str, tuple[float, float, int]] = {}
    for name in counted.arms:
        if name == counted.baseline:
            continue
        pair = pairs_of(counted, counted.baseline, name, counted.numbers[column])
        if pair[0].size:
            means = [group_means(side.numbers, side.cell) for side in pair]
            totals[name] = float(means[1].sum()), float(means[0].sum()), int(means[0].size)
    if not totals:
        return ""
    best = max(totals, key=lambda name: totals[name][0] - totals[name][1])
    more, base, nodes = totals[best]
    return (
        f"On all {plural(nodes, 'node')} together {number(more)} {what} fit with {best} instead of "
        f"{number(base)}."
    )


def _sizes(memory_mib: Floats) -> Floats:
    """The least memory of a node of the same kind, for each node."""
    least, result = 0.0, np.empty_like(memory_mib)
    for place in np.argsort(memory_mib):
        if not memory_mib[place] < least * ALIKE:
            least = float(memory_mib[place])
        result[place] = least
    return result


def _cpu_model(facts: str | None) -> str:
    told: Mapping[str, object] = json.loads(facts or "{}")
    return str(told.get("host cpu model", ""))
