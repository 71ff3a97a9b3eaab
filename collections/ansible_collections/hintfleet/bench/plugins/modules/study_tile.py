#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: study_tile
short_description: Work out the guests of a tile, and refuse those that cannot be
version_added: 0.1.0
description:
  - Takes a tile as people write it and says what a run is asked with. Runs on the controller.
attributes:
  check_mode:
    description: Works the same in check mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  tile:
    description: Its guests, each a mapping with C(program), C(guest_mib) and C(mib), and C(name)
      and C(vcpus) where they are not the program's and one.
    type: list
    elements: raw
    required: true
  programs:
    description: Every program that there is, as the lookup P(hintfleet.bench.programs#lookup) says.
    type: dict
    required: true
  has_packages:
    description: Whether the root that guests boot into has the packages of programs.
    type: bool
    default: false
  files_mib:
    description: Size of the disk of files that each guest has; none if zero.
    type: int
    default: 0
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Work out a tile
  hintfleet.bench.study_tile:
    tile:
      - {program: churn, guest_mib: 192, mib: 96}
      - {program: idle, guest_mib: 128, mib: 16}
    programs: "{{ lookup('hintfleet.bench.programs', role_path ~ '/files/programs') }}"
  register: tile
"""

RETURN = r"""
tile:
  description: Every guest with its C(name), C(program), C(guest_mib), C(vcpus) and C(mib).
  returned: success
  type: list
  elements: dict
  sample: [{name: idle, program: idle, guest_mib: 128, vcpus: 1, mib: 16}]
programs:
  description: What a run has to know of each of its programs, by name.
  returned: success
  type: dict
"""

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.programs import (
    Program,
    program_of,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.tiles import Member, tile_of

ARGUMENTS = {
    "tile": {"type": "list", "elements": "raw", "required": True},
    "programs": {"type": "dict", "required": True},
    "has_packages": {"type": "bool", "default": False},
    "files_mib": {"type": "int", "default": 0},
}


def worked_out(params: dict[str, Any]) -> dict[str, Any]:
    """What the module returns; raises BenchError."""
    programs = {
        name: _program(name, told, params["has_packages"])
        for name, told in params["programs"].items()
    }
    tile = tile_of(params["tile"], programs, params["files_mib"])
    if not params["has_packages"]:
        for one in tile:
            _check_packages(one, programs[one.program])
    used = sorted({one.program for one in tile})
    return {
        "changed": False,
        "tile": [one.as_dict() for one in tile],
        "programs": {name: programs[name].told() for name in used},
    }


def _program(name: str, told: dict[str, Any], has_packages: bool) -> Program:
    """What has packages has files of its own: a program that reads some needs no disk of them."""
    program = program_of(name, {key: told[key] for key in told if key != "files"})
    return replace(program, needs_files=program.needs_files and not has_packages)


def _check_packages(one: Member, program: Program) -> None:
    if program.packages:
        raise BenchError(
            f"Guest {one.name} of the tile runs {program.name}, which needs the packages "
            f"{', '.join(program.packages)}, and guests boot into an initramfs without packages: "
            "give them a Debian root (guest_image_root=debian), or leave it out of study_tile."
        )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**worked_out(module.params))
    except BenchError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
