# SPDX-License-Identifier: GPL-2.0-or-later
"""The runs of a store as observations: what records/observed.py makes of a folder, from columns.

Text and numbers are other people's here too: they are cleaned where they enter.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hintfleet.records.columns import MATRICES, OBSERVED, SIGNED, Column
from hintfleet.records.curves import Timeline
from hintfleet.records.damage import Damage, DamagedError, UnusableError
from hintfleet.records.document import LARGEST, LEAST, checked, countable
from hintfleet.records.observations import (
    COMPARED,
    Codes,
    Mask,
    Matrix,
    Observations,
    Texts,
    Workloads,
    aligned,
    coded,
    every_text,
)
from hintfleet.records.observed import (
    NOT_RUN,
    WORKLOADS,
    Asked,
    Missing,
    Observed,
    unfinished_run,
)
from hintfleet.records.text import are_harmless, harmless
from hintfleet.statistics.intervals import Floats
from hintfleet.statistics.series import Histogram, merged_bins
from hintfleet.store.parquet import studies_schema
from hintfleet.store.parts import without_damaged_pages
from hintfleet.store.rows import Store
from hintfleet.store.studies import DAMAGED, EARLIER, LOOKED, MISSING, PLANNED, damages_of

DOUBTED = {
    "remote_share": "whether guests' memory lay on another node",
    "guests_warned": "whether guests' kernels printed warnings",
    "other_kernel": "whether guests ran the kernel that was built",
    "guests_died": "whether guests died",
    "load_per_cpu_before": "whether hosts were quiet",
    "killers": "whether daemons that end processes ran on hosts",
    "parity": "which settings differ",
    "unsampled_share": "whether samples have gaps",
}
"""Columns of doubts that stores did not always have, and what they tell."""


FLAT = ("parity", "facts", "differs")
DOCUMENTS = (*FLAT, "states", "tile")
"""Columns of JSON objects; those that are flat have a text, number, flag or null at each name."""

ORDER = ("study", "cell", "block", "order", "workload")
"""In which runs are told."""

COLUMNS_AT_ONCE = 16
"""Read together: more take more memory at a time, fewer open every part more often."""

MOST_CAUSES = 3
"""Told of why nothing can be used."""


def observe_store(root: Path, study: str | None = None) -> Observed:
    """All runs of a store, or those of one study; UnusableError if there are none.

    What cannot be used of it is left out and named (store/parts.py, store/rows.py).
    """

    def observed(unreadable: Sequence[Damage]) -> Observed:
        return _Reader(Store(root, study, unreadable), study).observed()

    return without_damaged_pages(root, observed)


def studies_of(root: Path) -> list[str]:
    """The names of the studies in a store."""
    return Store(root).studies


class _Reader:
    """One pass over a store; what it finds that cannot be used is added to damages."""

    def __init__(self, store: Store, study: str | None) -> None:
        self.root = root = store.root
        if study is not None and study not in store.studies:
            known = ", ".join(map(harmless, store.studies)) or "none"
            raise UnusableError(f"{root} holds no study {study}; it has {known}")
        self.chosen = store.studies if study is None else [study]
        if not self.chosen:
            raise UnusableError(
                f"{root} holds no runs as Parquet; write them with hintfleet export RESULTS "
                f"--format parquet --output {root}"
            )
        self.runs = store.runs.data
        self.beside = store.beside.data if store.beside else None
        self.damages = [*store.runs.damages, *(store.beside.damages if store.beside else ())]
        self.lacking = store.runs.lacking(DOUBTED)

    def observed(self) -> Observed:
        """The runs of the studies that were chosen."""
        workloads = aligned(self._load())
        if not any(map(len, workloads.values())):
            why = "; ".join(map(str, self.damages[:MOST_CAUSES])) or "it has no rows"
            raise UnusableError(
                f"{self.root} holds no run that can be used: {why}; export the study again"
            )
        told = self._beside()
        planned = set(told[PLANNED].column("study").unique().to_pylist())
        named = self.table((*ORDER, "run_id", "status", "reason"))
        unfinished = self._unfinished(named)
        unrun = self._unrun(named, told[PLANNED], told[MISSING])
        del named
        self.damages += damages_of(told[DAMAGED].to_pylist())
        lacking = [DOUBTED[name] for name in self.lacking]
        if self.beside is None:
            lacking.append("what was planned")
        return Observed(
            tuple(map(harmless, self.chosen)),
            self.root,
            workloads,
            partial(_histograms, self),
            self._timelines(),
            _asked(workloads, told[PLANNED], len(unrun), planned >= set(self.chosen)),
            (*unfinished, *unrun),
            tuple(self.damages),
            told[EARLIER].num_rows,
            tuple(lacking),
            max(Counter(told[LOOKED].column("study").to_pylist()).values(), default=0),
        )

    def table(self, columns: Sequence[str], chosen: Any = None) -> Any:
        """Columns of the runs that meet a condition."""
        return self.runs.to_table(columns=list(columns), filter=chosen)

    def _load(self) -> dict[str, Observations]:
        """All runs by workload, whatever their end.

        Every column is read and made out once, and only some at a time: most are one workload's and
        empty for the others, but cost as much to read for each.
        """
        workload_of = coded_texts(self.table(["workload"]).column("workload"))
        rows = {name: np.flatnonzero(workload_of.equal(name)) for name in WORKLOADS}
        unknown = {name: np.full(own.size, np.nan) for name, own in rows.items()}
        texts: dict[str, dict[str, Texts]] = {name: {} for name in WORKLOADS}
        numbers: dict[str, dict[str, Floats]] = {name: {} for name in WORKLOADS}
        for start in range(0, len(OBSERVED), COLUMNS_AT_ONCE):
            columns = OBSERVED[start : start + COLUMNS_AT_ONCE]
            table = self.table([column.name for column in columns])
            for column in columns:
                values = table.column(column.name)
                if column.kind == "text":
                    told = self._texts(column.name, values)
                    for name, own in rows.items():
                        texts[name][column.name] = told.where(own)
                    continue
                measured = None
                if values.null_count < len(values):
                    measured = self._numbers(column, values)
                for name, own in rows.items():
                    mine = unknown[name] if measured is None else measured[own]
                    numbers[name][column.name] = unknown[name] if np.isnan(mine).all() else mine
        return {name: self._observations(name, texts[name], numbers[name]) for name in WORKLOADS}

    def _texts(self, column: str, values: Any) -> Texts:
        made = partial(self._document, column) if column in DOCUMENTS else harmless
        return coded_texts(values, made)

    def _numbers(self, column: Column, values: Any) -> Floats:
        import pyarrow as pa

        if column.kind == "time":
            return self._fit(column.name, _floats(values.cast(pa.int64()))) * 1e-6
        return self._fit(column.name, _floats(values))

    def _observations(
        self, workload: str, texts: dict[str, Texts], numbers: dict[str, Floats]
    ) -> Observations:
        """With what only this workload has, and what older stores have under other names."""
        import pyarrow.dataset as ds

        count = len(texts["workload"].codes)
        lists = [one.column for one in MATRICES.values() if one.workload == workload and count]
        lists = list(dict.fromkeys(lists))
        older = texts["parity"].equal(None).any()
        columns = [*lists, *(["parity_digest"] if older else [])]
        table: Any = self.table(columns, ds.field("workload") == workload) if columns else None
        if texts[COMPARED].equal(None).any():
            texts[COMPARED] = _or_else(texts[COMPARED], texts["mechanism"])
        if older:
            texts["parity"] = _settings(table, texts["parity"])
        none = Matrix((), np.full((count, 0), np.nan))
        matrices = dict.fromkeys(MATRICES, none)
        for column in lists:
            matrices |= self._matrices(column, table.column(column))
        rows = np.arange(count)
        return Observations(texts, numbers, matrices, rows, rows)

    def _document(self, column: str, text: str) -> str:
        """An object of settings, statements or facts, as clean as that of a record; empty if it is
        none."""
        file = self.root / "runs"
        try:
            found = checked(file, json.loads(text))
            nested = isinstance(found, dict) and any(
                isinstance(value, dict | list) for value in found.values()
            )
            if isinstance(found, dict) and not (nested and column in FLAT):
                return json.dumps(found)
        except (ValueError, RecursionError):
            pass
        except DamagedError as error:
            self.damages.append(error.damage)
            return "{}"
        kind = "a flat JSON object" if column in FLAT else "a JSON object"
        self.damages.append(Damage(file, column, kind, "something else"))
        return "{}"

    def _fit(self, column: str, values: Floats) -> Floats:
        """Numbers that figures can be computed with; others are named, and not measured."""
        least = -float(LARGEST) if column in SIGNED else 0.0
        unfit = ~(np.isnan(values) | _are_fit(values, least))
        if unfit.any():
            found = f"{np.count_nonzero(unfit)} others"
            expected = f"finite numbers from {least:g} to {LARGEST}"
            self.damages.append(Damage(self.root / "runs", column, expected, found))
            values = np.where(unfit, np.nan, values)
        return values

    def _matrices(self, column: str, values: Any) -> dict[str, Matrix]:
        """Numbers of a list column by place; an entry without a place is none."""
        import pyarrow.compute as pc

        sources = {name: one for name, one in MATRICES.items() if one.column == column}
        (place,) = {one.place for one in sources.values()}
        names = (place,) if isinstance(place, str) else place
        lists = values.combine_chunks()
        entries = lists.flatten()
        parent = np.asarray(pc.list_parent_indices(lists), dtype=np.int64)
        fields = [_field(pc.struct_field(entries, name)) for name in names]
        sizes = [max(len(labels), 1) for _, labels in fields]
        placed = np.ones(parent.size, dtype=np.bool_)
        at = np.zeros(parent.size, dtype=np.int64)
        for (codes, _), size in zip(fields, sizes, strict=True):
            placed &= codes >= 0
            at = at * size + codes
        found = {}
        for name, source in sources.items():
            numbers = _floats(pc.struct_field(entries, source.value))
            known = placed & (np.isnan(numbers) | _are_fit(numbers))
            if not known.all():
                others = f"{np.count_nonzero(~known)} others, left out"
                expected = f"a {', '.join(names)} and a number from 0 to {LARGEST} for each"
                where = f"{column}.{source.value}"
                self.damages.append(Damage(self.root / "runs", where, expected, others))
            used, rank = _ranked(at[known])
            told = numbers[known]
            result = np.full((len(lists), used.size), np.nan)
            result[parent[known], rank] = np.where(np.isnan(told), source.unknown, told)
            each = zip(*(
                [labels[code] for code in codes]
                for codes, (_, labels) in zip(np.unravel_index(used, sizes), fields, strict=True)
            ), strict=True)  # fmt: skip
            places = tuple(each) if len(fields) > 1 else tuple(one for (one,) in each)
            found[name] = Matrix(places, result)
        return found

    def _unfinished(self, named: Any) -> list[Missing]:
        """Runs that have a record and no result, in the order in which a study is told."""
        import pyarrow.compute as pc

        table = named.filter(pc.not_equal(named.column("status"), "finished"))
        return [
            unfinished_run(*(harmless(row[name] or "") for name in ("run_id", "status", "reason")))
            for row in sorted(table.to_pylist(), key=_place)
        ]

    def _beside(self) -> dict[str, Any]:
        """What is known of the studies beside their runs, by kind."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kinds = (PLANNED, MISSING, EARLIER, DAMAGED, LOOKED)
        if self.beside is None:
            schema = pa.schema([*studies_schema(), ("study", pa.string())])
            return dict.fromkeys(kinds, schema.empty_table())
        columns = [name for name in self.beside.schema.names if name not in ("host", "order")]
        table = self.beside.to_table(columns=columns)
        return {kind: table.filter(pc.equal(table.column("kind"), kind)) for kind in kinds}

    def _unrun(self, named: Any, planned: Any, missing: Any) -> list[Missing]:
        """Planned runs that the store has no record of, and why."""
        import pyarrow.compute as pc

        told = {
            (row["study"], row["run_id"]): (row["status"], row["reason"])
            for row in missing.to_pylist()
        }
        found = []
        for study in self.chosen:
            ids = named.filter(pc.equal(named.column("study"), study)).column("run_id")
            mine = planned.filter(pc.equal(planned.column("study"), study)).column("run_id")
            absent = pc.invert(pc.is_in(mine, value_set=ids.combine_chunks()))
            for run_id in mine.filter(absent).to_pylist():
                words = told.get((study, run_id), ("not run", NOT_RUN))
                found.append(Missing(harmless(run_id), *map(harmless, words)))
        return found

    def _timelines(self) -> tuple[Timeline, ...]:
        """The first of each workload and arm."""
        import pyarrow.dataset as ds

        names = ("run_id", *ORDER, "arm", "mechanism", "memory_mib", "swap_mib", "sampled_seconds")
        drawn = ds.field("timeline").is_valid() & (ds.field("status") == "finished")
        table = self.table([*names, "timeline"], drawn)
        first: dict[tuple[str, str], Timeline] = {}
        for row in sorted(table.to_pylist(), key=_place):
            if not _is_curve(row):
                expected = f"memory and swap over time, from 0 to {LARGEST}"
                where = self.root / "runs"
                self.damages.append(Damage(where, "timeline", expected, "other numbers, left out"))
                continue
            run_id, workload, arm = (
                harmless(text)
                for text in (row["run_id"], row["workload"], row["arm"] or row["mechanism"])
            )
            first.setdefault(
                (workload, arm),
                Timeline(
                    run_id,
                    workload,
                    arm,
                    row["sampled_seconds"],
                    tuple((slot or {}).get("memory_mib") for slot in row["timeline"]),
                    tuple((slot or {}).get("swap_mib") for slot in row["timeline"]),
                    row["memory_mib"],
                    row["swap_mib"],
                ),
            )
        return tuple(first.values())


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a run stands when runs are told in order."""
    return tuple((row[name] is None, row[name]) for name in ORDER)


def _is_curve(row: Mapping[str, Any]) -> bool:
    """Whether memory and swap of a row can be drawn; single slots may be unknown."""
    slots = [slot or {} for slot in row["timeline"]]
    some = [slot.get(key) for slot in slots for key in ("memory_mib", "swap_mib")]
    known = [row["sampled_seconds"], row["memory_mib"], row["swap_mib"]]
    numbers = known + [number for number in some if number is not None]
    return None not in known and all(one >= 0.0 and countable(one) for one in numbers)


def coded_texts(column: Any, made: Callable[[str], str] = harmless) -> Texts:
    """A text column of Arrow, each text made harmless."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    one = column.unify_dictionaries().combine_chunks()
    if hasattr(one, "chunks"):  # no rows, or several pieces with the same dictionary
        one = pa.concat_arrays(one.chunks) if one.num_chunks else None
    if one is None:
        return Texts(np.zeros(0, dtype=np.int64), ())
    texts = one.dictionary.to_pylist()
    indices = one.indices.fill_null(len(texts)) if one.null_count else one.indices
    codes = np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    if made is harmless and are_harmless(texts):
        return Texts(codes, (*texts, None))
    # what differs only in what is taken out is the same
    same = coded([*map(made, texts), None])
    return Texts(same.codes[codes], same.texts)


