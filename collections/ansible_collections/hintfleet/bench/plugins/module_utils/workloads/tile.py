# SPDX-License-Identifier: GPL-2.0-or-later
"""Tiles: guests as people run them, a stated list at a time, added until a quality is broken.

A tile's guests boot, then every guest there is does the phases of its program, with rests between:
that is a round. Quality is what a program gets done: the seconds that it takes for the same work,
and p99 of its operations, are at most `tile_factor` times what they were with one tile.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import (
    BenchError,
    GuestError,
    WrongGuestError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Completed, Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.programs import (
    PERCENTILES,
    Program,
    parse_answer,
    program_of_run,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.tiles import tile_of
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import Bench
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.sampler import Sample

NEEDS = (
    "tile",
    "programs",
    "tiles_max",
    "tile_factor",
    "tile_schedule",
    "tile_pause_seconds",
)
SCHEDULES = ("staggered", "together")
"""One guest works at a time, tile after tile; or all guests begin each phase at once."""

LONGEST_SENTENCE = 1000
POLL_SECONDS = 0.1
# A phase that takes so many times what it took with one tile, for each tile, does not end.
PATIENCE, LEAST_PATIENCE_SECONDS = 20.0, 60.0
# A round with one more tile takes longer than the one before by at least its share.
ROOM_FOR_A_ROUND = 1.5
CLOCK_SHARE, CLOCK_SECONDS = 0.9, 0.5  # by more a guest's clock does not run ahead of the host's

Costs = dict[tuple[str, str, str], float]
"""By name in the tile, phase and measure (seconds for the same work, or p99_ms)."""


@dataclass
class _Worker:
    """A guest of a tile, and what it runs. Its seed is its number: no other guest has it."""

    guest: Guest
    number: int
    tile: int
    name: str
    program: Program
    mib: int
    rested: bool = False

    def command(self, phase: str) -> list[str]:
        return self.program.command(phase, self.mib, self.number)

    def row(self, phase: str, **measured: Any) -> dict[str, Any]:
        """Its entry under `programs` of a round; null is what was not measured."""
        return {
            "guest": self.guest.name,
            "tile": self.tile,
            "name": self.name,
            "program": self.program.name,
            "phase": phase,
            "seconds": None,
            "late_seconds": 0.0,
            "work": None,
            **dict.fromkeys(PERCENTILES),
            "censored": None,
            **measured,
        }


def check(parameters: dict[str, Any], cell: dict[str, Any]) -> str | None:
    """A sentence if these parameters cannot work, else None."""
    try:
        programs = _programs(parameters)
        tile = tile_of(parameters["tile"], programs, parameters.get("guest_files_mib", 0))
    except BenchError as error:
        return str(error)
    for one in tile:
        if one.guest_mib > cell["memory_mib"]:
            return (
                f"Guest {one.name} of the tile has {one.guest_mib} MiB and cell {cell['name']} "
                f"{cell['memory_mib']:g} MiB; lower its guest_mib or raise the cell's memory."
            )
    if parameters["tile_schedule"] not in SCHEDULES:
        return (
            f"tile_schedule is {parameters['tile_schedule']!r}; choose from {', '.join(SCHEDULES)}."
        )
    if not parameters["tile_factor"] > 1:
        return (
            f"tile_factor is {parameters['tile_factor']:g}, so the first tile would break its own "
            "quality; give more than 1, such as 1.5."
        )
    if parameters["tiles_max"] < 1:
        return f"tiles_max is {parameters['tiles_max']}; give 1 or more."
    return None


def _programs(parameters: dict[str, Any]) -> dict[str, Program]:
    return {name: program_of_run(name, told) for name, told in parameters["programs"].items()}


def run(bench: Bench, result: dict[str, Any]) -> None:
    """Fill in `result` (tile in the schema) as it becomes known; raises BenchError."""
    tiles = _Tiles(bench, result)
    for count in range(1, bench.parameters["tiles_max"] + 1):
        if tiles.stops_with(count):
            break
    result["swap_end_mib"] = round(bench.cgroup.swap_mib(), 3)
    if not result["tiles_at_quality"]:
        result["stop_reason"] = _needs(bench, result["stop_reason"])
    bench.take_balances()


class _Tiles:
    """The tiles that there are, and the rounds that they have done."""

    def __init__(self, bench: Bench, result: dict[str, Any]) -> None:
        self._bench = bench
        self._parameters = parameters = bench.parameters
        self._result = result
        self._programs = _programs(parameters)
        files_mib = parameters.get("guest_files_mib", 0)
        self._tile = tile_of(parameters["tile"], self._programs, files_mib)
        self._workers: list[_Worker] = []
        self._count = 0
        self._with_one: dict[tuple[str, str], float] = {}  # host's seconds, by name and phase
        self._moved_mib = 0.0
        self._rounds: list[dict[str, Any]] = []
        result.update(
            tiles=self._rounds,
            tiles_at_quality=0,
            stopped_by="maximum",
            stop_reason=None,
            broken_by=None,
            swap_end_mib=0.0,
        )

    def stops_with(self, count: int) -> bool:
        """Add a tile and have all work; whether that was the last, and then the result says why.

        Raises GuestError if what went wrong says nothing of how many fit.
        """
        result, sampler = self._result, self._bench.sampler
        self._count, launched = count, sampler.seconds()
        self._moved_mib = self._bench.moved_mib
        try:
            self._launch()
            self._work_through(launched)
            if (once := self._broken()) and not self._swaps(launched):
                # Once may be chance, as on a host that had something else to do for a moment.
                self._rounds.pop()
                self._work_through(launched)
                self._rounds[-1]["once_broken_by"] = once
        except GuestError as error:
            swaps = self._swaps(launched)
            broken = error.end not in ("died", "deadline") and not swaps
            if isinstance(error, WrongGuestError) or (count == 1 and broken):
                raise
            result["stopped_by"] = "swap" if swaps else "lost"
            result["stop_reason"] = one_line(str(error), LONGEST_SENTENCE)
            return True
        if self._swaps(launched):
            result["stopped_by"] = "swap"
            return True
        if broken_by := self._broken():
            result.update(stopped_by="quality", broken_by=broken_by)
            return True
        result["tiles_at_quality"] = count
        return self._is_late(sampler.seconds() - launched)

    def _launch(self) -> None:
        for one in self._tile:
            guest = self._bench.launch(
                f"tile{self._count}-{one.name}", memory_mib=one.guest_mib, vcpus=one.vcpus
            )
            number, program = len(self._workers) + 1, self._programs[one.program]
            self._workers.append(_Worker(guest, number, self._count, one.name, program, one.mib))

    def _work_through(self, launched: float) -> None:
        """All guests do all their phases; raises GuestError once the round's entry is kept."""
        started, pressure = self._bench.sampler.seconds(), _pressure_seconds(self._bench)
        rows: list[dict[str, Any]] = []
        try:
            for step in range(max(len(worker.program.phases) for worker in self._workers)):
                at_work = [one for one in self._workers if step < len(one.program.phases)]
                together = self._parameters["tile_schedule"] == "together"
                for group in [at_work] if together else [[one] for one in at_work]:
                    self._work(group, step, rows)
                    # However short a phase is on this machine, what it freed has time to come back.
                    with self._bench.spending("settling"):
                        time.sleep(self._parameters["tile_pause_seconds"])
        finally:
            self._rounds.append(self._entry(rows, started, launched, pressure))
            self._rounds[-1]["worst_factor"] = _worst(self._rounds)

    def _work(self, group: list[_Worker], step: int, rows: list[dict[str, Any]]) -> None:
        """These guests do a phase side by side and rest; raises GuestError once all have ended."""
        for worker in group:
            if worker.rested:
                self._bench.wake(worker.guest)
        begun = []
        for worker in group:
            phase = worker.program.phases[step]
            since, process_id = time.monotonic(), worker.guest.start(worker.command(phase))
            begun.append((worker, phase, since, process_id))
        lost: GuestError | None = None
        for worker, phase, since, process_id in begun:
            try:
                rows.append(worker.row(phase, **self._ended(worker, phase, since, process_id)))
            except GuestError as error:
                rows.append(worker.row(phase, censored=one_line(str(error), LONGEST_SENTENCE)))
                lost = lost or error
        if lost is not None:
            raise lost
        for worker in group:
            self._bench.rest(worker.guest)
            worker.rested = True
            worker.guest.note_placement()
        self._moved_mib = max(self._moved_mib, self._bench.moved_mib)
        for other in self._bench.guests:
            if not other.qemu.is_alive():  # the kernel's choice when memory and swap are used up
                names = ", ".join(worker.guest.name for worker in group)
                raise GuestError("died", f"Guest {other.name} died while {names} worked.")

    def _ended(self, worker: _Worker, phase: str, since: float, process_id: int) -> dict[str, Any]:
        """What the phase came to that was started; raises GuestError."""
        most = self._bench.seconds_left()
        if (with_one := self._with_one.get((worker.name, phase))) is not None:
            most = min(most, max(PATIENCE * self._count * with_one, LEAST_PATIENCE_SECONDS))
        left = max(since + most - time.monotonic(), 0.1)
        done = worker.guest.wait(process_id, left, started=since, poll_seconds=POLL_SECONDS)
        measured = _measured(worker, phase, done)
        self._with_one.setdefault((worker.name, phase), done.seconds)
        return measured

    def _entry(
        self, rows: list[dict[str, Any]], started: float, launched: float, pressure: float | None
    ) -> dict[str, Any]:
        sampler = self._bench.sampler
        now, samples = sampler.take(), sampler.since(started)
        residents = [now.guests[one.number].resident_mib for one in self._workers]
        peaks = [_peak_mib(samples, one.number) for one in self._workers]
        entry = {
            "tiles": self._count,
            "started_seconds": round(started, 3),
            "seconds": round(sampler.seconds() - started, 3),
            "programs": rows,
            "mean_memory_mib": round(statistics.fmean(s.cell_memory_mib for s in samples), 3),
            "cell_memory_mib": round(now.cell_memory_mib, 3),
            "cell_swap_mib": round(now.cell_swap_mib, 3),
            "peak_swap_mib": round(sampler.peak_swap_mib(launched), 3),
            "worst_factor": None,
            "guest_resident_mib": [round(mib, 3) for mib in residents],
            "guest_peak_mib": [round(mib, 3) for mib in peaks],
        }
        stood_still = _pressure_seconds(self._bench)
        if pressure is not None and stood_still is not None:
            entry["pressure_seconds"] = round(max(stood_still - pressure, 0.0), 3)
        return entry

    def _swaps(self, since: float) -> bool:
        """Whether the cell swapped; what the arm itself had moved there was no want of memory."""
        most = self._parameters["swap_threshold_mib"] + self._moved_mib
        return self._bench.sampler.peak_swap_mib(since) > most

    def _broken(self) -> dict[str, Any] | None:
        """What went furthest beyond the factor; None if all kept within."""
        found = factors(self._rounds)
        worst = max(found, key=lambda key: found[key], default=None)
        if worst is None or found[worst] <= self._parameters["tile_factor"]:
            return None
        name, phase, measure = worst
        return {
            "name": name,
            "program": next(one.program for one in self._tile if one.name == name),
            "phase": phase,
            "measure": measure,
            "factor": round(found[worst], 4),
        }

    def _is_late(self, seconds: float) -> bool:
        """Whether one more tile would end with the run's deadline and not with what it shows."""
        left = self._bench.seconds_left()
        if self._count == self._parameters["tiles_max"] or left >= ROOM_FOR_A_ROUND * seconds:
            return False
        self._result["stop_reason"] = (
            f"There was no time for {self._count + 1} tiles: the last one took {seconds:.0f} s, "
            f"and {left:.0f} s of deadline_seconds {self._parameters['deadline_seconds']:g} were "
            "left; raise it (study_deadline_seconds)."
        )
        return True


