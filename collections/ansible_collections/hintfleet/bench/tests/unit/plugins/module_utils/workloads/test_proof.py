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
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import Handed
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import ProcessMemory
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import proof as _proof

FREED_MIB = 128
HELD_MIB = 200.0
TOUCHED = f'{{"touched_mib": {FREED_MIB}, "seconds": 1.5}}'


class FakeGuest:
    """A guest whose footprint goes through `footprints_mib`; the last stays. None: it has died.
    What it holds less than HELD_MIB is in `swap`, if that is told."""

    def __init__(
        self, footprints_mib: list[float | None], again: str, is_swapped: bool = False
    ) -> None:
        self._footprints = iter(footprints_mib)
        self._is_swapped = is_swapped
        self._now: float | None = HELD_MIB
        self._outputs = iter([TOUCHED, again])
        self.machine = SimpleNamespace(files_mib=0)
        self.lazy = False

    def lazy_mib(self) -> float:
        return 0.0

    def run(self, _command: list[str], _seconds: float) -> Completed:
        output = next(self._outputs)
        return Completed(0 if output else 137, None, output, "", 1.0)

    def start(self, _command: list[str]) -> int:
        return 1

    def memory(self) -> ProcessMemory:
        self._now = next(self._footprints, self._now)
        if self._now is None:
            raise GuestError("died", "Guest proof failed: its QEMU was killed by signal 9.")
        return ProcessMemory(self._now, HELD_MIB - self._now if self._is_swapped else 0.0)


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
    again: str = TOUCHED, is_swapped: bool = False,
) -> dict[str, Any]:  # fmt: skip
    guest = FakeGuest(footprints_mib, again, is_swapped)
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


class CachingGuest(FakeGuest):
    """After the watch it reads 48 MiB of files, of which a policy makes `freed_mib` free; the host
    then holds as much less. Before it reads, the host still takes back 20 MiB of what was freed."""

    def __init__(self, freed_mib: float) -> None:
        super().__init__([HELD_MIB, 72.0], TOUCHED)
        self.machine = SimpleNamespace(files_mib=48, files_device="/dev/vda")
        self._late = [92.0, 82.0]
        self.freed_mib, self.read, self.rested = freed_mib, 0, False

    def run(self, command: list[str], seconds: float) -> Completed:
        if "hf-read" in command[-1]:
            self.read += 1
            said = f'{{"read_mib": 48, "seconds": {0.5 / self.read}}}'
            return Completed(0, None, said, "", 1.0)
        if "/proc/meminfo" in command[-1]:
            cached = 48 - (self.freed_mib if self.rested else 0)
            return Completed(0, None, f"cache {int(cached * 1024)}\n", "", 0.1)
        if "touched.ended" in command[-1]:
            return Completed(0, None, "", "", 0.1)
        return super().run(command, seconds)

    def memory(self) -> ProcessMemory:
        if not self.read:
            return super().memory()
        held = self._late.pop(0) if self._late else 72.0
        return ProcessMemory(held - (self.freed_mib if self.rested else 0), 0.0)


@pytest.mark.parametrize(("freed_mib", "as_expected"), [(46.0, True), (4.0, False)])
def test_a_policy_is_proven_by_page_cache_that_became_free(
    freed_mib: float, as_expected: bool
) -> None:
    guest = CachingGuest(freed_mib)

    def rest(_guest: Any) -> list[Any]:
        guest.rested = guest.read > 0
        return []

    sampler = SimpleNamespace(seconds=lambda: 0.0)
    bench: Any = SimpleNamespace(
        launch=lambda _name: guest, seconds_left=lambda: 100.0, wake=lambda _guest: [],
        rest=rest, sampler=sampler,
    )  # fmt: skip
    arm = Arm("a", "free_page_reporting", {"reclaim": "drop_caches"})
    entry = _proof.prove(bench, arm, FREED_MIB, 6.0)
    assert entry["as_expected"] is as_expected
    cache = entry["cache"]
    assert (cache["read_mib"], cache["cached_mib"]) == (48.0, 48.0)
    # What came back late of the memory freed before is none of the page cache.
    assert cache["freed_mib"] == cache["dropped_mib"] == freed_mib
    assert (cache["cold_seconds"], cache["again_seconds"]) == (0.5, 0.25)


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


