# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest's memory is made of on the host: small pages, or transparent huge pages.

Memory of hugetlbfs is charged to no cell, and swap of shared memory to no process: with either a
run could not tell when its node is full, nor how much a guest holds.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import (
    Piece,
    read_of_qemu,
    unlike,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine

SHOWS = {
    "4k": ("status", r"THP_enabled:\s+0"),  # proc(5); prctl(2), PR_SET_THP_DISABLE
    "thp": ("smaps_rollup", r"AnonHugePages:\s+[1-9]\d* kB"),
}
"""By backing: the file of QEMU's /proc that shows it, and what stands there."""


class Backing(Piece):
    """4k, whatever the host allows, or thp, where it allows it (study_thp: madvise or always)."""

    def checked(self, value: Any) -> str:
        if value not in SHOWS:
            raise ValueError(f"choose from {', '.join(SHOWS)}")
        return str(value)

    def machine(self, value: str, machine: Machine) -> Machine:
        return replace(machine, small_pages=value == "4k")

    def shown(self, value: str, guest: Guest) -> str:
        name, wanted = SHOWS[value]
        text = read_of_qemu(guest, name)
        if (found := re.search(wanted, text)) is None:
            cause = f"the {name} of its QEMU does not show it (thp needs study_thp: madvise)"
            raise unlike(guest, f"backing {value}", cause)
        return f"{name} of its QEMU reads {' '.join(found[0].split())}"
