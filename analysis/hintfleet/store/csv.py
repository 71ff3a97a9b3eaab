# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of a study as CSV: the same columns as in the Parquet store."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from hintfleet.records.columns import COLUMNS, LIST_COLUMNS, SAMPLE_COLUMNS, flat
from hintfleet.records.read import Damage, DamagedError, Study, UnusableError
from hintfleet.records.samples import load_samples

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(study: Study, folder: Path, with_samples: bool, damages: list[Damage]) -> list[Path]:
    """runs.csv, a file for each list of a run, samples.csv; returns what was written.

    Unusable samples are added to damages, their runs keep their other rows.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        runs = [flat(run.record) for run in study.runs]
        files = [_write(folder / "runs.csv", [column.name for column in COLUMNS], runs)]
        for column in LIST_COLUMNS:
            fields = ["run_id", *(name for name, _ in column.fields)]
            rows = (
                {"run_id": run.run_id, **row}
                for run in study.runs
                for row in column.values(run.record)
            )
            files.append(_write(folder / f"{column.name}.csv", fields, rows))
        if with_samples:
            fields = [name for name, _ in SAMPLE_COLUMNS]
            files.append(_write(folder / "samples.csv", fields, _samples(study, damages)))
    except OSError as error:
        raise UnusableError(
            f"{folder} cannot be written: {error.strerror or error}; name another folder"
        ) from error
    return files


def _samples(study: Study, damages: list[Damage]) -> Iterable[Mapping[str, object]]:
    names = [name for name, _ in SAMPLE_COLUMNS[1:]]
    for run in study.runs:
        if run.samples_file is None:
            continue
        try:
            samples = load_samples(run.samples_file)
        except DamagedError as error:
            damages.append(error.damage)
            continue
        columns = [getattr(samples, name).tolist() for name in names]
        for values in zip(*columns, strict=True):
            yield {"run_id": run.run_id, **dict(zip(names, values, strict=True))}


def _write(file: Path, fields: list[str], rows: Iterable[Mapping[str, object]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, fields)
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return file


def _cell(value: object) -> object:
    """A spreadsheet takes text that begins so for a formula, and runs it; an apostrophe says no."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
