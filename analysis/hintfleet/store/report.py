# SPDX-License-Identifier: GPL-2.0-or-later
"""The report on a whole store: the figures of a study's report, computed on columns.

A run that may not be believed is left out and counted, by cause: over a large fleet there are
always some, and a doubt about one must not fall on all.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintfleet.figures.density import Fit
from hintfleet.figures.family import judge_as_one_family
from hintfleet.figures.figure import (
    DEFAULTS,
    Figure,
    Figures,
    Judgement,
    Thresholds,
    Verdict,
    worst,
)
from hintfleet.figures.latency import MODES, QUANTILES
from hintfleet.records.observations import BASELINE
from hintfleet.records.read import Damage, UnusableError
from hintfleet.report.build import FAMILY
from hintfleet.statistics.intervals import (
    Floats,
    outliers,
    reliable_count,
    share_at_least,
    share_interval,
    trials_for_share,
)
from hintfleet.statistics.series import histogram_quantile
from hintfleet.statistics.units import plural
from hintfleet.store import parquet as store
from hintfleet.store.arrays import (
    Runs,
    absolute,
    block_keys,
    cell_means,
    cells_of_several_studies,
    difference,
    load,
    matrix,
    pairs,
    ratio,
)

NAMED_CELLS = 10

DENSITY_COLUMNS = {
    "guests_without_swap": ("guests", 1.0),
    "guests_at_first_swap": ("guests", 1.0),
    "swap_end_mib": ("MiB", 0.0),
    "active_footprint_mib": ("MiB", 0.0),
    "idle_footprint_mib": ("MiB", 0.0),
}


@dataclass(frozen=True)
class LeftOut:
    """Runs of a mechanism that no figure holds, and why."""

    workload: str
    mechanism: str
    cause: str
    runs: int


@dataclass(frozen=True)
class FleetReport:
    """All figures of a store. figures: by topic, mechanism and name."""

    studies: tuple[str, ...]
    mechanisms: tuple[str, ...]
    hosts: int
    cells: int
    runs: int
    figures: dict[str, dict[str, Figures]]
    fits: dict[str, tuple[Fit, ...]]
    curves: dict[str, dict[str, dict[int, Figure]]]
    """Page fault rate relative to none by mechanism, mode and number of tasks."""
    cells_that_stand_out: dict[str, tuple[str, ...]]
    left_out: tuple[LeftOut, ...]
    damages: tuple[Damage, ...]
    verdict: Verdict
    doubts: tuple[Judgement, ...]


def fleet_report(root: Path, limits: Thresholds = DEFAULTS) -> FleetReport:
    """The report on all studies of a store; UnusableError if it has no runs.

    A part without a good footer costs itself and is named. One whose pages are damaged is found
    only while it is read; then the error names it.
    """
    with store.damaged_pages_named(root):
        return _fleet_report(root, limits)


def _fleet_report(root: Path, limits: Thresholds) -> FleetReport:
    figures: dict[str, dict[str, Figures]] = {}
    left_out: list[LeftOut] = []
    cells: set[str] = set()
    mixed: set[str] = set()
    hosts: set[str | None] = set()
    studies, total = _studies(root)
    fits: dict[str, tuple[Fit, ...]] = {}
    curves: dict[str, dict[str, dict[int, Figure]]] = {}
    standing_out: dict[str, tuple[str, ...]] = {}
    for workload, columns in (
        ("consolidation", (*DENSITY_COLUMNS, "physical_limit_guests", "stopped_by")),
        ("memhog", ("swap_end_mib", "memhog_guests")),
        ("page_fault", ("page_fault_rows", *(f"fault_{name}" for name in QUANTILES))),
    ):
        runs = load(root, workload, columns)
        cells.update(runs.cells)
        mixed.update(cells_of_several_studies(runs))
        hosts.update(runs.texts("host")[1])
        runs, dropped = _believable(runs, workload)
        left_out += dropped
        if workload == "consolidation":
            figures["density"] = _density(runs, limits)
            fits = {name: _fits(runs, name, limits) for name in _named(runs)}
            standing_out = {name: _outlying_cells(runs, name) for name in _named(runs)}
        elif workload == "memhog":
            figures["memhog"] = _memhog(runs, limits)
        else:
            figures["page_fault"], curves = _page_fault(runs, limits)
            _add_merged_latency(root, figures["page_fault"])
    judge_as_one_family(
        [group for topic in figures.values() for group in topic.values()], FAMILY, limits
    )
    mechanisms = sorted(
        {name for topic in figures.values() for name in topic}, key=lambda n: (n != BASELINE, n)
    )
    doubts = _doubts(left_out, total, figures, mixed, limits)
    return FleetReport(
        studies,
        tuple(mechanisms),
        len(hosts),
        len(cells),
        total,
        figures,
        fits,
        curves,
        standing_out,
        tuple(left_out),
        tuple(store.parts(root)[1]),
        worst(doubt.verdict for doubt in doubts),
        tuple(doubts),
    )


def _studies(root: Path) -> tuple[tuple[str, ...], int]:
    names = tuple(sorted(f.name.removeprefix("study=") for f in (root / "runs").glob("study=*")))
    count = int(store.dataset(root).count_rows()) if names else 0
    if not count:
        raise UnusableError(
            f"{root} holds no runs as Parquet; write them with hintfleet export RESULTS "
            f"--format parquet --output {root}"
        )
    return names, count


def _named(runs: Runs) -> list[str]:
    """Mechanisms that have runs, the baseline first."""
    present = [name for name in runs.mechanisms if runs.of(name).any()]
    return sorted(present, key=lambda name: (name != BASELINE, name))


def _believable(runs: Runs, workload: str) -> tuple[Runs, list[LeftOut]]:
    """The runs that figures may hold, and those left out by mechanism and cause."""
    status, statuses = runs.texts("status")
    debug, options = runs.texts("debug_options")
    as_expected = runs.numbers("as_expected")
    unfinished = np.array([text != "finished" for text in statuses], dtype=np.bool_)[status]
    causes: list[tuple[str, NDArray[np.bool_]]] = [
        ("the run did not finish", unfinished),
        ("no proof that the mechanism acted", np.isnan(as_expected)),
        ("the proof shows the mechanism did not act as its name says", as_expected == 0.0),
        (
            "the guest kernel has debug options",
            np.array([bool(text) for text in options], dtype=np.bool_)[debug],
        ),
    ]
    if "stopped_by" in runs.table.column_names:
        stopped, reasons = runs.texts("stopped_by")
        bound = np.array([text == "cpu_bound" for text in reasons], dtype=np.bool_)[stopped]
        causes.append(("the processors were the limit, not memory", bound))
    causes.append(("not at parity with the other mechanisms of its block", _disparate(runs)))
    counted: Counter[tuple[str, str]] = Counter()
    kept = np.ones(runs.cell.size, dtype=np.bool_)
    for cause, flags in causes:
        new = kept & flags
        for index, name in enumerate(runs.mechanisms):
            counted[name, cause] += int(np.count_nonzero(new & (runs.mechanism == index)))
        kept &= ~flags
    dropped = [
        LeftOut(workload, name, cause, count)
        for (name, cause), count in sorted(counted.items())
        if count
    ]
    return runs.where(kept), dropped


def _disparate(runs: Runs) -> NDArray[np.bool_]:
    """Runs of a block of a cell in which not all mechanisms have the same parity values."""
    if runs.cell.size == 0:
        return np.zeros(0, dtype=np.bool_)
    digest, _ = runs.texts("parity_digest")
    _, block = np.unique(block_keys(runs), return_inverse=True)
    least = np.full(block.max() + 1, np.iinfo(np.int64).max)
    most = np.full(block.max() + 1, -1)
    np.minimum.at(least, block, digest)
    np.maximum.at(most, block, digest)
    differs: NDArray[np.bool_] = (least != most)[block]
    return differs


def _density(runs: Runs, limits: Thresholds) -> dict[str, Figures]:
    values = {name: runs.numbers(name) for name in DENSITY_COLUMNS}
    guests = values["guests_without_swap"]
    limit = runs.numbers("physical_limit_guests")
    started = np.where(
        np.isnan(values["guests_at_first_swap"]), guests, values["guests_at_first_swap"]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        reached = np.where(limit > 0, guests / limit, np.nan)
        cpu = np.where(started > 0, _cpu_seconds(runs) / started, np.nan)
    result: dict[str, Figures] = {}
    for name in _named(runs):
        mine = runs.of(name)
        found: dict[str, Figure | None] = {
            key: absolute(values[key][mine], runs.cell[mine], unit, step, limits)
            for key, (unit, step) in DENSITY_COLUMNS.items()
        }
        cell = runs.cell[mine]
        found["share_of_physical_limit"] = absolute(reached[mine], cell, "share", limits=limits)
        found["host_cpu_seconds_per_guest"] = absolute(cpu[mine], cell, "s", limits=limits)
        for share in (50, 90, 99):
            found[f"seconds_to_return_{share}"] = absolute(
                runs.numbers(f"seconds_to_{share}")[mine], cell, "s", limits=limits
            )
        found["reliable_guests"] = _reliable(guests[mine], limits)
        if name != BASELINE:
            left, right = pairs(runs, BASELINE, name)
            found["more_guests_than_none"] = difference(
                guests[left], guests[right], runs.cell[right], "guests", limits
            )
            found["host_cpu_per_guest_vs_none"] = ratio(
                cpu[left], cpu[right], runs.cell[right], limits
            )
        result[name] = _given(found)
    return result


def _memhog(runs: Runs, limits: Thresholds) -> dict[str, Figures]:
    seconds, positions = matrix(runs, "memhog_guests", "guest", "seconds")
    guests, _ = matrix(runs, "memhog_guests", "guest", "guest")
    # A guest that is in the list but has no seconds did not end: censored, not unknown.
    seconds = np.where(np.isnan(seconds) & ~np.isnan(guests), np.inf, seconds)
    swap = runs.numbers("swap_end_mib")
    result: dict[str, Figures] = {}
    for name in _named(runs):
        mine = runs.of(name)
        left, right = pairs(runs, BASELINE, name)
        found: dict[str, Figure | None] = {}
        for index, position in enumerate(positions):
            key = f"guest{position}"
            found[f"{key}_seconds"] = absolute(
                seconds[mine, index], runs.cell[mine], "s", limits=limits
            )
            if name != BASELINE:
                prefix = "last_guest" if position == positions[-1] else key
                found[f"{prefix}_vs_none"] = ratio(
                    seconds[left, index], seconds[right, index], runs.cell[right], limits
                )
        found["swap_end_mib"] = absolute(swap[mine], runs.cell[mine], "MiB", limits=limits)
        result[name] = _given(found)
    return result


def _page_fault(
    runs: Runs, limits: Thresholds
) -> tuple[dict[str, Figures], dict[str, dict[str, dict[int, Figure]]]]:
    result: dict[str, dict[str, Figure | None]] = {name: {} for name in _named(runs)}
    curves: dict[str, dict[str, dict[int, Figure]]] = {}
    paired = {name: pairs(runs, BASELINE, name) for name in result if name != BASELINE}

    def against_none(name: str, values: Floats) -> Figure | None:
        left, right = paired[name]
        return ratio(values[left], values[right], runs.cell[right], limits)

    for mode in MODES:
        rates, tasks = matrix(runs, "page_fault_rows", "tasks", mode)
        work = [index for index, count in enumerate(tasks) if count > 0]
        if not work:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            overall = np.exp(np.log(rates[:, work]).mean(axis=1))
        for name in paired:
            result[name][f"{mode}_vs_none"] = against_none(name, overall)
            curve = {tasks[index]: against_none(name, rates[:, index]) for index in work}
            curves.setdefault(name, {})[mode] = {k: f for k, f in curve.items() if f is not None}
    for quantile in QUANTILES:
        values = runs.numbers(f"fault_{quantile}")
        for name, found in result.items():
            mine = runs.of(name)
            found[f"fault_{quantile}"] = absolute(values[mine], runs.cell[mine], "ns", 0.0, limits)
            if name in paired:
                found[f"fault_{quantile}_vs_none"] = against_none(name, values)
    return {name: _given(found) for name, found in result.items()}, curves


def _add_merged_latency(root: Path, figures: dict[str, Figures]) -> None:
    """Percentiles of all faults of all runs together, from their histograms: estimates only."""
    for name, (bounds, counts) in merged_latency(root).items():
        for quantile, share in QUANTILES.items():
            if name in figures and f"fault_{quantile}" in figures[name]:
                figures[name][f"fault_{quantile}_merged"] = Figure(
                    "ns",
                    int(counts.sum()),
                    histogram_quantile(bounds, counts, share),
                    None,
                    None,
                    None,
                    Judgement(Verdict.SOUND, "all recorded faults together"),
                )


def merged_latency(root: Path) -> dict[str, tuple[Floats, NDArray[np.int64]]]:
    """Bounds (ns) and counts of all faults, by mechanism; read a batch at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sums: list[Any] = []
    for batch in store.batches(root, ["mechanism", "fault_histogram"], workload="page_fault"):
        sums.append(_batch_histogram(batch))
    if not sums:
        return {}
    total = _summed(pa.concat_tables(sums))
    result = {}
    for name in dict.fromkeys(total.column("mechanism").to_pylist()):
        mine = total.filter(pc.equal(total.column("mechanism"), name))
        result[str(name)] = _dense(
            *(np.asarray(mine.column(key)) for key in ("lower_ns", "upper_ns", "count"))
        )
    return result


