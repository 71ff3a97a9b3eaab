#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: run
short_description: Carry out one run and return its record
version_added: 0.1.0
description:
  - Starts guests in a cell, drives a workload in them under one arm, watches the host, ends
    everything it started, and returns the run record with its samples and logs.
  - The run is carried out by a process of its own on the host. It goes on to its end if the module
    or the controller dies; the next call with the same O(study) and O(run_id) returns its record,
    or waits for it. A run whose process died is kept as an aborted attempt and run anew.
  - The action plugin of the same name writes the record into O(results_dir) on the controller, and
    does nothing if a finished one is there already.
  - A run that fails is a result, too. The task then succeeds and RV(outcome) says what happened.
attributes:
  check_mode:
    description: Checks all that can be checked without changing the host.
    support: partial
    details: Returns without a record.
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: A finished run is not run again.
    support: full
options:
  study:
    description: Name of the study.
    type: str
    required: true
  study_id:
    description:
      - Tells two studies of the same name apart, see M(hintfleet.bench.study_plan). A record of
        another study that is still on the host does not count as finished.
    type: str
    default: ''
  run_id:
    description: Name of the run, unique in the study.
    type: str
    required: true
  attempt:
    description: Which attempt at the run it is; another number has the host measure it again.
    type: int
    default: 0
  results_dir:
    description:
      - Folder on the controller that holds RV(run_id) under C(runs/) when the run is done.
      - Used by the action plugin only.
    type: path
  python:
    description:
      - Python of the host that has C(qemu.qmp), whatever runs other modules there.
      - Used by the action plugin only.
    type: path
  cell:
    description: Where the run happens.
    type: dict
    required: true
    suboptions:
      name:
        description: Name of the cell, unique in the study.
        type: str
        required: true
      host:
        description: Name of the host, as in the inventory; the action plugin fills it in.
        type: str
        required: true
      node:
        description: NUMA node.
        type: int
        required: true
      memory_mib:
        description: Memory that all guests together, with their QEMUs, may have.
        type: float
        required: true
      swap_mib:
        description: Swap that they may have beyond that.
        type: float
        required: true
      cpus:
        description: CPUs they may run on; all of the node if empty.
        type: list
        elements: int
        default: []
      side_by_side:
        description: Do not wait until other cells of this host that are side by side are done.
        type: bool
        default: false
  block:
    description: Number of the block, from 1.
    type: int
    required: true
  order:
    description: Position of the arm within the block, from 1.
    type: int
    required: true
  arm:
    description: What the run is measured under, as M(hintfleet.bench.study_plan) keeps it.
    type: dict
    required: true
    suboptions:
      name:
        description: Name of the arm, unique in the study.
        type: str
        required: true
      mechanism:
        description: How free memory gets back to the host.
        type: str
        choices: [none, page_hinting, free_page_reporting, balloon, virtio_mem]
        required: true
      states:
        description: What else is meant to differ, by piece.
        type: dict
        default: {}
  baseline:
    description: The arm of the study that the others are compared with.
    type: str
    default: none
  proof_of:
    description: A run that shares the arm in this block; if its proof is there and has shown what
      is expected, it is this run's, too.
    type: str
    default: ''
  workload:
    description: What is measured.
    type: str
    choices: [consolidation, memhog, page_fault, tile]
    required: true
  parameters:
    description: What the run is asked to do. Those of other workloads are ignored.
    type: dict
    required: true
    suboptions:
      guest_memory_mib:
        description: Memory of a guest.
        type: int
        required: true
      guest_vcpus:
        description: Virtual CPUs of a guest.
        type: int
        required: true
      guest_swap_mib:
        description: Size of a swap disk that each guest gets; none if zero.
        type: int
        default: 0
      guest_files_mib:
        description: Size of a read-only disk of files that each guest gets and reads; none if zero.
        type: int
        default: 0
      kernel_arguments:
        description: More words for the guest kernel's command line.
        type: str
        default: ''
      proof_mib:
        description: What a guest frees before the workload to prove that the mechanism acts.
        type: int
        default: 128
      proof_seconds:
        description: How long the host's drop is watched if it does not come before.
        type: float
        default: 6
      sample_hz:
        description: How often the cell and the guests are looked at in a second, at least 10.
        type: float
        default: 20
      swap_threshold_mib:
        description: Swap beyond which the cell counts as swapping.
        type: float
        default: 1
      boot_deadline_seconds:
        description: When a guest's agent must have answered.
        type: float
        default: 120
      deadline_seconds:
        description: Longest time the run may take.
        type: float
        default: 1800
      allocation_mib:
        description: What the program of V(consolidation) allocates, touches and frees.
        type: int
      max_guests:
        description: Where V(consolidation) stops if the cell does not swap.
        type: int
      guests:
        description: Guests of V(memhog).
        type: int
      memhog_mib:
        description: Size that memhog is given; less than the guest's memory.
        type: int
      pause_seconds:
        description: How long guests rest between one memhog and the next.
        type: float
      tasks:
        description: V(page_fault) goes from one task to this many.
        type: int
      seconds:
        description: How long V(page_fault) measures each number of tasks in each mode.
        type: float
      task_mib:
        description: What each task of V(page_fault) maps and touches.
        type: int
      latency_mib:
        description: How much memory single faults are timed on.
        type: int
      program:
        description: Which program measures V(page_fault); the image must hold it.
        type: str
        choices: [hintfleet, will-it-scale]
        default: hintfleet
      tile:
        description:
          - Guests of a V(tile), in the order in which they are started. Their sizes stand here;
            O(parameters.guest_memory_mib) and O(parameters.guest_vcpus) are of the proof's guest.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the guest, unique in the tile.
            type: str
            required: true
          program:
            description: What it runs, one of O(parameters.programs).
            type: str
            required: true
          guest_mib:
            description: Memory of the guest.
            type: int
            required: true
          vcpus:
            description: Its virtual CPUs.
            type: int
            required: true
          mib:
            description: How large the data of its program is.
            type: int
            required: true
      programs:
        description:
          - The programs of O(parameters.tile) by name, each with its C(phases), what its work
            C(measures), C(smallest_guest_mib) and C(needs_files).
        type: dict
      tiles_max:
        description: Where V(tile) stops if no quality is broken.
        type: int
      tile_factor:
        description: How many times what it was with one tile a program's seconds for the same
          work, or p99 of its operations, may be.
        type: float
      tile_schedule:
        description: Whether one guest works at a time, or all begin each phase at once.
        type: str
        choices: [staggered, together]
      tile_pause_seconds:
        description: How long a guest rests after a phase before another works, and with
          V(together) all of them.
        type: float
  accelerator:
    description: How QEMU runs guests, see M(hintfleet.bench.accelerator_info).
    type: str
    choices: [kvm, tcg]
    required: true
  tb_size_mib:
    description:
      - QEMU's translation buffer for a guest, with V(tcg). It is part of the guest's footprint;
        below 12 MiB a guest boots at half the speed.
    type: int
    default: 12
  guest_kernel:
    description: The kernel that guests boot.
    type: dict
    required: true
    suboptions: &artifact
      path:
        description: Where it lies on the host.
        type: path
        required: true
      manifest:
        description: What it is, by whom it was built; its C(sha256) is verified.
        type: dict
        required: true
  guest_image:
    description: The initramfs that guests boot.
    type: dict
    required: true
    suboptions: *artifact
  user:
    description: Unprivileged user that QEMU runs as.
    type: str
    default: hintfleet
  state_dir:
    description: Folder on the host for runs and their logs.
    type: path
    default: /var/lib/hintfleet
  phase:
    description:
      - V(whole) starts the run, unless it is under way or done, and returns its record.
      - V(start) does not wait, and V(rest) returns the record of what V(start) began, so that
        cells of a host can be at work side by side.
    type: str
    choices: [whole, start, rest]
    default: whole
  versions:
    description: Versions of what measures; C(version) is hintfleet's own.
    type: dict
    required: true
