# SPDX-License-Identifier: GPL-2.0-or-later
"""Footprints from the consolidation runs of a study: a folder of records, or a store."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hintfleet.plan.demand import NodeKind
from hintfleet.plan.judge import Basis
from hintfleet.plan.model import Footprint
from hintfleet.plan.returns import seen_returns
from hintfleet.records import columns as store_columns
from hintfleet.records.observations import BASELINE
from hintfleet.records.read import Damage, DamagedError, Run, UnusableError, load_study
from hintfleet.records.samples import load_samples
from hintfleet.store.parquet import is_store
from hintfleet.store.parts import without_damaged_pages
from hintfleet.store.rows import Store

Row = Mapping[str, Any]
"""One run as store_columns.flat gives it."""

MEASURED_COLUMNS = (
    "run_id",
    "study",
    "host",
    "cell",
    "block",
    "workload",
    "arm",
    "baseline",
    "mechanism",
    "status",
    "accelerator",
    "unshown",
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

ALIKE = 1.05
"""Programs that touched so much more than others are other programs."""


@dataclass(frozen=True)
class Measured:
    """Consolidation runs to plan with, what they stand for, and what was left out, in words."""

    footprints: tuple[Footprint, ...]
    rows: tuple[Row, ...] = ()
    basis: Basis = field(default_factory=Basis)
    baseline: str = BASELINE
    notes: tuple[str, ...] = ()

    def of_type(self, name: str) -> Measured:
        """The same as footprints of a type of guest."""
        if not name:
            return self
        footprints = tuple(replace(one, type=name) for one in self.footprints)
        return replace(self, footprints=footprints, notes=tuple(f"{name}: {n}" for n in self.notes))


def measured(folder: Path, study: str | None = None) -> Measured:
    """The usable consolidation runs of results/<study>, or of one study of a Parquet store."""
    used: list[Row] = []
    left_out: Counter[str] = Counter()
    rows, damages = rows_of(folder, study, "consolidation", MEASURED_COLUMNS, _with_returns)
    for row in rows:
        cause = unusable(row)
        if cause:
            left_out[f"{row['arm']}: {cause}"] += 1
            continue
        used.append(row)
    if not used:
        raise nothing_to_plan_with(folder, "consolidation", left_out, damages)
    _require_one_type(folder, used)
    return measured_of(map(footprint, used), used, left_out, damages)


def nothing_to_plan_with(
    folder: Path, workload: str, left_out: Mapping[str, int], damages: Sequence[Damage]
) -> UnusableError:
    """Why no run of a workload can be planned with."""
    causes = [f"{count} x {cause}" for cause, count in sorted(left_out.items())]
    causes += [str(damage) for damage in damages[:1]]
    causes += [f"{len(damages) - 1} more are damaged"] if len(damages) > 1 else []
    why = f" ({'; '.join(causes)})" if causes else ""
    return UnusableError(
        f"{folder} has no {workload} run to plan with{why}: run the {workload} workload, or "
        "state the footprints with --mechanism"
    )


def measured_of(
    footprints: Iterable[Footprint],
    used: Sequence[Row],
    left_out: Mapping[str, int],
    damages: Sequence[Damage],
) -> Measured:
    """What these rows measured, at least one, and what was left out beside them."""
    baselines = {row["baseline"] or BASELINE for row in used}
    return Measured(
        tuple(footprints),
        tuple(used),
        basis_of(used),
        baselines.pop() if len(baselines) == 1 else BASELINE,
        (
            *(f"left out {count} run(s), {cause}" for cause, count in sorted(left_out.items())),
            *(f"left out {damage}" for damage in damages),
        ),
    )


def basis_of(used: Sequence[Row]) -> Basis:
    """What these runs stand for; at least one."""
    cells = {(row["study"], row["cell"]): float(row["memory_mib"]) for row in used}
    counts: dict[tuple[float, str], list[int]] = defaultdict(list)
    blocks: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in used:
        blocks[row["study"], row["arm"]].add(row["block"])
        if row.get("guests_without_swap") is not None:
            place = float(row["memory_mib"]), row["arm"]
            counts[place].append(int(row["guests_without_swap"]))
    return Basis(
        tuple(sorted({row["study"] for row in used})),
        tuple(NodeKind(memory, count) for memory, count in sorted(Counter(cells.values()).items())),
        min(map(len, blocks.values())),
        any(row["accelerator"] == "tcg" for row in used),
        {place: statistics.fmean(found) for place, found in counts.items()},
    )


def joined(parts: Sequence[Measured]) -> Measured:
    """Footprints of several types of guest as those of one plan; at least one part."""
    if len(parts) == 1:
        return parts[0]
    studied = [part for part in parts if part.basis.studies]
    baselines = {part.baseline for part in studied}
    return Measured(
        tuple(one for part in parts for one in part.footprints),
        (),
        _joined_bases([part.basis for part in studied]),
        baselines.pop() if len(baselines) == 1 else BASELINE,
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _joined_bases(bases: Sequence[Basis]) -> Basis:
    """Cells as they were measured for one type of guest at least; what a study counted is of one
    type only."""
    cells: dict[float, int] = {}
    for basis in bases:
        for kind in basis.cells:
            cells[kind.memory_mib] = max(cells.get(kind.memory_mib, 0), kind.count)
    return Basis(
        tuple(dict.fromkeys(study for basis in bases for study in basis.studies)),
        tuple(NodeKind(memory, count) for memory, count in sorted(cells.items())),
        min((basis.blocks for basis in bases), default=0),
        any(basis.emulated for basis in bases),
    )


def _require_one_type(folder: Path, used: Sequence[Row]) -> None:
    """UnusableError if guests of several sizes are among these runs."""
    touched = sorted({float(row["touched_mib"]) for row in used})
    if touched[-1] > ALIKE * touched[0]:
        raise UnusableError(
            f"{folder} has guests of several sizes, whose programs touched from {touched[0]:g} to "
            f"{touched[-1]:g} MiB: they are several types of guest; choose one study with --study, "
            "or name each type with --guest NAME,from=...,study=..."
        )


def rows_of(
    folder: Path,
    study: str | None,
    workload: str,
    columns: Sequence[str],
    row_of: Callable[[Run], Row],
) -> tuple[list[Row], list[Damage]]:
    """Every run of a workload of a study's folder or of a study of a store, as rows with these
    columns at least; what is damaged."""
    if is_store(folder):
        return _rows_of_store(folder, study, workload, columns)
    found = load_study(folder)
    if study not in (None, found.name):
        raise UnusableError(f"{folder} is of study {found.name}, not {study}")
    return [row_of(run) for run in found.runs if run.workload == workload], list(found.damages)


def workloads_of(folder: Path, study: str | None = None) -> frozenset[str]:
    """What was run in a study's folder or a study of a store (of all of them if none is named)."""
    if not is_store(folder):
        return frozenset(run.workload for run in load_study(folder).runs)

    def stored(unreadable: Sequence[Damage]) -> frozenset[str]:
        rows = Store(folder, unreadable=unreadable).runs.each(("study", "workload"))
        return frozenset(row["workload"] for row in rows if study in (None, row["study"]))

    return without_damaged_pages(folder, stored)


