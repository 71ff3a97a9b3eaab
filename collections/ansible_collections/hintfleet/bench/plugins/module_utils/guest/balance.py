# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a guest's memory stays: what of it the host still holds, by what the guest uses it for.

The guest says of each page what it is used for (hf-pages), the host which pages it holds
(/proc/PID/pagemap), and page by page both are put together. So the parts are counted and not
estimated, and they add up but for what changes while it is read.
"""

from __future__ import annotations

import json
import mmap
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest, is_whole
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import (
    KIB_PER_MIB,
    parse_lazy_mib,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line

PAGES_PER_MIB = 256
PAGES_ASKED = 1 << 18  # hf-pages tells of a GiB at a time
MOST_ORDER = 16
FOUR_GIB = 1 << 32
HOLE_END = FOUR_GIB // mmap.PAGESIZE
"""The page at which memory goes on that has no room below 4 GiB."""

# /proc/PID/pagemap, Documentation/admin-guide/mm/pagemap.rst: bit 63 present, 62 swapped, 0-54 PFN.
ENTRY_BYTES = 8
PRESENT, SWAPPED, FRAME = 1 << 63, 1 << 62, (1 << 55) - 1

# Parts of the balance by hf-pages' letters; free and unmarked pages are divided further.
PARTS = {
    "a": "programs",
    "c": "page_cache_clean",
    "d": "page_cache_dirty",
    "k": "kernel",
    "b": "balloon",
    "n": "unnamed",
}
HANDED_BACK = ("balloon", "free_reportable", "unnamed", "free_small")
"""Parts that hold what a mechanism has handed back and the host has not taken yet."""


@dataclass(frozen=True)
class Uses:
    """What a guest says: uses of pages in runs, pages on lists of CPUs, the order reported from."""

    runs: list[tuple[str, int]]
    listed_pages: int
    order: int


def parse_pages(output: str) -> Uses:
    """From one answer of hf-pages; raises ValueError for what is no such answer."""
    try:
        said = json.loads(output)
        runs, listed, order = said["pages"], said["listed_pages"], said["order"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ValueError("hf-pages says nothing that can be read") from None
    if not isinstance(runs, str) or not re.fullmatch(r"(?:[abcdfknu][1-9][0-9]{0,6})*", runs):
        raise ValueError("hf-pages names uses that there are not")
    if not is_whole(listed) or not 0 <= listed < 2**40 or not is_whole(order):
        raise ValueError("hf-pages says what is no number")
    if not 0 <= order <= MOST_ORDER:
        raise ValueError(f"hf-pages says that blocks are reported from order {order} on")
    pairs = re.findall(r"([a-z])(\d+)", runs)
    uses = [(use, int(length)) for use, length in pairs]
    if sum(length for _use, length in uses) > PAGES_ASKED:
        raise ValueError("hf-pages tells of more pages than it was asked for")
    return Uses(uses, listed, order)


def ask_uses(guest: Guest, seconds: float) -> Uses:
    """What the guest uses each of its pages for; raises GuestError, and ValueError for nonsense."""
    runs: list[tuple[str, int]] = []
    most = guest.machine.memory_mib * PAGES_PER_MIB + HOLE_END
    first = 0
    while True:
        done = guest.run(["/bin/hf-pages", str(first)], seconds)
        if done.failure:
            raise ValueError(f"hf-pages ended with {done.failure}")
        said = parse_pages(done.output)
        runs += said.runs
        told = sum(length for _use, length in said.runs)
        first += told
        if told < PAGES_ASKED or first >= most:
            return Uses(runs, said.listed_pages, said.order)


@dataclass(frozen=True)
class Region:
    """Memory of a guest that lies together: its first page in the guest, its first byte in QEMU."""

    first: int
    address: int
    pages: int


@dataclass(frozen=True)
class Ram:
    """All regions of a guest's memory, by their place in the guest."""

    regions: tuple[Region, ...]

    def spans(self, runs: list[tuple[str, int]]) -> Iterator[tuple[str, int, int, int]]:
        """Runs as (use, first page in the guest, its place in all regions one behind the other,
        pages)."""
        frame = 0
        for use, length in runs:
            place = 0
            for region in self.regions:
                begin = max(frame, region.first)
                stop = min(frame + length, region.first + region.pages)
                if begin < stop:
                    yield use, begin, place + begin - region.first, stop - begin
                place += region.pages
            frame += length


