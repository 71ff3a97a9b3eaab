# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of other people's files: CSV of any usual kind, and JSON as monitoring systems export it.

A row is a mapping of names to values with the place it came from. JSON may be a list of objects
(Proxmox's rrddata and many others) or a range query of Prometheus, which becomes rows of `time`,
`value` and the labels of its series.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hintfleet.records.damage import UnusableError
from hintfleet.records.document import LARGEST, countable
from hintfleet.records.files import read_given

LARGEST_BYTES = 256 << 20
DELIMITERS = ",;\t"
SHOWN = 60


@dataclass(frozen=True)
class Row:
    """One row; `place` says where it stands, for sentences."""

    file: Path
    place: str
    values: Mapping[str, Any]

    def wrong(self, column: str, expected: str, found: object) -> UnusableError:
        told = "nothing" if found is None or found == "" else repr(str(found)[:SHOWN])
        return UnusableError(
            f"{self.file}: {self.place}: {column}: expected {expected}, found {told}"
        )

    def text(self, column: str) -> str:
        """A text, without the blanks around it; "" if there is none."""
        value = self.values.get(column)
        return "" if value is None or isinstance(value, dict | list) else str(value).strip()

    def number(self, column: str, whole: bool = False) -> float | None:
        """A number of at least 0; None where nothing was measured (blank, NaN, null)."""
        value = self.values.get(column)
        if value is None or (isinstance(value, str) and value.strip().lower() in NOTHING):
            return None
        number = _number(value)
        if number is not None and math.isnan(number):
            return None
        if number is None or not countable(number) or number < 0.0:
            raise self.wrong(column, f"a number from 0 to {LARGEST}", value)
        if whole and number != int(number):
            raise self.wrong(column, "a whole number", value)
        return number

    def seconds(self, column: str, unit: float) -> float:
        """A time: a number in the unit (seconds for 1), or a date with a time, since 1970."""
        value = self.values.get(column)
        number = _number(value)
        if number is not None and countable(number) and number >= 0.0:
            return number * unit
        if isinstance(value, str) and number is None:
            try:
                time = datetime.fromisoformat(value.strip())
                return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                pass
        raise self.wrong(column, "seconds from 0 on, or a date with a time", value)


NOTHING = ("", "nan", "null", "none", "-", "na", "n/a")


def rows_of(file: Path, needed: Sequence[str]) -> Iterator[Row]:
    """Every row of a file; UnusableError if it cannot be read or lacks a column that is needed."""
    text = read_given(file, LARGEST_BYTES)
    found = _json_rows(file, text) if file.suffix.lower() == ".json" else _csv_rows(file, text)
    first = next(found, None)
    if first is None:
        raise UnusableError(f"{file}: expected rows below a heading, found none")
    for column in needed:
        if column not in first.values:
            known = ", ".join(map(repr, list(first.values)[:12]))
            raise UnusableError(
                f"{file}: {first.place}: expected a column {column!r}, found {known}; name it "
                "under columns in the description"
            )
    yield first
    yield from found


def _csv_rows(file: Path, text: str) -> Iterator[Row]:
    lines = text.split("\n")
    heading = lines[0]
    delimiter = max(DELIMITERS, key=heading.count)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for cells in reader:
            place = f"line {reader.line_num}"
            if not names:
                names = [cell.strip() for cell in cells]
                if len(set(names)) != len(names):
                    raise UnusableError(f"{file}: line 1: expected each column once")
            elif not cells or cells == [""]:
                continue
            elif len(cells) != len(names):
                raise UnusableError(
                    f"{file}: {place}: expected {len(names)} fields as in line 1, "
                    f"found {len(cells)}"
                )
            else:
                yield Row(file, place, dict(zip(names, cells, strict=True)))
    except csv.Error as error:
        raise UnusableError(f"{file}: line {reader.line_num}: expected CSV: {error}") from error


def _json_rows(file: Path, text: str) -> Iterator[Row]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"{file}: expected JSON: {str(error)[:200]}") from error
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        yield from _prometheus_rows(file, document["data"].get("result"))
        return
    if isinstance(document, dict):
        document = document.get("data")
    if not isinstance(document, list):
        raise UnusableError(
            f"{file}: expected a list of objects, or Prometheus' answer to a range query"
        )
    for k, one in enumerate(document):
        if not isinstance(one, dict):
            raise UnusableError(f"{file}: entry {k}: expected an object")
        yield Row(file, f"entry {k}", one)


def _prometheus_rows(file: Path, series: Any) -> Iterator[Row]:
    for k, one in enumerate(series if isinstance(series, list) else ()):
        place = f"data.result[{k}]"
        values = one.get("values") if isinstance(one, dict) else None
        labels = one.get("metric") if isinstance(one, dict) else None
        if not isinstance(values, list) or not isinstance(labels, dict):
            raise UnusableError(f"{file}: {place}: expected metric and values of a range query")
        for j, pair in enumerate(values):
            if not isinstance(pair, list) or len(pair) != 2:
                raise UnusableError(f"{file}: {place}.values[{j}]: expected a time and a value")
            yield Row(file, f"{place}.values[{j}]", {**labels, "time": pair[0], "value": pair[1]})


def _number(value: Any) -> float | None:
    """A number or a text of one, None for anything else; infinite for one of too many digits."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return None