requirements:
  - qemu.qmp
  - QEMU 5.1 or later
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Measure how many guests fit
  hintfleet.bench.run:
    study: first
    run_id: box-node0.b1.free_page_reporting.consolidation
    results_dir: results/first
    cell: {name: box-node0, node: 0, memory_mib: 960, swap_mib: 256}
    block: 1
    order: 1
    arm: {name: free_page_reporting, mechanism: free_page_reporting}
    workload: consolidation
    parameters: {guest_memory_mib: 320, guest_vcpus: 1, allocation_mib: 256, max_guests: 24}
    accelerator: tcg
    guest_kernel: {path: /var/lib/hintfleet/kernels/k/bzImage, manifest: "{{ kernel }}"}
    guest_image: {path: /var/lib/hintfleet/images/i/initramfs.img, manifest: "{{ image }}"}
    versions: {version: 0.1.0}
"""

RETURN = r"""
run_id:
  description: Name of the run.
  returned: always
  type: str
  sample: box-node0.b1.free_page_reporting.consolidation
outcome:
  description: Status V(finished), V(failed) or V(aborted), and the reason as a sentence.
  returned: when the run was carried out and waited for
  type: dict
  sample: {status: finished, reason: null}
summary:
  description: The result in a few words.
  returned: when the run was carried out
  type: str
  sample: 5 guests without swap
duration_seconds:
  description: How long the run took.
  returned: when the run was carried out
  type: float
  sample: 41.2
