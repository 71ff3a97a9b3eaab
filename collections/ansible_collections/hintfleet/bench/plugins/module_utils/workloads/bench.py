# SPDX-License-Identifier: GPL-2.0-or-later
"""What a workload gets to work with: a cell, guests in it, and the view of the host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import (
    end_loop,
    new_loop,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import (
    Guest,
    quit_all,
    wrong_kernel,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import CellCgroup
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.sampler import Sampler


class Bench:
    """One phase of a run. `launch` makes guests; `end_guests` ends them and keeps their logs."""

    def __init__(
        self,
        machine: Machine,
        cgroup: CellCgroup,
        sampler: Sampler,
        cell: dict[str, Any],
        parameters: dict[str, Any],
        user: str,
        kernel_release: str,
    ) -> None:
        self.cgroup = cgroup
        self.sampler = sampler
        self.cell = cell
        self.parameters = parameters
        self.guests: list[Guest] = []
        self._machine = machine
        self._user = user
        self._kernel_release = kernel_release
        self._loop = new_loop()

    def launch(self, name: str | None = None) -> Guest:
        """Boot the next guest and check that it is what was asked for; raises GuestError."""
        guest = self._start(name)
        self._boot(guest)
        return guest

    def launch_together(self, count: int) -> list[Guest]:
        """Boot guests side by side; raises GuestError."""
        guests = [self._start(None) for _number in range(count)]
        for guest in guests:
            self._boot(guest)
        return guests

    def _start(self, name: str | None) -> Guest:
        number = len(self.guests) + 1
        machine = replace(self._machine, name=name or f"guest{number}")
        guest = Guest(machine, self._user, self.cgroup.procs_files, self.cell["node"], self._loop)
        self.guests.append(guest)
        self.sampler.add(number, guest.qemu)
        return guest

    def _boot(self, guest: Guest) -> None:
        guest.boot(min(self.parameters["boot_deadline_seconds"], self.seconds_left()))
        release = guest.facts.kernel_release if guest.facts else ""
        if release != self._kernel_release:
            raise GuestError("stopped", wrong_kernel(guest.name, release, self._kernel_release))

    def end_guests(self, *, kindly: bool = True) -> None:
        """End all guests, whatever state they are in."""
        try:
            quit_all(self.guests, Guest.quit if kindly else Guest.kill)
        finally:
            end_loop(self._loop)

    def seconds_left(self) -> float:
        """Time until the deadline of the run; never quite zero."""
        return max(self.parameters["deadline_seconds"] - self.sampler.seconds(), 0.1)

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time of the guests' vCPUs and QEMUs; complete once they have ended."""
        return {
            "user": round(sum(guest.qemu.cpu_user_seconds for guest in self.guests), 3),
            "system": round(sum(guest.qemu.cpu_system_seconds for guest in self.guests), 3),
        }

    def logs(self) -> list[str]:
        """Names of the guests' console logs, and of what their QEMUs said, if anything."""
        paths = [path for g in self.guests for path in (g.machine.console, g.machine.errors)]
        return [path.name for path in paths if path.exists() and path.stat().st_size]
