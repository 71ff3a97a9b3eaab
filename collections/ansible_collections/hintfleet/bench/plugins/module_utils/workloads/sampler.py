# SPDX-License-Identifier: GPL-2.0-or-later
"""Watches the cell and its guests from the host: cheap reads, many times a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Qemu
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import CellCgroup
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import (
    ProcessMemory,
    read_process_memory,
)

HEADER = "seconds,guest,resident_mib,swap_mib\n"
CELL = 0  # the guest number of the whole cell in the samples


@dataclass
class Sample:
    """`guests` are anonymous memory of each guest's QEMU, by guest number."""

    seconds: float
    cell_memory_mib: float
    cell_swap_mib: float
    guests: dict[int, ProcessMemory] = field(default_factory=dict)

    def rows(self) -> str:
        rows = [(CELL, self.cell_memory_mib, self.cell_swap_mib)]
        rows += [(number, m.resident_mib, m.swap_mib) for number, m in self.guests.items()]
        return "".join(f"{self.seconds:.3f},{n},{r:.3f},{s:.3f}\n" for n, r, s in rows)


def _memory(qemu: Qemu) -> ProcessMemory:
    """What a QEMU holds; nothing once it has ended. Asked afterwards: until somebody has heard of
    its end, no other process can have its number."""
    memory = read_process_memory(qemu.process_id)
    return memory if qemu.exit_status is None else ProcessMemory(0.0, 0.0)


class Sampler:
    """Use as a context manager: samples are taken in a thread and written to `path` at once.

    `started` is the run's start on time.monotonic(): zero of the samples' seconds.
    """

    def __init__(self, cgroup: CellCgroup, path: Path, started: float, hertz: float) -> None:
        self._cgroup = cgroup
        self._path = path
        self._started = started
        self._period = 1 / hertz
        self._qemus: dict[int, Qemu] = {}
        self._samples: list[Sample] = []
        self._done = threading.Event()
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._watch, name="sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if kind is None:
            self._check()

    def add(self, number: int, qemu: Qemu) -> None:
        """Watch guest `number` from now on, and take what it prints."""
        self._qemus = {**self._qemus, number: qemu}

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def _check(self) -> None:
        """What was not watched is not known: a run whose samples broke off is no measurement."""
        if self._failed is not None:
            raise BenchError(
                f"The samples of the cell broke off: {self._failed}; make room for {self._path}, "
                "or see runner.log beside it, and start the run again."
            ) from self._failed

    def take(self) -> Sample:
        """A sample of this moment."""
        return Sample(
            self.seconds(),
            self._cgroup.memory_mib(),
            self._cgroup.swap_mib(),
            {number: _memory(qemu) for number, qemu in self._qemus.items()},
        )

    def since(self, seconds: float) -> list[Sample]:
        """Samples from `seconds` after the run's start to now; never empty. Raises BenchError."""
        self._check()
        recent = [self.take()]
        for sample in reversed(self._samples):
            if sample.seconds < seconds:
                break
            recent.append(sample)
        return recent[::-1]

    def peak_swap_mib(self, seconds: float) -> float:
        """The most swap the cell has used since `seconds` after the run's start."""
        return max(sample.cell_swap_mib for sample in self.since(seconds))

    def _watch(self) -> None:
        try:
            self._keep_watching()
        except Exception as error:
            self._failed = error

    def _keep_watching(self) -> None:
        with self._path.open("w") as file:
            file.write(HEADER)
            due = time.monotonic()
            while not self._done.is_set():
                sample = self.take()
                self._samples.append(sample)
                file.write(sample.rows())
                file.flush()  # what has been seen survives a runner that is killed
                for qemu in self._qemus.values():
                    qemu.drain()
                due = max(due + self._period, time.monotonic())
                self._done.wait(due - time.monotonic())
