# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a plan's footprints and demand come from: a study, the command line, a trace file."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hintfleet.plan.model import GIVEN_HOST, Footprint, NodeKind, Trace
from hintfleet.plan.returns import seen_returns
from hintfleet.records import columns as store_columns
from hintfleet.records.read import Damage, DamagedError, Run, UnusableError, load_study
from hintfleet.records.samples import load_samples
from hintfleet.store.parquet import is_store
from hintfleet.store.parts import without_damaged_pages
from hintfleet.store.rows import Store

Row = Mapping[str, Any]
"""One run as store_columns.flat gives it."""

MEASURED_COLUMNS = (
    "run_id",
    "host",
    "cell",
    "block",
    "mechanism",
    "status",
    "memory_mib",
    "active_footprint_mib",
    "idle_footprint_mib",
    "touched_mib",
    "freed_mib",
    "as_expected",
    "seconds_to_50",
    "seconds_to_90",
    "seconds_to_99",
    "guests_without_swap",
    "stopped_by",
    "launch_seconds",
    "boot_seconds",
    "program_seconds",
)

TRACE_HEADER = ["seconds", "guest", "used_mib"]
LONGEST_TRACE_STEPS = 100_000


@dataclass(frozen=True)
class Measured:
    """Consolidation runs to plan with, and what was left out of them, in words."""

    footprints: tuple[Footprint, ...]
    rows: tuple[Row, ...]
    nodes: tuple[NodeKind, ...]
    notes: tuple[str, ...]


def measured(folder: Path) -> Measured:
    """The usable consolidation runs of results/<study> or of a Parquet store."""
    used: list[Row] = []
    footprints: list[Footprint] = []
    left_out: Counter[str] = Counter()
    rows, damages = consolidation_rows(folder)
    for row in rows:
        cause = unusable(row)
        if cause:
            left_out[f"{row['mechanism']}: {cause}"] += 1
            continue
        used.append(row)
        footprints.append(footprint(row))
    if not footprints:
        causes = [f"{count} x {cause}" for cause, count in sorted(left_out.items())]
        causes += [str(damage) for damage in damages[:1]]
        causes += [f"{len(damages) - 1} more are damaged"] if len(damages) > 1 else []
        why = f" ({'; '.join(causes)})" if causes else ""
        raise UnusableError(
            f"{folder} has no consolidation run to plan with{why}: run the consolidation "
            "workload, or state the footprints with --mechanism"
        )
    cells = {row["cell"]: float(row["memory_mib"]) for row in used}
    kinds = sorted(Counter(cells.values()).items())
    return Measured(
        tuple(footprints),
        tuple(used),
        tuple(NodeKind(memory, count) for memory, count in kinds),
        (
            *(f"left out {count} run(s), {cause}" for cause, count in sorted(left_out.items())),
            *(f"left out {damage}" for damage in damages),
        ),
    )


def consolidation_rows(folder: Path) -> tuple[list[Row], list[Damage]]:
    """Every consolidation run of a study's folder or a store, as flat rows; what is damaged."""
    if is_store(folder):
        return without_damaged_pages(folder, partial(_stored_rows, folder))
    study = load_study(folder)
    runs = [run for run in study.runs if run.workload == "consolidation"]
    return [_with_returns(run) for run in runs], list(study.damages)


def _stored_rows(folder: Path, unreadable: Sequence[Damage]) -> tuple[list[Row], list[Damage]]:
    runs = Store(folder, unreadable=unreadable).runs
    return list(runs.each(MEASURED_COLUMNS, workload="consolidation")), list(runs.damages)


def _with_returns(run: Run) -> Row:
    """The flat row of a run, with `seen_returns` where its samples show them."""
    row = dict(store_columns.flat(run.record))
    name = run.record["files"]["samples"]
    if run.finished and run.consolidation and name:
        with suppress(DamagedError):  # without samples the proof's times have to do
            row["seen_returns"] = seen_returns(run.consolidation, load_samples(run.folder / name))
    return row


def unusable(row: Row) -> str | None:
    """Why a run cannot be planned with, or None."""
    if row["status"] != "finished":
        return f"the run {row['status']}"
    if row["as_expected"] is None:
        return "no proof that the mechanism acted"
    if not row["as_expected"]:
        return "the proof shows the mechanism did not act as its name says"
    if row["stopped_by"] == "cpu_bound":
        return "the processors were the limit, not memory"
    if not row["active_footprint_mib"] or not row["touched_mib"]:
        return "no footprint was measured"
    return None


def footprint(row: Row) -> Footprint:
    """The footprint of a usable run."""
    active = float(row["active_footprint_mib"])
    return Footprint(
        mechanism=row["mechanism"],
        host=row["host"],
        active_mib=active,
        # The two are medians over guests at different moments: noise may put idle above.
        idle_mib=min(float(row["idle_footprint_mib"]), active),
        touched_mib=float(row["touched_mib"]),
        freed_mib=float(row["freed_mib"]),
        seconds_to=(row["seconds_to_50"], row["seconds_to_90"], row["seconds_to_99"]),
    )


