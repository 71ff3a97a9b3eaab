#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: study_arms
short_description: Work out what a study compares
version_added: 0.2.0
description:
  - Runs on the controller. Makes arms of what people wrote, and fails with a sentence if two of
    them cannot be told apart, or if one states what hintfleet does not know.
attributes:
  check_mode:
    description: Works the same in check mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  arms:
    description:
      - Mechanisms by name, and mappings with C(name), C(mechanism) and what else differs.
    type: list
    elements: raw
    required: true
  variable:
    description: Name of the variable in which they were written, for what is said of them.
    type: str
    default: study_arms
  baseline:
    description: The arm that the others are compared with. By default V(none), or else the first.
    type: str
    default: ''
  sweeps:
    description:
      - Each makes arms from one, over all values of parameters, with C(arm) its name or mapping,
        C(over) values by parameter, C(as) V(grid) or V(one_at_a_time).
    type: list
    elements: dict
    default: []
  many:
    description: Allow more than 100 arms.
    type: bool
    default: false
  kernels:
    description: Names of kernels that arms may state.
    type: list
    elements: str
    default: []
  smallest_guest_mib:
    description: Memory of the smallest guest of the study; V(0) checks no sizes.
    type: int
    default: 0
  kernel_configs:
    description:
      - By name of a kernel that arms may state, what is asked of its configuration, as lines
        C(CONFIG_NAME=y); under an empty name that of the kernel of all other arms. An arm whose
        kernel is not here is not checked.
    type: dict
    default: {}
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Compare two ages of page hinting
  hintfleet.bench.study_arms:
    arms:
      - none
      - page_hinting
      - {name: hinting-now, mechanism: page_hinting, kernel_arguments: page_hinting.age_ms=0}
  register: arms
"""

RETURN = r"""
arms:
  description: Every arm with its C(name), C(mechanism) and what it C(states) by piece.
  returned: success
  type: list
  elements: dict
  sample: [{name: none, mechanism: none, states: {}}]
baseline:
  description: The arm that the others are compared with.
  returned: success
  type: str
  sample: none
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import (
    USUAL_VARIABLE,
    Arm,
    arms_of,
    baseline_of,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.sweep import with_sweeps
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.drivers import DRIVERS

ARGUMENTS = {
    "arms": {"type": "list", "elements": "raw", "required": True},
    "variable": {"type": "str", "default": USUAL_VARIABLE},
    "baseline": {"type": "str", "default": ""},
    "sweeps": {"type": "list", "elements": "dict", "default": []},
    "many": {"type": "bool", "default": False},
    "kernels": {"type": "list", "elements": "str", "default": []},
    "smallest_guest_mib": {"type": "int", "default": 0},
    "kernel_configs": {"type": "dict", "default": {}},
}
OF_DRIVERS = "handback"
"""The fragment of roles/guest_kernel/files/config/fragments with all that mechanisms need."""


def worked_out(params: dict[str, Any]) -> dict[str, Any]:
    """What the module returns; raises BenchError."""
    arms = arms_of(
        with_sweeps(params["arms"], params["sweeps"], params["many"]), params["variable"]
    )
    for arm in arms:
        kernel = arm.states.get("kernel")
        if kernel is not None and kernel not in params["kernels"]:
            known = ", ".join(params["kernels"]) or "none yet"
            raise BenchError(
                f"Arm {arm.name} states the kernel {kernel}, which guest_kernels does not name (it "
                f"names {known}): add it there, such as {kernel}: {{version: '6.12'}}."
            )
        config = params["kernel_configs"].get(kernel or "")
        if config is not None:
            _check_kernel(arm, config)
        driver, size = DRIVERS.get(arm.mechanism), params["smallest_guest_mib"]
        if driver and size and (why := driver.refused(arm.policy, size)):
            raise BenchError(f"Arm {arm.name} has the mechanism {arm.mechanism}, and {why}.")
    baseline = baseline_of(params["baseline"], arms)
    return {"changed": False, "arms": [arm.as_dict() for arm in arms], "baseline": baseline}


def _check_kernel(arm: Arm, config: str) -> None:
    """Raises BenchError if the arm states what its guest kernel is not built for."""
    built = set(re.findall(r"^CONFIG_(\w+)=[ym]$", config, re.MULTILINE))
    driver = DRIVERS.get(arm.mechanism)
    wanted = [(f"the mechanism {arm.mechanism}", driver.needs, OF_DRIVERS)] if driver else []
    for piece, value in arm.states.items():
        policy = value.get("policy", "") if isinstance(value, dict) else value
        wanted.append((f"{piece} {policy}", PIECES[piece].needs(value), PIECES[piece].fragment))
    for what, options, fragment in wanted:
        missing = [option for option in options if option not in built]
        if missing:
            where = (
                f"the fragments of {arm.states['kernel']} in guest_kernels"
                if "kernel" in arm.states
                else "guest_kernel_fragments"
            )
            raise BenchError(
                f"Arm {arm.name} states {what}, and its guest kernel is built without "
                f"CONFIG_{missing[0]}: add {fragment} to {where}, or leave it out."
            )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**worked_out(module.params))
    except BenchError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
