# SPDX-License-Identifier: GPL-2.0-or-later
"""Which guests a workload gets; here of guests that do not boot."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest, GuestFacts
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import bench as _bench


class FakeGuest(Guest):
    """Its QEMU ends as `ends` tells for its name; without a word there, it boots."""

    ends: dict[str, int] = {}  # noqa: RUF012 - the test's

    def __init__(self, machine: Any, *_: Any) -> None:
        self.machine, self.name = machine, machine.name
        self.boot_seconds = None
        self.qemu: Any = SimpleNamespace(exit_status=self.ends.get(self.name))
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
    cgroup: Any = SimpleNamespace(procs_files=[])
    machine: Any = Machine(**dict.fromkeys(Machine.__dataclass_fields__, 0) | {"name": "guest"})
    return _bench.Bench(machine, cgroup, FakeSampler(), {"node": 0}, parameters, "u", "6.1")  # type: ignore[arg-type]


@pytest.mark.parametrize("crash", [signal.SIGABRT, signal.SIGSEGV])
def test_a_guest_whose_qemu_crashes_at_boot_has_another_in_its_place(
    bench: Any, crash: signal.Signals
) -> None:
    FakeGuest.ends = {"guest2": -crash}
    guests = bench.launch_together(3)
    assert [guest.name for guest in guests] == ["guest1", "guest2-again", "guest3"]
    assert bench.guests == guests
    assert [guest.name for guest in bench.crashed] == ["guest2"]
    assert bench.sampler.watched[2] is guests[1].qemu
    assert len(bench.started) == 4


def test_it_is_started_again_once(bench: Any) -> None:
    FakeGuest.ends = dict.fromkeys(["proof", "proof-again"], -signal.SIGABRT)
    with pytest.raises(GuestError, match="proof-again failed"):
        bench.launch("proof")
    assert [guest.name for guest in bench.started] == ["proof-again", "proof"]


@pytest.mark.parametrize("end", [1, -signal.SIGKILL, -signal.SIGTERM])
def test_what_the_host_or_qemu_itself_decided_stands(bench: Any, end: int) -> None:
    FakeGuest.ends = {"guest1": end}
    with pytest.raises(GuestError, match="guest1 failed"):
        bench.launch()
    assert bench.crashed == []
