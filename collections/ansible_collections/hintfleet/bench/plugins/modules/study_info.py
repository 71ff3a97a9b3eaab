#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: study_info
short_description: Say what a study began with
version_added: 0.1.0
description:
  - Runs on the controller and reads the plan there.
attributes:
  check_mode:
    description: Works the same in check mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  results_dir:
    description: Folder of the study, C(results/<study>).
    type: path
    required: true
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: See which kernel the study began with
  hintfleet.bench.study_info:
    results_dir: results/first
  register: begun
"""

RETURN = r"""
artifacts:
  description: Kernel and image of the study by name; empty if it has no plan yet.
  returned: success
  type: dict
"""
