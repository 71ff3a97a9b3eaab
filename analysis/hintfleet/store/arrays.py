# SPDX-License-Identifier: GPL-2.0-or-later
"""Columns of a store as numpy arrays, and the statistics of fleets on them.

A fleet has many cells; they, not the runs, are the sample: a value is first averaged within each
cell, and intervals are those of the mean over cells. Everything here costs time and memory
proportional to the number of runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintfleet.figures.estimate import paired_p, without_ratio
from hintfleet.figures.figure import DEFAULTS, Figure, Judgement, Thresholds, Verdict, overrule
from hintfleet.figures.judge import Evidence, judge_effect
from hintfleet.statistics.intervals import CELLS_AS_SAMPLE, Floats, Interval, mean_interval
from hintfleet.store import parquet as store

Codes = NDArray[np.int64]

RESAMPLED_CELLS = 1000
"""Up to this many cells p is that of every report; beyond, the mean of so many cells is normal
enough for Student's t, and a permutation would cost more than reading the runs."""

FEW_CENSORED = 0.05
"""Up to this share of censored runs neither the median nor the upper 5 % depends on them."""

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


def fleet_interval(
    values: Floats, cell: Codes, confidence: float, resolution: float = 0.0
) -> Interval | None:
    """Interval of the mean over cells; each cell counts once."""
    means, present = cell_means(values, cell)
    if present.size < CELLS_AS_SAMPLE:
        return mean_interval(values, confidence, resolution, [str(code) for code in cell])
    return mean_interval(means, confidence, resolution)


def absolute(
    values: Floats,
    cell: Codes,
    unit: str,
    resolution: float = 0.0,
    limits: Thresholds = DEFAULTS,
) -> Figure | None:
    """Median over runs, where 90 % of them lie, interval of the mean over cells.

    NaN was not measured and does not count; +inf is censored: it counts, and sorts last.
    """
    measured = ~np.isnan(values)
    values, cell = values[measured], cell[measured]
    if values.size == 0:
        return None
    censored = int(np.isinf(values).sum())
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], method="inverted_cdf")
    interval = None if censored else fleet_interval(values, cell, limits.confidence, resolution)
    judgement = Judgement(Verdict.SOUND, f"{values.size} runs on {count_of(cell)} cells")
    if 0 < censored <= FEW_CENSORED * values.size:
        judgement = Judgement(
            Verdict.SOUND, f"{censored} of {values.size} did not end; the median holds without them"
        )
    elif censored:
        judgement = Judgement(
            Verdict.UNSETTLED,
            f"{censored} of {values.size} did not end before the deadline or their guest died",
            "raise the deadline or find out from the console why the guest died",
        )
    elif interval is None or values.size < limits.fewest_blocks:
        judgement = _too_few(values.size, limits)
    return Figure(
        unit,
        int(values.size),
        _finite(middle),
        _finite(low),
        _finite(high),
        interval,
        judgement,
        censored,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def effect(
    steps: Floats,
    cell: Codes,
    unit: str,
    practical: float,
    resolution: float = 0.0,
    limits: Thresholds = DEFAULTS,
) -> Figure | None:
    """Mean over cells of paired differences, 0 without an effect; `practical` is one that counts.

    The p value is that of every report up to RESAMPLED_CELLS, beyond that of Student's t.
    """
    if steps.size == 0:
        return None
    interval = fleet_interval(steps, cell, limits.confidence, resolution * math.sqrt(2.0))
    low, high = np.quantile(steps, [0.05, 0.95], method="inverted_cdf")
    means = cell_means(steps, cell)[0]
    centre = float(means.mean())
    independent = steps if means.size < CELLS_AS_SAMPLE else means
    if means.size > RESAMPLED_CELLS:
        p_value = interval.p_of(0.0) if interval else None
    else:
        p_value = paired_p(interval, independent, limits)
    deviation = float(independent.std(ddof=1)) if independent.size > 1 else 0.0
    evidence = Evidence(steps, centre, deviation, interval, p_value, int(steps.size))
    judgement, _, claims = judge_effect(evidence, limits, practical)
    if judgement.verdict is not Verdict.SOUND:
        judgement = replace(judgement, next_step="run more blocks, or on more hosts")
    return Figure(
        unit,
        int(steps.size),
        centre,
        float(low),
        float(high),
        interval,
        judgement,
        p_value=p_value,
        claims_effect=claims,
    )


def ratio(
    baseline: Floats, other: Floats, cell: Codes, limits: Thresholds = DEFAULTS
) -> Figure | None:
    """other / baseline of pairs: geometric mean over cells. Pairs without a ratio are censored."""
    known = ~np.isnan(baseline) & ~np.isnan(other)
    usable = known & (baseline > 0) & (other > 0) & np.isfinite(baseline) & np.isfinite(other)
    logs = np.log(other[usable] / baseline[usable])
    figure = effect(logs, cell[usable], "ratio", math.log1p(limits.practical_ratio), limits=limits)
    if figure is None:
        return None
    censored, n = int(known.sum() - usable.sum()), int(known.sum())
    doubts = without_ratio(censored, n) if censored > FEW_CENSORED * n else []
    interval = figure.interval
    if interval is not None:
        interval = Interval(
            math.exp(interval.low), math.exp(interval.high), interval.confidence, interval.method
        )
    return replace(
        figure,
        estimate=math.exp(figure.estimate or 0.0),
        low=math.exp(figure.low or 0.0),
        high=math.exp(figure.high or 0.0),
        interval=interval,
        judgement=overrule(figure.judgement, doubts),
        censored=censored,
    )


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


def _too_few(n: int, limits: Thresholds) -> Judgement:
    return Judgement(
        Verdict.UNSETTLED,
        f"{n} run(s) cannot show how far a repetition would lie",
        f"run at least {limits.fewest_blocks} blocks",
    )
