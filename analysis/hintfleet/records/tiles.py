# SPDX-License-Identifier: GPL-2.0-or-later
"""What rounds of tiles come to, and what of a tile's result contradicts itself.

What a program costs is compared with one tile of the same run: by name in the tile and phase, the
median over guests of that name of the seconds for the same work, and of p99_ms where it has one.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hintfleet.records.types import Broken, Tile, TileProgram, TileRound
from hintfleet.statistics.units import number

MEASURES = ("seconds", "p99_ms")
"""What a program is held to: seconds for the same work, and p99 of its operations."""

Costs = dict[tuple[str, str, str], float]
"""By name in the tile, phase and measure."""

ROUNDED_SECONDS = 0.0005
"""By how much seconds in a record may be rounded."""

AGREES = 0.02
"""Factors that are told and those that follow from times may differ so much beside rounding."""

Contradictions = Iterator[tuple[str, str, str]]


def costs_of(programs: Sequence[TileProgram]) -> Costs:
    """Medians over the guests of a round; a phase that did not end is longer than any that did, and
    there is none of a phase in which no guest did work."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for one in programs:
        seconds, work, p99 = one["seconds"], one["work"], one["p99_ms"]
        if one["censored"] is not None:
            found[one["name"], one["phase"], "seconds"].append(math.inf)
        elif seconds is not None and work:
            found[one["name"], one["phase"], "seconds"].append(seconds / work)
        if p99 is not None:
            found[one["name"], one["phase"], "p99_ms"].append(p99)
    return {key: statistics.median(values) for key, values in found.items()}


def factors(costs: Costs, with_one: Costs) -> Costs:
    """How many times what they were with one tile, where both are known."""
    return {
        key: cost / base
        for key, cost in costs.items()
        if (base := with_one.get(key)) and math.isfinite(base)
    }


def tile_contradictions(
    result: Tile, parameters: Mapping[str, Any], memory_mib: float, shares_pages: bool
) -> Contradictions:
    """What of a tile's result cannot have been measured, as (field, expected, found)."""
    rounds = result["tiles"]
    counts = [one["tiles"] for one in rounds]
    if counts != list(range(1, len(counts) + 1)):
        yield "result.tiles", "one round with each number of tiles, from 1 on", f"tiles {counts}"
        return
    for before, after in pairwise(rounds):
        if after["started_seconds"] < before["started_seconds"]:
            yield (
                f"result.tiles[{after['tiles'] - 1}].started_seconds",
                f"at least {before['started_seconds']:g}, the start of the round before (a clock "
                "that went back?)",
                f"{after['started_seconds']:g}",
            )
    stated = _stated(parameters)
    for index, one in enumerate(rounds):
        where = f"result.tiles[{index}]"
        yield from _round_contradictions(where, one, stated, memory_mib, shares_pages)
        yield from _factor_contradictions(where, one, rounds[0])
    yield from _end_contradictions(result, parameters)


def _stated(parameters: Mapping[str, Any]) -> dict[str, str] | None:
    """The tile's guests as the run was asked for them: name to program; None if it is not told."""
    tile = parameters.get("tile")
    if not isinstance(tile, list):
        return None
    guests = [one for one in tile if isinstance(one, dict)]
    return {str(one.get("name")): str(one.get("program")) for one in guests}


def _round_contradictions(
    where: str,
    one: TileRound,
    stated: Mapping[str, str] | None,
    memory_mib: float,
    shares_pages: bool,
) -> Contradictions:
    for name, mib in (
        ("mean_memory_mib", one["mean_memory_mib"]),
        ("cell_memory_mib", one["cell_memory_mib"]),
    ):
        if mib > memory_mib * 1.05 + 1.0:
            expected = f"at most the cell's {memory_mib:g} MiB (another unit?)"
            yield f"{where}.{name}", expected, number(mib)
    held = sum(one["guest_resident_mib"])
    if not shares_pages and held > one["cell_memory_mib"] * 1.05 + 32.0:
        yield (
            f"{where}.cell_memory_mib",
            f"at least the {number(held)} MiB that its guests hold (were they moved out of the "
            "cell?)",
            number(one["cell_memory_mib"]),
        )
    if stated is not None and len(one["guest_resident_mib"]) > one["tiles"] * len(stated):
        yield (
            f"{where}.guest_resident_mib",
            f"at most the {one['tiles'] * len(stated)} guests of {one['tiles']} tiles",
            str(len(one["guest_resident_mib"])),
        )
    for index, program in enumerate(one["programs"]):
        yield from _program_contradictions(f"{where}.programs[{index}]", program, one, stated)
    phases = Counter((p["tile"], p["name"], p["phase"]) for p in one["programs"])
    for (tile, name, phase), count in phases.items():
        if count > 1:
            found = f"{count} of {phase} in {name} of tile {tile}"
            yield f"{where}.programs", "each phase of each guest once", found


