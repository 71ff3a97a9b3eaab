# SPDX-License-Identifier: GPL-2.0-or-later
"""What figures and doubts are computed from: runs as columns, the same from folders and a store.

What holds, and what every function on observations may rely on:

- All columns have an entry for each run; the runs are in no order that means anything.
- A run is known by study *and* id. `study`, `host`, `cell` (a node of a host) and `block` are
  codes: equal numbers mean the same study, host, cell, and for `block` the same block of the same
  cell of the same study. What is paired is paired within equal `block`.
- A number that was not measured is NaN. One that did not come to its end before it was known is
  +inf (censored): it counts, and sorts last.
- What runs are compared by has one name, COMPARED.
- Everything here costs time and memory proportional to the number of runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hintfleet.records.columns import MATRICES, OBSERVED
from hintfleet.statistics.intervals import Floats

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

NO_MECHANISM = "none"
"""The mechanism of guests that give nothing back, and the arm that has it and states no more."""
BASELINE = NO_MECHANISM
"""The arm that others are compared with where a study does not say which."""
ALIGNED = ("study", "host", "cell")
"""The columns whose codes mean the same in all workloads."""
COMPARED = "arm"
"""The column whose values are compared with each other, and with the baseline."""


@dataclass(frozen=True)
class Texts:
    """A column of text: codes index texts; None for runs that do not have it."""

    codes: Codes
    texts: tuple[str | None, ...]

    def __iter__(self) -> Any:
        return (self.texts[code] for code in self.codes)

    def where(self, chosen: Mask | Codes) -> Texts:
        """Of these runs only; codes keep their meaning."""
        return Texts(self.codes[chosen], self.texts)

    def equal(self, *wanted: str | None) -> Mask:
        """Which runs have one of these texts."""
        return self.matching([text in wanted for text in self.texts])

    def matching(self, flags: Sequence[bool]) -> Mask:
        """Which runs have a text that is flagged; flags are in the order of texts."""
        if not flags:
            return np.zeros(self.codes.size, dtype=np.bool_)
        found: Mask = np.asarray(flags, dtype=np.bool_)[self.codes]
        return found

    @cached_property
    def present(self) -> list[str]:
        """The texts that runs have, sorted."""
        used = np.flatnonzero(np.bincount(self.codes))
        return sorted(filter(None, map(self.texts.__getitem__, used.tolist())))


@dataclass(frozen=True)
class Matrix:
    """Numbers that a run has several of: a row for each run, a column for each of places, which are
    numbers or tuples of what stands in several fields (MatrixSource)."""

    places: tuple[Any, ...]
    values: Floats

    def at(self, place: Hashable) -> Floats:
        """The column of a place; NaN for all if there is none."""
        if place not in self.places:
            return np.full(self.values.shape[0], np.nan)
        column: Floats = self.values[:, self.places.index(place)]
        return column

    @cached_property
    def measured(self) -> tuple[Any, ...]:
        """Places that any run has a value for."""
        some = np.flatnonzero((~np.isnan(self.values)).any(axis=0))
        return tuple(self.places[column] for column in some)


@dataclass(frozen=True)
class Values:
    """Numbers of runs, one for each, with the codes of where each comes from."""

    numbers: Floats
    study: Codes
    host: Codes
    cell: Codes
    block: Codes
    turn: Codes
    """The number of the block in its study, which is its order in time on a cell."""

    @property
    def size(self) -> int:
        return int(self.numbers.size)

    def where(self, chosen: Mask | Codes) -> Values:
        """These only."""
        return Values(*(column[chosen] for column in vars(self).values()))

    @classmethod
    def of(cls, numbers: Iterable[float], cells: Sequence[Hashable] | None = None) -> Values:
        """Of one study, each in a block of its own; of one cell unless told, each cell a host."""
        array = np.fromiter(numbers, dtype=np.float64)
        cell = coded(cells).codes if cells is not None else np.zeros(array.size, dtype=np.int64)
        turn = np.arange(array.size)
        return cls(array, np.zeros_like(cell), cell, cell, turn, turn)


Column = TypeVar("Column")


class _Chosen(Mapping[str, Column]):
    """Columns of some of the runs, each taken from those of all when it is asked for."""

    def __init__(self, every: Mapping[str, Column], take: Callable[[Column], Column]) -> None:
        self._every, self._take = every, take

    def __getitem__(self, name: str) -> Column:
        return self._take(self._every[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._every)

    def __len__(self) -> int:
        return len(self._every)


@dataclass(frozen=True)
class Observations:
    """Runs of one workload as columns, by the names of records/columns.py; matrices by those of
    MATRICES there. block is a code, numbers["block"] what the study calls it."""

    texts: Mapping[str, Texts]
    numbers: Mapping[str, Floats]
    matrices: Mapping[str, Matrix]
    block: Codes
    row: Codes
    """The place of each run in what was read."""

    def __len__(self) -> int:
        return int(self.block.size)

    def where(self, chosen: Mask | Codes) -> Observations:
        """These runs only; codes keep their meaning. Columns are copied only when they are used."""
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        return Observations(
            _Chosen(self.texts, lambda texts: texts.where(chosen)),
            _Chosen(self.numbers, lambda numbers: numbers[chosen]),
            _Chosen(self.matrices, lambda matrix: Matrix(matrix.places, matrix.values[chosen])),
            self.block[chosen],
            self.row[chosen],
        )

    def of(self, arm: str) -> Observations:
        """The runs of one arm."""
        return self.where(self.by_arm.get(arm, np.zeros(0, dtype=np.int64)))

    @cached_property
    def finished(self) -> Observations:
        """The runs that came to their end."""
        return self.where(self.texts["status"].equal("finished"))

    @cached_property
    def baseline(self) -> str:
        """The arm that these runs are compared with; BASELINE if their studies name several."""
        named = self.texts["baseline"].present
        return named[0] if len(named) == 1 else BASELINE

    @cached_property
    def arms(self) -> list[str]:
        """Arms that have runs, the baseline first."""
        return baseline_first(self.texts[COMPARED].present, self.baseline)

    @cached_property
    def by_arm(self) -> Mapping[str, Codes]:
        """By arm: its runs."""
        compared = self.texts[COMPARED]
        return {name: np.flatnonzero(compared.equal(name)) for name in self.arms}

    @cached_property
    def by_block(self) -> Mapping[str, Codes]:
        """By arm: for each code of a block the run in it, or -1."""
        found = {}
        for name, mine in self.by_arm.items():
            runs = np.full(int(self.block.max(initial=-1)) + 1, -1)
            runs[self.block[mine]] = mine
            found[name] = runs
        return found

    @cached_property
    def places(self) -> tuple[Codes, ...]:
        """Where each run comes from: the columns of Values after the numbers."""
        study, host, cell = (self.texts[name].codes for name in ALIGNED)
        return study, host, cell, self.block, self.numbers["block"].astype(np.int64)

    @cached_property
    def cpu_seconds(self) -> Floats:
        """CPU time of everything in the cell during the workload."""
        return self.numbers["cpu_user_seconds"] + self.numbers["cpu_system_seconds"]


Workloads = Mapping[str, Observations]
"""The runs of each workload, by its name; a workload that was not run has no runs. Codes mean the
same in all of them."""


def every_text(workloads: Workloads, column: str) -> Texts:
    """The study, host or cell of the runs of all workloads."""
    parts = [runs.texts[column] for runs in workloads.values()]
    return Texts(np.concatenate([part.codes for part in parts]), parts[0].texts)


def baseline_of(workloads: Workloads) -> str:
    """The arm that these runs are compared with; BASELINE if their studies name several."""
    named = {runs.baseline for runs in workloads.values() if len(runs)}
    return named.pop() if len(named) == 1 else BASELINE


def baseline_first(names: Iterable[str], baseline: str = BASELINE) -> list[str]:
    """Names of arms in the order in which they are told."""
    return sorted(names, key=lambda name: (name != baseline, name))


def values_of(observations: Observations, arm: str, numbers: Floats) -> Values:
    """The numbers of the runs of an arm that have one; numbers has an entry for each run."""
    mine = observations.by_arm.get(arm, np.zeros(0, dtype=np.int64))
    return _values(observations, numbers, mine[~np.isnan(numbers[mine])])


def pairs_of(
    observations: Observations, first: str, second: str, numbers: Floats
) -> tuple[Values, Values]:
    """The numbers of two arms where both ran in the same block, pair by pair."""
    if not {first, second} <= set(observations.arms):
        return Values.of(()), Values.of(())
    left, right = observations.by_block[first], observations.by_block[second]
    both = (left >= 0) & (right >= 0)
    left, right = left[both], right[both]
    known = ~(np.isnan(numbers[left]) | np.isnan(numbers[right]))
    return (
        _values(observations, numbers, left[known]),
        _values(observations, numbers, right[known]),
    )


def _values(observations: Observations, numbers: Floats, chosen: Codes) -> Values:
    return Values(numbers[chosen], *(place[chosen] for place in observations.places))


def joined(values: Sequence[Values]) -> Values:
    """Values of several workloads as those of one."""
    columns = zip(*(vars(one).values() for one in values), strict=True)
    return Values(*(np.concatenate(column) for column in columns))


def finished_row(
    arm: str, workload: str, source: str, block: int = 1, cell: str = ""
) -> dict[str, Any]:
    """What from_rows needs of a finished run that no record tells of: where it comes from. Of the
    only cell of `source` unless one is named."""
    return {
        COMPARED: arm,
        "mechanism": arm,
        "workload": workload,
        "study": source,
        "host": cell or source,
        "cell": cell or source,
        "block": block,
        "status": "finished",
    }


def from_rows(rows: Sequence[Mapping[str, Any]]) -> Observations:
    """Runs given one by one: scalars and lists by the names of records/columns.py, as far as a run
    has them."""
    texts: dict[str, Texts] = {}
    numbers: dict[str, Floats] = {}
    for column in OBSERVED:
        values = [row.get(column.name) for row in rows]
        if column.kind == "text":
            texts[column.name] = coded(values)
        else:
            convert = _seconds if column.kind == "time" else float
            numbers[column.name] = np.array(
                [np.nan if value is None else convert(value) for value in values], dtype=np.float64
            )
    matrices = {name: _matrix(name, rows) for name in MATRICES}
    return Observations(texts, numbers, matrices, np.arange(len(rows)), np.arange(len(rows)))


def aligned(parts: Workloads) -> dict[str, Observations]:
    """The same runs with codes of study, host, cell and block that mean the same in all parts."""
    texts = {name: dict(part.texts) for name, part in parts.items()}
    for column in ALIGNED:
        if len({id(of_part[column].texts) for of_part in texts.values()}) == 1:
            continue  # codes of the same texts
        known: dict[str | None, int] = {}
        for of_part in texts.values():
            old = of_part[column]
            new = [known.setdefault(text, len(known)) for text in old.texts]
            of_part[column] = Texts(np.asarray(new, dtype=np.int64)[old.codes], ())
        for of_part in texts.values():
            of_part[column] = Texts(of_part[column].codes, tuple(known))
    numbers = np.concatenate([part.numbers["block"] for part in parts.values()])
    block = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    for column in ("study", "cell"):
        codes = np.concatenate([of_part[column].codes for of_part in texts.values()])
        block = block * (int(codes.max(initial=0)) + 1) + codes
    block = np.unique(block, return_inverse=True)[1].astype(np.int64)
    ends = np.cumsum([len(part) for part in parts.values()])
    return {
        name: replace(part, texts=texts[name], block=own)
        for (name, part), own in zip(parts.items(), np.split(block, ends[:-1]), strict=True)
    }


def coded(values: Iterable[Any]) -> Texts:
    """A code for each value, by first appearance."""
    known: dict[Any, int] = {}
    codes = np.fromiter((known.setdefault(value, len(known)) for value in values), dtype=np.int64)
    return Texts(codes, tuple(known))


def _matrix(name: str, rows: Sequence[Mapping[str, Any]]) -> Matrix:
    source = MATRICES[name]
    entries = [
        (index, source.place_of(entry), entry.get(source.value))
        for index, row in enumerate(rows)
        for entry in row.get(source.column) or ()
    ]
    places = sorted({place for _, place, _ in entries})
    column = {place: k for k, place in enumerate(places)}
    values = np.full((len(rows), len(places)), np.nan)
    for index, place, value in entries:
        values[index, column[place]] = source.unknown if value is None else value
    return Matrix(tuple(places), values)


def _seconds(time: str) -> float:
    """Since 1970, of a time that a record tells."""
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()
