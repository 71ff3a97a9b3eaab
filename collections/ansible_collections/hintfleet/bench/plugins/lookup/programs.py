# SPDX-License-Identifier: GPL-2.0-or-later
"""Ansible lookup: the programs that guests can run, with all that their folders hold."""

from __future__ import annotations

DOCUMENTATION = r"""
name: programs
author: hintfleet contributors (@hintfleet)
short_description: The programs that guests can run, with all that their folders hold
version_added: 0.1.0
description:
  - Reads a folder that has a folder for each program, with C(program.yml) and an executable C(run).
  - A program whose definition cannot be is refused with a sentence.
options:
  _terms:
    description: One folder on the controller.
    required: true
"""

EXAMPLES = r"""
- name: Say what programs there are
  ansible.builtin.debug:
    msg: "{{ lookup('hintfleet.bench.programs', role_path ~ '/files/programs') | list }}"
"""

RETURN = r"""
_raw:
  description: What each program says of itself, by its name; its C(files) are texts by their paths
    in an image.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.programs import programs_in


class LookupModule(LookupBase):
    def run(
        self, terms: list[str], variables: dict[str, Any] | None = None, **_: Any
    ) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct={})
        try:
            return [programs_in(Path(terms[0]), self._read)]
        except (BenchError, OSError) as error:
            raise AnsibleError(str(error)) from error

    def _read(self, path: Path) -> Any:
        return self._loader.load_from_file(str(path))
