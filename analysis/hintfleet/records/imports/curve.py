# SPDX-License-Identifier: GPL-2.0-or-later
"""Curves of memory from other people's files, as samples.csv holds them: each guest, and the cell.

The cell's curve is the sum of its guests at common moments, each with its last sample before, from
its first to its last, which stands for one step, too. Steps are round and no longer than
the guests' samples typically lie apart, so that hardly any is missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hintfleet.records.damage import UnusableError
from hintfleet.records.imports.description import Curve
from hintfleet.records.imports.rows import Row, rows_of
from hintfleet.records.samples import MOST_GUESTS, Samples
from hintfleet.statistics.intervals import Floats

EPOCH = 1e8
"""Seconds beyond this are since 1970, not since the run began."""

MOST_MOMENTS = 2_000_000
MOMENTS_A_SAMPLE = 20
"""At most, once there are thousands: few samples far apart, two of them by chance close to each
other, make no long file."""
FEW_MOMENTS = 10_000
ROUND = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Recorded:
    """Samples of a run, and when they began if the file told so (seconds since 1970)."""

    samples: Samples
    began: float | None


def read_curve(curve: Curve) -> Recorded:
    """The samples of an entry; UnusableError names file, place and column of what is wrong."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for k, file in enumerate(curve.files, 1):
        last: dict[str, float] = {}
        for row in rows_of(file, _needed(curve)):
            seconds = row.seconds(curve.columns.get("seconds", "seconds"), curve.time_unit)
            for guest, resident, swap in _memory(curve, row, k):
                if seconds < last.get(guest, -math.inf):
                    before = f"{last[guest]:.15g}"
                    raise row.wrong(
                        curve.columns.get("seconds", "seconds"),
                        f"a time of at least {before}, that of the row before",
                        f"{seconds:.15g}",
                    )
                last[guest] = seconds
                found.setdefault(guest, []).append((seconds, resident, swap))
    if not found:
        raise UnusableError(f"{curve.files[0]}: expected memory of a guest, found none in any row")
    if len(found) >= MOST_GUESTS:
        raise UnusableError(f"{curve.files[0]}: expected fewer than {MOST_GUESTS} guests")
    return _sampled(curve, found)


def _needed(curve: Curve) -> list[str]:
    named = curve.guest_columns or (curve.columns.get("resident", "resident"),)
    swap = [curve.columns["swap"]] if "swap" in curve.columns else []
    guest = [curve.columns["guest"]] if "guest" in curve.columns else []
    return [curve.columns.get("seconds", "seconds"), *named, *swap, *guest]


def _memory(curve: Curve, row: Row, file: int) -> Iterable[tuple[str, float, float]]:
    """Guest, resident and swapped MiB of a row. Each file has guests of its own, unless a column
    names them; a value that was not measured is a gap."""
    if curve.guest_columns:
        for k, column in enumerate(curve.guest_columns):
            value = row.number(column)
            if value is not None:
                yield f"{file}/{k}", value * curve.unit, 0.0
        return
    resident = row.number(curve.columns.get("resident", "resident"))
    if resident is None:
        return
    swap = row.number(curve.columns["swap"]) if "swap" in curve.columns else 0.0
    column = curve.columns.get("guest", "guest")
    guest = row.text(column)
    if not guest and "guest" in curve.columns:
        raise row.wrong(column, "the name of a guest", guest)
    yield guest or f"{file}", resident * curve.unit, (swap or 0.0) * curve.unit


def _sampled(curve: Curve, found: dict[str, list[tuple[float, float, float]]]) -> Recorded:
    arrays = [np.array(one, dtype=np.float64) for one in found.values()]
    start = min(float(array[0, 0]) for array in arrays)
    for array in arrays:
        array[:, 0] -= start
    cell = _cell(curve, arrays)
    parts = [cell, *arrays]
    guests = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    every = np.concatenate(parts)
    samples = Samples(every[:, 0], guests, every[:, 1], every[:, 2])
    return Recorded(samples, start if start >= EPOCH else None)


def _cell(curve: Curve, guests: list[Floats]) -> Floats:
    """Seconds, resident and swapped MiB of all guests together, one row for each moment."""
    end = max(float(array[-1, 0]) for array in guests)
    gaps = np.concatenate([np.diff(array[:, 0]) for array in guests])
    gaps = gaps[gaps > 0.0]
    step = rounded_down(float(np.median(gaps))) if gaps.size else 1.0
    samples = sum(len(array) for array in guests)
    most = min(MOST_MOMENTS, max(FEW_MOMENTS, MOMENTS_A_SAMPLE * samples))
    step = max(step, end / most)
    moments = np.append(np.arange(0.0, end, step), end)
    total = np.zeros((moments.size, 3))
    total[:, 0] = moments
    for array in guests:
        place = np.searchsorted(array[:, 0], moments, side="right") - 1
        there = place >= 0
        if not curve.held_at_end:
            there &= moments < array[-1, 0] + step
        total[there, 1:] += array[place[there], 1:]
    return total


def rounded_down(step: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above a step."""
    power = 10.0 ** math.floor(math.log10(step))
    return max(k * power for k in ROUND if k * power <= step * (1.0 + 1e-9))