def _rows_of_store(
    folder: Path, study: str | None, workload: str, columns: Sequence[str]
) -> tuple[list[Row], list[Damage]]:
    read = partial(_stored_rows, folder, workload, columns)
    rows, damages = without_damaged_pages(folder, read)
    studies = sorted({row["study"] for row in rows})
    if study is None and len(studies) > 1:
        raise UnusableError(
            f"{folder} has {len(studies)} studies ({', '.join(studies[:5])}"
            f"{', ...' if studies[5:] else ''}): name the one to plan with (--study), or each as "
            "a type of guest (--guest NAME,from=...,study=...)"
        )
    if study is not None and study not in studies:
        known = ", ".join(studies) or "none"
        raise UnusableError(f"{folder} has no {workload} run of study {study}; there is {known}")
    return [row for row in rows if study in (None, row["study"])], damages


def _stored_rows(
    folder: Path, workload: str, columns: Sequence[str], unreadable: Sequence[Damage]
) -> tuple[list[Row], list[Damage]]:
    runs = Store(folder, unreadable=unreadable).runs
    rows: list[Row] = [
        # a store may be older than arms: then the mechanism is the arm
        {**row, "arm": row["arm"] or row["mechanism"]}
        for row in runs.each(columns, workload=workload)
    ]
    return rows, list(runs.damages)


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
    if row["unshown"]:
        return "its guests did not show what the arm states"
    if row["stopped_by"] == "cpu_bound":
        return "the processors were the limit, not memory"
    if row["workload"] == "consolidation" and not (
        row["active_footprint_mib"] and row["touched_mib"]
    ):
        return "no footprint was measured"
    return None


def footprint(row: Row) -> Footprint:
    """The footprint of a usable run."""
    active = float(row["active_footprint_mib"])
    return Footprint(
        arm=row["arm"],
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
