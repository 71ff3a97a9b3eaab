# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of a study as CSV: the same columns as in the Parquet store."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hintfleet.records.columns import COLUMNS, LIST_COLUMNS, SAMPLE_COLUMNS
from hintfleet.records.damage import Damage, UnusableError
from hintfleet.records.observed import row_of, samples_of
from hintfleet.records.read import Study

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(study: Study, folder: Path, with_samples: bool, damages: list[Damage]) -> list[Path]:
    """runs.csv, a file for each list of a run, samples.csv; returns what was written.

    Unusable samples are added to damages, their runs keep their other rows.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows: list[dict[str, Any]] = []
        files = []
        found = _samples(study, rows, damages)
        if with_samples:
            files = [_write(folder / "samples.csv", [name for name, _ in SAMPLE_COLUMNS], found)]
        deque(found, maxlen=0)  # the rows of runs come as their samples are read
        files.append(_write(folder / "runs.csv", [column.name for column in COLUMNS], rows))
        for column in LIST_COLUMNS:
            fields = ["run_id", *(name for name, _ in column.fields)]
            entries = (
                {"run_id": row["run_id"], **entry} for row in rows for entry in row[column.name]
            )
            files.append(_write(folder / f"{column.name}.csv", fields, entries))
    except OSError as error:
        raise UnusableError(
            f"{folder} cannot be written: {error.strerror or error}; name another folder"
        ) from error
    return files


def _samples(
    study: Study, rows: list[dict[str, Any]], damages: list[Damage]
) -> Iterator[Mapping[str, object]]:
    """Samples of all runs; the rows of the runs themselves are added to rows."""
    names = [name for name, _ in SAMPLE_COLUMNS[1:]]
    for run in study.runs:
        samples = samples_of(run, damages)
        rows.append(row_of(run, samples))
        columns = [getattr(samples, name).tolist() for name in names] if samples else []
        for values in zip(*columns, strict=True):
            yield {"run_id": run.run_id, **dict(zip(names, values, strict=True))}


def _write(file: Path, fields: list[str], rows: Iterable[Mapping[str, object]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, fields, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return file


def _cell(value: object) -> object:
    """A spreadsheet takes text that begins so for a formula, and runs it; an apostrophe says no."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
