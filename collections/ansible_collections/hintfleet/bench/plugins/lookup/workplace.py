# SPDX-License-Identifier: GPL-2.0-or-later
"""Ansible lookup: the folder on the controller that results and inventories belong in."""

from __future__ import annotations

DOCUMENTATION = r"""
name: workplace
author: hintfleet contributors (@hintfleet)
short_description: The folder on the controller that results and inventories belong in
description:
  - In a checkout of hintfleet it is the checkout, wherever C(ansible-playbook) was called.
  - With an installed collection it is the folder where C(ansible-playbook) was called, because a
    collection's own folder is replaced when the collection is.
"""

EXAMPLES = r"""
- name: Say where results go
  ansible.builtin.debug:
    msg: "{{ lookup('hintfleet.bench.workplace') }}/results"
"""

RETURN = r"""
_raw:
  description: One absolute path.
  type: list
  elements: path
"""

from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

# Of the paths that a checkout has and an installed collection never has.
MARK = "Makefile"


def workplace(playbook_folder: Path, called_in: Path) -> Path:
    """The checkout that a folder of playbooks lies in, or else where the command was called."""
    return playbook_folder.parent if (playbook_folder.parent / MARK).is_file() else called_in


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_: Any) -> list[str]:
        self.set_options(var_options=variables, direct={})
        return [str(workplace(Path((variables or {})["playbook_dir"]).resolve(), Path.cwd()))]