def _batch_histogram(batch: Any) -> Any:
    """Counts of one batch by mechanism and bin."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = batch.column("fault_histogram")
    bins = lists.flatten()
    mechanism = batch.column("mechanism").take(pc.list_parent_indices(lists))
    columns = {name: bins.field(name) for name in ("lower_ns", "upper_ns", "count")}
    return _summed(pa.table({"mechanism": mechanism, **columns}))


def _summed(table: Any) -> Any:
    keys = ["mechanism", "lower_ns", "upper_ns"]
    grouped = table.group_by(keys).aggregate([("count", "sum")])
    grouped = grouped.rename_columns({"count_sum": "count"})
    return grouped.sort_by([(key, "ascending") for key in keys])


def _dense(
    lower: Floats, upper: Floats, count: NDArray[np.int64]
) -> tuple[Floats, NDArray[np.int64]]:
    """Bounds without gaps: bins that nothing fell into come back with a count of 0."""
    bounds = np.unique(np.concatenate([lower, upper]))
    counts = np.zeros(bounds.size - 1, dtype=np.int64)
    np.add.at(counts, np.searchsorted(bounds, lower), count)
    return bounds, counts


def _fits(runs: Runs, name: str, limits: Thresholds) -> tuple[Fit, ...]:
    """For each count that occurred: in how many blocks at least so many guests fitted."""
    counts = runs.numbers("guests_without_swap")[runs.of(name)]
    n = counts.size
    result = []
    for k in np.unique(counts):
        hits = int(np.count_nonzero(counts >= k))
        interval = share_interval(hits, n, limits.confidence)
        lower = share_at_least(hits, n, limits.confidence)
        result.append(Fit(int(k), hits, n, interval, lower))
    return tuple(result)


def _reliable(counts: Floats, limits: Thresholds) -> Figure | None:
    if counts.size == 0:
        return None
    reliable = reliable_count(counts, limits.reliable_share, limits.confidence)
    needed = trials_for_share(limits.reliable_share, limits.confidence)
    judgement = Judgement(
        Verdict.SOUND,
        f"fits in at least {limits.reliable_share:.0%} of blocks, "
        f"with {limits.confidence:.0%} confidence",
    )
    if reliable is None:
        judgement = Judgement(
            Verdict.UNSETTLED,
            f"{counts.size} blocks cannot state {limits.reliable_share:.0%}",
            f"run {needed} blocks (over all cells)",
        )
    return Figure("guests", int(counts.size), reliable, None, None, None, judgement)


def _outlying_cells(runs: Runs, name: str) -> tuple[str, ...]:
    """Cells whose mean count lies far from those of the others; needs five cells."""
    mine = runs.of(name)
    means, present = cell_means(runs.numbers("guests_without_swap")[mine], runs.cell[mine])
    if present.size < 5:
        return ()
    return tuple(runs.cells[code] for code in present[outliers(means)])


def _cpu_seconds(runs: Runs) -> Floats:
    return runs.numbers("cpu_user_seconds") + runs.numbers("cpu_system_seconds")


def _given(found: dict[str, Figure | None]) -> Figures:
    return {name: figure for name, figure in found.items() if figure is not None}


def _doubts(
    left_out: list[LeftOut],
    total: int,
    figures: dict[str, dict[str, Figures]],
    mixed: set[str],
    limits: Thresholds,
) -> list[Judgement]:
    """What to know before believing the report: the gravest first."""
    doubts = []
    dropped = sum(one.runs for one in left_out)
    if dropped > limits.lost_share * total:
        doubts.append(
            Judgement(
                Verdict.NOT_TO_BE_TRUSTED if dropped > total / 2 else Verdict.UNSETTLED,
                f"{dropped} of {total} runs are left out; the rest may be a selection",
                "find out the causes below and repeat those runs",
            )
        )
    if mixed:
        doubts.append(
            Judgement(
                Verdict.UNSETTLED,
                f"{plural(len(mixed), 'cell')} ({min(mixed)} first) measured by several studies: "
                "the figures mix them, and what changed between them is in none",
                "export each study into a store of its own, and hintfleet compare the two",
            )
        )
    if not any(topic.get(BASELINE) for topic in figures.values()):
        doubts.append(
            Judgement(
                Verdict.UNSETTLED,
                f"no run without a mechanism ({BASELINE}): nothing can be called a gain",
                f"run the study with {BASELINE} among its mechanisms",
            )
        )
    for topic, key in (
        ("density", "more_guests_than_none"),
        ("memhog", "last_guest_vs_none"),
        ("page_fault", "processes_vs_none"),
    ):
        for name, group in figures.get(topic, {}).items():
            figure = group.get(key)
            if figure is not None and figure.verdict is not Verdict.SOUND:
                words = f"{topic} of {name}: {figure.judgement.reason}"
                doubts.append(Judgement(figure.verdict, words, figure.judgement.next_step))
    if not math.isfinite(total) or not figures:
        raise UnusableError("the store holds no run of a known workload")
    return sorted(doubts, key=lambda doubt: doubt.verdict != Verdict.NOT_TO_BE_TRUSTED)
