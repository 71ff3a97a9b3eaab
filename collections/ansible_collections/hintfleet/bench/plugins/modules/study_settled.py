#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: study_settled
short_description: Look whether a study is settled, or how many blocks it should have
version_added: 0.2.0
description:
  - Runs on the controller. Notes in the plan that it was looked after so many blocks, and has the
    figures judged for as many looks as there were, so that looking often makes no chance sound.
attributes:
  check_mode:
    description: Says that the study ends, without looking.
    support: partial
    details: Nothing is looked at.
  diff_mode:
    description: There is nothing to compare.
    support: none
options:
  results_dir:
    description: Folder of the study, C(results/<study>).
    type: path
    required: true
  blocks:
    description: How many blocks were asked for until now.
    type: int
    required: true
  blocks_max:
    description: The most blocks to ask for.
    type: int
    required: true
  hours_max:
    description: No more blocks are asked for after so many hours; no limit if zero.
    type: float
    default: 0
  began:
    description: When the play began to add blocks, in seconds since 1970.
    type: float
    default: 0
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Look whether it is settled
  hintfleet.bench.study_settled:
    results_dir: results/first
    blocks: 3
    blocks_max: 40
  register: look
"""

RETURN = r"""
ended:
  description: Whether no more blocks are to be run.
  returned: success
  type: bool
blocks:
  description: How many blocks the study should have.
  returned: success
  type: int
  sample: 4
reason:
  description: Why it ends or goes on, in a sentence.
  returned: success
  type: str
  sample: Settled after 3 blocks.
"""

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "results_dir": {"type": "path", "required": True},
    "blocks": {"type": "int", "required": True},
    "blocks_max": {"type": "int", "required": True},
    "hours_max": {"type": "float", "default": 0},
    "began": {"type": "float", "default": 0},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.fail_json(msg="study_settled runs on the controller, by its action plugin.")


if __name__ == "__main__":
    main()
