# SPDX-License-Identifier: GPL-2.0-or-later
"""Footprints from the tile runs of a study, one type of guest for each guest of the tile, and the
simulation held against how many tiles ran without swap.

A guest is in use while it works on a phase and at rest between: what it held at most in a round,
and at the round's end, is what a plan needs. Phases of a guest may need less than the one that
needs most; records tell the most of a round, so a prediction errs towards more memory held.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hintfleet.plan.demand import GuestType
from hintfleet.plan.input import (
    Measured,
    Row,
    measured_of,
    nothing_to_plan_with,
    rows_of,
    unusable,
    workloads_of,
)
from hintfleet.plan.model import Footprint, collect
from hintfleet.plan.schedule import Schedule
from hintfleet.plan.simulation import peaks
from hintfleet.plan.validation import Comparison, compared
from hintfleet.records import columns as store_columns
from hintfleet.records.read import Run, UnusableError
from hintfleet.records.text import harmless

WORKLOAD = "tile"
EXTRA_TILES = 3
"""Simulated beyond the most that was measured: a prediction may be too high."""

LISTS = ("tile_guests", "tile_programs", "tile_rounds")
COLUMNS = (
    "run_id", "study", "host", "cell", "block", "workload", "arm", "baseline", "mechanism",
    "status", "accelerator", "unshown", "memory_mib", "freed_mib", "as_expected", "seconds_to_50",
    "seconds_to_90", "seconds_to_99", "stopped_by", "tiles_at_quality", "tile", *LISTS,
)  # fmt: skip


def measured_tiles(folder: Path, study: str | None = None) -> Measured:
    """The usable tile runs of results/<study>, or of one study of a store; UnusableError if there
    are none. Types of guest are called as the guests of the tile are."""
    used: list[Row] = []
    footprints: list[Footprint] = []
    left_out: Counter[str] = Counter()
    rows, damages = rows_of(folder, study, WORKLOAD, COLUMNS, _row)
    for row in rows:
        cause = _unusable(row)
        if cause:
            left_out[f"{row['arm']}: {cause}"] += 1
            continue
        used.append(row)
        footprints += tile_footprints(row)
    if not used:
        raise nothing_to_plan_with(folder, WORKLOAD, left_out, damages)
    tiles = {row["tile"] for row in used}
    if len(tiles) > 1:
        raise UnusableError(
            f"{folder} has runs of {len(tiles)} different tiles: choose one study with --study"
        )
    return measured_of(footprints, used, left_out, damages)


def has_tiles_only(folder: Path, study: str | None = None) -> bool:
    """Whether a study ran tiles, and counted no guests beside them that a plan could be made of."""
    found = workloads_of(folder, study)
    return WORKLOAD in found and "consolidation" not in found


def _row(run: Run) -> Row:
    return {**store_columns.flat(run.record), **store_columns.lists(run.record)}


def _unusable(row: Row) -> str | None:
    """Why a run of tiles cannot be planned with, or None."""
    if cause := unusable(row):
        return cause
    if not row["tiles_at_quality"]:
        return "not one tile ran at quality, so nothing says what its guests hold undisturbed"
    if not row["tile_guests"]:
        return "its record does not say which guest held what"
    if any(one["peak_mib"] is None for one in row["tile_guests"]):
        return "its record does not say how much guests held while they worked"
    return None


def tile_footprints(row: Row) -> Iterator[Footprint]:
    """One for each guest of the tile: medians over the rounds whose quality held, in which nothing
    was swapped."""
    sizes = {one.name: one.mib for one in stated(row)}
    held: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in row["tile_guests"]:
        if one["tiles"] <= row["tiles_at_quality"]:
            held[harmless(one["name"])].append((one["peak_mib"], one["resident_mib"]))
    for name, seen in held.items():
        active, idle = (statistics.median(values) for values in zip(*seen, strict=True))
        yield Footprint(
            arm=row["arm"],
            host=row["host"],
            active_mib=active,
            idle_mib=min(idle, active),
            touched_mib=min(sizes.get(name) or active, active),
            freed_mib=float(row["freed_mib"]),
            seconds_to=(row["seconds_to_50"], row["seconds_to_90"], row["seconds_to_99"]),
            type=name,
        )


@dataclass(frozen=True)
class Stated:
    """A guest of a tile as its study states it: its name, and how large its program's data is."""

    name: str
    mib: float


def stated(row: Row) -> list[Stated]:
    """The guests of the tile in order; none if the run does not say."""
    tile = json.loads(row["tile"] or "{}").get("tile")
    guests = [one for one in tile if isinstance(one, dict)] if isinstance(tile, list) else []
    return [
        Stated(harmless(str(one.get("name"))), float(mib) if isinstance(mib, int | float) else 0.0)
        for one in guests
        for mib in (one.get("mib"),)
    ]


