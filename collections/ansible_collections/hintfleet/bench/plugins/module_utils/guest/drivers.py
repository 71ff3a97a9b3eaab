# SPDX-License-Identifier: GPL-2.0-or-later
"""Mechanisms that the host drives: taken from a guest whose work has ended, given before work."""

from __future__ import annotations

import time
from typing import Any, Protocol

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import number
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import (
    GIVEN,
    TAKEN,
    Handed,
)

MIB = 2**20
POLL_SECONDS = 0.05
STALLED_SECONDS = 5.0
"""A guest that hands nothing over for so long will not hand over more."""
STATS_SECONDS = 10.0
DEVICE = "/machine/peripheral/balloon"
BALLOON = {"margin_mib": 64, "pulse": False}
"""What holds where an arm states nothing of it."""


class Driver(Protocol):
    """`take` and `give` say what they did; both raise GuestError."""

    def take(self, guest: Guest, policy: dict[str, Any], seconds: float) -> list[Handed]: ...

    def give(self, guest: Guest, policy: dict[str, Any], seconds: float) -> list[Handed]: ...


class Balloon:
    """The classic balloon, inflated to leave the guest a margin by its own statistics.

    The device deflates by itself when the guest is out of memory (deflate-on-oom).
    """

    def take(self, guest: Guest, policy: dict[str, Any], seconds: float) -> list[Handed]:
        policy = {**BALLOON, **policy}
        most = guest.machine.memory_mib
        began = time.monotonic()
        available = self._available_mib(guest)
        now = self._actual_mib(guest)
        target = now - max(available - policy["margin_mib"], 0.0)
        end = self._drive(guest, target, seconds)
        spent = time.monotonic() - began
        done = [Handed(TAKEN, "balloon", now - target, now - end, spent)]
        return done + (self._give_all(guest, most, seconds) if policy["pulse"] else [])

    def give(self, guest: Guest, policy: dict[str, Any], seconds: float) -> list[Handed]:
        return self._give_all(guest, guest.machine.memory_mib, seconds)

    def _give_all(self, guest: Guest, most: float, seconds: float) -> list[Handed]:
        began, now = time.monotonic(), self._actual_mib(guest)
        end = self._drive(guest, most, seconds)
        spent = time.monotonic() - began
        return [Handed(GIVEN, "balloon", most - now, end - now, spent)] if most > now else []

    def _drive(self, guest: Guest, target: float, seconds: float) -> float:
        """Ask for a size and wait for it; the size that came of it, in MiB."""
        guest.ask_qemu("balloon", {"value": int(target * MIB)})
        return follow(lambda: self._actual_mib(guest), target, seconds)

    def _actual_mib(self, guest: Guest) -> float:
        return _mib(guest, "query-balloon", guest.ask_qemu("query-balloon"), "actual")

    def _available_mib(self, guest: Guest) -> float:
        """What programs in the guest could have without swapping, as of now.

        The guest is asked only while somebody wants to know: an idle guest is not to be woken.
        """
        interval = {"path": DEVICE, "property": "guest-stats-polling-interval"}
        before = self._stats(guest)["last-update"]
        guest.ask_qemu("qom-set", {**interval, "value": 1})
        give_up = time.monotonic() + STATS_SECONDS
        while True:
            time.sleep(POLL_SECONDS)
            said = self._stats(guest)
            if said["last-update"] != before:
                break
            if time.monotonic() > give_up:
                raise guest.balks("tells nothing of its memory through its balloon")
        guest.ask_qemu("qom-set", {**interval, "value": 0})
        return _mib(guest, "guest-stats", said["stats"], "stat-available-memory")

    def _stats(self, guest: Guest) -> dict[str, Any]:
        said = guest.ask_qemu("qom-get", {"path": DEVICE, "property": "guest-stats"})
        if not isinstance(said, dict) or not isinstance(said.get("stats"), dict):
            raise guest.balks("answers guest-stats with nonsense")
        return {"last-update": said.get("last-update"), "stats": said["stats"]}


def follow(size_mib: Any, target: float, seconds: float) -> float:
    """Wait until a size has come within a MiB of its target, moves no longer, or time is up."""
    give_up = time.monotonic() + seconds
    last, moved = size_mib(), time.monotonic()
    while True:
        now = time.monotonic()
        if abs(last - target) < 1.0 or now - moved > STALLED_SECONDS or now > give_up:
            return float(last)
        time.sleep(POLL_SECONDS)
        size = size_mib()
        if size != last:
            last, moved = size, time.monotonic()


def _mib(guest: Guest, question: str, answer: Any, name: str) -> float:
    """A number of bytes from an answer; a guest that does not know says 2^64 - 1."""
    try:
        return number(answer[name]) / MIB
    except (ValueError, LookupError, TypeError):
        raise guest.balks(f"says no {name} in {question}") from None


DRIVERS: dict[str, Driver] = {"balloon": Balloon()}
