# SPDX-License-Identifier: GPL-2.0-or-later
"""What an arm states about the host that its guests run on, for as long as they run."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import (
    Offers,
    Piece,
    is_whole,
    unlike,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import MOVED, Handed
from ansible_collections.hintfleet.bench.plugins.module_utils.host import settings as _settings
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import (
    parse_flat_keys,
    unified_folder,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import KIB_PER_MIB
from ansible_collections.hintfleet.bench.plugins.module_utils.host.nodes import parse_meminfo

MIB = 2**20
RECLAIM_FILE = "memory.reclaim"
PORTION_MIB = 16  # asked for at a time, so that a deadline is kept
ZSWAP = {"compressor": "zswap_compressor", "max_pool_percent": "zswap_max_pool_percent"}
"""By what an arm may say of zswap, the setting of the host."""


class HostReclaim(Piece):
    """When a guest's work has ended, the host asks its cell (memory.reclaim of cgroup v2) to move
    so many percent of what the guest holds to swap, as senpai and the like do to any process."""

    def checked(self, value: Any) -> int:
        if not is_whole(value) or not 1 <= value <= 100:
            raise ValueError("give the percent of what a guest holds, a whole number from 1 to 100")
        return int(value)

    def refused(self, value: int, host: Offers) -> str | None:
        if host.hierarchy.version == 1:
            return (
                "memory.reclaim is of cgroup v2, and this host limits memory by cgroup v1: boot "
                "it with systemd.unified_cgroup_hierarchy=1, or leave that arm out"
            )
        if not host.hierarchy.reclaims():
            return (
                "the kernel of this host has no memory.reclaim, which came with Linux 5.19: boot a "
                "newer one, or leave that arm out"
            )
        return None

    def rested(self, value: int, guest: Guest, seconds: float) -> list[Handed]:
        cell = unified_folder(guest.qemu.process_id)
        asked = guest.memory().resident_mib * value / 100
        began, before = time.monotonic(), _charged_mib(cell)
        left = asked
        while left >= 1 and time.monotonic() - began < seconds:
            portion = min(left, PORTION_MIB)
            try:
                (cell / RECLAIM_FILE).write_text(str(int(portion * MIB)))
            except BlockingIOError:  # EAGAIN: it found less than it was asked for
                break
            left -= portion
        moved = before - _charged_mib(cell)
        return [Handed(MOVED, "host_reclaim", asked, moved, time.monotonic() - began)]

    def shown(self, value: int, guest: Guest) -> str:
        path = unified_folder(guest.qemu.process_id) / RECLAIM_FILE
        if not path.exists():
            raise unlike(guest, f"host_reclaim {value}", f"its cell has no {path}")
        return f"{value} % of what a guest holds are asked of {path} when its work has ended"


class Zswap(Piece):
    """The host keeps what it swaps out compressed in memory: true, or a mapping of compressor and
    max_pool_percent. Switched on for the time of a run."""

    def checked(self, value: Any) -> dict[str, Any]:
        given = {} if value is True else value
        if not isinstance(given, dict) or set(given) - set(ZSWAP):
            raise ValueError(f"give true, or a mapping with {', '.join(ZSWAP)}")
        for name, it in given.items():
            takes = _settings.TAKES[ZSWAP[name]]
            if str(it) not in takes:
                few = takes if len(takes) < 10 else [takes[0], "…", takes[-1]]
                raise ValueError(f"{name} is one of {', '.join(few)}")
        return {name: str(it) for name, it in sorted(given.items())}

    def refused(self, value: dict[str, str], host: Offers) -> str | None:
        if host.side_by_side:
            return (
                "zswap is one for all cells of a host, and these are side by side: run them one "
                "after the other (numa_host_side_by_side: false), or leave that arm out"
            )
        missing = [name for name in _wanted(value) if host.settings.get(name) is None]
        if missing:
            return (
                f"the kernel of this host has no {missing[0]}: boot one with CONFIG_ZSWAP, or "
                "leave that arm out"
            )
        return None

    def hosted(self, value: dict[str, str], found: Path) -> AbstractContextManager[None]:
        return _settings.meanwhile(found, _wanted(value))

    def shown(self, value: dict[str, str], guest: Guest) -> str:
        now = _settings.read_all()
        for name, text in _wanted(value).items():
            if now[name] != text:
                raise unlike(guest, f"zswap with {name} {text}", f"the host has {now[name]}")
        swapped, kept = _zswapped_mib(guest.qemu.process_id)
        compressor, percent = now["zswap_compressor"], now["zswap_max_pool_percent"]
        return (
            f"zswap is on ({compressor}, at most {percent} % of memory) and keeps {swapped:.0f} "
            f"MiB in {kept:.0f} MiB"
        )


def _wanted(value: dict[str, str]) -> dict[str, str]:
    """Settings of the host. It is switched on last, when what it shall be is set."""
    return {**{ZSWAP[name]: text for name, text in value.items()}, "zswap_enabled": "Y"}


def _charged_mib(cell: Path) -> float:
    return int((cell / "memory.current").read_text()) / MIB


def _zswapped_mib(process_id: int) -> tuple[float, float]:
    """What zswap keeps of the process's cell, and in how much; of the whole host on cgroup v1."""
    try:
        told = parse_flat_keys((unified_folder(process_id) / "memory.stat").read_text())
        return told["zswapped"] / MIB, told["zswap"] / MIB
    except (BenchError, OSError, KeyError):
        amounts = parse_meminfo(Path("/proc/meminfo").read_text())
        return amounts.get("Zswapped", 0) / KIB_PER_MIB, amounts.get("Zswap", 0) / KIB_PER_MIB
