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

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import arms_of, baseline_of
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.sweep import with_sweeps
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError

ARGUMENTS = {
    "arms": {"type": "list", "elements": "raw", "required": True},
    "baseline": {"type": "str", "default": ""},
    "sweeps": {"type": "list", "elements": "dict", "default": []},
    "many": {"type": "bool", "default": False},
    "kernels": {"type": "list", "elements": "str", "default": []},
}


def worked_out(params: dict[str, Any]) -> dict[str, Any]:
    """What the module returns; raises BenchError."""
    arms = arms_of(with_sweeps(params["arms"], params["sweeps"], params["many"]))
    for arm in arms:
        kernel = arm.states.get("kernel")
        if kernel is not None and kernel not in params["kernels"]:
            known = ", ".join(params["kernels"]) or "none yet"
            raise BenchError(
                f"Arm {arm.name} states the kernel {kernel}, which guest_kernels does not name (it "
                f"names {known}): add it there, such as {kernel}: {{version: '6.12'}}."
            )
    baseline = baseline_of(params["baseline"], arms)
    return {"changed": False, "arms": [arm.as_dict() for arm in arms], "baseline": baseline}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**worked_out(module.params))
    except BenchError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
