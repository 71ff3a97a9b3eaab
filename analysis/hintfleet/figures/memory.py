# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory: what a cell held over time, how fast it came back, and what that cost in CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.figures.estimate import absolute, ratio
from hintfleet.figures.figure import DEFAULTS, Figures, Objection, Thresholds
from hintfleet.records.observations import BASELINE, Observation, by_mechanism, pairs_of, values_of
from hintfleet.records.read import Damage, DamagedError, Run, Study
from hintfleet.records.samples import Samples, load_samples
from hintfleet.statistics.intervals import Floats
from hintfleet.statistics.series import integral, resample

SECONDS_A_MINUTE = 60.0
MIB_A_GIB = 1024.0
TIMELINE_COLUMNS = 240
SHARES = (50, 90, 99)
UNRETURNED = (
    "did not give back so much while the proof was watched",
    "nothing, if 90 % is enough; else watch the proof longer (study_proof_seconds)",
)


@dataclass(frozen=True)
class MemoryObservation(Observation):
    """One run seen as memory over time. Times to return come from the proof before the run."""

    workload: str
    footprint_gib_min: float | None
    peak_mib: float | None
    swapped_out_mib: float | None
    swapped_in_mib: float | None
    seconds_to: tuple[float | None, ...]
    """Seconds until SHARES of the freed memory were back; empty without a proof."""
    returned_mib_per_cpu_second: float | None


@dataclass(frozen=True)
class Timeline:
    """Memory and swap of a cell during one run, in equal slices of time (the largest in each)."""

    run_id: str
    workload: str
    mechanism: str
    end_seconds: float
    memory_mib: tuple[float | None, ...]
    swap_mib: tuple[float | None, ...]
    cell_memory_mib: float
    cell_swap_mib: float


@dataclass(frozen=True)
class Memory:
    """Memory under one mechanism."""

    mechanism: str
    observations: tuple[MemoryObservation, ...]
    figures: Figures


def observe(study: Study) -> tuple[list[MemoryObservation], list[Timeline], list[Damage]]:
    """Every finished run as a curve; a damaged samples file is named and its run keeps the rest.

    Timelines are drawn from the first run of each workload and mechanism.
    """
    observations, timelines, damages = [], [], []
    drawn: set[tuple[str, str]] = set()
    for run in study.finished():
        samples = None
        if run.samples_file is not None:
            try:
                samples = load_samples(run.samples_file)
            except DamagedError as error:
                damages.append(error.damage)
        observations.append(_observation(run, samples))
        if samples is not None and (run.workload, run.mechanism) not in drawn:
            timeline = timeline_of(run, samples)
            if timeline is not None:
                drawn.add((run.workload, run.mechanism))
                timelines.append(timeline)
    return observations, timelines, damages


def footprint_gib_min(samples: Samples) -> float:
    """Memory all guests held, integrated over time, in GiB times minute (trapezoid rule).

    The sum over guests, resident and swapped: each guest counts from its first sample to its
    last, so a guest that has ended is not charged for the time of others.
    """
    total = 0.0
    for guest in np.unique(samples.guest[samples.guest > 0]):
        own = samples.of(int(guest))
        if own.seconds.size:
            held = own.resident_mib + own.swap_mib
            total += integral(own.seconds, held, float(own.seconds[-1]))
    return total / MIB_A_GIB / SECONDS_A_MINUTE


def swap_traffic_mib(swap_mib: Floats) -> tuple[float, float]:
    """How much was swapped out, and in, by the rises and falls of swap between samples.

    Lower bounds: what goes out and comes back between two samples is not seen, and a page that
    was read back may keep its place in swap.
    """
    steps = np.diff(swap_mib)
    return float(steps[steps > 0.0].sum()), float(-steps[steps < 0.0].sum())


def timeline_of(run: Run, samples: Samples, columns: int = TIMELINE_COLUMNS) -> Timeline | None:
    """The cell's curve of a run; None if the cell was not sampled."""
    cell = samples.of(0)
    if cell.seconds.size < 2:
        return None
    end = float(cell.seconds[-1])
    columns = min(columns, cell.seconds.size)

    def curve(values: Floats) -> tuple[float | None, ...]:
        slices = resample(cell.seconds, values, end, columns)
        return tuple(None if np.isnan(value) else round(float(value), 1) for value in slices)

    return Timeline(
        run.run_id,
        run.workload,
        run.mechanism,
        end,
        curve(cell.resident_mib),
        curve(cell.swap_mib),
        run.record["cell"]["memory_mib"],
        run.record["cell"]["swap_mib"],
    )


