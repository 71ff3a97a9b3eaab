#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: controller_wheel
short_description: Have a Python wheel in a folder of the controller
version_added: 0.1.0
description:
  - Runs on the controller, as whoever runs Ansible. Fetches the wheel with pip unless it is there.
attributes:
  check_mode:
    description: Fetches the wheel in check mode, too; no host changes.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
options:
  requirement:
    description: Name and version, as in C(qemu.qmp==0.0.6).
    type: str
    required: true
  sha256:
    description: SHA-256 (hex) of the wheel; another one is refused.
    type: str
    required: true
  file:
    description: Name of the wheel's file.
    type: str
    required: true
  folder:
    description: Folder on the controller, made if it is not there.
    type: path
    required: true
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Fetch the wheel
  hintfleet.bench.controller_wheel:
    requirement: qemu.qmp==0.0.6
    sha256: 5d7c5af0e9de427696e3bf72e333965c3a697929f77f6b7ddc30c989fc7b539b
    file: qemu_qmp-0.0.6-py3-none-any.whl
    folder: ~/.cache/hintfleet/wheels
  run_once: true
"""

RETURN = r"""
path:
  description: Where the wheel lies.
  returned: success
  type: str
"""
