#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: study_report
short_description: Write the report of a study in every format
version_added: 0.1.0
description:
  - Runs C(hintfleet report --save) on the controller, as whoever runs Ansible.
  - The study is read once for all formats.
attributes:
  check_mode:
    description: Works the same in check mode; a study that has no results yet has no report.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
options:
  results_dir:
    description: Folder of the study, C(results/<study>).
    type: path
    required: true
  folder:
    description: Where report.json, report.html, report.md and report.txt are written.
    type: path
    required: true
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Write the report
  hintfleet.bench.study_report:
    results_dir: results/first
    folder: results/first
  run_once: true
"""

RETURN = r"""
trusted:
  description: Whether the report has no figure that it says not to trust.
  returned: when a report was written
  type: bool
"""
