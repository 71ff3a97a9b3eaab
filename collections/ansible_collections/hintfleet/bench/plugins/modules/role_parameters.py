#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: role_parameters
short_description: Check what a role was given, and say of everything wrong how to write it
version_added: 0.1.0
description:
  - Looks at each variable of a role's argument specification. Values that Ansible converts are
    right, C(-e list=one,two) and C("false") among them; all others are named in one go.
  - Runs on the controller.
options:
  specification:
    description: Options of an entry point of the role, from its C(meta/argument_specs.yml).
    type: dict
    required: true
  bounds:
    description: The least and, if there is one, the most that a number may be, by variable.
    type: dict
    default: {}
author:
  - hintfleet contributors (@hintfleet)
attributes:
  check_mode:
    description: Works the same in check mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Check what is asked for
  hintfleet.bench.role_parameters:
    specification: "{{ documented.argument_specs.main.options }}"
    bounds: {study_blocks: [1], study_swappiness: [0, 200]}
  register: parameters
"""

RETURN = r"""
given:
  description: Each variable that has a value, as the type of its option.
  returned: success
  type: dict
"""
