# SPDX-License-Identifier: GPL-2.0-or-later
"""Tiles: how many stated sets of guests with programs a node holds at quality, and at what cost.

Tiles are counted like guests. What they cost is compared at equal tiles: the most that every arm
holds at quality in most of its runs, so that every arm does the same work in the same company.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.figures.estimate import absolute, difference, ratio
from hintfleet.figures.figure import (
    DEFAULTS,
    Figure,
    Figures,
    Judgement,
    Objection,
    Thresholds,
    Verdict,
)
from hintfleet.records.observations import Observations, pairs_of, values_of
from hintfleet.records.tiles import MEASURES
from hintfleet.statistics.intervals import Floats

WORKLOAD = "tile"

UNITS = {"seconds": "s", "p99_ms": "ms"}
"""By measure of a program; seconds are for a unit of work."""

Program = tuple[str, str, str]
"""Name in the tile, phase, measure."""


@dataclass(frozen=True)
class Break:
    """What broke a quality first in so many runs, and how far beyond one tile it was."""

    name: str
    phase: str
    measure: str
    runs: int
    factor: float
    """Mean over these runs."""


@dataclass(frozen=True)
class TileResult:
    """Tiles under one arm."""

    arm: str
    observations: Observations
    equal_tiles: int
    """At how many tiles arms are compared; 0 if there is no number that all of them hold."""
    stopped_by: dict[str, int]
    """Runs by what ended them, most often first."""
    broken_by: tuple[Break, ...]
    """Most often first."""
    figures: Figures


def tile_results(
    observations: Observations,
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, TileResult]:
    """Tiles by arm, compared with the baseline where both ran. observations: finished tile runs."""
    equal = equal_tiles(observations)
    return {
        name: _tile_result(name, observations, equal, objections, limits)
        for name in observations.arms
    }


def _tile_result(
    arm: str,
    observations: Observations,
    equal: int,
    objections: Sequence[Objection],
    limits: Thresholds,
) -> TileResult:
    against = [o for o in objections if o.concerns([arm], WORKLOAD)]
    numbers, matrices, baseline = observations.numbers, observations.matrices, observations.baseline
    both = [o for o in objections if o.concerns([arm, baseline], WORKLOAD)]
    compared = arm != baseline and baseline in observations.arms
    figures: Figures = {}

    def measured(
        name: str, values: Floats, unit: str, step: float = 0.0, reach: float = 0.0
    ) -> None:
        found = values_of(observations, arm, values)
        figures[name] = absolute(found, unit, against, limits, step, reach)

    def versus(name: str, values: Floats) -> None:
        if compared:
            pair = pairs_of(observations, baseline, arm, values)
            figures[f"{name}_vs_none"] = ratio(*pair, "ratio", both, limits)

    counts = numbers["tiles_at_quality"]
    measured("tiles_at_quality", counts, "tiles", 1.0, 1.0)
    if compared:
        pair = pairs_of(observations, baseline, arm, counts)
        figures["more_tiles_than_none"] = difference(*pair, "tiles", both, limits, resolution=1.0)
    if equal:
        text = "the most that every arm holds at quality in most of its runs"
        found = Judgement(Verdict.SOUND, text)
        n = values_of(observations, arm, counts).size
        figures["equal_tiles"] = Figure("tiles", n, equal, equal, equal, None, found)
    measured("factor_at_quality", numbers["factor_at_quality"], "times")
    held, mean = (
        matrices[f"tile_{name}"].at(equal) for name in ("held_gib_min", "mean_memory_mib")
    )
    measured("tile_held_gib_min", held, "GiB·min")
    versus("tile_held", held)
    measured("tile_mean_memory_mib", mean, "MiB")
    versus("tile_mean_memory", mean)
    swap, unused = matrices["tile_peak_swap_mib"].at(equal), limits.swap_unused_mib
    measured("tile_peak_swap_mib", swap, "MiB", reach=unused if _most(swap) <= unused else 0.0)
    measured("tile_pressure_seconds", matrices["tile_pressure_seconds"].at(equal), "s")
    for measure in MEASURES:
        versus(f"tile_{measure}", overall_cost(observations, measure, equal))
    for program in programs(observations, equal):
        costs = program_cost(observations, program, equal)
        measured(cost_name(program), costs, UNITS[program[2]])
        versus(cost_name(program), costs)
    mine = observations.of(arm)
    stopped = Counter(map(str, mine.texts["stopped_by"]))
    return TileResult(
        arm,
        mine,
        equal,
        dict(sorted(stopped.items(), key=lambda one: (-one[1], one[0]))),
        tuple(_breaks(mine)),
        {key: figure for key, figure in figures.items() if figure.n},
    )


def equal_tiles(runs: Observations) -> int:
    """The most tiles that every arm holds at quality in most of its runs; 0 if there are none.

    Rounds with so many tiles count whether or not their quality held, so no run is chosen for it.
    """
    held = []
    for name in runs.arms:
        counts = np.sort(values_of(runs, name, runs.numbers["tiles_at_quality"]).numbers)
        held.append(int(counts[(counts.size - 1) // 2]) if counts.size else 0)
    return min(held, default=0)


def programs(observations: Observations, tiles: int) -> Iterator[Program]:
    """What the guests of a tile were measured by with so many tiles, in order."""
    for measure in MEASURES:
        for name, phase, count in observations.matrices[f"tile_{measure}"].measured:
            if count == tiles:
                yield name, phase, measure


def program_cost(observations: Observations, program: Program, tiles: int) -> Floats:
    """By run: seconds for a unit of work, infinite if that was not seen to end; or p99."""
    name, phase, measure = program
    return observations.matrices[f"tile_{measure}"].at((name, phase, tiles))


def overall_cost(observations: Observations, measure: str, tiles: int) -> Floats:
    """By run: the geometric mean of what its programs cost, so that each phase counts the same."""
    found = [p for p in programs(observations, tiles) if p[2] == measure]
    if not found:
        return np.full(len(observations), np.nan)
    costs = np.stack([program_cost(observations, program, tiles) for program in found], axis=1)
    known = ~np.isnan(costs)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(known, np.log(costs), 0.0).sum(axis=1) / known.sum(axis=1)
    means: Floats = np.where(np.isneginf(logs), np.nan, np.exp(logs))
    return means


def _breaks(runs: Observations) -> Iterator[Break]:
    """What broke first in these runs."""
    texts = [runs.texts[f"broken_{key}"] for key in ("name", "phase", "measure")]
    found: dict[tuple[str, str, str], list[float]] = {}
    for *what, factor in zip(*texts, runs.numbers["broken_factor"].tolist(), strict=True):
        if all(what):
            found.setdefault((what[0], what[1], what[2]), []).append(factor)
    for (name, phase, measure), factors in sorted(
        found.items(), key=lambda one: (-len(one[1]), one)
    ):
        yield Break(name, phase, measure, len(factors), float(np.mean(factors)))


def cost_name(program: Program) -> str:
    """The figure of one phase of one guest of the tile; no name of these holds a colon."""
    return ":".join(program)


def _most(values: Floats) -> float:
    return float(np.nanmax(values, initial=0.0)) if values.size else 0.0


def program_of(name: str) -> Program | None:
    """What a figure of a program is about, also one that compares; None of other figures."""
    parts = name.removesuffix("_vs_none").split(":")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else None
