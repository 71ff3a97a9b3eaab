# SPDX-License-Identifier: GPL-2.0-or-later
"""What must hold of a guest that is at rest, exact to the block: asked of guest and host alike."""

from __future__ import annotations

import struct
import time
from pathlib import Path

from kernel_guest import Guest, quiet_seconds

BLOCK, PAGE = 2 << 20, 4096
PRESENT, SWAPPED = 1 << 63, 1 << 62  # in /proc/PID/pagemap
# Upstream's engine leaves a zone alone that has less than 64 MiB free: on x86 that of ISA's DMA.
FIRST_BLOCK = {"bitmap": 0, "list": (16 << 20) // BLOCK}
TRIES = 5


def blocks(guest: Guest, kind: str) -> set[int]:
    """Numbers of the guest's blocks that are `free` or `bare`, see the command in init.c."""
    rows = (line.split() for line in guest.tell("blocks"))
    return {int(number) for found, number in rows if found == kind}


def in_host_memory(guest: Guest, numbers: set[int]) -> set[int]:
    """Those of the guest's blocks of which the host holds at least one page."""
    held = set()
    with Path(f"/proc/{guest.process.pid}/pagemap").open("rb") as pagemap:
        for number in numbers:
            pagemap.seek(guest.host_address(number * BLOCK) // PAGE * 8)
            pages = struct.unpack("<512Q", pagemap.read(512 * 8))
            if any(page & (PRESENT | SWAPPED) for page in pages):
                held.add(number)
    return held


def assert_nothing_is_left_behind(guest: Guest, engine: str) -> int:
    """Each block that the guest calls wholly free is absent in QEMU; returns how many are free.

    A block that was free only while it was looked at says nothing; one that is lost stays so.
    """
    guest.settle(quiet_seconds(engine), 90)
    left, count = set[int](), 0
    for number in range(TRIES):
        free = {block for block in blocks(guest, "free") if block >= FIRST_BLOCK[engine]}
        found = in_host_memory(guest, free) & blocks(guest, "free")
        left, count = (left & found if number else found), len(free)
        if not left:
            break
        time.sleep(1)
    assert not left, f"{len(left)} of {count} free blocks are in the host's memory: {sorted(left)}"
    assert count > 0, "nothing was free, so nothing was audited"
    return count


def miscounted_zones(guest: Guest) -> dict[str, int]:
    """By zone, how many pages more than its free lists hold the kernel counts as free."""
    guest.tell("set /proc/sys/vm/stat_refresh 1")
    listed = {}
    for line in guest.tell("get /proc/buddyinfo"):
        words = line.replace(",", " ").split()  # Node 0, zone Normal 1 0 ...
        listed[f"{words[1]} {words[3]}"] = sum(
            int(count) << order for order, count in enumerate(words[4:])
        )
    counted, zone = {}, ""
    for line in guest.tell("get /proc/zoneinfo"):
        words = line.replace(",", " ").split()
        if words[:1] == ["Node"]:
            zone = f"{words[1]} {words[3]}"
        elif words[:1] == ["nr_free_pages"]:
            counted[zone] = int(words[1])
    assert set(listed) & set(counted), "no zone was compared"
    return {zone: counted[zone] - pages for zone, pages in listed.items() if counted[zone] != pages}


def blocks_on_cpu_lists(guest: Guest) -> int:
    """How many blocks the lists of CPUs may hold: what is there is neither free nor in use."""
    rows = (line.split() for line in guest.tell("get /proc/zoneinfo"))
    return sum(int(row[1]) for row in rows if row[:1] == ["count:"]) * PAGE // BLOCK


class Ledger:
    """What a guest had at rest, to be compared with what it has later."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.bare = blocks(guest, "bare")

    def assert_balanced(self) -> None:
        """No block is lost between free lists and device, and free pages are counted right.

        Both are tried again while memory still moves; what is lost stays lost.
        """
        lost, miscounted = set[int](), dict[str, int]()
        for _ in range(TRIES):
            lost = blocks(self.guest, "bare") - self.bare
            miscounted = miscounted_zones(self.guest)
            if len(lost) <= blocks_on_cpu_lists(self.guest) and not miscounted:
                return
            time.sleep(1)
        held = blocks_on_cpu_lists(self.guest)
        assert len(lost) <= held, f"neither free nor in use, but {held} blocks: {sorted(lost)}"
        assert not miscounted, f"pages that are counted but on no free list: {miscounted}"
