# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures are computed from: measured runs and published tables look the same here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hintfleet.records.read import Run, Study
from hintfleet.records.types import Latency, PageFaultRow
from hintfleet.statistics.intervals import Floats

BASELINE = "none"

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Values:
    """Numbers of runs, one for each, with the codes of where each comes from."""

    numbers: Floats
    host: Codes
    cell: Codes
    block: Codes
    """The same for the runs of one block of one cell only."""
    turn: Codes
    """The number of the block in its study."""

    @property
    def size(self) -> int:
        return int(self.numbers.size)

    def where(self, chosen: Codes | NDArray[np.bool_]) -> Values:
        """These only."""
        return Values(*(column[chosen] for column in vars(self).values()))

    @classmethod
    def of(cls, numbers: Iterable[float], cells: Sequence[str] | None = None) -> Values:
        """Each in a block of its own; of one cell unless told, each cell of its own host."""
        array = np.fromiter(numbers, dtype=np.float64)
        cell = _coded(cells) if cells is not None else np.zeros(array.size, dtype=np.int64)
        return cls(array, cell, cell, np.arange(array.size), np.arange(array.size))


@dataclass(frozen=True)
class Observation:
    """Where a result comes from; (cell, block) pairs mechanisms that ran side by side in time."""

    mechanism: str
    cell: str
    block: int
    host: str = field(default="", kw_only=True)
    """The cell is its own if it is not told."""


@dataclass(frozen=True)
class DensityObservation(Observation):
    """One consolidation run. None: not measured, as in published tables."""

    guests_without_swap: int
    guests_at_first_swap: int | None
    swap_end_mib: float | None
    stopped_by: str = "swap"
    physical_limit_guests: int | None = None
    active_footprint_mib: float | None = None
    idle_footprint_mib: float | None = None
    host_cpu_seconds: float | None = None


@dataclass(frozen=True)
class MemhogObservation(Observation):
    """One memhog run: seconds by guest, in order; None where it did not end (censored)."""

    seconds: tuple[float | None, ...]
    swap_end_mib: float
    host_cpu_seconds: float | None = None


@dataclass(frozen=True)
class PageFaultObservation(Observation):
    """One page_fault run: will-it-scale's rows, and the latency of single faults if measured."""

    rows: tuple[PageFaultRow, ...]
    latency: Latency | None = None


AnyObservation = TypeVar("AnyObservation", bound=Observation)


def density_of(study: Study) -> list[DensityObservation]:
    """Every finished consolidation run of a study."""
    found = []
    for run in study.runs:
        if (result := run.consolidation) is None:
            continue
        found.append(
            DensityObservation(
                run.mechanism,
                run.cell,
                run.block,
                result["guests_without_swap"],
                result["guests_at_first_swap"],
                result["swap_end_mib"],
                result["stopped_by"],
                result["physical_limit_guests"],
                result["active_footprint_mib"],
                result["idle_footprint_mib"],
                cpu_seconds(run),
                host=run.record["cell"]["host"],
            )
        )
    return found


def memhog_of(study: Study) -> list[MemhogObservation]:
    """Every finished memhog run of a study."""
    return [
        MemhogObservation(
            run.mechanism,
            run.cell,
            run.block,
            tuple(guest["seconds"] for guest in result["guests"]),
            result["swap_end_mib"],
            cpu_seconds(run),
            host=run.record["cell"]["host"],
        )
        for run in study.runs
        if (result := run.memhog) is not None
    ]


def page_fault_of(study: Study) -> list[PageFaultObservation]:
    """Every finished page_fault run of a study."""
    return [
        PageFaultObservation(
            run.mechanism,
            run.cell,
            run.block,
            tuple(result["rows"]),
            result["latency"],
            host=run.record["cell"]["host"],
        )
        for run in study.runs
        if (result := run.page_fault) is not None
    ]


def by_mechanism(
    observations: Iterable[AnyObservation],
) -> dict[str, list[AnyObservation]]:
    """Observations of each mechanism, the baseline first, in the order they were found."""
    groups: dict[str, list[AnyObservation]] = {}
    for observation in observations:
        groups.setdefault(observation.mechanism, []).append(observation)
    return {name: groups[name] for name in sorted(groups, key=lambda name: name != BASELINE)}


def values_of(
    observations: Sequence[AnyObservation], value: Callable[[AnyObservation], float | None]
) -> Values:
    """The value of every observation that has it."""
    known = [(number, o) for o in observations if (number := value(o)) is not None]
    return _values([number for number, _ in known], [o for _, o in known])


def _values(numbers: Sequence[float], runs: Sequence[Observation]) -> Values:
    array, turn = np.array(numbers, dtype=np.float64), [run.block for run in runs]
    return Values(
        array,
        _coded([run.host or run.cell for run in runs]),
        _coded([run.cell for run in runs]),
        _coded([(run.cell, run.block) for run in runs]),
        np.array(turn, dtype=np.int64),
    )


def _coded(names: Sequence[Hashable]) -> Codes:
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def pairs_of(
    baseline: Sequence[AnyObservation],
    other: Sequence[AnyObservation],
    value: Callable[[AnyObservation], float | None],
) -> tuple[Values, Values]:
    """Values of two mechanisms where both ran in the same block of the same cell."""
    known = {(o.cell, o.block): number for o in baseline if (number := value(o)) is not None}
    pairs = [
        (known[key], number, observation)
        for observation in other
        if (key := (observation.cell, observation.block)) in known
        and (number := value(observation)) is not None
    ]
    runs = [run for _, _, run in pairs]
    return _values([left for left, _, _ in pairs], runs), _values([r for _, r, _ in pairs], runs)


def cpu_seconds(run: Run) -> float:
    """CPU time of everything in the cell during the workload."""
    spent = run.record["host_cpu_seconds"]
    return spent["user"] + spent["system"]
