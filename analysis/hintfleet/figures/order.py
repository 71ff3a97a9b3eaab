# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the order of runs shows: what comes first in a block, and what changes over the blocks.

The order is balanced over blocks, so neither makes an arm look better; but a reader should
know that the host was not the same all the time.
"""

from __future__ import annotations

import math

import numpy as np

from hintfleet.figures.figure import DEFAULTS, Thresholds
from hintfleet.figures.latency import overall_rate
from hintfleet.records.observations import COMPARED, Observations, Workloads, pairs_of
from hintfleet.statistics.intervals import Floats, two_sided_t
from hintfleet.statistics.replication import Places, replicated
from hintfleet.statistics.units import change

RARE = 0.01
"""Of this chance: several are looked at, and a remark that is chance only costs attention."""

FEWEST_OVER_TIME = 5
"""Blocks in which a change over time can be told from scatter."""


def order_remarks(workloads: Workloads, limits: Thresholds = DEFAULTS) -> list[str]:
    """A sentence for everything in which the order shows by more than what matters."""
    memhog, page_fault = workloads["memhog"], workloads["page_fault"]
    seconds = memhog.matrices["memhog_seconds"]
    looked_at = (
        ("memhog in the last guest", memhog, seconds.at(max(seconds.measured, default=0))),
        ("the page fault rate", page_fault, overall_rate(page_fault, "processes")),
    )
    remarks = []
    for what, runs, numbers in looked_at:
        usable = np.isfinite(numbers) & (np.nan_to_num(numbers) > 0.0)
        remarks += _first_of_a_block(what, runs.where(usable), np.log(numbers[usable]), limits)
        remarks += _over_time(what, runs, numbers, limits)
    return remarks


def _first_of_a_block(what: str, runs: Observations, logs: Floats, limits: Thresholds) -> list[str]:
    arm = np.unique(runs.texts[COMPARED].codes, return_inverse=True)[1]
    if not logs.size:
        return []
    logs = logs - (np.bincount(arm, weights=logs) / np.bincount(arm))[arm]
    _, index, block = np.unique(runs.block, return_index=True, return_inverse=True)
    first = runs.numbers["order"] == 1.0
    counts = [np.bincount(block[part], minlength=index.size) for part in (first, ~first)]
    sums = [
        np.bincount(block[part], weights=logs[part], minlength=index.size)
        for part in (first, ~first)
    ]
    both = (counts[0] > 0) & (counts[1] > 0)
    if not both.any():
        return []
    steps = sums[0][both] / counts[0][both] - sums[1][both] / counts[1][both]
    chosen = runs.where(index[both])
    host, cell = (chosen.texts[name].codes for name in ("host", "cell"))
    mean = replicated(steps, Places(host, cell, chosen.numbers["block"].astype(np.int64)))
    p_value = mean.p_value()
    if p_value is None or p_value > RARE or abs(mean.centre) <= _matters(limits):
        return []
    told = change(math.exp(mean.centre))
    return [
        f"What runs first in a block differs, in {what} by {told}. The order is balanced over "
        "blocks, so no arm gains by it."
    ]


def _over_time(what: str, runs: Observations, numbers: Floats, limits: Thresholds) -> list[str]:
    remarks = []
    for name in runs.arms:
        if name == runs.baseline:
            continue
        left, right = pairs_of(runs, runs.baseline, name, numbers)
        says = np.isfinite(left.numbers) & np.isfinite(right.numbers)
        says &= (left.numbers > 0.0) & (right.numbers > 0.0)
        left, right = left.where(says), right.where(says)
        steps, turn = np.log(right.numbers / left.numbers), left.turn.astype(np.float64)
        cell = np.unique(left.cell, return_inverse=True)[1]
        degrees = steps.size - int(np.unique(cell).size) - 1
        if degrees < FEWEST_OVER_TIME - 2:
            continue
        steps, apart = (v - (np.bincount(cell, v) / np.bincount(cell))[cell] for v in (steps, turn))
        spread = float((apart**2).sum())
        if spread == 0.0:
            continue
        slope = float((apart * steps).sum()) / spread
        scatter = float(((steps - slope * apart) ** 2).sum()) / degrees
        moved = slope * float(np.ptp(turn))
        error = math.sqrt(scatter / spread)
        p_value = two_sided_t(slope / error, degrees) if error else 0.0
        if p_value <= RARE and abs(moved) > _matters(limits):
            told = change(math.exp(moved))
            remarks.append(
                f"What {name} changes in {what} moves over the blocks, by {told} from the first to "
                "the last: repeat the study on another day."
            )
    return remarks


def _matters(limits: Thresholds) -> float:
    return math.log1p(limits.practical_ratio)
