# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of a store that can be used, and what is left out, by name.

A row without what every run has costs itself, a second row of one run too, and a column of another
type costs its values. So what computes with rows need not look again: every run is there once, and
is a run of some host, cell, block and workload.

Only parts in which something is wrong are read here as a whole. They take part without it, as
tables in memory.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintfleet.records.damage import Damage
from hintfleet.records.document import checked
from hintfleet.records.observed import WORKLOADS
from hintfleet.records.text import harmless
from hintfleet.store.parquet import REPEATED, folder_columns, parquet, schema_of
from hintfleet.store.parts import folders_of, levels_of, parts, without_damaged_pages
from hintfleet.store.studies import KINDS, MISSING, PLANNED

MOST_BLOCKS = 1_000_000
"""As in run_record.schema.json: the most blocks, and the most places in one."""

STATUSES = ("finished", "failed", "aborted")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """The rows of a dataset that can be used."""

    data: Any
    """pyarrow.dataset.Dataset, read lazily; columns of folders' names with the others. Texts that
    many runs share are dictionaries."""
    files: tuple[Path, ...]
    damages: tuple[Damage, ...]
    """What is left out, whole parts first."""

    def lacking(self, wanted: Iterable[str]) -> list[str]:
        """Columns that a part does not have, for it was written before there were any."""
        present = [set(parquet().read_schema(file).names) for file in self.files]
        return [name for name in wanted if any(name not in names for names in present)]

    def batches(self, columns: Sequence[str], workload: str | None = None) -> Iterator[Any]:
        """Record batches with these columns only; other workloads stay unread."""
        import pyarrow.dataset as ds

        chosen = None if workload is None else ds.field("workload") == workload
        yield from self.data.to_batches(columns=list(columns), filter=chosen)

    def each(self, columns: Sequence[str], workload: str | None = None) -> Iterator[dict[str, Any]]:
        """The same as one mapping for each row, texts made harmless."""
        for batch in self.batches(columns, workload):
            for row in batch.to_pylist():
                yield {
                    name: harmless(value) if isinstance(value, str) else value
                    for name, value in row.items()
                }


