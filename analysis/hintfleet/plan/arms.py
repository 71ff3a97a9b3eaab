# SPDX-License-Identifier: GPL-2.0-or-later
"""Which arms a plan is made for, if it is not said."""

from __future__ import annotations

from collections.abc import Sequence

from hintfleet.plan.answer import MOST_GUESTS
from hintfleet.plan.demand import placed
from hintfleet.plan.input import Measured
from hintfleet.plan.model import Footprint, by_arm
from hintfleet.plan.nodes import Question
from hintfleet.records.observations import baseline_first
from hintfleet.records.read import UnusableError
from hintfleet.report.answer import ALL_TOLD, BEST_TOLD
from hintfleet.statistics.units import plural


def chosen_arms(
    found: Measured, question: Question, wanted: Sequence[str]
) -> tuple[list[Footprint], list[str]]:
    """The footprints of the arms to plan for, and a sentence about those that are not.

    Every arm, unless some are named; of more than ALL_TOLD beside the baseline, as in a report,
    only the BEST_TOLD that hold most guests where guests use memory in turn.
    """
    arms = baseline_first({one.arm for one in found.footprints}, found.baseline)
    unknown = [name for name in wanted if name not in arms]
    if unknown:
        raise UnusableError(
            f"--arm {', '.join(unknown)}: no such footprint; there are {', '.join(arms)}"
        )
    others = [name for name in arms if name != found.baseline]
    if wanted or len(others) <= ALL_TOLD:
        return [one for one in found.footprints if one.arm in (wanted or arms)], []
    chosen, said = _with_most_guests(found, question, others)
    return [one for one in found.footprints if one.arm in chosen], said


def _with_most_guests(
    found: Measured, question: Question, others: Sequence[str]
) -> tuple[list[str], list[str]]:
    room = max(kind.memory_mib for kind in question.kinds) - question.reserve_mib
    order = placed(question.types, MOST_GUESTS)
    fits = {}
    for arm in others:
        mine = [one for one in found.footprints if one.arm == arm]
        fits[arm] = by_arm(mine, question.types, arm)[arm].guests_in_turn(room, order)
    best = sorted(others, key=lambda arm: (-fits[arm], arm))[:BEST_TOLD]
    left = len(others) - len(best)
    return [found.baseline, *best], [
        f"Of {plural(len(others) + 1, 'arm')} the plan is for the baseline and the {len(best)} "
        f"that hold most guests where these use memory in turn; {left} are left out: --arm NAME "
        "plans for others."
    ]