def types_of(found: Measured) -> tuple[str, ...]:
    """The types of guest that tiles were measured with, in their order."""
    return tuple(dict.fromkeys(one.type for one in found.footprints))


def validate_tiles(rows: Iterable[Row]) -> list[Comparison]:
    """One comparison for each cell and arm of usable tile runs."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["cell"], row["arm"]].append(row)
    found = []
    for (cell, arm), group in sorted(groups.items()):
        ordered = sorted(group, key=lambda row: row["block"])
        most = max(int(row["tiles_at_quality"]) for row in ordered) + EXTRA_TILES

        def predict(known: Sequence[Row], of: Row, most: int = most) -> int:
            return predicted_tiles(known, float(of["memory_mib"]), most)

        found.append(compared(cell, arm, ordered, "tiles_at_quality", predict, "tiles"))
    return found


def predicted_tiles(known: Sequence[Row], memory_mib: float, most: int) -> int:
    """Tiles that memory holds when they are added one after the other, as the workload does: the
    median over the footprints of the known runs."""
    counts = []
    for row in known:
        footprints = list(tile_footprints(row))
        size = len(footprints)
        types = [GuestType(one.type) for one in footprints]
        runs = np.tile(np.arange(size, dtype=np.int64), most)[None, :]
        schedule, end = tile_schedule(row, [one.name for one in types], most)
        largest = peaks(collect(footprints, types), runs, [schedule], end)[0]
        counts.append(int(np.count_nonzero(largest[size - 1 :: size] <= memory_mib)))
    return int(statistics.median_low(counts))


def tile_schedule(row: Row, names: Sequence[str], most: int) -> tuple[Schedule, float]:
    """The tile workload as changes of demand on one node, and a time after its end.

    In each round all guests so far do their phases, one guest at a time or all at once, as the run
    says; what of a round was neither phases nor stated pauses lies between them.
    """
    told = json.loads(row["tile"] or "{}")
    together, pause = told.get("tile_schedule") == "together", told.get("tile_pause_seconds")
    pause = float(pause) if isinstance(pause, int | float) else 0.0
    phases = _phases(row)
    gap = _gap_seconds(row, phases, together, pause)
    changes: list[tuple[float, int, float]] = []
    now = 0.0
    for tiles in range(1, most + 1):
        changes += [(now, (tiles - 1) * len(names) + k, 0.0) for k in range(len(names))]
        for step in range(max(map(len, phases.values()), default=0)):
            at_work = [
                (tile * len(names) + k, phases[name][step])
                for tile in range(tiles)
                for k, name in enumerate(names)
                if step < len(phases.get(name, ()))
            ]
            for guest, seconds in at_work:
                changes += [(now, guest, 1.0), (now + seconds, guest, 0.0)]
                now += 0.0 if together else seconds + gap + pause
            if together:
                now += max((seconds for _, seconds in at_work), default=0.0) + gap + pause
    changes.sort(key=lambda change: change[0])
    times, guests, levels = (np.array([values]) for values in zip(*changes, strict=True))
    return Schedule(times, guests, levels), now + 1.0


def _phases(row: Row) -> dict[str, list[float]]:
    """By guest of the tile: the seconds of its phases in their order, medians over the rounds whose
    quality held."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in row["tile_programs"]:
        if one["tiles"] <= row["tiles_at_quality"] and one["seconds"] is not None:
            found[harmless(one["name"])][harmless(one["phase"])].append(one["seconds"])
    return {
        name: [statistics.median(seconds) for seconds in phases.values()]
        for name, phases in found.items()
    }


def _gap_seconds(
    row: Row, phases: Mapping[str, Sequence[float]], together: bool, pause: float
) -> float:
    """What lies after a phase beside the stated pause: the median over rounds at quality."""
    steps = max(map(len, phases.values()), default=0)
    gaps = []
    for one in row["tile_rounds"]:
        if one["tiles"] > row["tiles_at_quality"]:
            continue
        if together:
            at_work = [
                max((own[step] for own in phases.values() if step < len(own)), default=0.0)
                for step in range(steps)
            ]
        else:
            at_work = [seconds for own in phases.values() for seconds in own] * one["tiles"]
        if at_work:
            rest = one["seconds"] - sum(at_work) - len(at_work) * pause
            gaps.append(max(rest, 0.0) / len(at_work))
    return statistics.median(gaps) if gaps else 0.0