def footprint_in_turn(row: Row) -> Footprint:
    """The footprint of a run, with the return times of consolidation where they were seen."""
    measured_in_proof = footprint(row)
    seen = row.get("seen_returns")
    return replace(measured_in_proof, seconds_to=seen) if seen else measured_in_proof


def parse_mechanism(text: str) -> Footprint:
    """NAME,active=MIB,idle=MIB[,touched=MIB][,freed=MIB][,s50=S][,s90=S][,s99=S].

    touched is active - idle unless given, freed is touched; without s50 nothing is returned.
    """
    name, *parts = text.split(",")
    values: dict[str, float] = {}
    allowed = ("active", "idle", "touched", "freed", "s50", "s90", "s99")
    for part in parts:
        key, _, number = part.partition("=")
        try:
            values[key] = float(number)
        except ValueError:
            values[key] = math.nan
        if key not in allowed or not math.isfinite(values[key]):
            raise UnusableError(
                f"--mechanism {text}: expected {', '.join(allowed)} with a number each, "
                f"found {part!r}"
            )
    if not name or not {"active", "idle"} <= values.keys():
        raise UnusableError(
            f"--mechanism {text}: name the mechanism and give at least active= and idle= in MiB"
        )
    span = values["active"] - values["idle"]
    touched = values.get("touched", span if span > 0.0 else values["active"])
    return Footprint(
        mechanism=name,
        host=GIVEN_HOST,
        active_mib=values["active"],
        idle_mib=values["idle"],
        touched_mib=touched,
        freed_mib=values.get("freed", touched),
        seconds_to=(values.get("s50"), values.get("s90"), values.get("s99")),
    )


def parse_node(text: str) -> NodeKind:
    """MEMORY_MIB or MEMORY_MIBxCOUNT."""
    memory, _, count = text.partition("x")
    try:
        return NodeKind(float(memory), int(count or "1"))
    except ValueError:
        raise UnusableError(
            f"--node {text}: expected MiB of memory and how many such nodes, as in 15360x200"
        ) from None


def load_trace(file: Path) -> Trace:
    """A CSV of seconds,guest,used_mib, on the smallest common step; gaps hold the last value."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for number, (seconds, guest, used) in _trace_lines(file):
        curve = curves.setdefault(guest, [])
        if curve and seconds <= curve[-1][0]:
            raise UnusableError(
                f"{file}: line {number}: seconds of guest {guest} must rise, found {seconds:g} "
                f"after {curve[-1][0]:g}"
            )
        curve.append((seconds, used))
    arrays = [np.array(curve) for curve in curves.values() if len(curve) > 1]
    if not arrays:
        raise UnusableError(f"{file}: expected at least two lines for a guest, found none")
    start = min(float(array[0, 0]) for array in arrays)
    end = max(float(array[-1, 0]) for array in arrays)
    step = min(float(np.median(np.diff(array[:, 0]))) for array in arrays)
    steps = int((end - start) / step + 1e-9) + 1
    if steps > LONGEST_TRACE_STEPS:
        raise UnusableError(
            f"{file}: {steps} steps of {step:g} s are more than {LONGEST_TRACE_STEPS}; "
            "sample the trace less often or cut it"
        )
    return Trace(step, np.array([_on_grid(array, start, step, steps) for array in arrays]))


def _trace_lines(file: Path) -> Iterable[tuple[int, tuple[float, str, float]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableError(f"{file}: the trace cannot be read: {error}") from error
    lines = list(csv.reader(text.splitlines()))
    if not lines or lines[0] != TRACE_HEADER:
        raise UnusableError(
            f"{file}: line 1: expected {','.join(TRACE_HEADER)}, "
            f"found {','.join(lines[0])[:60] if lines else 'nothing'!r}"
        )
    for number, line in enumerate(lines[1:], 2):
        try:
            seconds, guest, used = line
            values = float(seconds), guest, float(used)
        except ValueError:
            values = math.nan, "", math.nan
        if not (math.isfinite(values[0]) and math.isfinite(values[2]) and values[2] >= 0.0):
            raise UnusableError(
                f"{file}: line {number}: expected seconds, a guest and MiB of at least 0, "
                f"found {','.join(line)[:60]!r}"
            )
        yield number, values


def _on_grid(
    curve: np.ndarray[Any, np.dtype[np.float64]], start: float, step: float, steps: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Largest value in each step; a step without a sample holds the last one, 0 before any."""
    slot = np.minimum(((curve[:, 0] - start) / step + 1e-9).astype(np.int64), steps - 1)
    values = np.full(steps, -np.inf)
    np.maximum.at(values, slot, curve[:, 1])
    seen = np.maximum.accumulate(np.where(values > -np.inf, np.arange(steps), -1))
    return np.where(seen >= 0, values[np.maximum(seen, 0)], 0.0)
