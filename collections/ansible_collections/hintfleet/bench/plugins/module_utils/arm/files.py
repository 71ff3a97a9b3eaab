# SPDX-License-Identifier: GPL-2.0-or-later
"""How a guest whose root is a disk reaches its files."""

from __future__ import annotations

from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import (
    ASK_SECONDS,
    Piece,
    read_in,
    unlike,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.root import DAX, DIRECT, WAYS

PRELOADED = "/etc/ld.so.preload"
LIBRARY = "nocache.so"
NEEDS = {DAX: ("BLK_DEV_PMEM", "EXT4_FS", "FS_DAX", "NVDIMM_PFN", "VIRTIO_PMEM")}
"""Options of the guest's kernel."""


# What is mounted, and the numbers of all disks: a kernel calls its root /dev/root, whatever it is.
LOOK = """
cat /proc/self/mountinfo
for disk in /sys/class/block/*; do read -r number <$disk/dev && echo "$number ${disk##*/}"; done
"""


def root_of(told: str) -> tuple[str, set[str]]:
    """Disk and options of the file system of a guest's root, from the output of LOOK; raises
    ValueError. mountinfo is described in proc(5)."""
    lines = [line.split() for line in told.splitlines()]
    disks = {words[0]: words[1] for words in lines if len(words) == 2}
    for words in lines:
        if len(words) > 9 and words[4] == "/" and words[2] in disks:
            return f"/dev/{disks[words[2]]}", set(words[-1].split(","))
    raise ValueError("nothing from a disk is mounted on /")


class FilesWay(Piece):
    """cached: through the guest's page cache, as without a statement. direct: programs of Debian
    leave nothing of what they have read or written in it. dax: from persistent memory."""

    # A device, and what the kernel is told of it: no more of the command lines.
    differs = ("guest_root",)
    fragment = "disk"

    def checked(self, value: Any) -> str:
        if value not in WAYS:
            raise ValueError(f"choose from {', '.join(WAYS)}")
        return str(value)

    def needs(self, value: str) -> tuple[str, ...]:
        return NEEDS.get(value, ("EXT4_FS",))

    def shown(self, value: str, guest: Guest) -> str:
        done = guest.run(["/bin/sh", "-c", LOOK], ASK_SECONDS)
        try:
            device, options = root_of(done.output)
        except ValueError as error:
            raise unlike(guest, f"files {value}", str(error)) from None
        dax = sorted(option for option in options if option.startswith("dax"))
        if (value == DAX) != (device.startswith("/dev/pmem") and dax == ["dax=always"]):
            cause = f"its root is {device} with {','.join(dax) or 'no dax'}"
            raise unlike(guest, f"files {value}", cause)
        seen = f"its root is {device}" + (f" with {dax[0]}" if dax else "")
        if value == DIRECT:
            found = read_in(guest, PRELOADED)
            if not found.endswith(f"/{LIBRARY}"):
                raise unlike(guest, f"files {value}", f"{PRELOADED} reads {found!r}")
            seen += f", {PRELOADED} reads {found}"
        return seen