@pytest.mark.parametrize(("done_mib", "acted"), [(100.0, True), (50.0, False)])
def test_what_the_host_asked_for_is_what_must_come_back(done_mib: float, acted: bool) -> None:
    """The guest keeps a margin of the 128 MiB that it freed; marks come from the samples."""
    guest = CachingGuest(0.0)
    guest.machine.files_mib = 0
    guest._footprints = iter([HELD_MIB, HELD_MIB - done_mib])
    samples = [
        SimpleNamespace(seconds=7.0 + second, guests={1: ProcessMemory(HELD_MIB - mib, 0.0)})
        for second, mib in ((0.5, 20.0), (1.0, 60.0), (2.0, done_mib))
    ]
    bench: Any = SimpleNamespace(
        launch=lambda _name: guest, seconds_left=lambda: 100.0, wake=lambda _guest: [],
        rest=lambda _guest: [Handed("taken", "balloon", 100.0, done_mib, 2.0)],
        sampler=SimpleNamespace(seconds=lambda: 7.0, since=lambda _seconds: samples),
    )  # fmt: skip
    entry = _proof.prove(bench, Arm("balloon", "balloon"), FREED_MIB, 6.0)
    assert entry["asked_mib"] == 100.0
    assert entry["acted"] is entry["as_expected"] is acted
    assert entry["seconds_to_50"] == 1.0
    assert entry["seconds_to_90"] == (2.0 if acted else None)


@pytest.mark.parametrize("mechanism", ["none", "page_hinting"])
def test_memory_that_swap_took_was_not_given_back(mechanism: str) -> None:
    """Resident memory falls as it does when it comes back."""
    entry = prove([HELD_MIB, 150.0, 72.0], mechanism, is_swapped=True)
    assert (entry["dropped_mib"], entry["acted"]) == (0.0, False)
    assert entry["as_expected"] == (mechanism == "none")


@pytest.mark.parametrize("mechanism", ["none", "page_hinting"])
def test_a_reader_that_sees_nothing_proves_nothing(mechanism: str) -> None:
    """Under `none` nothing would go back, which is what is expected of it."""
    with pytest.raises(GuestError, match="the host sees 0 MiB of it"):
        prove([0.0], mechanism)


@pytest.mark.parametrize(("moved_mib", "as_expected"), [(60.0, True), (20.0, False)])
def test_an_arm_that_moves_memory_to_swap_is_proven_by_what_was_moved(
    moved_mib: float, as_expected: bool
) -> None:
    guest = FakeGuest([], TOUCHED)
    guest._outputs = iter([TOUCHED, "", TOUCHED])
    step = Handed("moved", "host_reclaim", 64.0, moved_mib, 0.5)
    bench: Any = SimpleNamespace(
        launch=lambda _name: guest, seconds_left=lambda: 100.0, rest=lambda _guest: [step],
        wake=lambda _guest: [],
        sampler=SimpleNamespace(seconds=lambda: 0.0, since=lambda _: []),
    )  # fmt: skip
    entry = _proof.prove(bench, Arm("a", "none", {"host_reclaim": 50}), FREED_MIB, 6.0)
    # What is in swap is held as before: none has given nothing back.
    assert not entry["acted"] and entry["moved_mib"] == moved_mib
    assert entry["as_expected"] is as_expected


class LazyGuest(FakeGuest):
    """All that it hands back stays resident, and is freed lazily once it has let go."""

    def __init__(self) -> None:
        super().__init__([], TOUCHED)
        self.lazy, self.let_go = True, False

    def start(self, command: list[str]) -> int:
        self.let_go = True
        return super().start(command)

    def lazy_mib(self) -> float:
        return float(FREED_MIB) if self.let_go else 0.0


def test_memory_that_is_freed_lazily_is_given_back_and_stays_resident() -> None:
    guest = LazyGuest()
    bench: Any = SimpleNamespace(
        launch=lambda _name: guest, seconds_left=lambda: 100.0, wake=lambda _guest: [],
        sampler=SimpleNamespace(seconds=lambda: 0.0),
    )  # fmt: skip
    arm = Arm("lazy", "free_page_reporting", {"discard": "free"})
    entry = _proof.prove(bench, arm, FREED_MIB, 6.0)
    assert entry["acted"] and entry["as_expected"]
    assert (entry["dropped_mib"], entry["resident_dropped_mib"]) == (FREED_MIB, 0.0)
