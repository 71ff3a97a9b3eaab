# SPDX-License-Identifier: GPL-2.0-or-later
"""A run's samples reduced to what figures and pictures need: read once, kept as a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hintfleet.records.read import Run
from hintfleet.records.samples import Samples
from hintfleet.statistics.intervals import Floats
from hintfleet.statistics.series import integral, resample

SECONDS_A_MINUTE = 60.0
MIB_A_GIB = 1024.0
TIMELINE_COLUMNS = 240


@dataclass(frozen=True)
class Timeline:
    """Memory and swap of a cell during one run, in equal slices of time (the largest in each)."""

    run_id: str
    workload: str
    arm: str
    end_seconds: float
    memory_mib: tuple[float | None, ...]
    swap_mib: tuple[float | None, ...]
    cell_memory_mib: float
    cell_swap_mib: float


def reduced(samples: Samples, until: float = 0.0) -> dict[str, float]:
    """The columns of CURVE_COLUMNS (columns.py); none if the cell was not sampled.

    until: seconds up to which there should be samples, as far as it is known.
    """
    cell = samples.of(0)
    if not cell.seconds.size:
        return {}
    swapped_out, swapped_in = swap_traffic_mib(cell.swap_mib)
    return {
        "footprint_gib_min": footprint_gib_min(samples),
        "peak_mib": float(cell.resident_mib.max()),
        "swapped_out_mib": swapped_out,
        "swapped_in_mib": swapped_in,
        "unsampled_share": unsampled_share(cell.seconds, until),
    }


def unsampled_share(seconds: Floats, until: float = 0.0) -> float:
    """The longest time without a sample, as a share of the time that there should be samples of.

    What memory did meanwhile nobody saw: an integral over it is the straight line between its
    ends, and a peak in it is none.
    """
    times = np.append(seconds, max(until, float(seconds[-1])))
    whole = float(times[-1] - times[0])
    return float(np.diff(times).max()) / whole if whole > 0.0 else 1.0


def sampled_until(run: Run) -> float:
    """Seconds into a run up to which it should have been sampled: guests are ended after that. 0
    if that is not known, as of a run that did not say what its time went into."""
    spent = run.record.get("spent")
    return run.record["duration_seconds"] - spent.get("teardown", 0.0) if spent else 0.0


def footprint_gib_min(samples: Samples) -> float:
    """Memory all guests held, integrated over time, in GiB times minute (trapezoid rule).

    The sum over guests, resident and swapped: each guest counts from its first sample to its
    last, so a guest that has ended is not charged for the time of others.
    """
    total = 0.0
    for guest in np.unique(samples.guest[samples.guest > 0]):
        own = samples.of(int(guest))
        if own.seconds.size:
            held = own.resident_mib + own.swap_mib
            total += integral(own.seconds, held, float(own.seconds[-1]))
    return total / MIB_A_GIB / SECONDS_A_MINUTE


def swap_traffic_mib(swap_mib: Floats) -> tuple[float, float]:
    """How much was swapped out, and in, by the rises and falls of swap between samples.

    Lower bounds: what goes out and comes back between two samples is not seen, and a page that
    was read back may keep its place in swap.
    """
    steps = np.diff(swap_mib)
    return float(steps[steps > 0.0].sum()), float(-steps[steps < 0.0].sum())


def timeline_of(run: Run, samples: Samples, columns: int = TIMELINE_COLUMNS) -> Timeline | None:
    """The cell's curve of a run; None if the cell was not sampled."""
    cell = samples.of(0)
    if cell.seconds.size < 2:
        return None
    end = float(cell.seconds[-1])
    columns = min(columns, cell.seconds.size)

    def curve(values: Floats) -> tuple[float | None, ...]:
        slices = resample(cell.seconds, values, end, columns)
        return tuple(None if np.isnan(value) else round(float(value), 1) for value in slices)

    return Timeline(
        run.run_id,
        run.workload,
        run.arm,
        end,
        curve(cell.resident_mib),
        curve(cell.swap_mib),
        run.record["cell"]["memory_mib"],
        run.record["cell"]["swap_mib"],
    )