def _measured(worker: _Worker, phase: str, done: Completed) -> dict[str, Any]:
    """What a phase that has ended came to; raises GuestError if that is nothing."""
    what = f"Program {worker.program.name} in guest {worker.guest.name}"
    if done.failure:
        raise GuestError(
            "stopped",
            f"{what} ended its phase {phase} with {done.failure}; see what it says, and give the "
            "guest more memory or less data (guest_mib and mib of the tile).",
        )
    try:
        answer = parse_answer(done.output)
    except ValueError as error:
        raise GuestError(
            "stopped",
            f"{what} does not say what came of its phase {phase} ({one_line(str(error))}): mend "
            "its run (docs/programs.md), and build the guest image again (role guest_image).",
        ) from None
    if answer.seconds * CLOCK_SHARE > done.seconds + CLOCK_SECONDS:
        raise GuestError(
            "stopped",
            f"{what} says that its phase {phase} took {answer.seconds:.2f} s, and the host saw "
            f"{done.seconds:.2f} s: the guest's clock has jumped, so its times are none; look at "
            "the host's clock source and its kernel log.",
        )
    shares = {name: getattr(answer, name) for name in PERCENTILES}
    return {
        "seconds": round(answer.seconds, 3),
        "late_seconds": round(done.late_seconds, 3),
        "work": round(answer.work, 6),
        **{name: None if share is None else round(share, 6) for name, share in shares.items()},
    }