folder:
  description: Where record, samples and logs are on the controller.
  returned: when O(results_dir) is given
  type: str
  sample: results/first/runs/box-node0.b1.free_page_reporting.consolidation
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import (
    USUAL_BASELINE,
    arm_of,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import QMP_IMPORT_ERROR
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import (
    CellCgroup,
    find_hierarchy,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.facts import node_cpus
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    earlier_attempts,
    is_finished,
    pack,
    read_record,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import checked_name
from ansible_collections.hintfleet.bench.plugins.module_utils.run.detached import (
    carry_out,
    finished,
    of_study,
    set_going,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.run.preflight import (
    ARM,
    ARTIFACT,
    CELL,
    PARAMETERS,
    check_request,
    check_root,
    relevant_parameters,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.run.runner import perform
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.registry import WORKLOADS

ARGUMENTS = {
    "study": {"type": "str", "required": True},
    "study_id": {"type": "str", "default": ""},
    "run_id": {"type": "str", "required": True},
    "attempt": {"type": "int", "default": 0},
    "results_dir": {"type": "path"},
    "python": {"type": "path"},
    "cell": {
        "type": "dict",
        "required": True,
        "options": CELL,
    },
    "block": {"type": "int", "required": True},
    "order": {"type": "int", "required": True},
    "arm": {"type": "dict", "required": True, "options": ARM},
    "baseline": {"type": "str", "default": USUAL_BASELINE},
    "proof_of": {"type": "str", "default": ""},
    "workload": {"type": "str", "choices": list(WORKLOADS), "required": True},
    "parameters": {"type": "dict", "required": True, "options": PARAMETERS},
    "accelerator": {"type": "str", "choices": ["kvm", "tcg"], "required": True},
    "tb_size_mib": {"type": "int", "default": 12},
    "guest_kernel": {"type": "dict", "required": True, "options": ARTIFACT},
    "guest_image": {"type": "dict", "required": True, "options": ARTIFACT},
    "user": {"type": "str", "default": "hintfleet"},
    "state_dir": {"type": "path", "default": "/var/lib/hintfleet"},
    "phase": {"type": "str", "choices": ["whole", "start", "rest"], "default": "whole"},
    "versions": {"type": "dict", "required": True},
}
# What concerns the asking only, not the run.
OF_THE_CALL = ("results_dir", "phase", "python")


def _request(params: dict[str, Any]) -> dict[str, Any]:
    """What the runner is asked to do, complete; raises BenchError."""
    request = {name: value for name, value in params.items() if name not in OF_THE_CALL}
    request["parameters"] = relevant_parameters(params["parameters"], params["workload"])
    cell = dict(params["cell"])
    checked_name(cell["name"], "A cell")
    cell["cpus"] = sorted(cell["cpus"]) or node_cpus(cell["node"])
    hierarchy = find_hierarchy()
    cell["cgroup_version"] = hierarchy.version
    cell["memory_binding"] = CellCgroup(cell["name"], hierarchy).memory_binding
    arm = arm_of({**params["arm"]["states"], **_without_states(params["arm"])})
    return {**request, "cell": cell, "arm": {**arm.as_dict(), "differs": arm.differs}}


def _without_states(arm: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arm.items() if name != "states"}


def _summary(record: dict[str, Any]) -> str:
    """The result in a few words; one that cannot be put into words is fetched all the same."""
    try:
        return WORKLOADS[record["workload"]].summary(record["result"])
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return f"a result that is none ({type(error).__name__})"


def _result(folder: Path, study_id: str, changed: bool) -> dict[str, Any]:
    record = read_record(folder) or {}
    finished = record["outcome"]["status"] == "finished"
    said = _summary(record) if finished else ""
    return {
        "changed": changed,
        "run_id": record["run_id"],
        "outcome": record["outcome"],
        "duration_seconds": record["duration_seconds"],
        "summary": said or record["outcome"]["reason"],
        "files": pack(folder),
        "earlier": [
            packed
            for attempt in earlier_attempts(folder)
            # A finished one was handed over in its time, and is measured again on purpose.
            if not is_finished(read_record(attempt))
            and of_study(attempt, study_id)
            and (packed := pack(attempt))
        ],
    }


def answer(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """What came of the run. Raises BenchError, or OSError where the host cannot keep it."""
    request = _request(params)
    phase, state_dir = params["phase"], Path(params["state_dir"])
    check_root()
    # What was measured is handed over, whatever has become of the host since.
    if phase != "start" and (folder := finished(request, state_dir)):
        return _result(folder, request["study_id"], changed=phase == "rest")
    if QMP_IMPORT_ERROR:
        raise BenchError(missing_required_lib("qemu.qmp"))
    check_request(request)
    if check_mode:
        return {"changed": True, "run_id": request["run_id"]}
    if phase == "start":
        started = set_going(request, state_dir, perform)
        return {"changed": started, "run_id": request["run_id"]}
    folder, changed = carry_out(request, state_dir, perform, begun=phase == "rest")
    return _result(folder, request["study_id"], changed)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_id, state_dir = module.params["run_id"], module.params["state_dir"]
    try:
        told = answer(module.params, module.check_mode)
    except BenchError as error:
        module.fail_json(msg=str(error), run_id=run_id)
    except OSError as error:
        module.fail_json(
            msg=f"Run {run_id} cannot be kept on the host: {error}; see that {state_dir} has room "
            "and can be written to.",
            run_id=run_id,
        )
    module.exit_json(**told)


if __name__ == "__main__":
    main()
