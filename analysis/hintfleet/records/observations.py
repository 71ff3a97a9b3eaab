# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures are computed from: measured runs and published tables look the same here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hintfleet.records.read import Run, Study
from hintfleet.records.types import Latency, PageFaultRow

BASELINE = "none"


@dataclass(frozen=True)
class Values:
    """Numbers of one mechanism, one for each run, with where each comes from."""

    numbers: list[float] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Observation:
    """Where a result comes from; (cell, block) pairs mechanisms that ran side by side in time."""

    mechanism: str
    cell: str
    block: int


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
        )
        for run in study.runs
        if (result := run.memhog) is not None
    ]


def page_fault_of(study: Study) -> list[PageFaultObservation]:
    """Every finished page_fault run of a study."""
    return [
        PageFaultObservation(
            run.mechanism, run.cell, run.block, tuple(result["rows"]), result["latency"]
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
    known = [(number, o.cell) for o in observations if (number := value(o)) is not None]
    return Values([number for number, _ in known], [cell for _, cell in known])


def pairs_of(
    baseline: Sequence[AnyObservation],
    other: Sequence[AnyObservation],
    value: Callable[[AnyObservation], float | None],
) -> tuple[Values, Values]:
    """Values of two mechanisms where both ran in the same block of the same cell."""
    known = {(o.cell, o.block): number for o in baseline if (number := value(o)) is not None}
    left, right = Values(), Values()
    for observation in other:
        key, number = (observation.cell, observation.block), value(observation)
        if number is None or key not in known:
            continue
        left.numbers.append(known[key])
        right.numbers.append(number)
        left.cells.append(observation.cell)
        right.cells.append(observation.cell)
    return left, right


def cpu_seconds(run: Run) -> float:
    """CPU time of everything in the cell during the workload."""
    spent = run.record["host_cpu_seconds"]
    return spent["user"] + spent["system"]
