# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs and samples of many studies as Parquet: appended as they come, read lazily.

    <store>/runs/study=S/host_bucket=B/mechanism=M/part-*.parquet      a row for each run
    <store>/samples/study=S/host_bucket=B/mechanism=M/part-*.parquet   a row for each sample
    <store>/records/study=S/part-*.parquet                             whole run records, as JSON
    <store>/studies/study=S/part-*.parquet                             what else is known

host_bucket is crc32(host) modulo BUCKETS: a folder for each of 100,000 hosts would hold nothing
but file headers. All runs of a host lie in one bucket, so what is paired within a host (blocks,
mechanisms) never has to be looked up in another one. `host` itself is a column, rows are sorted
by it, and a part has its least and largest host in its footer.

Parts of runs are never changed, only added, under a name made from the runs they hold; a part
appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from hintfleet.records.columns import (
    COLUMNS,
    LIST_COLUMNS,
    SAMPLE_COLUMNS,
    Kind,
)
from hintfleet.records.curves import Timeline
from hintfleet.records.observed import row_of
from hintfleet.records.read import Run, UnusableError
from hintfleet.records.samples import Samples

BUCKETS = 16
"""Fixed for good: a store must put the same host into the same bucket every time."""

PART_NAME = r"part-[0-9a-f]{16}\.parquet"
ROWS_AT_ONCE = 500
PART_ROWS = 20_000
SAMPLE_ROWS = 4_000_000
"""Of all folders together; 32 bytes each. The fullest folder is written first."""
RECORD_PART_BYTES = 64 << 20

TIMES = tuple(column.name for column in COLUMNS if column.kind == "time")
PARTITION_COLUMNS = ("study", "host_bucket", "mechanism")
REPEATED = tuple(
    column.name
    for column in COLUMNS
    if column.kind == "text" and column.name not in (*PARTITION_COLUMNS, "run_id", "reason")
)
"""Texts that many runs share: read as a dictionary, and not spelled out for each."""


def is_store(folder: Path) -> bool:
    """Whether a folder holds runs as Parquet."""
    try:
        return any(part.name.startswith("study=") for part in (folder / "runs").iterdir())
    except (OSError, ValueError):  # ValueError: a NUL. Whoever reads the folder says what is wrong.
        return False


def host_bucket(host: str) -> int:
    """The bucket that all runs of a host are kept in."""
    return zlib.crc32(host.encode()) % BUCKETS


def parquet() -> ModuleType:
    """pyarrow.parquet, or UnusableError that says how to install it."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UnusableError(
            "Parquet needs pyarrow, which is not installed: "
            "pip install 'hintfleet[parquet]', or export with --format csv"
        ) from error
    module: ModuleType = pyarrow.parquet
    return module


def arrow_type(kind: Kind) -> Any:
    """The Arrow type of a kind of column."""
    import pyarrow as pa

    return {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }[kind]


def runs_schema() -> Any:
    """Arrow schema of runs/ without the columns that stand in the folders' names."""
    import pyarrow as pa

    scalars = [
        (column.name, arrow_type(column.kind))
        for column in COLUMNS
        if column.name not in PARTITION_COLUMNS
    ]
    nested = [
        (column.name, pa.list_(pa.struct([(name, arrow_type(kind)) for name, kind in fields])))
        for column in LIST_COLUMNS
        for fields in (column.fields,)
    ]
    slots = pa.list_(pa.struct([("memory_mib", pa.float64()), ("swap_mib", pa.float64())]))
    return pa.schema([*scalars, *nested, ("sampled_seconds", pa.float64()), ("timeline", slots)])


def studies_schema() -> Any:
    """Arrow schema of studies/."""
    import pyarrow as pa

    texts = "kind run_id host cell arm mechanism workload status reason file field expected found"
    numbers = [(name, pa.int64()) for name in ("block", "order")]
    return pa.schema([*((name, pa.string()) for name in texts.split()), *numbers])


