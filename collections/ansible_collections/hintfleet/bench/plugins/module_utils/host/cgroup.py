# SPDX-License-Identifier: GPL-2.0-or-later
"""The cell's cgroup: memory, swap and NUMA node of a run, on cgroup v1 and v2.

A cell is `hintfleet/<cell>`. It is made for a run and removed after it. Everything in it is charged
to the cell: the guests' memory and the file pages that their QEMUs are first to read. File pages
are clean and can be dropped at any time, so a cell is not full because of them: what decides a run
is the cell's swap. To start every run alike, `remove` drops them before it removes the cgroup.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import hierarchy as _hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import (
    PARENT,
    Hierarchy,
    HierarchyError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.pressure import parse_pressure

RUNNER = "@runner"  # no cell's name has such a sign
RUNNER_MIB = 512  # some 30 MiB of Python, and the samples of an hour and of dozens of guests
MIB = 2**20
REMOVE_SECONDS = 20.0
SECONDS_PER_GIB = 1.0  # memory of what ends is taken back page by page, and swap as well


def find_hierarchy() -> Hierarchy:
    """Raises BenchError if the host has no memory controller."""
    found = _hierarchy.find()
    if "memory" not in found.roots:
        raise BenchError(
            "This host has no memory cgroup controller, so a cell's memory cannot be limited; "
            "boot it without cgroup_disable=memory."
        )
    return found


def unified_folder(process_id: int, hierarchy: Hierarchy | None = None) -> Path:
    """The cgroup of v2 that a process is in; raises BenchError where v2 does not limit memory."""
    found = find_hierarchy() if hierarchy is None else hierarchy
    if found.version == 1 or found.unified is None:
        raise BenchError("This host limits memory by cgroup v1: what is of v2 is not there.")
    for line in Path(f"/proc/{process_id}/cgroup").read_text().splitlines():
        number, _controllers, path = line.split(":", 2)
        if number == "0":
            return found.unified / path.lstrip("/")
    raise BenchError(f"Process {process_id} is in no cgroup of v2.")


def parse_flat_keys(text: str) -> dict[str, int]:
    """Parse `name value` lines as in memory.stat."""
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


def leave_session(mountinfo: str | None = None) -> None:
    """Take this process out of the SSH session that started it, by the cgroups that systemd uses.

    What is in a session's cgroup may be ended with it (logind's KillUserProcesses). Best effort: a
    container may not let anybody out.
    """
    text = (
        Path("/proc/self/mountinfo").read_text(errors="replace") if mountinfo is None else mountinfo
    )
    legacy, unified = _hierarchy.parse_mounts(text)
    for root in (legacy.get("name=systemd"), unified):
        if root is not None:
            with contextlib.suppress(OSError):
                (root / "cgroup.procs").write_text(str(os.getpid()))


def format_cpus(cpus: list[int]) -> str:
    """Kernel list format: [0, 1, 4] is '0,1,4'."""
    return ",".join(str(cpu) for cpu in cpus)


class CellCgroup:
    """The cgroup `hintfleet/<cell>`; `create` before use, `remove` after it."""

    def __init__(self, cell: str, hierarchy: Hierarchy) -> None:
        self.cell = cell
        self.hierarchy = hierarchy
        cpuset = hierarchy.roots.get("cpuset")
        self.memory = hierarchy.roots["memory"] / PARENT / cell
        self.cpuset = cpuset / PARENT / cell if cpuset else None

    @property
    def memory_binding(self) -> str:
        return "cpuset" if self.cpuset else "none"

    @property
    def folders(self) -> list[Path]:
        return [self.memory] if self.cpuset in (None, self.memory) else [self.memory, self.cpuset]

    @property
    def procs_files(self) -> list[Path]:
        """A process that writes its id to each of these is in the cell."""
        return [folder / "cgroup.procs" for folder in self.folders]

    def create(self, memory_mib: float, swap_mib: float, cpus: list[int], node: int) -> None:
        """Make the cgroup with its limits; raises BenchError if the host cannot limit swap."""
        try:
            _hierarchy.apply(_hierarchy.plan(self.hierarchy))
        except HierarchyError as error:
            raise BenchError(str(error)) from error
        for folder in self.folders:
            folder.mkdir(exist_ok=True)
        if self.cpuset:
            self._bind(self.cpuset / "cpuset.mems", str(node))
            self._bind(self.cpuset / "cpuset.cpus", format_cpus(cpus))
        self._limit(int(memory_mib * MIB), int(swap_mib * MIB))

    def _bind(self, file: Path, value: str) -> None:
        try:
            file.write_text(value)
        except OSError as error:
            raise BenchError(
                f"Cell {self.cell} cannot have {file.name} {value} ({error.strerror}): not all of "
                "it is online; bring it back, see /sys/devices/system/cpu/online and "
                f"{file.parent.parent / file.name}."
            ) from error

    def _limit(self, memory_bytes: int, swap_bytes: int) -> None:
        if self.hierarchy.version == 2:
            limits = {"memory.max": memory_bytes, "memory.swap.max": swap_bytes}
        else:
            limits = {
                "memory.limit_in_bytes": memory_bytes,
                "memory.memsw.limit_in_bytes": memory_bytes + swap_bytes,
            }
        for name, value in limits.items():
            if not (self.memory / name).exists():
                raise BenchError(
                    f"The kernel of this host offers no {name}, so the swap of cell {self.cell} "
                    "can be neither limited nor measured; boot it with swapaccount=1."
                )
            (self.memory / name).write_text(str(value))

    def exists(self) -> bool:
        return any(folder.exists() for folder in self.folders)

    def memory_mib(self) -> float:
        """Memory charged to the cell, file pages included."""
        name = "memory.current" if self.hierarchy.version == 2 else "memory.usage_in_bytes"
        return int((self.memory / name).read_text()) / MIB

    def swap_mib(self) -> float:
        """Swap used by the cell."""
        if self.hierarchy.version == 2:
            return int((self.memory / "memory.swap.current").read_text()) / MIB
        return parse_flat_keys((self.memory / "memory.stat").read_text())["total_swap"] / MIB

    def pressure_seconds(self) -> dict[str, float] | None:
        """How long `some` or all (`full`) of the cell's threads stood still for want of memory;
        None on cgroup v1, and where the host's kernel counts none."""
        try:
            text = (self.memory / "memory.pressure").read_text()
        except OSError:
            return None
        return {kind: round(total, 3) for kind, total in parse_pressure(text).items()} or None

    def _held_gib(self) -> float:
        try:
            return (self.memory_mib() + self.swap_mib()) / 1024
        except OSError:  # it is half removed already
            return 0.0

    def swappiness(self) -> int | None:
        """v1 has one for each cgroup; None where the host's own one counts."""
        path = self.memory / "memory.swappiness"
        return int(path.read_text()) if path.exists() else None

    def process_ids(self) -> list[int]:
        found: set[int] = set()
        for path in self.procs_files:
            if path.exists():
                found.update(int(line) for line in path.read_text().split())
        return sorted(found)

    def remove(self) -> bool:
        """Kill what is in the cell, drop its file pages, remove it. True if there was one.

        Raises BenchError if a process does not go away in good time for what the cell holds.
        """
        if not self.exists():
            return False
        give_up = time.monotonic() + REMOVE_SECONDS + self._held_gib() * SECONDS_PER_GIB
        while True:
            for process_id in self.process_ids():
                _kill(process_id)
            if not self.process_ids() and self._try_remove():
                return True
            if time.monotonic() > give_up:
                raise BenchError(
                    f"Cell {self.cell} cannot be removed, process {self.process_ids()} does not "
                    "end even when killed; look at the kernel log of the host."
                )
            time.sleep(0.05)

    def _try_remove(self) -> bool:
        try:
            self._drop_file_pages()
            for folder in self.folders:
                if folder.exists():
                    folder.rmdir()
        except OSError:  # busy: an exiting process is still being taken down
            return False
        return True

    def _drop_file_pages(self) -> None:
        # Best effort by nature: a page may be in use elsewhere, v2 answers EAGAIN then.
        force_empty, reclaim = self.memory / "memory.force_empty", self.memory / "memory.reclaim"
        if force_empty.exists():
            force_empty.write_text("0")
        elif reclaim.exists():
            try:
                reclaim.write_text(str(int(self.memory_mib() * MIB)))
            except OSError:
                return


@contextlib.contextmanager
def apart(name: str, hierarchy: Hierarchy, memory_mib: float = RUNNER_MIB) -> Iterator[None]:
    """Hold this process in a cgroup of its own, without swap, beside the cell of that name.

    Whatever a guest makes it remember, it is this process that ends and not the host. Raises
    BenchError.
    """
    alone = Hierarchy({"memory": hierarchy.roots["memory"]}, hierarchy.unified)
    cgroup = CellCgroup(name + RUNNER, alone)
    cgroup.remove()  # of one that was killed
    cgroup.create(memory_mib, 0, [], 0)
    own = str(os.getpid())
    for path in cgroup.procs_files:
        path.write_text(own)
    try:
        yield
    finally:
        # Not where it came from: that may have been an SSH session, which is over.
        (alone.roots["memory"] / "cgroup.procs").write_text(own)
        cgroup.remove()


def _kill(process_id: int) -> None:
    try:
        os.kill(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return
