# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon memory came back in a consolidation run itself, from its samples.

The proof frees memory in a guest whose engine is idle. In consolidation a guest runs its program
right after it has booted, when an engine with a timer is already on its way: upstream's gives back
most of it after half a second to one, and not after the two seconds that the proof sees.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hintfleet.plan.model import RETURNED_SHARES
from hintfleet.records.samples import Samples

HELD_SHARE = 0.95
"""A guest has let go after the last sample in which it held this much of its largest footprint."""

Seconds = float | None
SeenReturns = tuple[Seconds, Seconds, Seconds]


def seen_returns(result: Mapping[str, Any], samples: Samples) -> SeenReturns:
    """Seconds until 50, 90 and 99 % of active - idle footprint were back, median over guests.

    result: consolidation in the run record. None: fewer than half of the guests got there while
    they were watched. The last guest is left out, as the run ends with it.
    """
    active, idle = result["active_footprint_mib"], result["idle_footprint_mib"]
    guests = [step["guest"] for step in result["steps"]][:-1]
    seen = [_of_guest(samples.of(guest), active, idle) for guest in guests]
    half, most, nearly = (_median([times[k] for times in seen]) for k in range(3))
    # Fewer guests may have got to 99 %, and those the quicker ones: it is never before 90 %.
    if most is not None and nearly is not None:
        nearly = max(most, nearly)
    return half, most, nearly


def _of_guest(samples: Samples, active_mib: float, idle_mib: float) -> list[Seconds]:
    footprint = samples.resident_mib + samples.swap_mib
    if not footprint.size:
        return [None, None, None]
    let_go = np.flatnonzero(footprint >= HELD_SHARE * footprint.max())[-1]
    seconds, left = samples.seconds[let_go:] - samples.seconds[let_go], footprint[let_go:]
    times: list[Seconds] = []
    for share in RETURNED_SHARES[:3]:
        there = np.flatnonzero(left <= active_mib - share * (active_mib - idle_mib))
        times.append(round(float(seconds[there[0]]), 3) if there.size else None)
    return times


def _median(times: Sequence[Seconds]) -> Seconds:
    known = [seconds for seconds in times if seconds is not None]
    # A median over those who got there would be the faster half of all.
    return statistics.median(known) if known and 2 * len(known) > len(times) else None
