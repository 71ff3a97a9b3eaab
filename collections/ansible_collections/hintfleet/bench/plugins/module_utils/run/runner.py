# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries out one run on this host, from an empty cell to a record."""

from __future__ import annotations

import contextlib
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import from_plan
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import (
    BenchError,
    StopRequest,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.files import files_disk
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.root import CACHED, root_disk
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import (
    CellCgroup,
    apart,
    find_hierarchy,
    leave_session,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.facts import (
    host_facts,
    node_ids,
    own_versions,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.settings import (
    put_back,
    read_all,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.swap import empty_own
from ansible_collections.hintfleet.bench.plugins.module_utils.host.swap_speed import (
    kept as swap_speed,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    new_record,
    read_record,
    utc,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import checked_name
from ansible_collections.hintfleet.bench.plugins.module_utils.run.detached import REQUEST, turn
from ansible_collections.hintfleet.bench.plugins.module_utils.run.parity import parity
from ansible_collections.hintfleet.bench.plugins.module_utils.run.preflight import (
    check_free_swap,
    check_settings,
    qemu_of,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.bench import Bench
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.proof import prove
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.registry import WORKLOADS
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.sampler import Sampler

SAMPLES, PROOF_SAMPLES, HOST_LOG = "samples.csv", "proof.csv", "host.log"
SAME_FOR_A_PROOF = ("study", "study_id", "cell", "block", "arm", "accelerator", "tb_size_mib",
                    "guest_kernel", "guest_image", "versions")  # fmt: skip
HOST_LOG_BYTES = 2**22  # more than the kernel keeps; but it may go on while it is read


def proof_of_another(request: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """The proof of the run that `proof_of` names, if it is one of this arm as well: the same study,
    cell, block, kernel, image and QEMU, and it has shown what is expected. Else None."""
    if not request.get("proof_of"):
        return None
    other = folder.with_name(checked_name(request["proof_of"], "A run"))
    made, asked = read_record(other), other / REQUEST
    if made is None or not asked.exists() or not (made["proof"] or {}).get("as_expected"):
        return None
    asked_there = json.loads(asked.read_text())
    if any(asked_there.get(name) != request.get(name) for name in SAME_FOR_A_PROOF):
        return None
    return {**made["proof"], "of_run": request["proof_of"]}


@contextlib.contextmanager
def host_log(path: Path) -> Iterator[bool]:
    """Keep the host's kernel messages of the meantime; False where the host shows none."""
    try:
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # as in a container
        yield False
        return
    os.lseek(descriptor, 0, os.SEEK_END)
    try:
        yield True
    finally:
        with path.open("wb") as file:
            for message in _messages(descriptor):
                if file.tell() > HOST_LOG_BYTES:
                    file.write(b"[hintfleet: the rest was left out]\n")
                    break
                file.write(message)
        os.close(descriptor)


def _messages(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(descriptor, 8192)
        except BlockingIOError:
            return
        except BrokenPipeError:  # the ring went round: go on with what is left
            continue


def perform(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Wait for the host and the cell to be free, carry out the run, return its record.

    Whatever happens, nothing that it started is left, and the record says what it was.
    """
    leave_session()
    record = new_record(request)
    locks = folder.parent.parent
    try:
        with (
            turn(locks / "host.lock", shared=request["cell"]["side_by_side"]),
            turn(locks / f"cell-{request['cell']['name']}.lock", shared=False),
        ):
            _Run(request, folder, record).carry_out()
    except StopRequest:
        outcome = "aborted"
        reason = f"Run {request['run_id']} was asked to stop; start the study again to repeat it."
    except BenchError as error:
        outcome, reason = "failed", str(error)
    except Exception as error:
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        outcome = "failed"
        reason = (
            f"Run {request['run_id']} met an error of hintfleet itself ({type(error).__name__}: "
            f"{error}, in {last.name}); see runner.log in {folder} on the host, and report it."
        )
    else:
        outcome, reason = "finished", None
    record["outcome"] = {"status": outcome, "reason": reason}
    if outcome != "finished":
        record["partial"], record["result"] = record["result"], None
    return record


class _Run:
    """The run itself; fills in the record as it goes."""

    def __init__(self, request: dict[str, Any], folder: Path, record: dict[str, Any]) -> None:
        self.request = request
        self.folder = folder
        self.record = record
        self.cell = request["cell"]
        self.hierarchy = find_hierarchy()
        self.cgroup = CellCgroup(self.cell["name"], self.hierarchy)
        self.arm = from_plan(request["arm"])
        self.qemu = qemu_of(self.arm)
        self.started = time.monotonic()

    def carry_out(self) -> None:
        record = self.record
        began = time.time()
        record["started"] = utc(began)
        try:
            with (
                apart(self.cell["name"], self.hierarchy),
                host_log(self.folder / HOST_LOG) as kept,
            ):
                record["files"]["host_log"] = HOST_LOG if kept else None
                self._carry_out(record)
        finally:
            # The wall clock may be set in the meantime, even back: it only says when the run began.
            seconds = time.monotonic() - self.started
            record["finished"] = utc(began + seconds)
            record["duration_seconds"] = round(seconds, 3)

    def _carry_out(self, record: dict[str, Any]) -> None:
        found = self.folder.parents[2] / "found.json"
        try:
            self.cgroup.remove()  # what a runner that was killed has left in this cell
            put_back(found)
            with contextlib.ExitStack() as host:
                for piece, value in self.arm.states.items():
                    host.enter_context(PIECES[piece].hosted(value, found))
                self._on_host(record)
        finally:
            self.cgroup.remove()

    def _on_host(self, record: dict[str, Any]) -> None:
        try:
            if not self.cell["side_by_side"]:
                empty_own()
            check_free_swap(self.cell)
            record["provenance"]["host"], settings = host_facts(), read_all()
            record["provenance"]["host"] |= swap_speed(self.folder.parents[2])
            record["provenance"]["qemu"]["version"] = self.qemu.text
            record["provenance"]["hintfleet"] = {**self.request["versions"], **own_versions()}
            record["proof"] = proof_of_another(self.request, self.folder)
            if record["proof"] is None:
                self._phase(PROOF_SAMPLES, "proof_samples", self._prove)
            self._phase(SAMPLES, "samples", self._measure)
            check_settings(settings, read_all())
        finally:
            self.cgroup.remove()

    def _phase(self, samples: str, entry: str, work: Callable[[Bench], None]) -> None:
        """Work in a cell that nobody has used before, and leave none of its guests."""
        cell, record = self.cell, self.record
        self.cgroup.create(cell["memory_mib"], cell["swap_mib"], cell["cpus"], cell["node"])
        hertz = self.request["parameters"]["sample_hz"]
        sampler = Sampler(self.cgroup, self.folder / samples, self.started, hertz)
        record["files"][entry] = samples
        kindly, began = True, time.monotonic()
        files = contextlib.ExitStack()
        bench = self._bench(sampler, files)
        try:
            with files, sampler:
                work(bench)
        except StopRequest:
            kindly = False
            raise
        finally:
            try:
                bench.end_guests(kindly=kindly)
            finally:
                record["cell_pressure_seconds"] = self.cgroup.pressure_seconds()
                record["guests"] += [guest.record() for guest in bench.started]
                record["files"]["consoles"] += bench.logs()
                record["host_cpu_seconds"] = bench.cpu_seconds()
                self._note_spent(entry, time.monotonic() - began, bench.spent)
        self.cgroup.remove()

    def _note_spent(self, entry: str, seconds: float, beside: dict[str, float]) -> None:
        """Where the time of a phase went: what it did beside its work, and its work."""
        spent = self.record["spent"]
        for name, value in beside.items():
            spent[name] = round(spent[name] + value, 3)
        work = "measuring" if entry == "samples" else "proof"
        spent[work] = round(seconds - sum(beside.values()), 3)

    def _bench(self, sampler: Sampler, ends: contextlib.ExitStack) -> Bench:
        request, parameters = self.request, self.request["parameters"]
        files_mib = parameters.get("guest_files_mib", 0)
        files = ends.enter_context(files_disk(self.folder, files_mib))
        root = ends.enter_context(
            root_disk(request["guest_image"], self.arm.states.get("files", CACHED))
        )
        machine = replace(self._machine(), files_mib=files_mib, files=files, root=root)
        release = request["guest_kernel"]["manifest"]["release"]
        return Bench(
            machine, self.cgroup, sampler, self.cell, parameters, request["user"], release, self.arm
        )

    def _machine(self) -> Machine:
        """A guest as it is without what the arm states."""
        request, parameters = self.request, self.request["parameters"]
        return Machine(
            name="guest",
            logs=self.folder,
            memory_mib=parameters["guest_memory_mib"],
            vcpus=parameters["guest_vcpus"],
            accelerator=request["accelerator"],
            mechanism=self.arm.mechanism,
            kernel=Path(request["guest_kernel"]["path"]),
            image=Path(request["guest_image"]["path"]),
            kernel_arguments=parameters["kernel_arguments"],
            tb_size_mib=request["tb_size_mib"],
            swap_mib=parameters["guest_swap_mib"],
            bind_node=self.cell["node"] if len(node_ids()) > 1 else None,
            binary=self.qemu.path,
        )

    def _prove(self, bench: Bench) -> None:
        parameters = self.request["parameters"]
        self.record["proof"] = prove(
            bench, self.arm, parameters["proof_mib"], parameters["proof_seconds"]
        )

    def _measure(self, bench: Bench) -> None:
        self.record["result"] = {}
        WORKLOADS[self.request["workload"]].run(bench, self.record["result"])
        bench.see_again()
        self.record["arm"]["shows"] = bench.shows
        self.record["parity"] = parity(self.record, bench.guests[0], self.arm)