def memories(
    observations: Sequence[MemoryObservation],
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, Memory]:
    """Memory of every mechanism.

    Footprints are compared for memhog only: there every mechanism does the same work with the
    same number of guests, while consolidation starts more guests the better a mechanism is.
    """
    groups = by_mechanism(observations)
    results = {}
    for name, group in groups.items():
        baseline = groups.get(BASELINE, []) if name != BASELINE else []
        figures: Figures = {}
        fixed = [o for o in group if o.workload == "memhog"]
        growing = [o for o in group if o.workload == "consolidation"]
        against = [o for o in objections if o.concerns([name], "memhog")]
        figures["memhog_footprint_gib_min"] = absolute(
            values_of(fixed, footprint_of), "GiB·min", against, limits
        )
        if baseline:
            both = [o for o in objections if o.concerns([name, BASELINE], "memhog")]
            left, right = pairs_of(
                [o for o in baseline if o.workload == "memhog"], fixed, footprint_of
            )
            figures["memhog_footprint_vs_none"] = ratio(left, right, "ratio", both, limits)
        figures["memhog_peak_mib"] = absolute(
            values_of(fixed, lambda o: o.peak_mib), "MiB", against, limits
        )
        figures["memhog_swapped_out_mib"] = absolute(
            values_of(fixed, lambda o: o.swapped_out_mib), "MiB", against, limits
        )
        figures["memhog_swapped_in_mib"] = absolute(
            values_of(fixed, lambda o: o.swapped_in_mib), "MiB", against, limits
        )
        for share in SHARES:
            figures[f"seconds_to_return_{share}"] = absolute(
                values_of(group, seconds_to(share)), "s", against, limits, unseen=UNRETURNED
            )
        against = [o for o in objections if o.concerns([name], "consolidation")]
        figures["returned_mib_per_cpu_second"] = absolute(
            values_of(growing, lambda o: o.returned_mib_per_cpu_second), "MiB/s", against, limits
        )
        known = {key: figure for key, figure in figures.items() if figure.n}
        results[name] = Memory(name, tuple(group), known)
    return results


def _observation(run: Run, samples: Samples | None) -> MemoryObservation:
    proof = run.record["proof"]
    cell = samples.of(0) if samples is not None else None
    sampled = samples is not None and cell is not None and cell.seconds.size > 0
    swapped_out, swapped_in = swap_traffic_mib(cell.swap_mib) if cell is not None else (None, None)
    return MemoryObservation(
        run.mechanism,
        run.cell,
        run.block,
        run.workload,
        footprint_gib_min(samples) if sampled and samples is not None else None,
        float(cell.resident_mib.max()) if sampled and cell is not None else None,
        swapped_out,
        swapped_in,
        ()
        if proof is None
        else (proof["seconds_to_50"], proof["seconds_to_90"], proof["seconds_to_99"]),
        _returned_per_cpu_second(run),
        host=run.record["cell"]["host"],
    )


def _returned_per_cpu_second(run: Run) -> float | None:
    """Memory the guests gave back by CPU time of the cell: a lower bound of the efficiency,
    because that CPU time also booted the guests and ran their programs."""
    result, spent = run.consolidation, run.record["host_cpu_seconds"]
    seconds = spent["user"] + spent["system"]
    if result is None or seconds <= 0.0:
        return None
    each = max(result["active_footprint_mib"] - result["idle_footprint_mib"], 0.0)
    return each * len(result["steps"]) / seconds


def footprint_of(observation: MemoryObservation) -> float | None:
    """GiB·min held in a run."""
    return observation.footprint_gib_min


def seconds_to(share: int) -> Callable[[MemoryObservation], float | None]:
    """Seconds until this share (percent, one of SHARES) of the freed memory was back."""

    def seconds(observation: MemoryObservation) -> float | None:
        """Infinite if the share was not seen to come back; none has nothing to give back."""
        if not observation.seconds_to or observation.mechanism == BASELINE:
            return None
        value = observation.seconds_to[SHARES.index(share)]
        return math.inf if value is None else value

    return seconds
