# SPDX-License-Identifier: GPL-2.0-or-later
"""The first sentences of a report: the answer for each kind of node, and the fleet's total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hintfleet.figures.figure import DEFAULTS, Figures, Thresholds
from hintfleet.figures.gain import Topics
from hintfleet.records.observations import Workloads, baseline_of
from hintfleet.report.answer import answer
from hintfleet.report.kinds import Kind, fleet_total
from hintfleet.statistics.units import plural


def headline(
    kinds: Sequence[tuple[Kind, Topics]],
    against: Mapping[str, Figures],
    workloads: Workloads,
    limits: Thresholds = DEFAULTS,
) -> str:
    """The answer; one for each kind of node if there are several.

    against: of all nodes; between kinds it decides nothing, for a count may differ by kind.
    """
    if len(kinds) == 1:
        return answer(kinds[0][1], against, limits, baseline_of(workloads))
    said = [
        f"{kind.name[0].upper()}{kind.name[1:]} ({plural(kind.nodes, 'node')}): "
        f"{answer(figures, {}, limits, baseline_of(workloads))}"
        for kind, figures in kinds
    ]
    return " ".join([*said, fleet_total(workloads)]).strip()
