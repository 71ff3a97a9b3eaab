# SPDX-License-Identifier: GPL-2.0-or-later
"""What a workload gets to work with: a cell, guests in it, and the view of the host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import (
    GuestError,
    WrongGuestError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.balance import (
    take_balance,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import (
    end_loop,
    new_loop,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.costs import take_costs
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.drivers import DRIVERS
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import (
    Guest,
    quit_all,
    wrong_engine,
    wrong_kernel,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import MOVED, Handed
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import CellCgroup
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.sampler import Sampler

BALANCE_SECONDS = 30.0  # for a GiB of a guest; it takes a tenth of a second


SPENT = ("boot", "settling", "teardown")
"""What a phase does beside its work: guests come up, come to rest, and end."""


class Bench:
    """One phase of a run. `launch` makes guests; `end_guests` ends them and keeps their logs.

    `machine` is a guest as it is without what the arm states.
    """

    def __init__(
        self,
        machine: Machine,
        cgroup: CellCgroup,
        sampler: Sampler,
        cell: dict[str, Any],
        parameters: dict[str, Any],
        user: str,
        kernel_release: str,
        arm: Arm | None = None,
    ) -> None:
        self.cgroup = cgroup
        self.sampler = sampler
        self.cell = cell
        self.parameters = parameters
        self.guests: list[Guest] = []
        self.crashed: list[Guest] = []  # in whose places others were started
        self._machine = machine
        self._user = user
        self._kernel_release = kernel_release
        self._loop = new_loop()
        self.spent = dict.fromkeys(SPENT, 0.0)
        """Seconds of the phase that went into something else than its work, by what it was."""
        self._arm = arm or Arm(machine.mechanism, machine.mechanism)
        self.shows: dict[str, str] = {}
        """What guests were seen to have of what the arm states, by piece."""
        self.moved_mib = 0.0
        """Swap that the cell uses because the arm had the host move memory there."""

    @contextlib.contextmanager
    def spending(self, what: str) -> Iterator[None]:
        """Count the time of the block as spent on one of SPENT."""
        began = self.sampler.seconds()
        try:
            yield
        finally:
            self.spent[what] += self.sampler.seconds() - began

    def launch(
        self, name: str | None = None, *, memory_mib: int | None = None, vcpus: int | None = None
    ) -> Guest:
        """Boot the next guest and check that it is what was asked for; raises GuestError.

        Its size is that of the run's parameters where none is given.
        """
        number = len(self.guests) + 1
        machine = self._stated(
            replace(
                self._machine,
                name=name or f"guest{number}",
                memory_mib=memory_mib or self._machine.memory_mib,
                vcpus=vcpus or self._machine.vcpus,
            )
        )
        with self.spending("boot"):
            self.guests.append(self._start(number, machine))
            return self._boot(number)

    def launch_together(self, count: int) -> list[Guest]:
        """Boot guests side by side; raises GuestError."""
        numbers = range(len(self.guests) + 1, len(self.guests) + 1 + count)
        machines = {
            number: self._stated(replace(self._machine, name=f"guest{number}"))
            for number in numbers
        }
        with self.spending("boot"):
            self.guests += [self._start(number, machine) for number, machine in machines.items()]
            return [self._boot(number) for number in numbers]

    def _stated(self, machine: Machine) -> Machine:
        """The machine with what the arm states; parts of that go by the guest's size."""
        for piece, value in self._arm.states.items():
            machine = PIECES[piece].machine(value, machine)
        if driver := DRIVERS.get(self._arm.mechanism):
            machine = driver.machine(self._arm.policy, machine)
        return machine

    def _start(self, number: int, machine: Machine) -> Guest:
        guest = Guest(machine, self._user, self.cgroup.procs_files, self.cell["node"], self._loop)
        self.sampler.add(number, guest.qemu)
        return guest

    def _boot(self, number: int) -> Guest:
        """Boot a guest that was started; another in its place, once, if its QEMU crashes.

        While firmware and kernel arrange a guest's devices, an emulating QEMU with several vCPUs on
        a busy host may read a memory map that is gone (seen with 10.0: iotlb_to_section). Where KVM
        is emulated, a guest may be reset before its kernel says a word. Nothing has been measured
        by then. The record has both.
        """
        guest = self.guests[number - 1]
        try:
            self._await(guest)
        except GuestError:
            if not guest.crashed:
                raise
            self.crashed.append(guest)
            guest = self._start(number, replace(guest.machine, start=2))
            self.guests[number - 1] = guest
            self._await(guest)
        return guest

    def _await(self, guest: Guest) -> None:
        guest.boot(min(self.parameters["boot_deadline_seconds"], self.seconds_left()))
        release = guest.facts.kernel_release if guest.facts else ""
        if release != self._kernel_release:
            raise WrongGuestError(wrong_kernel(guest.name, release, self._kernel_release))
        for piece, value in self._arm.states.items():
            PIECES[piece].booted(value, guest)
        if self._arm.states:
            guest.look()
        self._see(guest)

    def _see(self, guest: Guest) -> None:
        """Hold its facts against the mechanism, and read back what the arm states; raises
        GuestError."""
        engine = guest.facts.engine if guest.facts else ""
        if sentence := wrong_engine(guest.name, self._arm.mechanism, engine):
            raise WrongGuestError(sentence)
        for piece, value in self._arm.states.items():
            self.shows[piece] = PIECES[piece].shown(value, guest)

    def rest(self, guest: Guest) -> list[Handed]:
        """The work of a guest has ended: do what the arm states for that, then have the mechanism
        take what it can, if the host drives it. Says what was done; raises GuestError."""
        done: list[Handed] = []
        for piece, value in self._arm.states.items():
            before = self.cgroup.swap_mib()
            steps = PIECES[piece].rested(value, guest, self.seconds_left())
            if any(one.step == MOVED for one in steps):
                # What a guest that worked again has read back is there no more.
                moved = max(0.0, self.cgroup.swap_mib() - before)
                self.moved_mib = min(self.moved_mib, before) + moved
            done += steps
        if driver := DRIVERS.get(self._arm.mechanism):
            done += driver.take(guest, self._arm.policy, self.seconds_left())
        guest.handed += done
        return done

    def wake(self, guest: Guest) -> list[Handed]:
        """More work is to come for a guest that has rested: it gets back what the host took."""
        driver = DRIVERS.get(self._arm.mechanism)
        done = driver.give(guest, self._arm.policy, self.seconds_left()) if driver else []
        guest.handed += done
        return done

    def see_again(self) -> None:
        """Read back at the end of the work that nobody took away what the arm states."""
        for guest in self.guests:
            if guest.well:
                guest.look()
                self._see(guest)

    def take_balances(self) -> None:
        """Where the memory of each guest is that still runs and answers, and what memory has cost
        it so far. Nothing is measured after.

        One that does not is left without: a guest that is short of memory may be about to die.
        """
        for guest in self.guests:
            if guest.boot_seconds and guest.qemu.is_alive():
                with contextlib.suppress(GuestError):
                    guest.costs = take_costs(guest, min(BALANCE_SECONDS, self.seconds_left()))
                    guest.balance = take_balance(guest, min(BALANCE_SECONDS, self.seconds_left()))

    @property
    def started(self) -> list[Guest]:
        """All guests of the phase, those that crashed last."""
        return [*self.guests, *self.crashed]

    def end_guests(self, *, kindly: bool = True) -> None:
        """End all guests, whatever state they are in."""
        try:
            with self.spending("teardown"):
                quit_all(self.started, Guest.quit if kindly else Guest.kill)
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
        paths = [path for g in self.started for path in (g.machine.console, g.machine.errors)]
        return [path.name for path in paths if path.exists() and path.stat().st_size]
