# SPDX-License-Identifier: GPL-2.0-or-later
"""Which guests a workload gets; here of guests that do not boot."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import (
    GuestError,
    WrongGuestError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest, GuestFacts
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import Handed
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import bench as _bench


class FakeGuest(Guest):
    """Its QEMU ends as `ends` tells for its console; without a word there, it boots."""

    ends: dict[str, int] = {}  # noqa: RUF012 - the test's
    says = ""

    def __init__(self, machine: Any, *_: Any) -> None:
        self.machine, self.name = machine, machine.name
        self.boot_seconds = None
        console = SimpleNamespace(last=lambda: self.says)
        status = self.ends.get(machine.console.stem)
        self.qemu: Any = SimpleNamespace(exit_status=status, console=console)
        self.facts = GuestFacts("6.1", "", {}, "never")

    def boot(self, seconds: float) -> None:
        if self.qemu.exit_status is not None:
            raise GuestError("never_up", f"Guest {self.name} failed.")
        self.boot_seconds = 1.0


class FakeSampler:
    def __init__(self) -> None:
        self.watched: dict[int, Any] = {}
        self.add = self.watched.__setitem__

    def seconds(self) -> float:
        return 0.0


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(_bench, "Guest", FakeGuest)
    monkeypatch.setattr(FakeGuest, "ends", {})
    parameters = {"boot_deadline_seconds": 9.0, "deadline_seconds": 9.0}
    cgroup: Any = SimpleNamespace(procs_files=[], swap_mib=lambda: 0.0)
    given = dict.fromkeys(Machine.__dataclass_fields__, 0) | {
        "logs": Path("/"),
        "start": 1,
        "mechanism": "none",
    }
    machine: Any = Machine(**given)
    return _bench.Bench(machine, cgroup, FakeSampler(), {"node": 0}, parameters, "u", "6.1")  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [-signal.SIGABRT, -signal.SIGSEGV, 0])
def test_a_guest_whose_qemu_crashes_at_boot_has_another_in_its_place(bench: Any, end: int) -> None:
    FakeGuest.ends = {"console-guest2": end}
    guests = bench.launch_together(3)
    consoles = [guest.machine.console.name for guest in guests]
    assert consoles == ["console-guest1.log", "console-guest2-2.log", "console-guest3.log"]
    assert bench.guests == guests
    assert [guest.name for guest in bench.crashed] == ["guest2"]
    assert guests[1].name == "guest2"  # part of the command line, which mechanisms must share
    assert bench.sampler.watched[2] is guests[1].qemu
    assert len(bench.started) == 4


def test_it_is_started_again_once(bench: Any) -> None:
    FakeGuest.ends = dict.fromkeys(["console-proof", "console-proof-2"], -signal.SIGABRT)
    with pytest.raises(GuestError, match="proof failed"):
        bench.launch("proof")
    assert [guest.machine.start for guest in bench.started] == [2, 1]


@pytest.mark.parametrize("end", [1, -signal.SIGKILL, -signal.SIGTERM])
def test_what_the_host_or_qemu_itself_decided_stands(bench: Any, end: int) -> None:
    FakeGuest.ends = {"console-guest1": end}
    with pytest.raises(GuestError, match="guest1 failed"):
        bench.launch()
    assert bench.crashed == []


def test_a_kernel_that_said_something_ended_its_guest_itself(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeGuest, "says", "Kernel panic - not syncing")
    FakeGuest.ends = {"console-guest1": 0}
    with pytest.raises(GuestError, match="guest1 failed"):
        bench.launch()
    assert bench.crashed == []


def test_where_memory_is_is_asked_of_guests_that_live(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(guest: Any, seconds: float) -> dict[str, Any]:
        assert 0 < seconds <= _bench.BALANCE_SECONDS
        if guest.name == "guest2":
            raise GuestError("died", "Guest guest2 died.")
        return {"of": guest.name}

    monkeypatch.setattr(_bench, "take_balance", take)
    monkeypatch.setattr(_bench, "take_costs", lambda guest, _: {"of": guest.name})
    _first, _second, third, fourth = bench.launch_together(4)
    for guest in bench.guests:
        guest.balance = guest.costs = None
        guest.qemu.is_alive = lambda: True
    third.qemu.is_alive = lambda: False
    fourth.boot_seconds = None
    bench.take_balances()
    assert [guest.balance for guest in bench.guests] == [{"of": "guest1"}, None, None, None]
    # What guest2 has cost was told before it died.
    told = [guest.costs["of"] for guest in bench.guests if guest.costs]
    assert told == ["guest1", "guest2"]


def test_what_an_arm_states_is_done_when_work_has_ended(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def step(by: str) -> Any:
        return lambda *_: done.append(by) or [Handed("taken", by, 8.0, 8.0, 0.5)]

    driver = SimpleNamespace(take=step("taking"), give=step("giving"))
    monkeypatch.setattr(_bench, "DRIVERS", {"balloon": driver})
    monkeypatch.setitem(_bench.PIECES, "reclaim", SimpleNamespace(rested=step("policy")))  # type: ignore[arg-type]
    bench._arm = Arm("a", "balloon", {"reclaim": "drop_caches"})
    guest = SimpleNamespace(handed=[])
    bench.rest(guest)
    bench.wake(guest)
    # A policy comes before the mechanism, which takes what has become free.
    assert done == ["policy", "taking", "giving"]
    assert [one.by for one in guest.handed] == done
    bench._arm = Arm("b", "none", {})
    assert bench.rest(guest) == bench.wake(guest) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (GuestFacts("6.12", "", {}, "never"), "runs kernel 6.12 and not 6.1"),
        (GuestFacts("6.1", "", {}, "never", engine="bitmap"), "finds free pages by 'bitmap'"),
    ],
)
def test_every_guest_is_held_against_what_was_asked_for(
    bench: Any, facts: GuestFacts, words: str
) -> None:
    bench.launch()
    later = FakeGuest.boot

    def boot(guest: FakeGuest, seconds: float) -> None:
        later(guest, seconds)
        guest.facts = facts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeGuest, "boot", boot)
        with pytest.raises(WrongGuestError, match=words):
            bench.launch()


def test_swap_that_the_host_moved_is_told_from_swap_for_want_of_memory(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = iter([5.0, 65.0, 65.0, 100.0])  # before and after each step
    bench.cgroup.swap_mib = lambda: next(swap)
    moved = SimpleNamespace(rested=lambda *_: [Handed("moved", "host_reclaim", 64.0, 60.0, 0.5)])
    monkeypatch.setitem(_bench.PIECES, "host_reclaim", moved)  # type: ignore[arg-type]
    freed = SimpleNamespace(rested=lambda *_: [Handed("reclaimed", "x", 8.0, 8.0, 0.5)])
    monkeypatch.setitem(_bench.PIECES, "reclaim", freed)  # type: ignore[arg-type]
    bench._arm = Arm("a", "none", {"host_reclaim": 50, "reclaim": "drop_caches"})
    bench.rest(SimpleNamespace(handed=[]))
    assert bench.moved_mib == 60.0
