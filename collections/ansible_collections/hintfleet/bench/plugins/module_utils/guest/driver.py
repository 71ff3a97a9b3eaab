# SPDX-License-Identifier: GPL-2.0-or-later
"""What all mechanisms that the host drives have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import number
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import Handed
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine

MIB = 2**20
POLL_SECONDS = 0.05
STALLED_SECONDS = 5.0
"""A guest that hands nothing over for so long will not hand over more."""


class Driver(Protocol):
    """`policy` is what an arm states about the mechanism; what it leaves out has defaults."""

    needs: tuple[str, ...]
    """Options that the guest's kernel must be built with."""

    def refused(self, policy: dict[str, Any], memory_mib: int) -> str | None:
        """Why guests of that size cannot have it, and what to do; None if they can."""

    def machine(self, policy: dict[str, Any], machine: Machine) -> Machine:
        """The guest's machine with what the mechanism needs."""

    def take(self, guest: Guest, policy: dict[str, Any], seconds: float) -> list[Handed]:
        """Take from a guest whose work has ended what it does not need; raises GuestError."""

    def give(self, guest: Guest, policy: dict[str, Any], seconds: float) -> list[Handed]:
        """Give it back before work that is to come; raises GuestError."""


def follow(size_mib: Callable[[], float], target: float, seconds: float) -> float:
    """Wait until a size has come within a MiB of its target, moves no longer, or time is up."""
    give_up = time.monotonic() + seconds
    last, moved = size_mib(), time.monotonic()
    while True:
        now = time.monotonic()
        if abs(last - target) < 1.0 or now - moved > STALLED_SECONDS or now > give_up:
            return last
        time.sleep(POLL_SECONDS)
        size = size_mib()
        if size != last:
            last, moved = size, time.monotonic()


def mib_of(guest: Guest, question: str, answer: Any, name: str) -> float:
    """A number of bytes from an answer; a guest that does not know says 2^64 - 1."""
    try:
        return number(answer[name]) / MIB
    except (ValueError, LookupError, TypeError):
        raise guest.balks(f"says no {name} in {question}") from None
