#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: study_plan
short_description: Plan the runs of a study, and say which are still to be done
version_added: 0.1.0
description:
  - Runs on the controller. Writes C(study.json) into the study's folder, with every run and its
    place. The order of the arms is random and balanced over the blocks of each cell.
  - A plan that is there is kept. Blocks and cells may be added to it; if anything else differs the
    module fails and says what.
attributes:
  check_mode:
    description: Returns the plan without writing it.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: The same call changes nothing.
    support: full
options:
  results_dir:
    description: Folder of the study on the controller, C(results/<study>).
    type: path
    required: true
  study:
    description: Name of the study.
    type: str
    required: true
  cells:
    description: Where runs happen, see M(hintfleet.bench.run).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the cell, unique in the study.
        type: str
        required: true
      host:
        description: Name of the host, as in the inventory.
        type: str
        required: true
      node:
        description: NUMA node.
        type: int
        required: true
      memory_mib:
        description: Memory of the cell.
        type: float
        required: true
      swap_mib:
        description: Swap of the cell.
        type: float
        required: true
      cpus:
        description: CPUs of the cell.
        type: list
        elements: int
        default: []
      side_by_side:
        description: Whether its runs go on beside those of other cells of the host.
        type: bool
        default: false
  blocks:
    description: How often every arm runs.
    type: int
    required: true
  arms:
    description: What to compare, as M(hintfleet.bench.study_arms) returns them.
    type: list
    elements: dict
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
    description: The arm that the others are compared with.
    type: str
    default: none
  workloads:
    description: What is measured under each arm, in this order.
    type: list
    elements: str
    choices: [consolidation, memhog, page_fault, tile]
    required: true
  parameters:
    description: What each workload is asked to do, by the workload's name.
    type: dict
    required: true
  seed:
    description: Seed of the random order, to draw the same again. With 0 each study draws its own.
    type: int
    default: 0
  artifacts:
    description:
      - Kernel and image that the study runs with, each with its C(key) and what was C(asked) for.
        The plan keeps those it began with, and refuses others that were asked for.
    type: dict
    default: {}
  repeat:
    description: Runs to measure again, by name or pattern; what there is of them becomes an earlier
      attempt.
    type: list
    elements: str
    default: []
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Plan the study
  hintfleet.bench.study_plan:
    results_dir: results/first
    study: first
    cells: [{name: box-node0, host: box, node: 0, memory_mib: 960, swap_mib: 256}]
    blocks: 3
    arms:
      - {name: none, mechanism: none}
      - {name: free_page_reporting, mechanism: free_page_reporting}
    workloads: [consolidation]
    parameters: {consolidation: {guest_memory_mib: 320, allocation_mib: 256}}
  run_once: true
  register: plan
"""

RETURN = r"""
study_id:
  description: Tells this study from another of the same name; M(hintfleet.bench.run) wants it.
  returned: success
  type: str
  sample: 3f2a5c1e9b7d4860
runs:
  description: Every run in the order to do them, with its C(status) V(done) or V(pending).
  returned: success
  type: list
  elements: dict
  sample:
    - run_id: box-node0.b1.none.consolidation
      cell: box-node0
      host: box
      block: 1
      order: 1
      arm: none
      mechanism: none
      workload: consolidation
      status: pending
done:
  description: How many of the runs have finished.
  returned: success
  type: int
  sample: 0
"""

import secrets
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.run.preflight import ARM, CELL
from ansible_collections.hintfleet.bench.plugins.module_utils.study.attempts import (
    chosen,
    note_kept,
    put_aside,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.study.plan import (
    SCHEMA,
    merge,
    read_plan,
    with_status,
    write_plan,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.registry import WORKLOADS

NAMES = ("study", "cells", "blocks", "arms", "baseline", "workloads", "parameters", "seed",
         "artifacts")  # fmt: skip

ARGUMENTS = {
    "results_dir": {"type": "path", "required": True},
    "study": {"type": "str", "required": True},
    "cells": {"type": "list", "elements": "dict", "required": True, "options": CELL},
    "blocks": {"type": "int", "required": True},
    "arms": {"type": "list", "elements": "dict", "required": True, "options": ARM},
    "baseline": {"type": "str", "default": "none"},
    "workloads": {
        "type": "list",
        "elements": "str",
        "choices": list(WORKLOADS),
        "required": True,
    },
    "parameters": {"type": "dict", "required": True},
    "seed": {"type": "int", "default": 0},
    "artifacts": {"type": "dict", "default": {}},
    "repeat": {"type": "list", "elements": "str", "default": []},
}


def planned(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """What the module returns; raises BenchError."""
    folder = Path(params["results_dir"])
    kept = read_plan(folder)
    asked = {"schema": SCHEMA, "study_id": secrets.token_hex(8)}
    plan = merge(kept, {**asked, **{name: params[name] for name in NAMES}})
    repeated = chosen(params["repeat"], [run["run_id"] for run in plan["runs"]])
    if not check_mode:
        if plan != kept:
            write_plan(folder, plan)
        put_aside(folder, repeated)
        for run in plan["runs"]:
            note_kept(folder, run["run_id"])
    runs = with_status(folder, [run for run in plan["runs"] if run["block"] <= params["blocks"]])
    return {
        "changed": plan != kept or bool(repeated),
        "study_id": plan["study_id"],
        "runs": runs,
        "done": sum(run["status"] == "done" for run in runs),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    try:
        module.exit_json(**planned(module.params, module.check_mode))
    except BenchError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