class Store:
    """What can be used of a store, or of one study of it; unreadable: parts to leave out."""

    def __init__(
        self, root: Path, study: str | None = None, unreadable: Sequence[Damage] = ()
    ) -> None:
        self.root = root
        self._study = study
        self._unreadable = tuple(unreadable)

    @cached_property
    def runs(self) -> Rows:
        """A row for each run; UnusableError if there is no runs/."""
        return self.rows("runs")

    @cached_property
    def beside(self) -> Rows | None:
        """What is known beside the runs; None of a store that is too old to have it."""
        return self.rows("studies") if (self.root / "studies").is_dir() else None

    @cached_property
    def studies(self) -> list[str]:
        """The names of all studies that have runs, in order."""
        top = self.root / "runs"
        return sorted({folders_of(file, top)["study"] for file in self._parts_of_runs[0]})

    @cached_property
    def _parts_of_runs(self) -> tuple[list[Path], list[Damage]]:
        return parts(self.root)

    def rows(self, name: str) -> Rows:
        """The rows of a dataset; UnusableError if there is none."""
        top = self.root / name
        files, damages = self._parts_of_runs if name == "runs" else parts(self.root, name)
        unreadable = {one.file: one for one in self._unreadable if one.file.is_relative_to(top)}
        chosen = [
            file
            for file in files
            if file not in unreadable and self._study in (None, folders_of(file, top)["study"])
        ]
        return usable(top, chosen, [*damages, *unreadable.values()])

    def records(self, wanted: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
        """Whole run records, of these runs or of all."""
        import pyarrow.dataset as ds

        chosen = None if wanted is None else ds.field("run_id").isin(list(wanted))
        data = self.rows("records").data
        for batch in data.to_batches(columns=["record"], filter=chosen):
            for text in batch.column("record").to_pylist():
                yield checked(self.root / "records", json.loads(text))


def run_ids(root: Path, study: str) -> list[str]:
    """The runs of a study that a store already has."""
    if not (root / "runs" / f"study={study}").is_dir():
        return []

    def ids(unreadable: Sequence[Damage]) -> list[str]:
        table = Store(root, study, unreadable).runs.data.to_table(columns=["run_id"])
        return list(table.column("run_id").to_pylist())

    return without_damaged_pages(root, ids)


def usable(top: Path, files: Sequence[Path], damages: Iterable[Damage]) -> Rows:
    """What can be used of these parts of the dataset in `top`; adds to the damages what cannot."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    told = list(damages)
    form = _Form(top)
    mended: dict[Path, Any] = {}
    ids: dict[str, list[tuple[Path, Any]]] = defaultdict(list)
    for file in files if top.name in FAULTS else ():
        table = form.deciding(file)
        if table is None or form.faults(table):
            table = mended[file] = form.mended(file, told)
        ids[form.study(file)].append((file, table.column("run_id")))
    for of_study in ids.values() if top.name == "runs" else ():
        for file, again in _repeated(of_study):
            table = mended[file] if file in mended else form.mended(file, told)
            mended[file] = table.filter(pa.array(~again))
            found = f"{np.count_nonzero(again)} of {again.size} of others, left out"
            told.append(Damage(file, "run_id", "rows of runs that no other row tells of", found))
    plain = [str(file) for file in files if file not in mended]
    data = ds.dataset(plain, schema=form.schema, format=form.format, partitioning=form.folders)
    if mended:
        data = ds.UnionDataset(form.schema, [data, *map(ds.InMemoryDataset, mended.values())])
    return Rows(data, tuple(files), tuple(told))


def _repeated(columns: Sequence[tuple[Path, Any]]) -> Iterator[tuple[Path, Mask]]:
    """The parts of a study that tell again of a run of an earlier row, and which rows do."""
    import pyarrow as pa
    import pyarrow.compute as pc

    every = pa.chunked_array([chunk for _, ids in columns for chunk in ids.chunks], pa.string())
    if pc.count_distinct(every).as_py() == len(every):
        return
    seen: set[str] = set()
    for file, ids in columns:
        again = np.zeros(len(ids), dtype=np.bool_)
        for row, run_id in enumerate(ids.to_pylist()):
            again[row] = run_id in seen
            seen.add(run_id)
        if again.any():
            yield file, again


@dataclass(frozen=True)
class Fault:
    """Rows that cannot be used, for what they have in a column."""

    column: str
    expected: str
    rows: Mask


def _of_runs(table: Any) -> Iterator[Fault]:
    for column in ("run_id", "host", "cell"):
        yield Fault(column, "a name in every row", ~_named(table, column))
    for column, values in (("workload", WORKLOADS), ("status", STATUSES)):
        yield Fault(column, f"one of {', '.join(values)}", ~_among(table, column, values))
    for column in ("block", "order"):
        yield Fault(column, f"numbers from 1 to {MOST_BLOCKS}", ~_counted(table, column))


def _of_studies(table: Any) -> Iterator[Fault]:
    planned = _among(table, "kind", [PLANNED])
    named = planned | _among(table, "kind", [MISSING])
    yield Fault("kind", f"one of {', '.join(KINDS)}", ~_among(table, "kind", KINDS))
    yield Fault("run_id", "a name in every row of a run", named & ~_named(table, "run_id"))
    for column in ("cell", "workload"):
        yield Fault(column, "a name in every planned run", planned & ~_named(table, column))
    under = _named(table, "arm") | _named(table, "mechanism")
    yield Fault("arm", "a name in every planned run", planned & ~under)
    expected = f"a number from 1 to {MOST_BLOCKS} in every planned run"
    yield Fault("block", expected, planned & ~_counted(table, "block"))


FAULTS: dict[str, tuple[Callable[[Any], Iterator[Fault]], tuple[str, ...]]] = {
    "runs": (_of_runs, ("run_id", "host", "cell", "block", "order", "workload", "status")),
    "studies": (
        _of_studies,
        ("kind", "run_id", "cell", "block", "arm", "mechanism", "workload"),
    ),
}
"""What may be wrong with rows of a dataset, and the columns that show it. What stands in folders'
names (study, mechanism) every row has."""


def _named(table: Any, column: str) -> Mask:
    import pyarrow.compute as pc

    return _true(pc.not_equal(_told(table, column), ""))


def _among(table: Any, column: str, values: Sequence[str]) -> Mask:
    import pyarrow as pa
    import pyarrow.compute as pc

    return _true(pc.is_in(_told(table, column), value_set=pa.array(values)))


def _counted(table: Any, column: str) -> Mask:
    import pyarrow.compute as pc

    numbers = table.column(column)
    return _true(pc.and_(pc.greater_equal(numbers, 1), pc.less_equal(numbers, MOST_BLOCKS)))


def _told(table: Any, column: str) -> Any:
    """Texts, spelled out."""
    import pyarrow as pa

    return table.column(column).cast(pa.string())


def _true(found: Any) -> Mask:
    """For what is unknown: no."""
    mask: Mask = np.asarray(found.fill_null(False), dtype=np.bool_)
    return mask


class _Form:
    """How the parts of a dataset should look, and what a part is that does not."""

    def __init__(self, top: Path) -> None:
        import pyarrow as pa
        import pyarrow.dataset as ds

        self._top = top
        self._own = schema_of(top.name)
        levels = [field for field in folder_columns() if field.name in levels_of(top.name)]
        shared = REPEATED if top.name == "runs" else ()
        texts = pa.dictionary(pa.int32(), pa.string())
        own = [pa.field(one.name, texts) if one.name in shared else one for one in self._own]
        self.schema = pa.schema([*own, *levels])
        self.folders = ds.partitioning(pa.schema(levels), flavor="hive")
        self.format = ds.ParquetFileFormat(
            dictionary_columns=shared,
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(
                page_checksum_verification=True
            ),
        )

    def study(self, file: Path) -> str:
        """The study that a part belongs to."""
        return folders_of(file, self._top)["study"]

    def faults(self, table: Any) -> list[Fault]:
        """What is wrong with rows; the table has the columns that show it."""
        find, _ = FAULTS[self._top.name]
        return [fault for fault in find(table) if fault.rows.any()]

    def deciding(self, file: Path) -> Any:
        """The columns of a part that show what is wrong with rows; None if it lacks one of them,
        or any of its columns is not of the type that it should be."""
        _, wanted = FAULTS[self._top.name]
        types = {field.name: field.type for field in self._own}
        with parquet().ParquetFile(file, page_checksum_verification=True) as part:
            own = part.schema_arrow
            told_twice = set(own.names) & set(levels_of(self._top.name))
            if told_twice or not set(wanted) <= set(own.names):
                return None
            if any(field.type != types.get(field.name, field.type) for field in own):
                return None
            return part.read(columns=list(wanted))

    def mended(self, file: Path, damages: list[Damage]) -> Any:
        """The rows of a part that can be used, as a table; what it lost is added to damages."""
        import pyarrow as pa

        with parquet().ParquetFile(file, page_checksum_verification=True) as part:
            found = part.read()
        folders = folders_of(file, self._top)
        columns = []
        for field in self.schema:
            if field.name in folders:
                value = pa.scalar(folders[field.name]).cast(field.type)
                columns.append(pa.repeat(value, found.num_rows))
            elif field.name in found.column_names:
                columns.append(_typed(found.column(field.name), field, file, damages))
            else:
                columns.append(pa.nulls(found.num_rows, field.type))
        table = pa.table(columns, schema=self.schema)
        fit = np.ones(table.num_rows, dtype=np.bool_)
        for fault in self.faults(table):
            count = np.count_nonzero(fault.rows)
            lost = f"{count} of {fault.rows.size} rows with something else, left out"
            damages.append(Damage(file, fault.column, fault.expected, lost))
            fit &= ~fault.rows
        return table.filter(pa.array(fit))


def _typed(column: Any, field: Any, file: Path, damages: list[Damage]) -> Any:
    """A column in the type that it should have; without values if it has none of that type."""
    import pyarrow as pa

    texts = pa.types.is_dictionary(field.type)
    try:
        told = column.cast(field.type.value_type) if texts else column
        return told.cast(field.type)
    except (pa.ArrowException, NotImplementedError, UnicodeDecodeError):
        found = f"{column.type}: its values are left out"
        expected = "text" if texts else f"{field.type}"
        damages.append(Damage(file, field.name, expected, found))
        return pa.nulls(len(column), field.type)
