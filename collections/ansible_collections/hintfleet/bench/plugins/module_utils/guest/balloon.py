# SPDX-License-Identifier: GPL-2.0-or-later
"""The classic balloon, driven by a policy of the host."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.driver import (
    MIB,
    POLL_SECONDS,
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

STATS_SECONDS = 10.0
DEVICE = "/machine/peripheral/balloon"
BALLOON = {"margin_mib": 64, "pulse": False}
"""What holds where an arm states nothing of it."""


class Balloon:
    """The classic balloon, inflated to leave the guest a margin by its own statistics.

    The device deflates by itself when the guest is out of memory (deflate-on-oom).
    """

    needs = ()

    def refused(self, policy: dict[str, Any], memory_mib: int) -> str | None:
        margin_mib = {**BALLOON, **policy}["margin_mib"]
        if margin_mib < memory_mib:
            return None
        return (
            f"the balloon is to leave {margin_mib} MiB to guests of {memory_mib} MiB, so it would "
            "take nothing: lower margin_mib"
        )

    def machine(self, policy: dict[str, Any], machine: Machine) -> Machine:
        return machine

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
        return mib_of(guest, "query-balloon", guest.ask_qemu("query-balloon"), "actual")

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
        return mib_of(guest, "guest-stats", said["stats"], "stat-available-memory")

    def _stats(self, guest: Guest) -> dict[str, Any]:
        said = guest.ask_qemu("qom-get", {"path": DEVICE, "property": "guest-stats"})
        if not isinstance(said, dict) or not isinstance(said.get("stats"), dict):
            raise guest.balks("answers guest-stats with nonsense")
        return {"last-update": said.get("last-update"), "stats": said["stats"]}