def _program_contradictions(
    where: str, program: TileProgram, of: TileRound, stated: Mapping[str, str] | None
) -> Contradictions:
    if stated is not None and stated.get(program["name"]) != program["program"]:
        told = ", ".join(f"{name} ({what})" for name, what in stated.items())
        found = f"{program['name']} ({program['program']})"
        yield f"{where}.name", f"a guest of the tile in parameters.tile: {told}", found
    if program["tile"] > of["tiles"]:
        expected = f"at most the {of['tiles']} of its round"
        yield f"{where}.tile", expected, str(program["tile"])
    seconds = program["seconds"]
    if seconds is not None and seconds > of["seconds"] * 1.05 + 1.0:
        expected = f"at most the {number(of['seconds'])} s of its round (another unit?)"
        yield f"{where}.seconds", expected, number(seconds)
    if (seconds is None or program["work"] is None) and program["censored"] is None:
        yield f"{where}.censored", "a sentence, as the phase did not end", "null"
    shares = [program[name] for name in ("p50_ms", "p99_ms", "p999_ms")]
    told_shares = [share for share in shares if share is not None]
    if any(after < before for before, after in pairwise(told_shares)):
        yield where, "percentiles that rise", ", ".join(map(number, told_shares)) + " ms"


def _factor_contradictions(where: str, one: TileRound, first: TileRound) -> Contradictions:
    """A factor that is told has to follow from the times beside it, as far as those are exact."""
    told = one["worst_factor"]
    follows = max(
        factors(costs_of(one["programs"]), costs_of(first["programs"])).values(), default=None
    )
    if told is None or follows is None or math.isinf(follows):
        return
    if abs(told - follows) > follows * (AGREES + _rounding(one) + _rounding(first)):
        yield (
            f"{where}.worst_factor",
            f"about {number(follows)}, as its times are those with one tile",
            number(told),
        )


def _rounding(one: TileRound) -> float:
    """The largest share of a time that rounding may be."""
    seconds = [p["seconds"] for p in one["programs"] if p["seconds"]]
    return max((ROUNDED_SECONDS / value for value in seconds), default=0.0)


def _end_contradictions(result: Tile, parameters: Mapping[str, Any]) -> Contradictions:
    """How many tiles ran at quality, and what ended that, have to follow from the rounds."""
    rounds, at_quality, by = result["tiles"], result["tiles_at_quality"], result["stopped_by"]
    # A round that a lost guest, or swap, ended before all of its guests were there may be missing.
    fits = {
        "maximum": {len(rounds)},
        "quality": {len(rounds) - 1},
        "swap": {len(rounds) - 1, len(rounds)},
        "lost": {len(rounds) - 1, len(rounds)},
    }[by]
    if at_quality not in fits:
        yield (
            "result.tiles_at_quality",
            f"{' or '.join(str(n) for n in sorted(fits) if n >= 0)}, as {len(rounds)} rounds were "
            f"run and {by} ended them",
            str(at_quality),
        )
    stated = parameters.get("tile_factor")
    limit = float(stated) if isinstance(stated, int | float) else math.inf
    for one in rounds[:at_quality]:
        where = f"result.tiles[{one['tiles'] - 1}]"
        if any(program["censored"] for program in one["programs"]):
            yield f"{where}.programs", "phases that ended, as its quality held", "one censored"
        elif (factor := one["worst_factor"] or 0.0) > limit * (1.0 + AGREES):
            expected = f"at most tile_factor, {limit:g}, as its quality held"
            yield f"{where}.worst_factor", expected, number(factor)
    broken = result["broken_by"]
    if (broken is not None) != (by == "quality"):
        expected = "what broke" if broken is None else f"null, as {by} ended the run"
        yield "result.broken_by", expected, "null" if broken is None else broken["name"]
    elif broken is not None:
        yield from _broken_contradictions(rounds, broken, limit)


def _broken_contradictions(
    rounds: Sequence[TileRound], broken: Broken, limit: float
) -> Contradictions:
    key = broken["name"], broken["phase"], broken["measure"]
    told: float = broken["factor"]
    if limit < math.inf and told < limit * (1.0 - AGREES):
        yield "result.broken_by.factor", f"beyond tile_factor, {limit:g}", number(told)
    if not rounds:
        return
    last, first = rounds[-1], rounds[0]
    follows = factors(costs_of(last["programs"]), costs_of(first["programs"]))
    if key not in follows:
        found = f"{broken['phase']} of {broken['name']}"
        yield "result.broken_by", "a phase of a program that ended in the last round", found
    elif math.isfinite(follows[key]) and abs(told - follows[key]) > follows[key] * (
        AGREES + _rounding(last) + _rounding(first)
    ):
        expected = f"about {number(follows[key])}, as its times are those with one tile"
        yield "result.broken_by.factor", expected, number(told)