def records_schema() -> Any:
    """Arrow schema of records/."""
    import pyarrow as pa

    return pa.schema([("run_id", pa.string()), ("record", pa.string())])


def samples_schema() -> Any:
    """Arrow schema of samples/."""
    import pyarrow as pa

    return pa.schema([(name, arrow_type(kind)) for name, kind in SAMPLE_COLUMNS])


def schema_of(name: str) -> Any:
    """Arrow schema of a dataset, without the columns that stand in folders' names."""
    schemas = {
        "runs": runs_schema,
        "studies": studies_schema,
        "records": records_schema,
        "samples": samples_schema,
    }
    return schemas[name]()


def folder_columns() -> Any:
    """The columns that stand in folders' names (PARTITION_COLUMNS)."""
    import pyarrow as pa

    kinds = (pa.string(), pa.int16(), pa.string())
    return [pa.field(name, kind) for name, kind in zip(PARTITION_COLUMNS, kinds, strict=True)]


def write_part(folder: Path, table: Any, key: str) -> Path:
    """Adds a table to a folder as one part named after `key`; atomic, same key same part.
    UnusableError if that cannot be done."""
    return put_parts([stage_part(folder, table, key)])[0]


def stage_part(folder: Path, table: Any, key: str) -> tuple[Path, Path]:
    """A part on its way: the file as it is, which no reader sees, and as it is to be called."""
    name = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    unfinished = folder / f".part-{name}.{os.getpid()}.unfinished"
    with _said_if_not_written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        parquet().write_table(table, unfinished, compression="zstd", write_page_checksum=True)
    return unfinished, folder / f"part-{name}.parquet"


def put_parts(staged: Iterable[tuple[Path, Path]]) -> list[Path]:
    """Parts get the names under which they are read, in this order."""
    done = []
    for unfinished, part in staged:
        with _said_if_not_written(part.parent):
            done.append(unfinished.replace(part))
    return done


@contextmanager
def _said_if_not_written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableError(
            f"{folder} cannot be written: {error.strerror or error}; name another folder"
        ) from error


def partition(root: Path, dataset: str, study: str, host: str | int, mechanism: str) -> Path:
    """The folder of runs/ or samples/ that a host's runs belong to (or that of a bucket)."""
    bucket = host_bucket(host) if isinstance(host, str) else host
    return root / dataset / f"study={study}" / f"host_bucket={bucket}" / f"mechanism={mechanism}"


