#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Say what a host offers to cells, before anything is changed on it
version_added: 0.1.0
description:
  - Reads NUMA nodes, memory, disk, cgroup controllers, QEMU and the kernel settings that a study
    cares about. Changes nothing.
options:
  state_dir:
    description: Folder, existing or not, whose file system is asked for free space.
    type: path
    default: /var/lib/hintfleet
  swap_path:
    description: Swap file or device to look for.
    type: path
    default: /var/lib/hintfleet/swap
  user:
    description: User to look for.
    type: str
    default: hintfleet
  packages:
    description: Debian packages to look for.
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
- name: Look at the host
  hintfleet.bench.host_info:
  register: host
"""

RETURN = r"""
user_id:
  description: Number of the user the module ran as; 0 is root.
  returned: always
  type: int
nodes:
  description: NUMA nodes that have memory and CPUs.
  returned: always
  type: list
  elements: dict
  sample: [{node: 0, memory_mib: 15360, free_mib: 14000, cpus: [0, 1, 2, 3]}]
memory_mib:
  description: Memory of the host.
  returned: always
  type: int
available_mib:
  description: Memory that programs can still have without swapping.
  returned: always
  type: int
disk_free_mib:
  description: Free space for O(state_dir).
  returned: always
  type: int
cgroup:
  description:
    - Version of cgroups that limits memory, which of the controllers a cell needs there are, and
      whether the kernel accounts swap to cgroups.
  returned: always
  type: dict
  sample: {version: 2, controllers: [cpuset, memory], counts_swap: true}
qemu:
  description: Version of QEMU installed, and the one apt would install; null for none.
  returned: always
  type: dict
  sample: {installed: "7.2.19", offered: "7.2"}
swap_there:
  description: Whether something lies at O(swap_path).
  returned: always
  type: bool
user_foreign:
  description: Whether there is such a user and hintfleet did not make it.
  returned: always
  type: bool
packages_missing:
  description: Those of O(packages) that are not installed.
  returned: always
  type: list
  elements: str
settings:
  description: Kernel settings in force by name; null where this kernel lacks the setting.
  returned: always
  type: dict
"""

from dataclasses import asdict
from os import geteuid
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import qemu as _qemu
from ansible_collections.hintfleet.bench.plugins.module_utils.host import hierarchy as _hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host import nodes as _nodes
from ansible_collections.hintfleet.bench.plugins.module_utils.host import settings as _settings
from ansible_collections.hintfleet.bench.plugins.module_utils.host import users as _users


def qemu_installed(module: AnsibleModule) -> str | None:
    """Version of the QEMU that runs guests, None if it is not there."""
    if module.get_bin_path(_qemu.BINARY) is None:
        return None
    _, out, _ = module.run_command([_qemu.BINARY, "--version"])
    return ".".join(str(part) for part in _qemu.parse_version(out))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state_dir": {"type": "path", "default": "/var/lib/hintfleet"},
            "swap_path": {"type": "path", "default": "/var/lib/hintfleet/swap"},
            "user": {"type": "str", "default": "hintfleet"},
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    hierarchy = _hierarchy.find()
    installed = qemu_installed(module)
    user = module.params["user"]
    module.exit_json(
        changed=False,
        user_id=geteuid(),
        nodes=[asdict(node) for node in _nodes.read_nodes()],
        memory_mib=_nodes.memory_mib("MemTotal"),
        available_mib=_nodes.memory_mib("MemAvailable"),
        disk_free_mib=_nodes.disk_free_mib(Path(module.params["state_dir"])),
        cgroup={
            "version": hierarchy.version,
            "controllers": sorted(hierarchy.roots),
            "counts_swap": hierarchy.counts_swap(),
        },
        qemu={
            "installed": installed,
            "offered": None if installed else _nodes.qemu_offered(),
        },
        swap_there=Path(module.params["swap_path"]).exists(),
        user_foreign=_users.exists(user) and user not in _users.made(user),
        packages_missing=_nodes.packages_missing(module.params["packages"]),
        settings=_settings.read_all(),
    )


if __name__ == "__main__":
    main()
