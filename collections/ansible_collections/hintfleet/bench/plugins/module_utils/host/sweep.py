# SPDX-License-Identifier: GPL-2.0-or-later
"""Find and end what a run left behind: processes and cgroups."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    is_finished,
    read_record,
)

POLL_SECONDS = 0.05
# After SIGKILL only a process stuck in the kernel stays.
KILL_SECONDS = 10


@dataclass(frozen=True)
class Process:
    """A process of ours; `started` tells it from a later one with the same number."""

    pid: int
    command: str
    started: int
    runner: bool

    def signal(self, number: int) -> None:
        """Send a signal unless the process has gone or its number is another's now."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if start_time(self.pid) == self.started:
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return start_time(self.pid) == self.started


def parse_stat(text: str) -> int | None:
    """Start time in clock ticks from /proc/<pid>/stat; None for a zombie."""
    # The name in parentheses may itself hold spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def start_time(pid: int) -> int | None:
    """When a process started; None if there is none."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def command_line(pid: int) -> str:
    """A process's command line with spaces between arguments."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode(errors="replace")
            .strip()
        )
    except (FileNotFoundError, ProcessLookupError):
        return ""


def in_cgroups(folders: Iterable[Path]) -> list[int]:
    """Processes in these cgroups and all below them."""
    found: list[int] = []
    for folder in folders:
        for file in folder.glob("**/cgroup.procs"):
            found += [int(line) for line in file.read_text().split()]
    return found


def of_users(user_ids: Collection[int]) -> list[int]:
    """Processes whose real user is one of these."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            match = re.search(
                r"^Uid:\s+(\d+)", (folder / "status").read_text(errors="replace"), re.MULTILINE
            )
            if match and int(match.group(1)) in user_ids:
                found.append(int(folder.name))
    return found


def find(folders: list[Path], runners: list[int], user_ids: Collection[int]) -> list[Process]:
    """All processes of ours: in the cells' cgroups, of the guests' users, and the runners."""
    pids = {*runners, *in_cgroups(folders), *of_users(user_ids)} - {os.getpid(), os.getppid(), 1}
    found = []
    for pid in sorted(pids):
        started = start_time(pid)
        if started is not None:
            found.append(Process(pid, command_line(pid), started, pid in runners))
    return found


def end(processes: list[Process], grace_seconds: float) -> None:
    """End runners first, so that they write their record, then the rest. Raises BenchError."""
    runners = [process for process in processes if process.runner]
    for number, chosen, seconds in (
        (signal.SIGTERM, runners, grace_seconds),
        (signal.SIGKILL, processes, KILL_SECONDS),
    ):
        for process in chosen:
            process.signal(number)
        wait_for_end(chosen, seconds)
    left = [process for process in processes if process.alive()]
    if left:
        raise BenchError(
            f"Process {left[0].pid} ({left[0].command[:80]}) does not end even when killed: it "
            "hangs in the kernel; look at its /proc stack, and reboot the host if it stays."
        )


def wait_for_end(processes: list[Process], seconds: float) -> None:
    """Wait until all have ended or the time is over."""
    deadline = time.monotonic() + seconds
    while any(process.alive() for process in processes) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def cgroup_folders(folders: Iterable[Path]) -> list[Path]:
    """These cgroups and all below them, deepest first: the order in which they can go."""
    found: list[Path] = []
    for folder in folders:
        if folder.is_dir():
            found += [folder, *(path for path in folder.glob("**/") if path != folder)]
    return sorted(set(found), key=lambda path: (-len(path.parts), path))


def remove_cgroups(folders: Iterable[Path]) -> None:
    """Remove cgroups; one whose last process is just leaving is busy for a moment."""
    for folder in folders:
        deadline = time.monotonic() + KILL_SECONDS
        while folder.is_dir():
            try:
                folder.rmdir()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise BenchError(
                        f"cgroup {folder} cannot be removed ({error.strerror}): a process is "
                        "still in it; see its cgroup.procs, end that process and clean again."
                    ) from error
                time.sleep(POLL_SECONDS)


def finished_runs(state_dir: Path) -> list[str]:
    """Runs with a finished record on this host, as `<study>/<run>`."""
    folders = (record.parent for record in (state_dir / "runs").glob("*/*/record.json"))
    finished = (folder for folder in folders if is_finished(read_record(folder)))
    return sorted(str(folder.relative_to(state_dir / "runs")) for folder in finished)
