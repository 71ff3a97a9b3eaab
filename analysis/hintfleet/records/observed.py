# SPDX-License-Identifier: GPL-2.0-or-later
"""A study as observations: every run as columns, samples reduced to a few numbers, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hintfleet.records import columns
from hintfleet.records.curves import Timeline, reduced, timeline_of
from hintfleet.records.damage import Damage, DamagedError
from hintfleet.records.observations import COMPARED, Workloads, aligned, from_rows
from hintfleet.records.read import Run, Study
from hintfleet.records.samples import Samples, load_samples
from hintfleet.statistics.series import Histogram, merged_bins

WORKLOADS = ("consolidation", "memhog", "page_fault")


@dataclass(frozen=True)
class Observed:
    """What figures are computed from."""

    workloads: Workloads
    histograms: Mapping[str, Histogram]
    """Latency of all faults of all finished runs of a mechanism."""
    timelines: tuple[Timeline, ...]
    """Of the first finished run of each workload and mechanism that has samples."""
    damages: tuple[Damage, ...]


def observe(study: Study) -> Observed:
    """Every run as columns; a damaged samples file is named and its run keeps the rest."""
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in WORKLOADS}
    timelines: dict[tuple[str, str], Timeline] = {}
    damages: list[Damage] = []
    for run in study.runs:
        samples = _samples(run, damages)
        curve = reduced(samples) if samples is not None else None
        row = {**columns.flat(run.record, curve), **columns.lists(run.record)}
        rows[run.workload].append(row)
        key = run.workload, run.mechanism
        if samples is not None and key not in timelines:
            timeline = timeline_of(run, samples)
            if timeline is not None:
                timelines[key] = timeline
    return Observed(
        aligned({name: from_rows(found) for name, found in rows.items()}),
        _histograms(rows["page_fault"]),
        tuple(timelines.values()),
        tuple(damages),
    )


def _samples(run: Run, damages: list[Damage]) -> Samples | None:
    if not run.finished or run.samples_file is None:
        return None
    try:
        return load_samples(run.samples_file)
    except DamagedError as error:
        damages.append(error.damage)
        return None


def _histograms(rows: list[dict[str, object]]) -> dict[str, Histogram]:
    bins: dict[str, list[tuple[float, float, int]]] = {}
    for row in rows:
        if row["status"] == "finished":
            found = bins.setdefault(str(row[COMPARED]), [])
            found += [
                (one["lower_ns"], one["upper_ns"], one["count"])
                for one in row["fault_histogram"]  # type: ignore[attr-defined]
            ]
    merged = {}
    for name, found in bins.items():
        lower, upper, count = np.array(found, dtype=np.float64).reshape(-1, 3).T
        histogram = merged_bins(lower, upper, count.astype(np.int64))
        if histogram is not None:
            merged[name] = histogram
    return merged