def _or_else(texts: Texts, other: Texts) -> Texts:
    """The texts, and for runs that have none the other's."""
    unknown = texts.equal(None)
    codes = np.where(unknown, other.codes + len(texts.texts), texts.codes)
    return Texts(codes, (*texts.texts, *other.texts))


def _settings(table: Any, parity: Texts) -> Texts:
    """Settings by run; of parts that do not have them, only whether they are the same."""
    digest = coded_texts(table.column("parity_digest"))
    unknown = parity.equal(None)
    texts = (*parity.texts, *(json.dumps({"settings": text}) for text in digest.texts))
    return Texts(np.where(unknown, digest.codes + len(parity.texts), parity.codes), texts)


def _floats(values: Any) -> Floats:
    import pyarrow as pa

    told = values.cast(pa.float64(), safe=False)
    return np.asarray(told.to_numpy(zero_copy_only=False), dtype=np.float64)


def _field(values: Any) -> tuple[Codes, list[Any]]:
    """A field of places as codes of its sorted values; -1 where it has none that is fit."""
    import pyarrow as pa

    if pa.types.is_string(values.type):
        texts = coded_texts(pa.chunked_array([values]))
        labels = texts.present
        known = {text: code for code, text in enumerate(labels)}
        codes = np.array([known.get(text or "", -1) for text in texts.texts], dtype=np.int64)
        return codes[texts.codes], labels
    told = values.dictionary_encode()
    numbers = _floats(told.dictionary)
    fit = _are_fit(numbers)
    found, at = np.unique(numbers[fit].astype(np.int64), return_inverse=True)
    code_of = np.full(numbers.size + 1, -1)  # the last is that of none
    code_of[:-1][fit] = at
    return code_of[np.asarray(told.indices.fill_null(numbers.size))], found.tolist()