def find_ram(guest: Guest) -> Ram:
    """Raises GuestError or ValueError."""
    plug_mib = guest.machine.plug_mib
    pages = (guest.machine.memory_mib - plug_mib) * PAGES_PER_MIB
    low = _host_address(guest, 0)
    if low is None:
        raise ValueError("its QEMU does not say where the guest's memory is")
    plugged = _plugged(guest) if plug_mib else None
    # What is plugged follows the rest; without a rest beyond 4 GiB it begins there itself.
    beyond = plugged is None or plugged.first > HOLE_END
    high = _host_address(guest, FOUR_GIB) if beyond else None
    low_pages = pages if high is None else (high - low) // mmap.PAGESIZE
    if not 0 < low_pages <= pages:
        raise ValueError("its QEMU says that the guest's memory is where it cannot be")
    regions = [Region(0, low, low_pages)]
    if high is not None:
        regions.append(Region(HOLE_END, high, pages - low_pages))
    return Ram((*regions, plugged) if plugged else tuple(regions))


def _plugged(guest: Guest) -> Region:
    """The region of the guest's virtio-mem, whether its memory is plugged just now or not."""
    try:
        (device,) = guest.ask_qemu("query-memory-devices")
        first = device["data"]["memaddr"]
    except (ValueError, TypeError, LookupError):
        raise ValueError("its QEMU does not say where the memory is that is plugged") from None
    address = _host_address(guest, first, "plugged") if is_whole(first) and first >= 0 else None
    if address is None:
        raise ValueError("its QEMU does not say where the memory is that is plugged")
    return Region(first // mmap.PAGESIZE, address, guest.machine.plug_mib * PAGES_PER_MIB)


def _host_address(guest: Guest, address: int, backend: str = "ram") -> int | None:
    """Where QEMU keeps the guest's physical `address`; None if no memory of `backend` is there."""
    said = guest.ask_monitor(f"gpa2hva {address:#x}")
    found = re.search(rf"\({backend}\) is 0x([0-9a-f]{{1,12}})\b", said)
    return int(found.group(1), 16) if found else None


def held_pages(entries: array[int]) -> bytearray:
    """For each entry of a pagemap 1 if the host holds memory or swap for it, else 0.

    A page that was only read is the kernel's one page of zeros, which belongs to nobody. It is
    known by being mapped more than once, as no page of anonymous memory is within one process.
    """
    frames = Counter(entry & FRAME for entry in entries if entry & PRESENT)
    shared = {frame for frame, times in frames.items() if times > 1 and frame}
    return bytearray(
        bool(entry & SWAPPED or (entry & PRESENT and entry & FRAME not in shared))
        for entry in entries
    )


def read_held(process_id: int, address: int, pages: int) -> bytearray:
    """What of `pages` from `address` on a process holds; raises OSError."""
    held = bytearray()
    with Path(f"/proc/{process_id}/pagemap").open("rb", buffering=0) as file:
        for first in range(0, pages, PAGES_ASKED):
            asked = min(PAGES_ASKED, pages - first)
            place = (address // mmap.PAGESIZE + first) * ENTRY_BYTES
            entries = array("Q", os.pread(file.fileno(), asked * ENTRY_BYTES, place))
            held += held_pages(entries)
    if len(held) < pages:
        raise OSError(f"the pagemap of process {process_id} ends early")
    return held


@dataclass(frozen=True)
class Own:
    """Anonymous memory of a QEMU beside its guest's, swapped memory with it, in MiB. `lazy_mib` of
    all of it, the guest's too, was freed lazily."""

    total_mib: float
    translation_mib: float
    lazy_mib: float = 0.0


def parse_own(smaps: str) -> Own:
    """Of a whole QEMU, from its /proc/PID/smaps. What it translated code into is executable."""
    total = translation = 0
    executable = False
    for line in smaps.splitlines():
        name, _colon, value = line.partition(":")
        if name in ("Anonymous", "Swap"):
            kib = int(value.split()[0])
            total += kib
            translation += kib * executable
        elif "-" in line.split(" ", 1)[0]:
            fields = line.split()
            executable = "x" in fields[1] and len(fields) == 5
    return Own(total / KIB_PER_MIB, translation / KIB_PER_MIB, parse_lazy_mib(smaps))


def balance(uses: Uses, ram: Ram, held: bytearray, own: Own) -> dict[str, Any]:
    """Entry `balance` of a guest in the run record; sizes in MiB.

    `held` is by part what the host holds; the parts' sum is `footprint` but for what changed while
    it was read. `free` is what the guest has free altogether and `reportable` how much of that lies
    in blocks that free page reporting would report.
    """
    parts: Counter[str] = Counter()
    free = reportable = 0
    block = 1 << uses.order
    for use, first, place, length in ram.spans(uses.runs):
        if use != "f":
            parts[use] += sum(held[place : place + length])
            continue
        whole = max(0, (first + length) // block * block - -(-first // block) * block)
        before = min(length, -first % block) if whole else length
        inside = sum(held[place + before : place + before + whole])
        free, reportable = free + length, reportable + whole
        parts["reportable"] += inside
        parts["small"] += sum(held[place : place + length]) - inside
    listed = min(uses.listed_pages, parts["u"])
    ram_mib = sum(parts.values()) / PAGES_PER_MIB
    pages = {name: parts[use] for use, name in PARTS.items()}
    pages["kernel"] += parts["u"] - listed
    pages |= {
        "free_reportable": parts["reportable"], "free_small": parts["small"], "free_listed": listed,
    }  # fmt: skip
    mib = {name: count / PAGES_PER_MIB for name, count in pages.items()}
    if own.lazy_mib:
        _set_lazy_apart(mib, own.lazy_mib)
    mib["qemu_translation"] = own.translation_mib
    mib["qemu_other"] = own.total_mib - own.translation_mib - ram_mib
    return {
        "footprint_mib": round(own.total_mib, 3),
        "held_mib": {name: round(size, 3) for name, size in mib.items()},
        "free_mib": round(free / PAGES_PER_MIB, 3),
        "reportable_mib": round(reportable / PAGES_PER_MIB, 3),
    }


def _set_lazy_apart(mib: dict[str, float], lazy_mib: float) -> None:
    """What was freed lazily, out of the parts that a mechanism hands back: the kernel says how much
    it is, and not which pages."""
    mib["freed_lazily"] = 0.0
    for name in HANDED_BACK:
        moved = min(mib[name], lazy_mib - mib["freed_lazily"])
        mib[name] -= moved
        mib["freed_lazily"] += moved


def take_balance(guest: Guest, seconds: float) -> dict[str, Any]:
    """The balance of a guest that is at rest; raises GuestError, naming what does not answer."""
    try:
        ram = find_ram(guest)
        uses = ask_uses(guest, seconds)
        held = bytearray()
        for region in ram.regions:
            held += read_held(guest.qemu.process_id, region.address, region.pages)
        smaps = Path(f"/proc/{guest.qemu.process_id}/smaps").read_text(errors="replace")
        return balance(uses, ram, held, parse_own(smaps))
    except (ValueError, OSError) as error:
        raise GuestError(
            "stopped",
            f"Where the memory of guest {guest.name} is cannot be told: {one_line(str(error))}; "
            "build the guest image again (role guest_image).",
        ) from None