def _peak_mib(samples: list[Sample], number: int) -> float:
    return max((s.guests[number].footprint_mib for s in samples if number in s.guests), default=0.0)


def _pressure_seconds(bench: Bench) -> float | None:
    return (bench.cgroup.pressure_seconds() or {}).get("some")


def costs_of(rows: list[dict[str, Any]]) -> Costs:
    """Medians over guests of one name: seconds for the same work, and p99_ms where there is one."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        if row["seconds"] is not None and row["work"]:
            found[row["name"], row["phase"], "seconds"].append(row["seconds"] / row["work"])
        if row["p99_ms"] is not None:
            found[row["name"], row["phase"], "p99_ms"].append(row["p99_ms"])
    return {key: statistics.median(values) for key, values in found.items()}


def factors(rounds: list[dict[str, Any]]) -> Costs:
    """How many times what they were with one tile the costs of the last round are."""
    first, last = costs_of(rounds[0]["programs"]), costs_of(rounds[-1]["programs"])
    return {key: cost / first[key] for key, cost in last.items() if first.get(key)}


def _worst(rounds: list[dict[str, Any]]) -> float | None:
    """None where a phase did not end, or nothing can be compared."""
    if any(row["censored"] for row in rounds[-1]["programs"]):
        return None
    worst = max(factors(rounds).values(), default=None)
    return None if worst is None else round(worst, 4)


def _needs(bench: Bench, why: str | None) -> str:
    """Why not even one tile fits, and what its guests need."""
    samples = bench.sampler.since(0.0)
    most_mib = max(sample.cell_memory_mib + sample.cell_swap_mib for sample in samples)
    return one_line(
        f"One tile does not fit, so there is no density: its guests took up to {most_mib:.0f} MiB "
        f"and the cell has {bench.cell['memory_mib']:g} MiB without swap: {why or 'it swapped.'} "
        "Make the guests of the tile smaller or fewer (study_tile), or the node larger "
        "(study_node_mib).",
        LONGEST_SENTENCE,
    )


def summary(result: dict[str, Any]) -> str:
    count, by = result["tiles_at_quality"], result["stopped_by"]
    broken = result["broken_by"]
    why = f"{broken['name']} broke at {count + 1}" if broken else by
    return f"{count} tile{'' if count == 1 else 's'} at quality, {why}"