def _ranked(numbers: Codes) -> tuple[Codes, Codes]:
    """The different numbers, sorted, and for each number which of them it is; nothing but these few
    is sorted."""
    import pyarrow as pa

    told = pa.array(numbers).dictionary_encode()
    different, rank = np.unique(np.asarray(told.dictionary), return_inverse=True)
    return different, rank[np.asarray(told.indices)]


def _are_fit(values: Floats, least: float = 0.0) -> Mask:
    """Numbers that records may have, too (records/document.py); not what is unknown."""
    sizes = np.abs(values)
    found: Mask = (values >= least) & (sizes <= LARGEST) & ((sizes >= LEAST) | (sizes == 0.0))
    return found


def _histograms(reader: _Reader, observations: Observations) -> Mapping[str, Histogram]:
    """Read a batch at a time, in the order in which the runs were read."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    names = observations.arms
    label = np.full(int(observations.row.max(initial=-1)) + 1, -1)
    for index, name in enumerate(names):
        label[observations.of(name).row] = index
    of_page_faults = ds.field("workload") == "page_fault"
    sums, seen = [], 0
    for batch in reader.runs.to_batches(columns=["fault_histogram"], filter=of_page_faults):
        own = label[seen : seen + batch.num_rows]
        seen += batch.num_rows
        sums.append(_batch_bins(batch.column("fault_histogram"), own))
    if not sums:
        return {}
    total = _summed(pa.concat_tables(sums))
    merged = {}
    for index, name in enumerate(names):
        own = np.asarray(total.column("label")) == index
        lower, upper, count = (
            np.asarray(total.column(key))[own] for key in ("lower_ns", "upper_ns", "count")
        )
        found = merged_bins(lower, upper, count)
        if found is not None:
            merged[name] = found
    return merged


def _batch_bins(lists: Any, label: Codes) -> Any:
    """Counts of one batch by label and bin; runs beyond the end of label have none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    of_run = np.full(len(lists), -1)
    of_run[: label.size] = label
    bins = lists.flatten()
    columns = {name: pc.struct_field(bins, name) for name in ("lower_ns", "upper_ns", "count")}
    lower, upper, count = map(_floats, columns.values())
    are_bins = _are_fit(lower) & _are_fit(upper) & _are_fit(count) & (lower < upper)
    labels = of_run[np.asarray(pc.list_parent_indices(lists), dtype=np.int64)]
    table = pa.table({"label": labels, **columns})
    return _summed(table.filter(pa.array(are_bins & (labels >= 0))))


