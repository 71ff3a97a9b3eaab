# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets tests import roles' Python as Ansible does: all their module_utils are one package."""

from __future__ import annotations

import sys
from pathlib import Path

import ansible.module_utils

ROLES = Path(__file__).resolve().parents[2] / "roles"

ansible.module_utils.__path__.extend(str(path) for path in sorted(ROLES.glob("*/module_utils")))
sys.path.extend(str(path) for path in sorted(ROLES.glob("*/library")))
