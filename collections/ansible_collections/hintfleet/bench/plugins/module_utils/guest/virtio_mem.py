# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-mem: part of a guest's memory is a device that the host plugs before work and asks for
when work has ended."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.driver import (
    MIB,
    follow,
    mib_of,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import (
    GIVEN,
    TAKEN,
    Handed,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine

DEVICE = "/machine/peripheral/virtio_mem"
BLOCK_MIB = 128
"""What a guest's kernel adds and takes away as a whole (its memory block on x86 below 64 GiB); it
leaves unused what is less."""
LEAST_BOOT_MIB = 128  # kernel, initramfs and agent, and the descriptions of what is plugged


def plug_mib(policy: dict[str, Any], memory_mib: int) -> int:
    """How much of a guest's memory is plugged: what the policy says, else up to half of it, so that
    what cannot move has room in the rest."""
    return int(policy.get("plug_mib") or memory_mib // 2 // BLOCK_MIB * BLOCK_MIB)


class VirtioMem:
    """Guests begin with all of it, and are asked for all of it when their work has ended: what they
    need for themselves has room in the memory they booted with, or stays in what is plugged."""

    needs = ("VIRTIO_MEM", "MEMORY_HOTREMOVE")

    def refused(self, policy: dict[str, Any], memory_mib: int) -> str | None:
        plug = plug_mib(policy, memory_mib)
        if BLOCK_MIB <= plug <= memory_mib - LEAST_BOOT_MIB:
            return None
        return (
            f"guests of {memory_mib} MiB cannot have {plug} MiB of it plugged: "
            f"{LEAST_BOOT_MIB} MiB must be there to boot, and the rest comes in pieces of "
            f"{BLOCK_MIB} MiB; give guests "
            f"at least {LEAST_BOOT_MIB + BLOCK_MIB} MiB, or set plug_mib"
        )

    def machine(self, policy: dict[str, Any], machine: Machine) -> Machine:
        return replace(machine, plug_mib=plug_mib(policy, machine.memory_mib))

    def take(self, guest: Guest, policy: dict[str, Any], seconds: float) -> list[Handed]:
        now, end, spent = self._drive(guest, 0, seconds)
        return [Handed(TAKEN, "virtio_mem", now, now - end, spent)]

    def give(self, guest: Guest, policy: dict[str, Any], seconds: float) -> list[Handed]:
        most = guest.machine.plug_mib
        now, end, spent = self._drive(guest, most, seconds)
        return [Handed(GIVEN, "virtio_mem", most - now, end - now, spent)] if most > now else []

    def _drive(self, guest: Guest, target: int, seconds: float) -> tuple[float, float, float]:
        """Ask for a size and wait for it: what it was, what came of it, and the time."""
        began, now = time.monotonic(), self._size_mib(guest)
        asked = {"path": DEVICE, "property": "requested-size", "value": target * MIB}
        guest.ask_qemu("qom-set", asked)
        end = follow(lambda: self._size_mib(guest), target, seconds)
        return now, end, time.monotonic() - began

    def _size_mib(self, guest: Guest) -> float:
        answer = guest.ask_qemu("qom-get", {"path": DEVICE, "property": "size"})
        return mib_of(guest, "its virtio-mem", {"size": answer}, "size")