def _summed(table: Any) -> Any:
    keys = ["label", "lower_ns", "upper_ns"]
    grouped = table.group_by(keys).aggregate([("count", "sum")])
    return grouped.rename_columns({"count_sum": "count"}).select([*keys, "count"])


def _asked(workloads: Workloads, planned: Any, unrun: int, complete: bool) -> Asked:
    import pyarrow.compute as pc

    def every(column: str, ran: Iterable[Texts]) -> frozenset[str]:
        told = [*ran, coded_texts(column_of_plan(column))]
        return frozenset(text for texts in told for text in texts.present)

    def of_each(column: str) -> list[Texts]:
        return [runs.texts[column] for runs in workloads.values()]

    def column_of_plan(name: str) -> Any:
        """A plan that was exported before there were arms has their mechanisms."""
        column = planned.column(name)
        return pc.coalesce(column, planned.column("mechanism")) if name == COMPARED else column

    blocks = np.concatenate([runs.numbers["block"] for runs in workloads.values()])
    asked = np.unique(planned.column("block").to_numpy())
    return Asked(
        sum(map(len, workloads.values())) + unrun,
        every(COMPARED, of_each(COMPARED)),
        every("workload", of_each("workload")),
        every("cell", [every_text(workloads, "cell")]),
        frozenset(map(int, {*np.unique(blocks).tolist(), *asked.tolist()})),
        complete,
    )
