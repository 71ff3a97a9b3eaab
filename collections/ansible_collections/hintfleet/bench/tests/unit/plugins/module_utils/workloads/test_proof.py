# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that comes back because something broke proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Completed
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import ProcessMemory
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import proof as _proof

FREED_MIB = 128
HELD_MIB = 200.0
TOUCHED = f'{{"touched_mib": {FREED_MIB}, "seconds": 1.5}}'


class FakeGuest:
    """A guest whose footprint goes through `footprints_mib`; the last stays. None: it has died."""

    def __init__(self, footprints_mib: list[float | None], again: str) -> None:
        self._footprints = iter(footprints_mib)
        self._now: float | None = HELD_MIB
        self._outputs = iter([TOUCHED, again])
        self.machine = SimpleNamespace(files_mib=0)

    def run(self, _command: list[str], _seconds: float) -> Completed:
        output = next(self._outputs)
        return Completed(0 if output else 137, None, output, "", 1.0)

    def start(self, _command: list[str]) -> int:
        return 1

    def memory(self) -> ProcessMemory:
        self._now = next(self._footprints, self._now)
        if self._now is None:
            raise GuestError("died", "Guest proof failed: its QEMU was killed by signal 9.")
        return ProcessMemory(self._now, 0.0)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(_proof.time, "sleep", sleep)
    monkeypatch.setattr(_proof.time, "monotonic", lambda: now[0])
    yield


def prove(
    footprints_mib: list[float | None], mechanism: str = "page_hinting",
    again: str = TOUCHED,
) -> dict[str, Any]:  # fmt: skip
    guest = FakeGuest(footprints_mib, again)
    sampler = SimpleNamespace(seconds=lambda: 0.0)
    bench: Any = SimpleNamespace(
        launch=lambda _name: guest, seconds_left=lambda: 100.0, wake=lambda _guest: [],
        sampler=sampler,
    )  # fmt: skip
    return _proof.prove(bench, Arm(mechanism, mechanism), FREED_MIB, 6.0)


def test_memory_that_a_living_guest_gives_back_is_a_proof() -> None:
    entry = prove([HELD_MIB, 150.0, 72.0])
    assert entry["acted"] and entry["as_expected"]
    assert entry["dropped_mib"] == FREED_MIB


@pytest.mark.parametrize("mechanism", ["none", "page_hinting"])
def test_a_guest_that_dies_proves_nothing(mechanism: str) -> None:
    with pytest.raises(GuestError, match="killed by signal 9"):
        prove([HELD_MIB, 190.0, None], mechanism)


@pytest.mark.parametrize("mechanism", ["none", "page_hinting"])
def test_more_than_was_freed_proves_nothing(mechanism: str) -> None:
    most = FREED_MIB + _proof.MOST_BESIDE_MIB
    prove([HELD_MIB, HELD_MIB - most])
    with pytest.raises(GuestError, match="something else took its memory"):
        prove([HELD_MIB, HELD_MIB - most - 1], mechanism)


@pytest.mark.parametrize("again", ["", '{"touched_mib": 64, "seconds": 1}', "nonsense"])
def test_memory_that_cannot_be_used_again_proves_nothing(again: str) -> None:
    with pytest.raises(GuestError, match="cannot use as much again"):
        prove([HELD_MIB, 72.0], again=again)
