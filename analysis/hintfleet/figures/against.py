# SPDX-License-Identifier: GPL-2.0-or-later
"""Mechanisms against each other, paired within blocks: which of two to turn on, if not neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from hintfleet.figures.density import cpu_seconds_per_guest
from hintfleet.figures.estimate import difference, ratio
from hintfleet.figures.family import corrected
from hintfleet.figures.figure import DEFAULTS, Figure, Figures, Objection, Thresholds
from hintfleet.figures.latency import overall_rate, run_quantile, seconds_at
from hintfleet.figures.memory import MemoryObservation, footprint_of, seconds_to
from hintfleet.records.observations import (
    BASELINE,
    AnyObservation,
    DensityObservation,
    MemhogObservation,
    PageFaultObservation,
    pairs_of,
)

AGAINST = " against "

PROOF = 90
"""The share of freed memory whose time to return is compared."""


def against_each_other(
    density: Sequence[DensityObservation],
    memhog: Sequence[MemhogObservation],
    page_fault: Sequence[PageFaultObservation],
    memory: Sequence[MemoryObservation],
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, Figures]:
    """Figures of the second mechanism relative to the first, by "<second> against <first>".

    Every pair but those with the baseline; p values are corrected for all of them (Holm).
    """
    last = max((len(o.seconds) for o in memhog), default=0)
    held = [o for o in memory if o.workload == "memhog"]
    proved = [o for o in memory if o.workload == "consolidation"]
    found: dict[tuple[str, str], Figure] = {}

    def compare(
        name: str,
        pair: tuple[str, str],
        workload: str,
        observations: Sequence[AnyObservation],
        value: Callable[[AnyObservation], float | None],
        counted: bool = False,
    ) -> None:
        first, second = ([o for o in observations if o.mechanism == one] for one in pair)
        values = pairs_of(first, second, value)
        doubts = [o for o in objections if o.concerns(pair, workload)]
        figure = (
            difference(*values, "guests", doubts, limits, 1.0)
            if counted
            else ratio(*values, "ratio", doubts, limits)
        )
        if figure.n:
            found[f"{pair[1]}{AGAINST}{pair[0]}", name] = figure

    names = sorted(
        {o.mechanism for o in [*density, *memhog, *page_fault] if o.mechanism != BASELINE}
    )
    for pair in combinations(names, 2):
        compare(
            "more_guests", pair, "consolidation", density, lambda o: o.guests_without_swap, True
        )
        compare("memhog_last_guest", pair, "memhog", memhog, seconds_at(last))
        compare("memhog_footprint", pair, "memhog", held, footprint_of)
        compare("processes", pair, "page_fault", page_fault, overall_rate("processes"))
        compare("fault_p99", pair, "page_fault", page_fault, run_quantile(0.99))
        compare("seconds_to_return", pair, "consolidation", proved, seconds_to(PROOF))
        compare("host_cpu_per_guest", pair, "consolidation", density, cpu_seconds_per_guest)
    judged = corrected(list(found.values()), limits)
    result: dict[str, Figures] = {}
    for (pair_name, name), figure in zip(found, judged, strict=True):
        result.setdefault(pair_name, {})[name] = figure
    return result
