# SPDX-License-Identifier: GPL-2.0-or-later
"""Arms against each other, paired within blocks: which of two to turn on, if not neither."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from hintfleet.figures.density import cpu_seconds_per_guest, more_guests
from hintfleet.figures.estimate import difference, ratio
from hintfleet.figures.figure import DEFAULTS, Figure, Figures, Objection, Thresholds
from hintfleet.figures.latency import overall_rate
from hintfleet.figures.memory import seconds_to
from hintfleet.figures.recorded import recorded_numbers
from hintfleet.figures.tiles import equal_tiles, overall_cost
from hintfleet.records.observations import Workloads, baseline_of, pairs_of
from hintfleet.records.tiles import MEASURES
from hintfleet.statistics.intervals import Floats

AGAINST = " against "

PROOF = 90
"""The share of freed memory whose time to return is compared."""


def against_each_other(
    workloads: Workloads,
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, Figures]:
    """Figures of the second arm relative to the first, by "<second> against <first>".

    workloads: the finished runs of each. Every pair but those with the baseline, each judged for
    itself.
    """
    density, memhog, page_fault, tile = (
        workloads[name] for name in ("consolidation", "memhog", "page_fault", "tile")
    )
    equal = equal_tiles(tile)
    seconds = memhog.matrices["memhog_seconds"]
    compared: tuple[tuple[str, str, Floats], ...] = (
        ("more_guests", "consolidation", density.numbers["guests_without_swap"]),
        ("memhog_last_guest", "memhog", seconds.at(max(seconds.measured, default=0))),
        ("memhog_footprint", "memhog", memhog.numbers["footprint_gib_min"]),
        ("processes", "page_fault", overall_rate(page_fault, "processes")),
        ("fault_p99", "page_fault", page_fault.numbers["fault_p99_ns"]),
        ("seconds_to_return", "consolidation", seconds_to(density, PROOF)),
        ("host_cpu_per_guest", "consolidation", cpu_seconds_per_guest(density)),
        ("more_tiles", "tile", tile.numbers["tiles_at_quality"]),
        ("tile_held", "tile", tile.matrices["tile_held_gib_min"].at(equal)),
        *((f"tile_{measure}", "tile", overall_cost(tile, measure, equal)) for measure in MEASURES),
        *(
            (f"recorded_{measure}", "recorded", numbers)
            for measure, numbers in recorded_numbers(workloads["recorded"]).items()
        ),
    )
    names = {name for observations in workloads.values() for name in observations.arms}
    names.discard(baseline_of(workloads))
    found: dict[tuple[str, str], Figure] = {}
    for pair in combinations(sorted(names), 2):
        for name, workload, numbers in compared:
            values = pairs_of(workloads[workload], *pair, numbers)
            doubts = [o for o in objections if o.concerns(pair, workload)]
            if name == "more_guests":
                figure = more_guests(workloads[workload], pair, doubts, limits)
            elif name == "more_tiles":
                figure = difference(*values, "tiles", doubts, limits, resolution=1.0)
            else:
                figure = ratio(*values, "ratio", doubts, limits)
            if figure.n:
                found[f"{pair[1]}{AGAINST}{pair[0]}", name] = figure
    result: dict[str, Figures] = {}
    for (pair_name, name), figure in found.items():
        result.setdefault(pair_name, {})[name] = figure
    return result
