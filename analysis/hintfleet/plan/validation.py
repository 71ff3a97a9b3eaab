# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the simulation of `hintfleet plan` against consolidation as it was measured.

Each block is predicted from the other blocks of its cell: footprints, and the times in which memory
came back (returns.py), are of runs that the predicted count has no part in. A cell with one
block is predicted from that block itself, and the result says so.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.plan.input import Row, footprint_in_turn
from hintfleet.plan.model import collect
from hintfleet.plan.schedule import Schedule, in_order
from hintfleet.plan.simulation import peaks

TOLERANCE_GUESTS = 1
EXTRA_GUESTS = 8
"""Guests simulated beyond the largest count measured: a prediction may be too high."""


@dataclass(frozen=True)
class Comparison:
    """Measured and predicted guests without swap (or tiles) of one arm on one cell, a pair a
    block."""

    cell: str
    arm: str
    measured: tuple[int, ...]
    predicted: tuple[int, ...]
    held_out: bool
    """Whether each block was predicted from other blocks."""
    at_least: tuple[bool, ...] = ()
    """Whether something other than memory ended a block's count, so that more may have fitted; none
    if memory ended all."""
    what: str = "guests"

    @property
    def misses(self) -> tuple[int, ...]:
        """By block: how far its prediction lies from what was measured, or below it where that is
        the least that fitted."""
        bounds = self.at_least or (False,) * len(self.measured)
        return tuple(
            max(m - p, 0) if bound else abs(p - m)
            for p, m, bound in zip(self.predicted, self.measured, bounds, strict=True)
        )

    @property
    def worst_miss(self) -> int:
        """The largest of any block."""
        return max(self.misses)

    @property
    def agrees(self) -> bool:
        return self.worst_miss <= TOLERANCE_GUESTS


def validate(rows: Iterable[Row]) -> list[Comparison]:
    """One comparison for each cell and arm of usable consolidation runs."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["guests_without_swap"] is not None and row["boot_seconds"] is not None:
            groups[row["cell"], row["arm"]].append(row)
    found = []
    for (cell, arm), group in sorted(groups.items()):
        ordered = sorted(group, key=lambda row: row["block"])
        most = max(int(row["guests_without_swap"]) for row in ordered) + EXTRA_GUESTS

        def predicted(known: Sequence[Row], of: Row, most: int = most) -> int:
            return predict(known, float(of["memory_mib"]), most)

        found.append(compared(cell, arm, ordered, "guests_without_swap", predicted))
    return found


def compared(
    cell: str,
    arm: str,
    group: Sequence[Row],
    count: str,
    predict: Callable[[Sequence[Row], Row], int],
    what: str = "guests",
) -> Comparison:
    """Counts of the blocks of a cell, each predicted from the others: predict(known, of)."""
    held_out = len(group) > 1
    predicted = []
    for row in group:
        others = [other for other in group if other is not row] if held_out else list(group)
        predicted.append(predict(others, row))
    return Comparison(
        cell,
        arm,
        tuple(int(row[count]) for row in group),
        tuple(predicted),
        held_out,
        tuple(what == "tiles" and row["stopped_by"] != "swap" for row in group),
        what,
    )


def predict(known: Sequence[Row], memory_mib: float, most: int) -> int:
    """Guests without swap when guests are started one after the other, as the workload does.

    The median over the footprints of the known runs, each guest of a node like the same run.
    """
    counts = []
    for row in known:
        schedule, end = launch_schedule([row], most)
        runs = np.zeros((1, most), dtype=np.int64)
        largest = peaks(collect([footprint_in_turn(row)]), runs, [schedule], end)[0]
        counts.append(int(np.count_nonzero(largest <= memory_mib)))
    return int(statistics.median_low(counts))


def launch_schedule(known: Sequence[Row], guests: int) -> tuple[Schedule, float]:
    """The consolidation workload as changes of demand on one node, and a time after its end.

    A guest is started, boots, runs its program once and stays; then comes the next. Until half
    of its program's time a guest is still touching its memory; from then on it reads it back.
    """
    boot, program, launch = (
        statistics.median([float(row[name] or 0.0) for row in known])
        for name in ("boot_seconds", "program_seconds", "launch_seconds")
    )
    start = np.arange(guests) * max(launch, boot + program)
    up = start + boot + program / 2.0
    seconds = np.stack([start, up, start + boot + program], axis=1)[None, :, :]
    level = np.broadcast_to(np.array([0.0, 1.0, 0.0]), seconds.shape)
    return in_order(seconds, level), float(seconds.max()) + 1.0
