# SPDX-License-Identifier: GPL-2.0-or-later
"""Tiles of guests that behave as told: which are added, what ends that, and what is kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import (
    GuestError,
    WrongGuestError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Completed
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import ProcessMemory
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import tile as _tile
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.sampler import Sample
from hintfleet.records.tiles import tile_contradictions

SCHEMA = json.loads(
    (
        Path(__file__).parents[9] / "analysis/hintfleet/records/schemas/run_record.schema.json"
    ).read_text()
)
PROGRAMS = {
    "cache": {"phases": ["read", "reread"], "measures": "MiB", "smallest_guest_mib": 64},
    "idle": {"phases": ["idle"], "measures": "s", "smallest_guest_mib": 64},
}
TILE = [
    {"name": "cache", "program": "cache", "guest_mib": 256, "vcpus": 2, "mib": 128},
    {"name": "quiet", "program": "idle", "guest_mib": 128, "vcpus": 1, "mib": 1},
]
PARAMETERS = {
    "tile": TILE, "programs": PROGRAMS, "tiles_max": 4, "tile_factor": 1.5,
    "tile_schedule": "staggered", "tile_pause_seconds": 0.0,
    "swap_threshold_mib": 1.0, "deadline_seconds": 1000.0,
}  # fmt: skip
CELL = {"name": "c", "memory_mib": 1000.0, "cpus": [0, 1]}

Behaves = Callable[["FakeBench", str, str], Any]
"""What a guest by name answers to a phase: an answer as a mapping, a Completed, or an error."""


class FakeGuest:
    def __init__(self, bench: FakeBench, name: str, memory_mib: int, vcpus: int) -> None:
        self.name, self.memory_mib, self.vcpus = name, memory_mib, vcpus
        self.qemu = self
        self.alive = True
        self._bench = bench

    def is_alive(self) -> bool:
        return self.alive

    def start(self, command: list[str]) -> int:
        program, phase, _mib, seed = command
        assert program.startswith("/programs/") and program.endswith("/run")
        self._bench.log.append(f"{self.name} {phase}")
        self._bench.seeds.setdefault(self.name, set()).add(seed)
        self._phase = phase
        return 7

    def wait(self, _process_id: int, seconds: float, **_: Any) -> Completed:
        assert seconds > 0
        self._bench.waited.append((self.name, self._phase, seconds))
        said = self._bench.behaves(self._bench, self.name, self._phase)
        if isinstance(said, BaseException):
            raise said
        if isinstance(said, Completed):
            return said
        answer = {"work": 100, "seconds": 2.0, **said}
        return Completed(0, None, json.dumps(answer) + "\n", "", answer["seconds"], 0.25)

    def note_placement(self) -> None:
        pass


class FakeBench:
    """A cell whose guests take `footprint_mib` each, and what is beyond its memory swaps."""

    def __init__(
        self, behaves: Behaves = lambda *_: {}, *, footprint_mib: float = 10.0, **changes: Any
    ) -> None:
        self.parameters = {**PARAMETERS, **changes}
        self.cell = CELL
        self.behaves = behaves
        self.guests: list[FakeGuest] = []
        self.log: list[str] = []
        self.seeds: dict[str, set[str]] = {}
        self.waited: list[tuple[str, str, float]] = []
        self.refuses: dict[str, GuestError] = {}
        self.moved_mib = 0.0
        self.balances = 0
        self.sampler = self.cgroup = self
        self._footprint = footprint_mib
        self._now = 0.0

    def launch(self, name: str, *, memory_mib: int, vcpus: int) -> FakeGuest:
        if name in self.refuses:
            raise self.refuses[name]
        self.guests.append(FakeGuest(self, name, memory_mib, vcpus))
        return self.guests[-1]

    def rest(self, guest: FakeGuest) -> None:
        self.log.append(f"{guest.name} rests")

    def wake(self, guest: FakeGuest) -> None:
        self.log.append(f"{guest.name} wakes")

    def spending(self, _what: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def take_balances(self) -> None:
        self.balances += 1

    def seconds_left(self) -> float:
        return max(float(self.parameters["deadline_seconds"]) - self._now, 0.1)

    def seconds(self) -> float:
        self._now += 5.0
        return self._now

    def swap_mib(self) -> float:
        return max(0.0, len(self.guests) * self._footprint - self.cell["memory_mib"])

    def peak_swap_mib(self, _since: float) -> float:
        return self.swap_mib()

    def pressure_seconds(self) -> dict[str, float]:
        return {"some": 0.5, "full": 0.25}

    def take(self) -> Sample:
        held = {
            number: ProcessMemory(self._footprint if guest.alive else 0.0, 0.0)
            for number, guest in enumerate(self.guests, start=1)
        }
        return Sample(self._now, sum(one.resident_mib for one in held.values()), 0.0, held)

    def since(self, _seconds: float) -> list[Sample]:
        return [self.take()]


def added(bench: FakeBench) -> dict[str, Any]:
    """The result, which its schema allows and in which a report finds no contradiction."""
    result: dict[str, Any] = {}
    _tile.run(bench, result)  # type: ignore[arg-type]
    definitions = SCHEMA["$defs"]
    jsonschema.validate(result, {**definitions["tile"], "$defs": definitions})
    told: Any = result
    assert list(tile_contradictions(told, bench.parameters, 1e6, shares_pages=False)) == []
    return result


def of_tile(number: int) -> Callable[[str], bool]:
    return lambda name: name.startswith(f"tile{number}-")


def test_tiles_are_added_to_the_maximum_while_quality_holds() -> None:
    bench = FakeBench()
    result = added(bench)
    assert (result["tiles_at_quality"], result["stopped_by"]) == (4, "maximum")
    assert (result["stop_reason"], result["broken_by"]) == (None, None)
    assert [one["tiles"] for one in result["tiles"]] == [1, 2, 3, 4]
    assert [len(one["programs"]) for one in result["tiles"]] == [3, 6, 9, 12]
    assert {one["worst_factor"] for one in result["tiles"]} == {1.0}
    first = bench.guests[0]
    assert (first.name, first.memory_mib, first.vcpus) == ("tile1-cache", 256, 2)
    row = result["tiles"][0]["programs"][0]
    assert (row["guest"], row["tile"], row["phase"]) == ("tile1-cache", 1, "read")
    assert (row["work"], row["seconds"], row["late_seconds"]) == (100, 2.0, 0.25)
    assert bench.balances == 1
    assert _tile.summary(result) == "4 tiles at quality, maximum"


def test_no_two_guests_of_a_run_have_a_seed() -> None:
    bench = FakeBench()
    added(bench)
    seeds = [seed for of_guest in bench.seeds.values() for seed in of_guest]
    assert len(bench.seeds) == len(seeds) == len(set(seeds)) == 8


def test_one_guest_works_at_a_time_and_rests_between() -> None:
    bench = FakeBench(tiles_max=2)
    added(bench)
    assert bench.log[:6] == [
        "tile1-cache read", "tile1-cache rests", "tile1-quiet idle", "tile1-quiet rests",
        "tile1-cache wakes", "tile1-cache reread",
    ]  # fmt: skip
    second = bench.log[bench.log.index("tile2-cache read") - 6 :]
    assert [one for one in second if one.endswith(("read", "idle"))] == [
        "tile1-cache read", "tile1-quiet idle", "tile2-cache read", "tile2-quiet idle",
        "tile1-cache reread", "tile2-cache reread",
    ]  # fmt: skip
    # One that has not worked yet has nothing to be given back.
    assert "tile2-cache wakes" not in bench.log[: bench.log.index("tile2-cache read")]


@pytest.mark.parametrize(
    ("schedule", "order"),
    [
        ("staggered", ["read", "pause", "idle", "pause", "reread", "pause"]),
        ("together", ["read", "idle", "pause", "reread", "pause"]),
    ],
)
def test_what_a_phase_freed_has_time_to_come_back_before_another_works(
    schedule: str, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = FakeBench(tiles_max=1, tile_schedule=schedule, tile_pause_seconds=3.5)
    pause = {3.5: "any pause"}
    monkeypatch.setattr(_tile.time, "sleep", lambda seconds: bench.log.append(pause[seconds]))
    added(bench)
    done = [one.split()[1] for one in bench.log if not one.endswith(("rests", "wakes"))]
    assert done == order


def test_together_all_begin_a_phase_before_one_has_ended() -> None:
    bench = FakeBench(tiles_max=1, tile_schedule="together")
    added(bench)
    assert bench.log[:4] == [
        "tile1-cache read", "tile1-quiet idle", "tile1-cache rests", "tile1-quiet rests",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("slow", "measure", "factor"),
    [
        ({"seconds": 4.0}, "seconds", 2.0),
        ({"work": 40}, "seconds", 2.5),
        ({"p99_ms": 9.0}, "p99_ms", 3.0),
    ],
)
def test_a_quality_that_breaks_ends_it_and_is_named(
    slow: dict[str, float], measure: str, factor: float
) -> None:
    def behaves(bench: FakeBench, _name: str, phase: str) -> dict[str, float]:
        late = phase == "reread" and len(bench.guests) > 4
        return {"p50_ms": 1.0, "p99_ms": 3.0, **(slow if late else {})}

    result = added(FakeBench(behaves))
    assert (result["tiles_at_quality"], result["stopped_by"]) == (2, "quality")
    assert result["broken_by"] == {
        "name": "cache", "program": "cache", "phase": "reread",
        "measure": measure, "factor": factor,
    }  # fmt: skip
    assert result["tiles"][-1]["worst_factor"] == factor
    assert _tile.summary(result) == "2 tiles at quality, cache broke at 3"


def test_a_quality_that_breaks_once_may_have_been_chance() -> None:
    """The round is done again, and what breaks then is broken."""
    seen: list[str] = []

    def behaves(bench: FakeBench, name: str, phase: str) -> dict[str, float]:
        seen.append(name)
        is_first = seen.count("tile2-cache") == 1 and name == "tile2-cache"
        return {"seconds": 5.0 if is_first and phase == "read" else 2.0}

    bench = FakeBench(behaves, tiles_max=2, tile=TILE[:1])
    result = added(bench)
    assert (result["tiles_at_quality"], result["stopped_by"]) == (2, "maximum")
    assert [one["tiles"] for one in result["tiles"]] == [1, 2]
    assert result["tiles"][-1]["once_broken_by"]["phase"] == "read"
    assert "once_broken_by" not in result["tiles"][0]
    assert seen.count("tile2-cache") == 4 and seen.count("tile1-cache") == 6


def test_the_median_over_guests_is_held_against_one_tile() -> None:
    """One slow guest of three breaks nothing, two do."""

    def slow_from(tile: int) -> dict[str, Any]:
        def behaves(bench: FakeBench, name: str, _phase: str) -> dict[str, float]:
            is_slow = len(bench.guests) == 6 and name.startswith("tile") and int(name[4]) >= tile
            return {"seconds": 5.0 if is_slow else 2.0}

        return added(FakeBench(behaves, tiles_max=3))

    assert slow_from(3)["tiles_at_quality"] == 3
    assert slow_from(2)["tiles_at_quality"] == 2


def test_exactly_the_factor_is_within_it() -> None:
    def behaves(bench: FakeBench, _name: str, _phase: str) -> dict[str, float]:
        return {"seconds": 3.0 if len(bench.guests) > 2 else 2.0}

    assert added(FakeBench(behaves))["tiles_at_quality"] == 4


def test_a_program_without_work_or_time_has_no_such_quality() -> None:
    def behaves(bench: FakeBench, _name: str, _phase: str) -> dict[str, float]:
        return {"work": 0, "seconds": float(len(bench.guests))}

    result = added(FakeBench(behaves, tiles_max=2))
    assert result["tiles_at_quality"] == 2
    assert result["tiles"][-1]["worst_factor"] is None


def test_swap_beyond_the_threshold_ends_it() -> None:
    result = added(FakeBench(footprint_mib=240.0))
    assert (result["tiles_at_quality"], result["stopped_by"]) == (2, "swap")
    assert result["tiles"][-1]["peak_swap_mib"] == 440
    assert result["stop_reason"] is None
    assert result["swap_end_mib"] == 440


def test_what_the_arm_moved_to_swap_is_no_want_of_memory() -> None:
    bench = FakeBench(footprint_mib=240.0, tiles_max=3)
    bench.moved_mib = 440.0
    assert added(bench)["tiles_at_quality"] == 3


def test_a_first_tile_that_swaps_is_no_density_and_says_what_it_needs() -> None:
    result = added(FakeBench(footprint_mib=600.0))
    assert (result["tiles_at_quality"], result["stopped_by"]) == (0, "swap")
    assert (
        "no density: its guests took up to 1200 MiB and the cell has 1000 MiB"
        in result["stop_reason"]
    )
    assert "study_tile" in result["stop_reason"]


def dies(name: str, end: str = "died") -> Behaves:
    def behaves(bench: FakeBench, of: str, phase: str) -> Any:
        if of == name and phase == "reread":
            bench.guests[0].alive = end != "died"
            return GuestError(end, f"Guest {name} failed.")
        return {}

    return behaves


@pytest.mark.parametrize("end", ["died", "deadline", "stopped"])
def test_a_guest_that_is_lost_ends_it_and_what_was_measured_is_kept(end: str) -> None:
    result = added(FakeBench(dies("tile2-cache", end)))
    assert (result["tiles_at_quality"], result["stopped_by"]) == (1, "lost")
    assert result["stop_reason"] == "Guest tile2-cache failed."
    last = result["tiles"][-1]
    assert last["worst_factor"] is None
    assert [row["censored"] for row in last["programs"] if row["censored"]] == [
        "Guest tile2-cache failed."
    ]
    assert {row["seconds"] for row in last["programs"]} == {2.0, None}


def test_a_guest_that_is_lost_while_the_cell_swaps_is_swap() -> None:
    bench = FakeBench(dies("tile3-cache"), footprint_mib=240.0)
    assert added(bench)["stopped_by"] == "swap"


@pytest.mark.parametrize("end", ["died", "deadline"])
def test_a_first_tile_that_loses_a_guest_is_no_density(end: str) -> None:
    result = added(FakeBench(dies("tile1-cache", end)))
    assert (result["tiles_at_quality"], result["stopped_by"]) == (0, "lost")
    assert "Guest tile1-cache failed." in result["stop_reason"]


def test_another_guest_that_died_meanwhile_is_seen() -> None:
    def behaves(bench: FakeBench, name: str, _phase: str) -> dict[str, float]:
        bench.guests[0].alive = not name.startswith("tile2")
        return {}

    result = added(FakeBench(behaves))
    assert result["stop_reason"] == "Guest tile1-cache died while tile2-cache worked."
    assert result["tiles_at_quality"] == 1


def test_a_guest_that_does_not_come_up_ends_it() -> None:
    bench = FakeBench()
    bench.refuses["tile3-quiet"] = GuestError("never_up", "Guest tile3-quiet failed.")
    result = added(bench)
    assert (result["tiles_at_quality"], result["stopped_by"]) == (2, "lost")
    assert len(result["tiles"]) == 2


@pytest.mark.parametrize("name", ["tile1-quiet", "tile3-quiet"])
def test_a_guest_that_is_another_than_asked_for_fails_the_run(name: str) -> None:
    bench = FakeBench()
    bench.refuses[name] = WrongGuestError("It runs another kernel.")
    with pytest.raises(WrongGuestError):
        added(bench)


FAILED = Completed(1, None, "", "some words\nredis: no room\n", 1.0)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (FAILED, r"exit code 1 \(redis: no room\).*guest_mib"),
        (Completed(0, None, "", "", 1.0), "printed nothing"),
        (Completed(0, None, "{}\n{}\n", "", 1.0), "more than one line"),
        (Completed(0, None, '{"work": -1, "seconds": 1}', "", 1.0), "no number"),
        (Completed(0, None, '{"work": 1, "seconds": 1e999}', "", 1.0), "no number"),
        ({"p50_ms": 5, "p99_ms": 3}, "do not rise"),
        (Completed(0, None, '{"work": 1, "seconds": 9}', "", 2.0), "clock has jumped"),
    ],
)
def test_a_program_that_fails_or_lies_at_once_fails_the_run(said: Any, words: str) -> None:
    with pytest.raises(GuestError, match=words) as raised:
        added(FakeBench(lambda *_: said))
    assert "guest tile1-cache" in str(raised.value)


def test_a_phase_is_given_up_that_takes_far_longer_than_with_one_tile() -> None:
    bench = FakeBench(lambda *_: {"seconds": 6.0}, tiles_max=2)
    added(bench)
    first = [seconds for name, _, seconds in bench.waited[:3]]
    assert min(first) > 900  # nothing but the run's deadline
    later = [seconds for name, _, seconds in bench.waited if name == "tile2-cache"]
    assert max(later) == pytest.approx(_tile.PATIENCE * 2 * 6.0, abs=1.0)


def test_a_round_that_there_is_no_time_for_is_not_begun() -> None:
    result = added(FakeBench(deadline_seconds=60.0))
    assert result["stopped_by"] == "maximum"
    assert 0 < result["tiles_at_quality"] < 4
    assert "no time for" in result["stop_reason"]
    assert "study_deadline_seconds" in result["stop_reason"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tile": []}, "0 guests"),
        ({"tile": [TILE[0], TILE[0]]}, "Two guests of the tile are named cache"),
        ({"tile": [{**TILE[0], "name": "a" * 33}]}, "1 to 32"),
        ({"tile": [{**TILE[0], "name": "../x"}]}, "1 to 32"),
        ({"tile": [{**TILE[0], "program": "redis"}]}, "choose from cache, idle"),
        ({"tile": [{**TILE[0], "mib": 200}]}, "less than 64 MiB"),
        ({"tile": [{**TILE[0], "guest_mib": 32}]}, "needs a guest of 64 MiB"),
        ({"tile": [{**TILE[0], "guest_mib": 2000}]}, "has 2000 MiB and cell c 1000 MiB"),
        ({"programs": {**PROGRAMS, "cache": {**PROGRAMS["cache"], "needs_files": True}}},
         "study_guest_files_mib"),
        ({"programs": {**PROGRAMS, "cache": {}}}, "Program cache: it lacks phases"),
        ({"tile_factor": 1.0}, "tile_factor is 1"),
        ({"tile_schedule": "sometimes"}, "choose from staggered, together"),
        ({"tiles_max": 0}, "tiles_max is 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(changes: dict[str, Any], words: str) -> None:
    sentence = _tile.check({**PARAMETERS, **changes}, CELL)
    assert sentence and words in sentence


def test_what_can_be_is_none() -> None:
    assert _tile.check(PARAMETERS, CELL) is None
    assert SimpleNamespace(**PARAMETERS).tile == TILE
