# SPDX-License-Identifier: GPL-2.0-or-later
"""A study that goes on until it is settled: when it is looked at, and what comes of a look.

Looks come after 3, 4, 5, 7, 9, 12, ... blocks, further apart the more there are: each makes all
figures harder to settle (analysis/hintfleet/statistics/looks.py says how and why that is needed).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.study.plan import (
    read_plan,
    write_plan,
)

APART = 1.25  # how much larger the next number of blocks is
NAMED = 3


def earlier_looks(folder: Path) -> list[int]:
    """After how many blocks each it has been looked; raises BenchError."""
    plan = read_plan(folder)
    if plan is None:
        raise BenchError(f"{folder} has no plan to look at; start the study anew.")
    return list(plan.get("looks", []))


def note_look(folder: Path, blocks: int) -> bool:
    """Note in the plan that it is looked after so many blocks; False if that was noted before.

    A look that was noted and interrupted is the same look when the study is started again.
    """
    looks = earlier_looks(folder)
    if blocks in looks:
        return False
    write_plan(folder, {**(read_plan(folder) or {}), "looks": [*looks, blocks]})
    return True


def next_look(blocks: int) -> int:
    """After how many blocks it is looked again."""
    return max(blocks + 1, int(blocks * APART))


def what_next(
    report: dict[str, Any], blocks: int, hours: float, caps: dict[str, Any]
) -> dict[str, Any]:
    """Whether the study ends, how many blocks it should have, and why.

    report: as hintfleet report --format json. caps: `blocks_max`, `hours_max`.
    """
    still_open = report["still_open"]
    more = min(next_look(blocks), caps["blocks_max"])
    named = ", ".join(name.replace("_", " ") for name in still_open[:NAMED])
    named += ", \u2026" if len(still_open) > NAMED else ""
    if report["verdict"] == "not to be trusted":
        reason = f"It ends after {blocks} blocks: not to be trusted, which no block mends."
    elif not still_open:
        reason = f"Settled after {blocks} blocks."
    elif more <= blocks:
        reason = f"It ends at study_blocks_max {blocks}, with {named} still open."
    elif caps["hours_max"] and hours >= caps["hours_max"]:
        reason = f"It ends after study_hours_max {caps['hours_max']:g}, with {named} still open."
    else:
        reason = f"Still open after {blocks} blocks: {named}. On to {more}."
        return {"ended": False, "blocks": more, "reason": reason}
    return {"ended": True, "blocks": blocks, "reason": reason}
