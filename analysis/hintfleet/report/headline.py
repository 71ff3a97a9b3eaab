# SPDX-License-Identifier: GPL-2.0-or-later
"""The first sentences of a report: the answer for each kind of node, and the fleet's total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hintfleet.figures.figure import DEFAULTS, Figures, Thresholds
from hintfleet.figures.gain import Topics
from hintfleet.records.observations import Workloads, baseline_of
from hintfleet.report.answer import GUESTS, TILES, answer
from hintfleet.report.kinds import Kind, fleet_total
from hintfleet.statistics.units import plural

IN_TURN = "Of guests that use memory in turn:"
"""What begins the answer by guests after that by tiles."""


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
        return _answers(*kinds[0], against, limits, baseline_of(workloads))
    said = [
        f"{kind.name[0].upper()}{kind.name[1:]} ({plural(kind.nodes, 'node')}): "
        f"{_answers(kind, figures, {}, limits, baseline_of(workloads))}"
        for kind, figures in kinds
    ]
    return " ".join([*said, fleet_total(workloads)]).strip()


def _answers(
    kind: Kind,
    figures: Topics,
    against: Mapping[str, Figures],
    limits: Thresholds,
    baseline: str,
) -> str:
    """The answer by tiles, if there were any, and by guests, if they were counted."""
    if not figures.get(TILES.topic):
        return answer(figures, against, limits, baseline)
    reasons = kind.workloads["tile"].finished.texts["stop_reason"].present
    why = reasons[0] if reasons else "untold"
    said = answer(figures, against, limits, baseline, TILES, why)
    if figures.get(GUESTS.topic):
        said += f" {IN_TURN} {answer(figures, against, limits, baseline)}"
    return said
