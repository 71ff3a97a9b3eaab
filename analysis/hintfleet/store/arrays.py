# SPDX-License-Identifier: GPL-2.0-or-later
"""Columns of a store as numpy arrays, and the statistics of fleets on them.

A fleet has many cells; they, not the runs, are the sample: a value is first averaged within each
cell, and intervals are those of the mean over cells. Everything here costs time and memory
proportional to the number of runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintfleet.figures import estimate
from hintfleet.figures.figure import DEFAULTS, Figure, Thresholds
from hintfleet.records.observations import Values
from hintfleet.statistics.intervals import Floats
from hintfleet.store import parquet as store

Codes = NDArray[np.int64]

KEY_COLUMNS = (
    "study", "cell", "host", "block", "mechanism", "status", "as_expected", "debug_options",
    "parity_digest", "cpu_user_seconds", "cpu_system_seconds", "seconds_to_50",
    "seconds_to_90", "seconds_to_99",
)  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """Runs of one workload, of all mechanisms. Arrays have an entry for each run; codes index
    names; numbers are NaN where a run does not have them."""

    table: Any
    cell: Codes
    cells: list[str]
    mechanism: Codes
    mechanisms: list[str]
    block: Codes

    def numbers(self, name: str) -> Floats:
        """A numeric column."""
        import pyarrow as pa

        column = self.table.column(name).cast(pa.float64())
        return np.asarray(column.to_numpy(), dtype=np.float64)

    def texts(self, name: str) -> tuple[Codes, list[str | None]]:
        """A text column as codes and the texts they stand for; None for null."""
        return _codes(self.table.column(name))

    def of(self, mechanism: str) -> NDArray[np.bool_]:
        """Which runs are of a mechanism."""
        if mechanism not in self.mechanisms:
            return np.zeros(self.cell.size, dtype=np.bool_)
        chosen: NDArray[np.bool_] = self.mechanism == self.mechanisms.index(mechanism)
        return chosen

    def where(self, chosen: NDArray[np.bool_]) -> Runs:
        """These runs only; codes keep their meaning."""
        import pyarrow as pa

        return Runs(
            self.table.filter(pa.array(chosen)),
            self.cell[chosen],
            self.cells,
            self.mechanism[chosen],
            self.mechanisms,
            self.block[chosen],
        )


def load(root: Path, workload: str, columns: Sequence[str]) -> Runs:
    """All runs of a workload with the key columns and these."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    wanted = list(dict.fromkeys((*KEY_COLUMNS, *columns)))
    table = store.dataset(root).to_table(columns=wanted, filter=ds.field("workload") == workload)
    cell, cells = _codes(table.column("cell"))
    mechanism, mechanisms = _codes(table.column("mechanism"))
    block = np.asarray(table.column("block").cast(pa.int64()).to_numpy(), dtype=np.int64)
    return Runs(
        table, cell, [str(name) for name in cells], mechanism, [str(m) for m in mechanisms], block
    )


def _codes(column: Any) -> tuple[Codes, list[str | None]]:
    """Index of each value among the distinct values, which follow their first appearance."""
    encoded = column.dictionary_encode().combine_chunks()
    if hasattr(encoded, "chunks"):  # no rows: nothing to combine
        return np.zeros(0, dtype=np.int64), []
    values: list[str | None] = list(encoded.dictionary.to_pylist())
    indices = encoded.indices
    if indices.null_count:
        values.append(None)
        indices = indices.fill_null(len(values) - 1)
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64), values


def count_of(codes: Codes) -> int:
    """How many different codes there are."""
    return int(np.count_nonzero(np.bincount(codes)))


def cell_means(values: Floats, cell: Codes) -> tuple[Floats, Codes]:
    """Mean of the values of each cell that has any, and those cells' codes."""
    counts = np.bincount(cell)
    present = np.flatnonzero(counts)
    return np.bincount(cell, weights=values)[present] / counts[present], present


def absolute(
    values: Floats,
    cell: Codes,
    unit: str,
    resolution: float = 0.0,
    limits: Thresholds = DEFAULTS,
) -> Figure | None:
    """NaN was not measured and does not count; +inf is censored: it counts, and sorts last."""
    found = _values(values, cell)
    return estimate.absolute(found, unit, (), limits, resolution) if found.size else None


def difference(
    baseline: Floats, other: Floats, cell: Codes, unit: str, limits: Thresholds = DEFAULTS
) -> Figure | None:
    """other - baseline of pairs."""
    known = np.isfinite(baseline) & np.isfinite(other)
    left, right = (_values(side[known], cell[known]) for side in (baseline, other))
    figure = estimate.difference(left, right, unit, (), limits, 1.0)
    return figure if figure.n else None


def ratio(
    baseline: Floats, other: Floats, cell: Codes, limits: Thresholds = DEFAULTS
) -> Figure | None:
    """other / baseline of pairs."""
    known = ~np.isnan(baseline) & ~np.isnan(other)
    left, right = (_values(side[known], cell[known]) for side in (baseline, other))
    figure = estimate.ratio(left, right, "ratio", (), limits)
    return figure if figure.n else None


def _values(numbers: Floats, cell: Codes) -> Values:
    measured = ~np.isnan(numbers)
    numbers, cell = numbers[measured], cell[measured]
    place = np.arange(numbers.size)
    return Values(numbers, np.zeros_like(cell), cell, cell, place, place)


def block_keys(runs: Runs) -> Codes:
    """A number for each run that is the same within a block of a cell of a study only."""
    study, studies = runs.texts("study")
    blocks = int(runs.block.max(initial=0)) + 1
    return (runs.cell * max(len(studies), 1) + study) * blocks + runs.block


def pairs(runs: Runs, baseline: str, other: str) -> tuple[Codes, Codes]:
    """Indices of the runs of two mechanisms that share study, cell and block, pair by pair."""
    key = block_keys(runs)
    first, second = (np.flatnonzero(runs.of(name)) for name in (baseline, other))
    _, left, right = np.intersect1d(key[first], key[second], return_indices=True)
    return first[left], second[right]


def cells_of_several_studies(runs: Runs) -> list[str]:
    """Cells that more than one study measured, by name."""
    study, studies = runs.texts("study")
    measured = np.unique(runs.cell * max(len(studies), 1) + study) // max(len(studies), 1)
    cell, times = np.unique(measured, return_counts=True)
    return sorted(runs.cells[code] for code in cell[times > 1])


def matrix(runs: Runs, column: str, index: str, value: str) -> tuple[Floats, list[int]]:
    """A list column as (runs, entries): value at each of the distinct values of index, else NaN."""
    import pyarrow.compute as pc

    lists = runs.table.column(column).combine_chunks()
    if hasattr(lists, "chunks") or len(lists) == 0:
        return np.full((runs.cell.size, 0), np.nan), []
    entries = lists.flatten()
    parent = np.asarray(pc.list_parent_indices(lists), dtype=np.int64)
    names, place = np.unique(np.asarray(entries.field(index)), return_inverse=True)
    values = np.asarray(entries.field(value).to_numpy(zero_copy_only=False), dtype=np.float64)
    result = np.full((runs.cell.size, names.size), np.nan)
    result[parent, place] = values
    return result, [int(name) for name in names]
