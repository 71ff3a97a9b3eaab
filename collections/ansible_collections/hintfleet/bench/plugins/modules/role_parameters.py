#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: role_parameters
short_description: Check what a role was given, and say of everything wrong how to write it
version_added: 0.1.0
description:
  - Looks at each variable that the argument specification of the role it is called in has for any
    entry point. Values that Ansible converts are right, C(-e list=one,two) and C("false") among
    them; all others are named in one go, and so is a name that is nearly one of these.
  - Runs on the controller.
options:
  bounds:
    description: The least and, if there is one, the most that a number may be, by variable.
    type: dict
    default: {}
  plain_paths:
    description: Folders that programs are called with, which only some signs can name.
    type: list
    elements: str
    default: []
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
    bounds: {study_blocks: [1], study_swappiness: [0, 200]}
  register: parameters
"""

RETURN = r"""
given:
  description: Each variable that has a value, as the type of its option.
  returned: success
  type: dict
"""
