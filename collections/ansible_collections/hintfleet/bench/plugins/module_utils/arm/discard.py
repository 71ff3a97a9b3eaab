# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU does to memory that a guest hands back: at once, or once somebody needs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import Piece, unlike
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine

LIBRARY = "hf-discard.so"
"""Lies beside the guest image (roles/guest_image/files/host/hf-discard.c)."""
FAILED = "discard"  # what QEMU's words have in them where the kernel refuses one


class Discard(Piece):
    """free: MADV_FREE instead of MADV_DONTNEED, by a library that is loaded before QEMU. Memory
    stays resident, and the host takes it without swap when it needs some. Both kinds of backing are
    anonymous memory, which can be freed so."""

    def checked(self, value: Any) -> str:
        if value != "free":
            raise ValueError("choose free, or leave it out: QEMU discards at once by itself")
        return str(value)

    def misplaced(self, value: str, mechanism: str) -> str | None:
        return "nothing is discarded under none" if mechanism == "none" else None

    def machine(self, value: str, machine: Machine) -> Machine:
        return replace(machine, preload=machine.image.with_name(LIBRARY))

    def shown(self, value: str, guest: Guest) -> str:
        maps = Path(f"/proc/{guest.qemu.process_id}/maps").read_text()
        if not any(line.endswith(f"/{LIBRARY}") for line in maps.splitlines()):
            cause = f"its QEMU has not loaded {LIBRARY} ({guest.qemu.last_words() or 'no word'})"
            raise unlike(guest, f"discard {value}", cause)
        if FAILED in (said := guest.qemu.last_words()):
            raise unlike(guest, f"discard {value}", f"its QEMU says {said!r}")
        return f"{LIBRARY} is in its QEMU, {guest.lazy_mib():.0f} MiB are free lazily"