class StoreWriter:
    """Adds runs of a study to a store; use as a context manager.

    What it holds in memory is bounded: rows become tables after ROWS_AT_ONCE runs, and parts after
    PART_ROWS runs; samples and records are written as soon as they fill a part, under a name that
    no reader sees. All parts of PART_ROWS runs appear together, their rows last: a run counts as
    added once its row in runs/ is there.
    """

    def __init__(self, root: Path, study: str) -> None:
        parquet()
        self._root, self._study = root, study
        self._rows: list[dict[str, Any]] = []
        self._tables: list[Any] = []
        self._buffered = 0
        self._samples: dict[Path, list[tuple[str, Samples]]] = defaultdict(list)
        self._sampled: dict[Path, int] = defaultdict(int)
        self._records: list[dict[str, str]] = []
        self._record_bytes = 0
        self._staged: list[tuple[Path, Path]] = []
        self.added = 0

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Also when interrupted: what was added is complete, and a second export adds the rest.
        if not isinstance(error, UnusableError):
            self.close()

    def add(
        self, run: Run, samples: Samples | None, timeline: Timeline | None, keep_samples: bool
    ) -> None:
        """Adds one run that the store does not have, with what its samples come to."""
        self._keep(run, samples, timeline)
        if samples is not None and keep_samples:
            host = run.record["cell"]["host"]
            self._keep_samples(self._place("samples", host, run.mechanism), run.run_id, samples)
        self.added += 1

    def close(self) -> None:
        """Writes what is buffered."""
        for folder in list(self._samples):
            self._write_samples(folder)
        self._write_records()
        self._write_runs()
        put_parts(self._staged)
        self._staged = []

    def _place(self, dataset: str, host: str | int, mechanism: str) -> Path:
        return partition(self._root, dataset, self._study, host, mechanism)

    def _keep(self, run: Run, samples: Samples | None, timeline: Timeline | None) -> None:
        row = {**row_of(run, samples), "sampled_seconds": None, "timeline": None}
        row["host_bucket"] = host_bucket(row["host"])
        for name in TIMES:
            row[name] = datetime.fromisoformat(str(row[name]))
        if timeline is not None:
            slots = zip(timeline.memory_mib, timeline.swap_mib, strict=True)
            row["sampled_seconds"] = timeline.end_seconds
            row["timeline"] = [{"memory_mib": m, "swap_mib": s} for m, s in slots]
        self._rows.append(row)
        text = json.dumps(run.record, separators=(",", ":"))
        self._records.append({"run_id": run.run_id, "record": text})
        self._record_bytes += len(text)
        if self._record_bytes >= RECORD_PART_BYTES:
            self._write_records()
        if len(self._rows) >= ROWS_AT_ONCE:
            self._to_table()
        if self._buffered >= PART_ROWS:
            self.close()

    def _to_table(self) -> None:
        import pyarrow as pa

        schema = pa.schema([*runs_schema(), *folder_columns()[1:]])
        self._tables.append(pa.Table.from_pylist(self._rows, schema=schema))
        self._buffered += len(self._rows)
        self._rows = []

    def _keep_samples(self, folder: Path, run_id: str, samples: Samples) -> None:
        self._samples[folder].append((run_id, samples))
        self._sampled[folder] += samples.seconds.size
        if sum(self._sampled.values()) >= SAMPLE_ROWS:
            self._write_samples(max(self._sampled, key=self._sampled.__getitem__))

    def _write_runs(self) -> None:
        """A part for each folder that the rows belong to."""
        import pyarrow as pa

        if self._rows:
            self._to_table()
        if not self._tables:
            return
        levels = [field.name for field in folder_columns()[1:]]
        order = [(name, "ascending") for name in (*levels, "host", "run_id")]
        table = pa.concat_tables(self._tables).sort_by(order)
        self._tables, self._buffered = [], 0
        keys = list(zip(*(table.column(name).to_pylist() for name in levels), strict=True))
        start = 0
        for key, rows in groupby(keys):
            count = sum(1 for _ in rows)
            part = table.slice(start, count).drop_columns(levels)
            ids = "\n".join(part.column("run_id").to_pylist())
            self._staged.append(stage_part(self._place("runs", *key), part, ids))
            start += count

    def _write_samples(self, folder: Path) -> None:
        import pyarrow as pa

        runs = self._samples.pop(folder)
        del self._sampled[folder]
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(samples, name) for _, samples in runs])
            for name, _ in SAMPLE_COLUMNS[1:]
        }
        codes = np.repeat(np.arange(len(runs)), [samples.seconds.size for _, samples in runs])
        ids = pa.DictionaryArray.from_arrays(codes, [run_id for run_id, _ in runs])
        table = pa.table({"run_id": ids.cast(pa.string()), **columns}, schema=samples_schema())
        key = "\n".join(run_id for run_id, _ in runs)
        self._staged.append(stage_part(folder, table, key))

    def _write_records(self) -> None:
        import pyarrow as pa

        if not self._records:
            return
        key = "\n".join(record["run_id"] for record in self._records)
        folder = self._root / "records" / f"study={self._study}"
        self._staged.append(
            stage_part(folder, pa.Table.from_pylist(self._records, schema=records_schema()), key)
        )
        self._records, self._record_bytes = [], 0
