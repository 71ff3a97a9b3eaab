# SPDX-License-Identifier: GPL-2.0-or-later
"""Mechanisms as the host drives them: of guests that hand over what they can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import driver as _driver
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.drivers import DRIVERS
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import (
    Machine,
    command_line,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.run.parity import (
    without_mechanism,
    without_plugged,
)

MIB = 2**20


class FakeGuest:
    """Of 320 MiB, `available` of them; it hands over 8 MiB whenever it is asked, but keeps
    `kept_mib` come what may."""

    def __init__(self, available_mib: float = 250.0, kept_mib: float = 0.0) -> None:
        self.name = "guest1"
        self.machine = SimpleNamespace(memory_mib=320)
        self.actual = self.target = 320.0
        self.kept = kept_mib
        self.available_mib = available_mib
        self.asked: list[tuple[str, Any]] = []
        self.updates = 0

    def ask_qemu(self, command: str, arguments: Any = None) -> Any:
        self.asked.append((command, arguments))
        if command == "balloon":
            self.target = arguments["value"] / MIB
        elif command == "query-balloon":
            step = max(-8.0, min(8.0, self.target - self.actual))
            self.actual = max(self.actual + step, self.kept)
            return {"actual": self.actual * MIB}
        elif command == "qom-get":
            self.updates += 1
            available = self.available_mib - (320.0 - self.actual)
            stats = {"stat-available-memory": available * MIB}
            return {"last-update": self.updates // 2, "stats": stats}
        return {}

    def balks(self, cause: str) -> GuestError:
        return GuestError("stopped", f"Guest {self.name} failed: it {cause}.")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(_driver.time, "sleep", sleep)
    monkeypatch.setattr(_driver.time, "monotonic", lambda: now[0])
    yield


BALLOON, VIRTIO_MEM = DRIVERS["balloon"], DRIVERS["virtio_mem"]


def test_what_is_available_but_a_margin_is_taken_and_given_back() -> None:
    guest: Any = FakeGuest()
    (taken,) = BALLOON.take(guest, {"margin_mib": 64, "pulse": False}, 60.0)
    assert (taken.step, taken.asked_mib, taken.done_mib) == ("taken", 186.0, 186.0)
    assert not taken.missed and taken.seconds > 0
    (given,) = BALLOON.give(guest, {}, 60.0)
    assert (given.step, given.asked_mib, given.done_mib) == ("given", 186.0, 186.0)
    assert guest.actual == 320.0


def test_nothing_is_taken_from_a_guest_that_has_no_more_than_its_margin() -> None:
    guest: Any = FakeGuest(available_mib=60.0)
    (taken,) = BALLOON.take(guest, {"margin_mib": 64}, 60.0)
    assert (taken.asked_mib, taken.done_mib, taken.missed) == (0.0, 0.0, False)
    assert BALLOON.give(guest, {}, 60.0) == []


def test_a_pulse_gives_it_back_at_once() -> None:
    guest: Any = FakeGuest()
    taken, given = BALLOON.take(guest, {"margin_mib": 64, "pulse": True}, 60.0)
    assert (taken.step, given.step) == ("taken", "given")
    assert taken.done_mib == given.done_mib == 186.0


def test_a_guest_that_does_not_hand_over_is_recorded_as_that() -> None:
    guest: Any = FakeGuest(kept_mib=300.0)
    (taken,) = BALLOON.take(guest, {}, 60.0)
    assert (taken.asked_mib, taken.done_mib, taken.missed) == (186.0, 20.0, True)
    assert taken.seconds >= _driver.STALLED_SECONDS


def test_statistics_are_asked_for_only_while_they_are_needed() -> None:
    guest: Any = FakeGuest()
    BALLOON.take(guest, {}, 60.0)
    set_to = [a["value"] for c, a in guest.asked if c == "qom-set"]
    assert set_to == [1, 0]


@pytest.mark.parametrize("stats", [None, {}, {"stat-available-memory": 2**64 - 1}])
def test_a_guest_that_tells_nothing_of_its_memory_is_a_sentence(stats: Any) -> None:
    guest: Any = FakeGuest()
    answers = iter(range(10**6))
    ask = guest.ask_qemu

    def lie(command: str, arguments: Any = None) -> Any:
        if command == "qom-get":
            return {"last-update": next(answers), "stats": stats}
        return ask(command, arguments)

    guest.ask_qemu = lie
    with pytest.raises(GuestError, match=r"Guest guest1 failed: it (says|answers)"):
        BALLOON.take(guest, {}, 60.0)


def test_a_guest_without_statistics_is_not_waited_for_without_end() -> None:
    guest: Any = FakeGuest()
    guest.ask_qemu = lambda *_: {"last-update": 0, "stats": {}}
    with pytest.raises(GuestError, match="tells nothing of its memory"):
        BALLOON.take(guest, {}, 60.0)


MACHINE = Machine(
    name="guest1", logs=Path("/logs"), memory_mib=320, vcpus=1, accelerator="tcg",
    mechanism="virtio_mem", kernel=Path("/k"), image=Path("/i"), bind_node=0,
)  # fmt: skip


class PluggedGuest:
    """It plugs what it is asked to, and keeps `kept_mib` of it when it is asked back."""

    def __init__(self, kept_mib: int = 0) -> None:
        self.name = "guest1"
        self.machine = SimpleNamespace(plug_mib=128)
        self.size, self.kept = 128, kept_mib

    def ask_qemu(self, command: str, arguments: Any) -> Any:
        assert arguments["path"] == "/machine/peripheral/virtio_mem"
        if command == "qom-set":
            self.size = max(arguments["value"] // MIB, self.kept)
            return {}
        return self.size * MIB


def test_what_is_plugged_is_taken_and_given_back() -> None:
    guest: Any = PluggedGuest()
    (taken,) = VIRTIO_MEM.take(guest, {}, 60.0)
    assert (taken.asked_mib, taken.done_mib, taken.missed) == (128, 128, False)
    (given,) = VIRTIO_MEM.give(guest, {}, 60.0)
    assert (given.step, given.done_mib) == ("given", 128)
    assert VIRTIO_MEM.give(guest, {}, 60.0) == []


def test_what_cannot_be_unplugged_is_recorded() -> None:
    guest: Any = PluggedGuest(kept_mib=48)
    (taken,) = VIRTIO_MEM.take(guest, {}, 60.0)
    assert (taken.asked_mib, taken.done_mib, taken.missed) == (128, 80, True)


@pytest.mark.parametrize(("memory", "plugged"), [(320, 128), (512, 256), (5120, 2560), (256, 128)])
def test_up_to_half_of_a_guest_is_plugged_in_whole_blocks(memory: int, plugged: int) -> None:
    machine = VIRTIO_MEM.machine({}, replace(MACHINE, memory_mib=memory))
    assert machine.plug_mib == plugged
    assert VIRTIO_MEM.refused({}, memory) is None


@pytest.mark.parametrize(("policy", "memory"), [({}, 255), ({"plug_mib": 256}, 320)])
def test_a_guest_too_small_to_boot_with_the_rest_is_refused(
    policy: dict[str, Any], memory: int
) -> None:
    assert "must be there to boot" in str(VIRTIO_MEM.refused(policy, memory))


def test_a_balloon_that_would_take_nothing_is_refused() -> None:
    assert "it would take nothing" in str(BALLOON.refused({"margin_mib": 320}, 320))
    assert BALLOON.refused({}, 320) is None


def test_parity_sees_the_same_guest_whether_its_memory_is_plugged_or_not() -> None:
    plugged = VIRTIO_MEM.machine({}, MACHINE)
    line = command_line(plugged)
    assert "192M,maxmem=320M" in line
    assert any("memdev=plugged,block-size=2M,requested-size=128M" in word for word in line)
    assert all("host-nodes=0,policy=bind" in w for w in line if w.startswith("memory-backend"))
    whole = " ".join(command_line(replace(MACHINE, mechanism="none")))
    assert without_mechanism(
        without_plugged(" ".join(line), plugged), "virtio_mem"
    ) == without_mechanism(whole, "none")
