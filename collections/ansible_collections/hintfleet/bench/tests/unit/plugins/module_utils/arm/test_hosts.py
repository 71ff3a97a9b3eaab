# SPDX-License-Identifier: GPL-2.0-or-later
"""What arms state about their host: asked of a cell, set for a time, refused where it cannot be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm import hosts as _hosts
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import Offers
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError, GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import MOVED
from ansible_collections.hintfleet.bench.plugins.module_utils.host import cgroup as _cgroup
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import Hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import ProcessMemory

MIB = 2**20
RECLAIM, ZSWAP = PIECES["host_reclaim"], PIECES["zswap"]
ON = {"zswap_enabled": "Y", "zswap_compressor": "lzo", "zswap_max_pool_percent": "20"}
V1 = Hierarchy({"memory": Path("/sys/fs/cgroup/memory")}, None)


class Cell:
    """A cell's folder of v2 that gives up `free_mib` and not more, as the kernel would."""

    def __init__(self, charged_mib: float, free_mib: float) -> None:
        self.charged, self.free = charged_mib * MIB, free_mib * MIB
        self.asked: list[float] = []

    def __truediv__(self, name: str) -> Any:
        return SimpleNamespace(
            read_text=lambda: str(int(self.charged)), write_text=self.reclaim, exists=lambda: True
        )

    def reclaim(self, text: str) -> None:
        self.asked.append(int(text) / MIB)
        taken = min(int(text), self.free)
        self.charged, self.free = self.charged - taken, self.free - taken
        if taken < int(text):
            raise BlockingIOError


def guest_of(resident_mib: float) -> Any:
    return SimpleNamespace(
        name="guest1", qemu=SimpleNamespace(process_id=7),
        memory=lambda: ProcessMemory(resident_mib, 30.0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("free_mib", "moved_mib", "missed"), [(500.0, 100.0, False), (40.0, 40.0, True)]
)
def test_the_host_asks_the_cell_for_a_share_of_what_the_guest_holds(
    monkeypatch: pytest.MonkeyPatch, free_mib: float, moved_mib: float, missed: bool
) -> None:
    cell = Cell(600.0, free_mib)
    monkeypatch.setattr(_hosts, "unified_folder", lambda _: cell)
    (step,) = RECLAIM.rested(50, guest_of(200.0), 9.0)
    assert (step.step, step.by, step.asked_mib) == (MOVED, "host_reclaim", 100.0)
    assert (step.done_mib, step.missed) == (moved_mib, missed)
    assert max(cell.asked) <= _hosts.PORTION_MIB


def test_asking_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(600.0, 500.0)
    monkeypatch.setattr(_hosts, "unified_folder", lambda _: cell)
    (step,) = RECLAIM.rested(100, guest_of(200.0), 0.0)
    assert cell.asked == [] and step.missed


@pytest.mark.parametrize("value", [0, 101, True, "50", 12.5, None])
def test_host_reclaim_is_a_percentage(value: Any) -> None:
    with pytest.raises(ValueError, match="from 1 to 100"):
        RECLAIM.checked(value)


def test_a_host_of_cgroup_v1_or_of_an_old_kernel_is_refused(tmp_path: Path) -> None:
    assert "cgroup v2" in (RECLAIM.refused(50, Offers(V1, {})) or "")
    v2 = Hierarchy({"memory": tmp_path}, tmp_path)
    assert RECLAIM.refused(50, Offers(v2, {})) is None  # nobody shows what there would be
    (tmp_path / "system.slice").mkdir()
    (tmp_path / "system.slice/memory.max").touch()
    assert "Linux 5.19" in (RECLAIM.refused(50, Offers(v2, {})) or "")
    (tmp_path / "system.slice/memory.reclaim").touch()
    assert RECLAIM.refused(50, Offers(v2, {})) is None


def test_the_cell_is_the_one_that_its_qemu_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_text
    text = "3:cpuset:/x\n0::/hintfleet/a:b\n"
    monkeypatch.setattr(
        Path, "read_text", lambda p, *a: text if str(p) == "/proc/7/cgroup" else read(p, *a)
    )
    v2 = Hierarchy({"memory": tmp_path}, tmp_path)
    assert _cgroup.unified_folder(7, v2) == tmp_path / "hintfleet/a:b"
    with pytest.raises(BenchError, match="cgroup v1"):
        _cgroup.unified_folder(7, V1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (False, "true, or a mapping"),
        ({"pool": 20}, "compressor, max_pool_percent"),
        ({"compressor": "gzip"}, "compressor is one of lzo, .*zstd"),
        ({"max_pool_percent": 0}, "one of 1, …, 100"),
    ],
)
def test_what_zswap_cannot_be(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ZSWAP.checked(value)


def test_zswap_needs_a_kernel_that_has_it_and_a_host_of_its_own() -> None:
    assert ZSWAP.refused({}, Offers(V1, {**ON, "zswap_enabled": "N"})) is None
    lacks = ZSWAP.refused({}, Offers(V1, dict.fromkeys(ON)))
    assert lacks and "CONFIG_ZSWAP" in lacks
    together = ZSWAP.refused({}, Offers(V1, dict(ON), side_by_side=True))
    assert together and "numa_host_side_by_side" in together


def test_zswap_is_read_back_with_what_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    now: dict[str, str | None] = dict(ON)
    monkeypatch.setattr(_hosts._settings, "read_all", lambda: now)
    monkeypatch.setattr(_hosts, "_zswapped_mib", lambda _: (48.2, 16.1))
    value = ZSWAP.checked({"max_pool_percent": 20})
    shown = ZSWAP.shown(value, guest_of(1.0))
    assert shown == "zswap is on (lzo, at most 20 % of memory) and keeps 48 MiB in 16 MiB"
    now["zswap_enabled"] = "N"
    with pytest.raises(GuestError, match=r"zswap_enabled Y.*the host has N"):
        ZSWAP.shown(value, guest_of(1.0))
