# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads samples.csv of a run: memory and swap of the cell and of each guest over time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hintfleet.records.damage import Damage, DamagedError
from hintfleet.records.document import LARGEST, LEAST, countable
from hintfleet.records.files import read_regular
from hintfleet.statistics.intervals import Floats

COLUMNS = ["seconds", "guest", "resident_mib", "swap_mib"]
LARGEST_BYTES = 256 << 20
MOST_GUESTS = 1 << 16


@dataclass(frozen=True)
class Samples:
    """Columns of samples.csv, equal lengths; guest 0 is the whole cell. Times are since the run's
    start and never fall within one guest."""

    seconds: Floats
    guest: NDArray[np.int64]
    resident_mib: Floats
    swap_mib: Floats

    def of(self, guest: int) -> Samples:
        """The samples of one guest, or of the cell (0)."""
        order, guests = self._by_guest
        first, end = np.searchsorted(guests, [guest, guest + 1])
        chosen = order[first:end]
        return Samples(
            self.seconds[chosen],
            self.guest[chosen],
            self.resident_mib[chosen],
            self.swap_mib[chosen],
        )

    @cached_property
    def _by_guest(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Places of the samples guest by guest, and the guest at each: made once, as a file may
        name as many guests as it has lines."""
        order = np.argsort(self.guest, kind="stable")
        return order, self.guest[order]


def load_samples(file: Path) -> Samples:
    """All samples of a file; DamagedError names the first line that cannot be used.

    A last line without its newline was cut off when the run was killed: it is left out. Nothing of
    the file is quoted: it may be another than it is said to be.
    """
    try:
        text = read_regular(file, LARGEST_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(file, "file", "a CSV in UTF-8", f"other bytes at {error.start}") from error
    lines = text.split("\n")[:-1]
    if not lines or lines[0].rstrip("\r").split(",") != COLUMNS:
        raise _damaged(file, "line 1", ",".join(COLUMNS), "another line" if text else "nothing")
    table = _table(file, lines[1:])
    samples = Samples(table[:, 0], table[:, 1].astype(np.int64), table[:, 2], table[:, 3])
    order = np.argsort(samples.guest, kind="stable")
    steps, same = np.diff(samples.seconds[order]), np.diff(samples.guest[order]) == 0
    if np.any(fell := same & (steps < 0.0)):
        first = int(np.flatnonzero(fell)[0])
        raise _damaged(
            file,
            f"seconds of guest {samples.guest[order][first]}",
            "times that never fall",
            f"a clock that went back by {-steps[first]:g} s",
        )
    return samples


def _table(file: Path, lines: list[str]) -> Floats:
    """A row for each line. All at once if all are good; else one by one, to name the first that is
    not."""
    with suppress(ValueError):
        # of nothing but blank lines numpy would warn; one by one they are named
        text = lines if any(map(str.strip, lines)) else [","]
        table = np.loadtxt(text, delimiter=",", comments=None, ndmin=2)
        seen = np.abs(table[table != 0.0])
        if (
            table.shape == (len(lines), len(COLUMNS))
            and not (table < 0.0).any()
            and ((seen >= LEAST) & (seen <= LARGEST)).all()
            and (table[:, 1] == np.floor(table[:, 1])).all()
            and (table[:, 1] < MOST_GUESTS).all()
        ):
            return table
    rows = [_row(file, number, line.split(",")) for number, line in enumerate(lines, 2)]
    return np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))


def _row(file: Path, number: int, row: list[str]) -> list[float]:
    """Seconds, guest, resident and swapped MiB of one line."""
    try:
        values = [float(text) for text in row]
    except ValueError:
        values = []
    good = (
        len(values) == len(COLUMNS)
        and all(countable(value) and value >= 0.0 for value in values)
        and values[1] == int(values[1]) < MOST_GUESTS
    )
    if not good:
        expected = f"four numbers from 0 to {LARGEST}, the second a guest's"
        found = f"{len(row)} fields" if len(row) != len(COLUMNS) else "something else"
        raise _damaged(file, f"line {number}", expected, found)
    return values


def _damaged(file: Path, field: str, expected: str, found: str) -> DamagedError:
    return DamagedError(Damage(file, field, expected, found))
