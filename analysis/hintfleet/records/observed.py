# SPDX-License-Identifier: GPL-2.0-or-later
"""A study as observations: every run as columns, samples reduced to a few numbers, read once.

A folder of records comes to it here, a store in store/observed.py; what follows (figures, doubts,
words) does not know from which of them it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hintfleet.records import columns
from hintfleet.records.curves import Timeline, reduced, sampled_until, timeline_of
from hintfleet.records.damage import Damage, DamagedError
from hintfleet.records.files import read_note
from hintfleet.records.observations import (
    Observations,
    Workloads,
    aligned,
    from_rows,
)
from hintfleet.records.read import Run, Study
from hintfleet.records.samples import Samples, load_samples
from hintfleet.records.types import PlannedRun
from hintfleet.statistics.series import Histogram, merged_bins

NOT_RUN = "start the study again to run it"
"""Why a planned run has no record, if nobody noted another reason."""

WORKLOADS = ("consolidation", "memhog", "page_fault", "tile", "recorded")


@dataclass(frozen=True)
class Missing:
    """A planned run that gave no result, and why."""

    run_id: str
    status: str
    reason: str


@dataclass(frozen=True)
class Asked:
    """What was to be run: what plans ask for, and what was run without one."""

    runs: int
    arms: frozenset[str]
    workloads: frozenset[str]
    cells: frozenset[str]
    blocks: frozenset[int]
    planned: bool
    """Whether every study has a plan, so that runs that are missing are known."""


@dataclass(frozen=True)
class Observed:
    """All that is known of a study, or of the studies of a store."""

    studies: tuple[str, ...]
    source: Path
    workloads: Workloads
    """Every run, whatever its end."""
    histograms: Callable[[Observations], Mapping[str, Histogram]]
    """Latency by arm of all faults of these page_fault runs; none where bins do not fit."""
    timelines: tuple[Timeline, ...]
    """Of the first finished run of each workload and arm that has samples."""
    asked: Asked
    missing: tuple[Missing, ...]
    damages: tuple[Damage, ...] = ()
    earlier_attempts: int = 0
    lacking: tuple[str, ...] = ()
    looks: int = 0
    """How often it was looked whether a study is settled; the most of several studies."""
    """What its source cannot tell of any doubt, in words."""

    @property
    def name(self) -> str:
        """Of its studies, of many the first."""
        return ", ".join(self.studies[:3]) + (", …" if len(self.studies) > 3 else "")


@dataclass
class Bins:
    """Bins of fault histograms with the place of the run that each is of."""

    rows: list[int] = field(default_factory=list)
    bins: list[tuple[float, float, int]] = field(default_factory=list)

    def add(self, row: int, histogram: Iterable[Mapping[str, Any]]) -> None:
        """Bins of one run."""
        new = [(one["lower_ns"], one["upper_ns"], one["count"]) for one in histogram]
        self.bins += new
        self.rows += [row] * len(new)

    def __call__(self, observations: Observations) -> dict[str, Histogram]:
        rows = np.array(self.rows, dtype=np.int64)
        lower, upper, count = np.array(self.bins, dtype=np.float64).reshape(-1, 3).T
        merged = {}
        for name in observations.arms:
            own = np.isin(rows, observations.of(name).row)
            found = merged_bins(lower[own], upper[own], count[own].astype(np.int64))
            if found is not None:
                merged[name] = found
        return merged


def observe(study: Study) -> Observed:
    """A study's runs as columns; a damaged samples file is named and its run keeps the rest."""
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in WORKLOADS}
    bins = Bins()
    timelines: dict[tuple[str, str], Timeline] = {}
    damages: list[Damage] = []
    for run in study.runs:
        samples = samples_of(run, damages)
        row = row_of(run, samples)
        bins.add(len(rows["page_fault"]), row["fault_histogram"])
        rows[run.workload].append(row)
        key = run.workload, run.arm
        if samples is not None and key not in timelines:
            timeline = timeline_of(run, samples)
            if timeline is not None:
                timelines[key] = timeline
    return Observed(
        (study.name,),
        study.folder,
        aligned({name: from_rows(found) for name, found in rows.items()}),
        bins,
        tuple(timelines.values()),
        _asked(study),
        tuple(missing_of(study)),
        (*study.damages, *damages),
        len(study.earlier_attempts),
        looks=study.looks,
    )


def row_of(run: Run, samples: Samples | None) -> dict[str, Any]:
    """A run by column name: scalars, and what it has several of as lists."""
    curve = reduced(samples, sampled_until(run)) if samples is not None else None
    return {**columns.flat(run.record, curve), **columns.lists(run.record)}


def samples_of(run: Run, damages: list[Damage]) -> Samples | None:
    """The samples of a finished run, if it has any that can be read."""
    if not run.finished or run.samples_file is None:
        return None
    try:
        return load_samples(run.samples_file)
    except DamagedError as error:
        damages.append(error.damage)
        return None


def _asked(study: Study) -> Asked:
    plan: Sequence[PlannedRun] = study.planned or ()
    return Asked(
        len({run.run_id for run in study.runs} | {run["run_id"] for run in plan}),
        frozenset({run.arm for run in study.runs} | {run["arm"] for run in plan}),
        frozenset({run.workload for run in study.runs} | {run["workload"] for run in plan}),
        frozenset({run.cell for run in study.runs} | {run["cell"] for run in plan}),
        frozenset({run.block for run in study.runs} | {run["block"] for run in plan}),
        study.planned is not None,
    )


def missing_of(study: Study) -> list[Missing]:
    """Runs that did not finish, then those that left no record."""
    unfinished = (run.record for run in study.runs if not run.finished)
    known = {run.run_id for run in study.runs}
    return [
        *(
            unfinished_run(run["run_id"], run["outcome"]["status"], run["outcome"]["reason"])
            for run in unfinished
        ),
        *not_run(study.folder, study.planned or (), known, study.damages),
    ]


def not_run(
    folder: Path, plan: Sequence[PlannedRun], known: Set[str], damages: Sequence[Damage]
) -> Iterator[Missing]:
    """Planned runs without a usable record, and why; known: those that have one."""
    damaged = {damage.file.parent.name for damage in damages}
    for planned in plan:
        name = planned["run_id"]
        if name not in known and name in damaged:
            yield Missing(name, "damaged", "its record is named under unusable")
        elif name not in known:
            yield Missing(name, "not run", _why_not_run(folder, planned))


def unfinished_run(run_id: str, status: str, reason: str | None) -> Missing:
    """A run that has a record, but no result."""
    return Missing(run_id, status, reason or "no reason was recorded")


def _why_not_run(folder: Path, planned: PlannedRun) -> str:
    """What the controller noted of the run, or of its host, when it asked for it."""
    for name in filter(None, (planned["run_id"], planned.get("host"))):
        if note := read_note(folder / "missing", f"{name}.txt"):
            return note
    return NOT_RUN
