# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest: boots, runs programs through its agent, says what it is, ends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import (
    Channel,
    ChannelError,
    SilenceError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import Handed
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.mechanisms import (
    BITMAP,
    MECHANISMS,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine, Qemu
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import (
    ProcessMemory,
    read_lazy_mib,
    read_placement,
    read_process_memory,
    remote_share,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line

ANSWER_SECONDS = 30.0  # for questions that take no time in the guest: it may be swapped out
MONITOR_SECONDS = 2.0
POLL_SECONDS = 0.05

# Bits of virtio-balloon, VIRTIO 1.2 section 5.5.3; sysfs prints bit 0 first.
FEATURES = (
    "must_tell_host",
    "stats_vq",
    "deflate_on_oom",
    "free_page_hint",
    "page_poison",
    "free_page_reporting",
)
BALLOON_DEVICE_ID = "0x0005"

# One shell tells all facts and starts no other program: it costs time in the middle of a run.
FACTS_SCRIPT = f"""
tell() {{ read -r line <$1 && echo "$line"; }}
tell /proc/sys/kernel/osrelease
tell /proc/cmdline
for device in /sys/bus/virtio/devices/*; do
    read -r id <$device/device
    if [ $id = {BALLOON_DEVICE_ID} ]; then tell $device/features; balloon=$device; fi
done
tell /sys/kernel/mm/transparent_hugepage/enabled
if [ -e $balloon/free_page_engine ]; then tell $balloon/free_page_engine; fi
"""

TROUBLE = re.compile(
    r"WARNING:|BUG:|Oops|Call Trace|Kernel panic|Out of memory|soft lockup|rcu: INFO|oom-kill"
)
WARNINGS_KEPT = 20
COMMAND_LINE_CHARACTERS = 2048  # COMMAND_LINE_SIZE of x86
# How a program ends that meets a fault of its own. SIGKILL is the host's, for want of memory.
CRASHES = (signal.SIGABRT, signal.SIGSEGV)
# What a shell prints of a program that a signal ended, after the program's own last words.
OF_A_SHELL = ("Aborted", "Bus error", "Illegal instruction", "Killed", "Segmentation fault")


@dataclass(frozen=True)
class Completed:
    """A program that has ended in a guest; `seconds` is wall time on the host.

    `late_seconds`: how long the agent took to say so. A guest that is short of memory may have its
    agent swapped out, and the program may have ended by so much earlier.
    """

    exit_code: int | None
    signal: int | None
    output: str
    errors: str
    seconds: float
    late_seconds: float = 0.0

    @property
    def failure(self) -> str | None:
        """What to say about a program that did not exit with 0."""
        if self.exit_code == 0:
            return None
        how = f"signal {self.signal}" if self.signal else f"exit code {self.exit_code}"
        lines = [line.strip() for line in (self.errors or self.output).splitlines()]
        said = [line for line in lines if line and line not in OF_A_SHELL]
        return how + (f" ({one_line(said[-1], 200)})" if said else "")


@dataclass(frozen=True)
class GuestFacts:
    kernel_release: str
    kernel_command_line: str
    features: dict[str, bool]
    thp_enabled: str
    engine: str = ""
    """What its kernel finds free pages with; "" where it cannot choose."""


def parse_features(bits: str) -> dict[str, bool]:
    """Negotiated features of the balloon by name, from its `features` in sysfs."""
    return {name: bits[bit : bit + 1] == "1" for bit, name in enumerate(FEATURES)}


def parse_facts(text: str) -> GuestFacts:
    """From the output of FACTS_SCRIPT."""
    lines = text.splitlines() + [""] * 5
    thp = re.search(r"\[(\w+)\]", lines[3])
    return GuestFacts(
        kernel_release=one_line(lines[0]),
        kernel_command_line=one_line(lines[1], COMMAND_LINE_CHARACTERS),
        features=parse_features(lines[2]),
        thp_enabled=one_line(thp.group(1)) if thp else "absent",
        engine=one_line(lines[4].strip()),
    )


def is_whole(value: Any) -> bool:
    """Whether it is an int; JSON's true and false are no numbers."""
    return isinstance(value, int) and not isinstance(value, bool)


def parse_status(status: Any, seconds: float) -> Completed | None:
    """From the answer to guest-exec-status, None while the program runs.

    Raises ValueError, TypeError, KeyError or AttributeError for what is no such answer.
    """
    if not isinstance(status["exited"], bool):
        raise TypeError("a program has exited or has not")
    if not status["exited"]:
        return None
    ended = {name: status.get(name) for name in ("exitcode", "signal")}
    if not all(code is None or is_whole(code) for code in ended.values()):
        raise TypeError("an exit code is a number")
    return Completed(
        exit_code=ended["exitcode"],
        signal=ended["signal"],
        output=_decode(status.get("out-data")),
        errors=_decode(status.get("err-data")),
        seconds=seconds,
    )


def console_warnings(text: str) -> list[str]:
    """Lines of a guest's console that tell of trouble, without time stamps, each once."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        if TROUBLE.search(line):
            found[one_line(re.sub(r"^\[[^\]]*\]\s*", "", line.strip()))] = None
    return list(found)[:WARNINGS_KEPT]


class Guest:
    """One guest of a run. `boot` first; `close` always."""

    def __init__(
        self,
        machine: Machine,
        user: str,
        cgroup_procs: list[Path],
        node: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.machine = machine
        self.name = machine.name
        self.facts: GuestFacts | None = None
        self.boot_seconds: float | None = None
        self.balance: dict[str, Any] | None = None
        self.handed: list[Handed] = []
        self.costs: dict[str, Any] | None = None
        self._node = node
        self._loop = loop
        self._end = "stopped"
        self._placement: dict[int, float] = {}
        self._started = time.monotonic()
        self.qemu = Qemu(machine, user, cgroup_procs)
        self._agent = Channel(loop, self.qemu.agent, greets=False)
        self._is_open = False
        self._monitor: Channel | None = None

    def boot(self, seconds: float) -> None:
        """Wait for the agent's first answer and ask for the guest's facts; raises GuestError."""
        give_up = self._started + seconds
        self._open()
        token = random.getrandbits(31)
        left = max(give_up - time.monotonic(), 0.1)
        # A question sent before the agent is up waits in the channel: no polling is needed.
        if self._ask("guest-sync", {"id": token}, left) != token:
            raise self._failure("never_up", "its agent answers questions nobody asked")
        self.boot_seconds = time.monotonic() - self._started
        self.look(max(give_up - time.monotonic(), 1.0))

    def look(self, seconds: float = ANSWER_SECONDS) -> None:
        """Ask for the guest's facts; raises GuestError."""
        self.facts = parse_facts(self.run(["/bin/sh", "-c", FACTS_SCRIPT], seconds=seconds).output)

    @property
    def well(self) -> bool:
        """Whether it is alive and has answered all that it was asked."""
        return self._end == "stopped" and self.qemu.is_alive()

    @property
    def crashed(self) -> bool:
        """Whether its QEMU, or what that runs on, met a fault of its own before the guest was up.

        A guest that is reset before its kernel says a word has met one: seen once, where KVM itself
        is emulated.
        """
        if self.boot_seconds is not None or self.qemu.exit_status is None:
            return False
        status = self.qemu.exit_status
        return -status in CRASHES or (status == 0 and not self.qemu.console.last())

    def _open(self) -> None:
        try:
            self._agent.open(ANSWER_SECONDS)
        except ChannelError:
            raise self._failure("never_up", self._why_ended()) from None
        self._is_open = True

    def _ask(self, command: str, arguments: dict[str, Any], seconds: float) -> Any:
        if not self._is_open:
            raise self._failure("never_up", "it has not been booted")
        try:
            return self._agent.call(command, arguments, seconds=seconds)
        except SilenceError:
            end = "deadline" if self.boot_seconds else "never_up"
            raise self._failure(
                end, f"its agent did not answer {command} within {seconds:.0f} s"
            ) from None
        except ChannelError as error:
            give_up = time.monotonic() + 1
            while self.qemu.is_alive() and time.monotonic() < give_up:
                time.sleep(0.01)  # a QEMU that ends closes its channels a moment earlier
            why = f"its agent fails ({error})" if self.qemu.is_alive() else self._why_ended()
            raise self._failure("died" if self.boot_seconds else "never_up", why) from error

    def _why_ended(self) -> str:
        status = self.qemu.exit_status
        how = f"was killed by signal {-status}" if status and status < 0 else "ended by itself"
        said = one_line(self.qemu.last_words())
        return f"its QEMU {how}" + (f" saying {said!r}" if said else "")

    def _failure(self, end: str, cause: str) -> GuestError:
        self._end = end
        lines = self.qemu.console.last().splitlines()
        shown = [one_line(line.strip()) for line in lines if line.strip()][-3:]
        last = " / ".join(shown)[-300:] or "nothing"
        remedy = "see its console log"
        if self.qemu.is_alive():
            remedy += ", and give it more time (a deadline) or more memory"
        return GuestError(
            end,
            f"Guest {self.name} failed: {cause}; the last on its console is: {last}; {remedy}.",
            cause,
        )

    def _nonsense(self, command: str) -> GuestError:
        end = "died" if self.boot_seconds else "never_up"
        return self._failure(end, f"its agent answers {command} with nonsense")

    def start(self, command: list[str]) -> int:
        """Start a program and return its process id in the guest; raises GuestError."""
        answer = self._ask(
            "guest-exec",
            {"path": command[0], "arg": command[1:], "capture-output": True},
            ANSWER_SECONDS,
        )
        process_id = answer.get("pid") if isinstance(answer, dict) else None
        if not is_whole(process_id) or not 0 < process_id < 2**31:
            raise self._nonsense("guest-exec")
        return process_id

    def wait(
        self, process_id: int, seconds: float, *, started: float | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> Completed:  # fmt: skip
        """Wait for a started program to end; raises GuestError, its `end` being 'deadline'."""
        since = time.monotonic() if started is None else started
        give_up = time.monotonic() + seconds
        while True:
            asked = time.monotonic()
            status = self._ask("guest-exec-status", {"pid": process_id}, ANSWER_SECONDS)
            now = time.monotonic()
            try:
                done = parse_status(status, now - since)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise self._nonsense("guest-exec-status") from None
            if done:
                return replace(done, late_seconds=now - asked)
            if now > give_up:
                raise self._failure("deadline", f"its program did not end within {seconds:g} s")
            time.sleep(poll_seconds)

    def run(
        self, command: list[str], seconds: float, *, poll_seconds: float = POLL_SECONDS
    ) -> Completed:
        """Run a program to its end; raises GuestError."""
        started = time.monotonic()
        process_id = self.start(command)
        return self.wait(process_id, seconds, started=started, poll_seconds=poll_seconds)

    def memory(self) -> ProcessMemory:
        """What its QEMU holds; raises GuestError once it has ended, as it then holds nothing."""
        memory = read_process_memory(self.qemu.process_id)
        if not self.qemu.is_alive():  # asked afterwards: it was alive when it was read
            raise self._failure("died", self._why_ended())
        return memory

    @property
    def lazy(self) -> bool:
        """Whether what it hands back is freed lazily, and its QEMU lives."""
        return self.machine.preload is not None and self.qemu.is_alive()

    def lazy_mib(self) -> float:
        """What of that the host can take at once and without swap, as it was freed lazily."""
        return read_lazy_mib(self.qemu.process_id) if self.lazy else 0.0

    def note_placement(self) -> None:
        """Where its memory lies now; kept if it dies before it is asked again."""
        self._placement = read_placement(self.qemu.process_id) or self._placement

    def quit(self) -> None:
        """Note where its memory lies and ask QEMU to end; `close` waits for that."""
        if not self.qemu.is_alive():
            if self._end == "stopped":
                self._end = "died"
            return
        self.note_placement()
        try:
            self._open_monitor().call("quit", seconds=MONITOR_SECONDS)
        except ChannelError:
            self.qemu.kill()

    def ask_monitor(self, command: str) -> str:
        """What QEMU answers to `command` of its human monitor; raises GuestError."""
        said = self.ask_qemu("human-monitor-command", {"command-line": command})
        return said if isinstance(said, str) else ""

    def ask_qemu(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """What QEMU answers to a command of its own (QMP); raises GuestError."""
        try:
            return self._open_monitor().call(command, arguments, seconds=MONITOR_SECONDS)
        except ChannelError as error:
            raise self._failure("died", f"its QEMU does not answer {command} ({error})") from error

    def balks(self, cause: str) -> GuestError:
        """The error of a guest that runs and does not do what the host drives it to."""
        return self._failure("stopped", f"it {cause}")

    def _open_monitor(self) -> Channel:
        """QEMU greets once, so the channel stays open; raises ChannelError."""
        if self._monitor is None:
            self._monitor = Channel(self._loop, self.qemu.qmp, greets=True)
            self._monitor.open(MONITOR_SECONDS)
        return self._monitor

    def close(self) -> None:
        """End the guest, whatever state it is in."""
        self.qemu.stop()
        self._agent.close()
        if self._monitor:
            self._monitor.close()
        self.qemu.qmp.close()

    def kill(self) -> None:
        """End the guest without a word: somebody is waiting for the host to be free."""
        self.qemu.kill()
        self.qemu.stop()

    def record(self) -> dict[str, Any]:
        """Its entry under `guests` in the run record."""
        facts = self.facts
        return {
            "name": self.name,
            "memory_mib": self.machine.memory_mib,
            "vcpus": self.machine.vcpus,
            "boot_seconds": _rounded(self.boot_seconds),
            "command_line": self.qemu.command_line,
            "kernel_release": facts.kernel_release if facts else None,
            "kernel_command_line": (
                facts.kernel_command_line if facts else self.machine.kernel_command_line
            ),
            "features": facts.features if facts else {},
            "placement_mib": {
                str(node): round(mib, 3) for node, mib in sorted(self._placement.items())
            },
            "remote_share": _rounded(remote_share(self._placement, self._node), 6),
            "end": self._end,
            **({"balance": self.balance} if self.balance else {}),
            **({"costs": self.costs} if self.costs else {}),
            **({"handed": [one.record() for one in self.handed]} if self.handed else {}),
            "warnings": [*self._left_out(), *console_warnings(self.qemu.console.text())],
        }

    def _left_out(self) -> list[str]:
        outputs = (self.qemu.console, self.qemu.errors)
        return [
            f"{output.path.name} was too long: {output.lost_bytes} bytes of it were left out."
            for output in outputs
            if output.lost_bytes
        ]


def wrong_engine(name: str, mechanism: str, engine: str) -> str | None:
    """A sentence if a guest's kernel does not work as the mechanism says; None if it does. A kernel
    that cannot choose has upstream's free page reporting, if its device has the feature."""
    wanted = MECHANISMS[mechanism].engine
    if engine == wanted or (not engine and wanted != BITMAP):
        return None
    found = f"finds free pages by {engine!r}" if engine else "has no engine but upstream's"
    return (
        f"Guest {name} is to have the mechanism {mechanism}, and its kernel {found}: give it a "
        "kernel with the patches of hintfleet (guest_kernel_patch_series), or see who switched it."
    )


def wrong_kernel(guest: str, runs: str, wanted: str) -> str:
    """What to say about a guest that does not run the kernel that was built for it."""
    return (
        f"Guest {guest} runs kernel {runs or 'unknown'} and not {wanted} as its manifest says; "
        "build and deliver the kernel again (role guest_kernel)."
    )


def quit_all(guests: list[Guest], step: Callable[[Guest], None] = Guest.quit) -> None:
    """End guests side by side: all are asked before the first is waited for.

    What is wrong with one keeps no other from its end.
    """
    with contextlib.ExitStack() as ends:
        for guest in reversed(guests):
            ends.callback(guest.close)
        for guest in guests:
            step(guest)


def _decode(text: Any) -> str:
    return "" if text is None else base64.b64decode(text).decode(errors="replace")


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
