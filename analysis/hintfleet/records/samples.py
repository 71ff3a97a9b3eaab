# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads samples.csv of a run: memory and swap of the cell and of each guest over time."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hintfleet.records.read import Damage, DamagedError
from hintfleet.statistics.intervals import Floats

COLUMNS = ["seconds", "guest", "resident_mib", "swap_mib"]


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
        chosen = self.guest == guest
        return Samples(
            self.seconds[chosen],
            self.guest[chosen],
            self.resident_mib[chosen],
            self.swap_mib[chosen],
        )


def load_samples(file: Path) -> Samples:
    """All samples of a file; DamagedError names the first line that cannot be used.

    A last line without its newline was cut off when the run was killed: it is left out.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "bytes that are not UTF-8"
        raise _damaged(file, "file", "a readable CSV", cause) from error
    lines = text.split("\n")[:-1]
    if not lines or lines[0].rstrip("\r").split(",") != COLUMNS:
        raise _damaged(file, "line 1", ",".join(COLUMNS), repr(text[:60]))
    rows = [_row(file, number, row) for number, row in enumerate(csv.reader(lines[1:]), 2)]
    table = np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))
    samples = Samples(table[:, 0], table[:, 1].astype(np.int64), table[:, 2], table[:, 3])
    for guest in np.unique(samples.guest):
        steps = np.diff(samples.seconds[samples.guest == guest])
        if np.any(steps < 0.0):
            raise _damaged(
                file,
                f"seconds of guest {guest}",
                "times that never fall",
                f"a clock that went back by {-steps.min():g} s",
            )
    return samples


def _row(file: Path, number: int, row: list[str]) -> list[float]:
    try:
        values = [float(text) for text in row]
    except ValueError:
        values = []
    good = (
        len(values) == len(COLUMNS)
        and all(math.isfinite(value) and value >= 0.0 for value in values)
        and values[1] == int(values[1]) < 1 << 31
    )
    if not good:
        raise _damaged(file, f"line {number}", "four numbers of at least 0", ",".join(row)[:60])
    return values


def _damaged(file: Path, field: str, expected: str, found: str) -> DamagedError:
    return DamagedError(Damage(file, field, expected, found))
