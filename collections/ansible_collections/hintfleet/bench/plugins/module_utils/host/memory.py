# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the memory of one process is: how much is resident or swapped, and on which nodes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

KIB_PER_MIB = 1024


@dataclass(frozen=True)
class ProcessMemory:
    """Anonymous memory of a process. A guest's memory is anonymous memory of its QEMU."""

    resident_mib: float
    swap_mib: float

    @property
    def footprint_mib(self) -> float:
        return self.resident_mib + self.swap_mib


def parse_status(text: str) -> ProcessMemory:
    """From /proc/PID/status; a process that is ending has neither line and no memory."""
    found = {"RssAnon": 0, "VmSwap": 0}
    for line in text.splitlines():
        name, _colon, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0])
    return ProcessMemory(found["RssAnon"] / KIB_PER_MIB, found["VmSwap"] / KIB_PER_MIB)


def read_process_memory(process_id: int) -> ProcessMemory:
    """Zero if the process is gone."""
    try:
        return parse_status(Path(f"/proc/{process_id}/status").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return ProcessMemory(0.0, 0.0)


def parse_lazy_mib(smaps: str) -> float:
    """Of smaps or smaps_rollup: anonymous memory that the kernel takes without swapping it when it
    needs some (MADV_FREE); until then it is resident and counts as such."""
    found = re.findall(r"^LazyFree:\s+(\d+) kB$", smaps, re.MULTILINE)
    return sum(map(int, found)) / KIB_PER_MIB


def read_lazy_mib(process_id: int) -> float:
    """Zero if the process is gone. The kernel looks at every page of it: some milliseconds."""
    try:
        return parse_lazy_mib(Path(f"/proc/{process_id}/smaps_rollup").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def parse_numa_maps(text: str) -> dict[int, float]:
    """Anonymous memory in MiB by node, from /proc/PID/numa_maps.

    A mapping without `file=` is anonymous; its N<node>= counts pages of kernelpagesize_kB.
    """
    placement: dict[int, float] = {}
    for line in text.splitlines():
        fields = line.split()
        if not any(field.startswith("anon=") for field in fields):
            continue
        if any(field.startswith("file=") for field in fields):
            continue
        pairs = dict(field.split("=", 1) for field in fields if "=" in field)
        page_mib = int(pairs.get("kernelpagesize_kB", "4")) / KIB_PER_MIB
        for name, value in pairs.items():
            if re.fullmatch(r"N\d+", name):
                node = int(name[1:])
                placement[node] = placement.get(node, 0.0) + int(value) * page_mib
    return placement


def read_placement(process_id: int) -> dict[int, float]:
    """Empty if the process is gone or the kernel has no NUMA."""
    try:
        return parse_numa_maps(Path(f"/proc/{process_id}/numa_maps").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return {}


def remote_share(placement: dict[int, float], node: int) -> float | None:
    """Share of the memory that is not on `node`; None if there is none at all."""
    total = sum(placement.values())
    return None if total == 0 else 1 - placement.get(node, 0.0) / total
