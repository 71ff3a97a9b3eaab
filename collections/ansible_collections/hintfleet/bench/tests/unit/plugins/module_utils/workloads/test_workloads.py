# SPDX-License-Identifier: GPL-2.0-or-later
"""What workloads make of guests and a host that behave as told."""

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
    BenchError,
    GuestError,
    WrongGuestError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import (
    Completed,
    GuestFacts,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import ProcessMemory
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (
    consolidation as _workload_consolidation,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (
    memhog as _workload_memhog,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (
    page_fault as _workload_page_fault,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import proof as _proof
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import SPENT
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.files import read_files
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.registry import WORKLOADS
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.sampler import Sample

SCHEMA = json.loads(
    (
        Path(__file__).parents[9] / "analysis/hintfleet/records/schemas/run_record.schema.json"
    ).read_text()
)


def check_schema(workload: str, result: dict[str, Any]) -> None:
    jsonschema.validate(result, {**SCHEMA["$defs"][workload], "$defs": SCHEMA["$defs"]})


def answered(output: str, seconds: float = 1.5, exit_code: int = 0) -> Completed:
    return Completed(exit_code, None, output, "", seconds)


class FakeGuest:
    """A guest whose programs do what `behave` says about their command."""

    def __init__(self, name: str, behave: Callable[[list[str]], Completed]) -> None:
        self.name = name
        self.boot_seconds = 2.0
        self.facts = GuestFacts("6.1", "", {}, "never")
        self.qemu = self
        self.machine = SimpleNamespace(files_mib=0, files_device="/dev/vda")
        self.lazy = False
        self.alive = True
        self.placed = False
        self._behave = behave

    def cpu_seconds(self) -> float:
        return 0.0

    def is_alive(self) -> bool:
        return self.alive

    def run(self, command: list[str], _seconds: float, **_: Any) -> Completed:
        return self._behave(command)

    def note_placement(self) -> None:
        self.placed = True


class FakeBench:
    """A cell where guests of `footprint_mib` fill `memory_mib`, and what is beyond it swaps.

    It is its own sampler and cgroup. Each program takes one second.
    """

    def __init__(
        self, parameters: dict[str, Any], behave: Callable[[list[str]], Completed],
        *, footprint_mib: float = 0.0, fails_at: int | None = None,
    ) -> None:  # fmt: skip
        self.parameters = {"swap_threshold_mib": 1.0, "deadline_seconds": 100.0, **parameters}
        self.cell = {"memory_mib": 1000.0, "cpus": [0, 1]}
        self.guests: list[FakeGuest] = []
        self.balances = 0
        self.moved_mib = 0.0
        self.rested: list[str] = []
        self.sampler = self.cgroup = self
        self._behave = behave
        self._footprint = footprint_mib
        self._fails_at = fails_at
        self._now = 0.0

    def launch(self) -> FakeGuest:
        self.guests.append(FakeGuest(f"guest{len(self.guests) + 1}", self._behave))
        self._now += 1
        if len(self.guests) == self._fails_at:
            raise GuestError("never_up", f"Guest {self.guests[-1].name} failed.")
        return self.guests[-1]

    def launch_together(self, count: int) -> list[FakeGuest]:
        return [self.launch() for _ in range(count)]

    def spending(self, what: str) -> contextlib.AbstractContextManager[None]:
        assert what in SPENT
        return contextlib.nullcontext()

    def rest(self, guest: FakeGuest) -> None:
        self.rested.append(guest.name)

    def take_balances(self) -> None:
        self.balances += 1

    def seconds_left(self) -> float:
        return 100.0

    def seconds(self) -> float:
        self._now += 0.5
        return self._now

    def swap_mib(self) -> float:
        return max(0.0, len(self.guests) * self._footprint - self.cell["memory_mib"])

    def peak_swap_mib(self, _since: float) -> float:
        return self.swap_mib()

    def take(self) -> Sample:
        memory = {
            n: ProcessMemory(self._footprint if guest.alive else 0.0, 0.0)
            for n, guest in enumerate(self.guests, start=1)
        }
        return Sample(self._now, 500.0, self.swap_mib(), memory)

    def since(self, _seconds: float) -> list[Sample]:
        return [self.take()]


READ = '{"read_mib":64.000000,"seconds":0.049382}\n'


def allocate(_command: list[str]) -> Completed:
    return answered('{"touched_mib":256,"checksum":"4ff44acf9afab483","seconds":1.351576}')


def consolidate(**options: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    parameters = {"allocation_mib": 256, "max_guests": 20}
    _workload_consolidation.run(FakeBench(parameters, allocate, **options), result)
    check_schema("consolidation", result)
    return result


def test_both_counting_rules_where_the_cell_swaps() -> None:
    result = consolidate(footprint_mib=300)
    assert result["guests_without_swap"] == 3
    assert result["guests_at_first_swap"] == 4
    assert result["stopped_by"] == "swap"
    assert result["swap_end_mib"] == 200
    assert len(result["steps"]) == 4
    assert result["steps"][-1]["touched_mib"] == 256
    assert result["physical_limit_guests"] == 3
    assert WORKLOADS["consolidation"].summary(result) == "3 guests without swap"


def test_a_guest_rests_when_its_work_has_ended() -> None:
    bench = FakeBench({"allocation_mib": 256, "max_guests": 2}, allocate, footprint_mib=1)
    _workload_consolidation.run(bench, {})
    assert bench.rested == ["guest1", "guest2"]


def test_guests_that_have_files_read_them_after_the_program() -> None:
    commands: list[str] = []
    result: dict[str, Any] = {}

    def behave(command: list[str]) -> Completed:
        commands.append(command[-1])
        if command[0] == "/bin/hf-allocate":
            return allocate(command)
        assert "hf-read /dev/vda" in command[-1]
        return answered(READ)

    bench = FakeBench({"allocation_mib": 256, "max_guests": 1}, behave, footprint_mib=1)
    launch = bench.launch

    def with_files() -> FakeGuest:
        guest = launch()
        guest.machine.files_mib = 64
        return guest

    bench.launch = with_files  # type: ignore[method-assign]
    _workload_consolidation.run(bench, result)
    check_schema("consolidation", result)
    (step,) = result["steps"]
    assert (step["files_mib"], step["read_seconds"]) == (64, 0.049)
    assert commands[0] == "256" and len(commands) == 2


def test_files_that_are_not_read_whole_are_a_sentence() -> None:
    def behave(command: list[str]) -> Completed:
        return allocate(command) if len(command) == 2 else answered(READ)

    bench = FakeBench({"allocation_mib": 256, "max_guests": 1}, behave, footprint_mib=1)
    guest = FakeGuest("guest1", behave)
    guest.machine.files_mib = 65
    with pytest.raises(GuestError, match=r"read 64 MiB of 65.*lower guest_files_mib"):
        read_files(bench, guest)  # type: ignore[arg-type]


def test_a_program_that_touched_less_than_it_was_told_makes_no_guest_fit() -> None:
    def behave(_command: list[str]) -> Completed:
        return answered('{"touched_mib":255,"checksum":"4ff44acf9afab483","seconds":1.35}')

    bench = FakeBench({"allocation_mib": 256, "max_guests": 3}, behave, footprint_mib=1)
    with pytest.raises(GuestError, match="touched 255 MiB of 256 MiB"):
        _workload_consolidation.run(bench, {})


def test_a_swap_of_less_than_the_threshold_is_none() -> None:
    assert consolidate(footprint_mib=250.2)["guests_without_swap"] == 4
    assert consolidate(footprint_mib=250.3)["guests_without_swap"] == 3


def test_memory_that_was_freed_lazily_is_told_beside_what_a_guest_holds() -> None:
    bench = FakeBench({"allocation_mib": 256, "max_guests": 2}, allocate, footprint_mib=300)
    launch = bench.launch

    def lazily() -> FakeGuest:
        guest = launch()
        guest.lazy, guest.lazy_mib = True, lambda: 220.0  # type: ignore[attr-defined]
        return guest

    bench.launch = lazily  # type: ignore[method-assign]
    result: dict[str, Any] = {}
    _workload_consolidation.run(bench, result)
    check_schema("consolidation", result)
    assert (result["idle_footprint_mib"], result["idle_lazy_mib"]) == (80.0, 220.0)
    assert result["physical_limit_guests"] == (1000 - 300) // 80 + 1


def test_swap_that_the_arm_asked_for_is_no_want_of_memory() -> None:
    bench = FakeBench({"allocation_mib": 256, "max_guests": 20}, allocate, footprint_mib=300)
    bench.moved_mib = 350.0
    result: dict[str, Any] = {}
    _workload_consolidation.run(bench, result)
    # The fourth guest's 200 MiB were moved there; the fifth has 500 MiB in swap.
    assert (result["guests_without_swap"], result["guests_at_first_swap"]) == (4, 5)


def test_the_maximum_ends_a_run_that_never_swaps() -> None:
    result = consolidate(footprint_mib=1)
    assert result["guests_without_swap"] == 20
    assert result["guests_at_first_swap"] is None
    assert result["stopped_by"] == "maximum"


def test_a_launch_that_fails_ends_the_run_and_keeps_what_was_measured() -> None:
    result = consolidate(footprint_mib=100, fails_at=4)
    assert result["guests_without_swap"] == 3
    assert result["stopped_by"] == "launch_failed"
    assert result["stop_reason"] == "Guest guest4 failed."


def test_a_launch_that_fails_while_the_cell_swaps_is_swap() -> None:
    result = consolidate(footprint_mib=300, fails_at=4)
    assert (result["stopped_by"], result["guests_at_first_swap"]) == ("swap", 4)


@pytest.mark.parametrize("footprint_mib", [100, 300])
def test_a_guest_that_is_not_what_was_asked_for_fails_the_run(footprint_mib: int) -> None:
    """Whichever it is, and also where the cell swaps: it would count as no more guests."""
    bench = FakeBench(
        {"allocation_mib": 256, "max_guests": 9}, allocate, footprint_mib=footprint_mib
    )
    launch = bench.launch

    def unlike_at_the_fourth() -> FakeGuest:
        guest = launch()
        if len(bench.guests) == 4:
            raise WrongGuestError("Guest guest4 does not have it.")
        return guest

    bench.launch = unlike_at_the_fourth  # type: ignore[method-assign]
    with pytest.raises(WrongGuestError, match="guest4 does not have it"):
        _workload_consolidation.run(bench, {})


@pytest.mark.parametrize("victims", [1, 2])
def test_a_guest_that_died_meanwhile_ends_the_run(victims: int) -> None:
    result: dict[str, Any] = {}
    bench = FakeBench({"allocation_mib": 256, "max_guests": 20}, allocate, footprint_mib=100)

    def kill_the_first(command: list[str]) -> Completed:
        for guest in bench.guests[:victims]:
            guest.alive = len(bench.guests) < 3
        return allocate(command)

    bench._behave = kill_the_first
    _workload_consolidation.run(bench, result)
    assert result["guests_without_swap"] == 2
    assert result["stop_reason"] == "Guest guest1 died while guest3 ran its program."
    # Where the memory of the one that died lay was noted when its own program had ended.
    assert [guest.placed for guest in bench.guests] == [True, True, False]
    assert result["idle_footprint_mib"] == 100


def test_no_guest_at_all_is_no_density() -> None:
    with pytest.raises(GuestError, match="guest1 failed"):
        consolidate(footprint_mib=300, fails_at=1)


@pytest.mark.parametrize(
    ("cell", "active", "idle", "limit"),
    [(960, 330, 70, 10), (960, 330, 330, 2), (960, 320, 320, 3), (960, 961, 1, 0)],
)
def test_physical_limit(cell: float, active: float, idle: float, limit: int) -> None:
    assert _workload_consolidation.physical_limit(cell, active, idle) == limit
    if limit:  # the definition itself
        assert (limit - 1) * idle + active <= cell < limit * idle + active


def memhog(behave: Callable[[list[str]], Completed]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    _workload_memhog.run(
        FakeBench(
            {"guests": 3, "memhog_mib": 320, "pause_seconds": 0.0}, behave, footprint_mib=400
        ),
        result,
    )
    check_schema("memhog", result)
    return result


def test_memhog_runs_in_one_guest_after_the_other() -> None:
    commands: list[list[str]] = []

    def behave(command: list[str]) -> Completed:
        commands.append(command)
        return answered("....", seconds=float(len(commands)))

    result = memhog(behave)
    assert commands == [["/bin/memhog", "320M"]] * 3
    assert [row["seconds"] for row in result["guests"]] == [1, 2, 3]
    assert result["swap_end_mib"] == result["swap_peak_mib"] == 200
    assert WORKLOADS["memhog"].summary(result) == "1.0 / 2.0 / 3.0 s, 200 MiB of swap"


def test_a_memhog_that_does_not_end_is_censored_and_not_dropped() -> None:
    answers = [answered("...."), Completed(None, 9, "", "", 3.0)]

    def behave(_command: list[str]) -> Completed:
        if not answers:
            raise GuestError("deadline", "Guest guest3 failed: too slow.")
        return answers.pop(0)

    rows = memhog(behave)["guests"]
    assert [row["seconds"] for row in rows] == [1.5, None, None]
    assert "signal 9" in rows[1]["censored"]
    assert rows[2]["censored"] == "Guest guest3 failed: too slow."


def test_an_agent_that_tells_late_of_an_end_says_by_how_much() -> None:
    late = Completed(0, None, "....", "", 9.0, 7.5)
    rows = memhog(lambda _: late)["guests"]
    assert [(row["seconds"], row["late_seconds"]) for row in rows] == [(9.0, 7.5)] * 3


LATENCY = {
    "count": 3, "p50_ns": 5591.7, "p95_ns": 11623.7, "p99_ns": 91968.8, "p999_ns": 24397031.5,
    "bounds_ns": [64, 67, 70], "counts": [2, 1],
}  # fmt: skip


def page_fault(behave: Callable[[list[str]], Completed], program: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    parameters = {
        "tasks": 2, "seconds": 2.0, "task_mib": 128, "latency_mib": 64, "program": program,
    }  # fmt: skip
    _workload_page_fault.run(FakeBench(parameters, behave), result)
    check_schema("page_fault", result)
    return result


def test_page_fault_has_the_columns_of_will_it_scale() -> None:
    rates = {"processes": {1: 100.0, 2: 180.0}, "threads": {1: 110.0, 2: 150.0}}

    def behave(command: list[str]) -> Completed:
        if command[0] == "/bin/hf-fault-latency":
            return answered(json.dumps(LATENCY))
        options = dict(zip(command[1::2], command[2::2], strict=True))
        rate = rates[options["--mode"]][int(options["--tasks"])]
        assert options["--seconds"] == "2"
        return answered(json.dumps({"touches_per_second": rate, "idle_percent": 45.97}), 2.1)

    result = page_fault(behave, "hintfleet")
    assert result["rows"] == [
        _workload_page_fault.FIRST_ROW,
        {"tasks": 1, "processes": 100, "processes_idle": 45.97, "threads": 110,
         "threads_idle": 45.97, "linear": 110},
        {"tasks": 2, "processes": 180, "processes_idle": 45.97, "threads": 150,
         "threads_idle": 45.97, "linear": 220},
    ]  # fmt: skip
    assert result["latency"]["histogram"]["counts"] == [2, 1]
    assert result["thp"] == {"guest": "never", "in_play": False}


def test_a_rate_by_a_clock_that_jumped_is_none() -> None:
    """The guest's two seconds took the host one."""
    told = json.dumps({"touches_per_second": 100.0, "idle_percent": 1.0})
    with pytest.raises(GuestError, match=r"the host saw 1\.00 s: the guest's clock has jumped"):
        page_fault(lambda _: answered(told, 1.0), "hintfleet")


# Format of will-it-scale's main.c; the cpu lines are of a guest, 2026-11-22.
WILL_IT_SCALE = """cpu  10 0 20 1000 10 0 0 0 0 0
testcase:Anonymous memory page fault
warmup
min:90 max:90 total:90
measurement
min:100 max:100 total:100
min:120 max:120 total:120
average:110
cpu  40 0 90 1090 20 0 0 0 0 0
"""


def test_will_it_scale_gives_a_rate_and_the_guest_its_idle_time() -> None:
    assert _workload_page_fault.parse_will_it_scale(WILL_IT_SCALE) == (110.0, 50.0)
    with pytest.raises(BenchError, match="printed no average"):
        _workload_page_fault.parse_will_it_scale("Segmentation fault\n")


def test_what_ends_will_it_scale_is_told_with_its_last_words() -> None:
    """A shell in between says Aborted after them."""
    words = "libgcc_s.so.1 must be installed for pthread_cancel to work"

    def behave(command: list[str]) -> Completed:
        if command[0] == "/bin/test":
            return answered("")
        return Completed(134, None, "testcase:page faults\n", f"{words}\nAborted\n", 1.5)

    with pytest.raises(GuestError) as raised:
        page_fault(behave, "will-it-scale")
    said = str(raised.value)
    assert f"/bin/page_fault1_processes in guest guest1 failed with exit code 134 ({words})" in said
    assert "guest_image_will_it_scale_commit" in said and "task_mib" not in said


def test_an_image_without_will_it_scale_is_named() -> None:
    with pytest.raises(BenchError, match="no /bin/page_fault1_processes; build it"):
        page_fault(lambda _: answered("", exit_code=1), "will-it-scale")


# The guests of a tile have sizes of their own: test_tile.py.
@pytest.mark.parametrize("workload", sorted(set(WORKLOADS) - {"tile"}))
def test_every_workload_refuses_what_does_not_fit(workload: str) -> None:
    parameters = {
        "guest_memory_mib": 384, "guest_swap_mib": 0, "allocation_mib": 256, "memhog_mib": 320,
        "tasks": 2, "task_mib": 128, "latency_mib": 64,
    }  # fmt: skip
    assert WORKLOADS[workload].check(parameters, {}) is None
    assert "256" in WORKLOADS[workload].check({**parameters, "guest_memory_mib": 256}, {})


def test_a_mechanism_that_gives_memory_back_has_acted() -> None:
    entry = _proof.verdict("page_hinting", 128, 125.6, 6.0, {0.5: 0.21, 0.9: 0.35})
    assert entry["acted"] and entry["as_expected"]
    assert [entry[f"seconds_to_{share}"] for share in (50, 90, 99)] == [0.21, 0.35, None]


def test_a_mechanism_that_gives_too_little_back_has_not() -> None:
    entry = _proof.verdict("page_hinting", 128, 100, 6.0, {0.5: 0.21})
    assert not entry["acted"]
    assert not entry["as_expected"]


def test_none_is_expected_not_to_act() -> None:
    assert _proof.verdict("none", 128, 0.4, 6.0, {})["as_expected"]
    assert not _proof.verdict("none", 128, 40, 6.0, {})["as_expected"]
    assert not _proof.verdict("none", 128, 1, 6.0, {0.5: 2.0})["as_expected"]
