#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Say what a host offers to cells, before anything is changed on it
version_added: 0.1.0
description:
  - Reads NUMA nodes, memory, disk, cgroup controllers, QEMU and the kernel settings that a study
    cares about. Changes nothing, but that apt's lists are fetched (as root) where apt does not know
    a package.
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
  settings:
    description: Kernel settings that will be asked for, see M(hintfleet.bench.host_settings).
    type: dict
    default: {}
  packages:
    description: Debian packages to look for.
    type: list
    elements: str
    default: []
  arms:
    description: Arms that are to be measured, as M(hintfleet.bench.study_arms) returns them.
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
  side_by_side:
    description: Whether cells of this host will work at the same time.
    type: bool
    default: false
    version_added: 0.2.0
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
rules_kernel:
  description: Whether root here may put swap areas in use, as that of a container may not.
  returned: always
  type: bool
nodes:
  description:
    - NUMA nodes that have memory and CPUs of use to a cell; CPUs that the scheduler leaves alone
      are not among them.
  returned: always
  type: list
  elements: dict
  sample: [{node: 0, memory_mib: 15360, available_mib: 14000, cpus: [0, 1, 2, 3]}]
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
    - Version of cgroups that limits memory, which of the controllers a cell needs there are,
      whether the kernel accounts swap to cgroups, and whether root may make some.
  returned: always
  type: dict
  sample: {version: 2, controllers: [cpuset, memory], counts_swap: true, writable: true}
  contains:
    version: {description: 1 or 2., returned: always, type: int}
    controllers: {description: Those that there are., returned: always, type: list, elements: str}
    counts_swap: {description: Whether swap is accounted., returned: always, type: bool}
    writable: {description: Whether root may make some., returned: always, type: bool}
qemu:
  description: Version and place of the QEMU that runs guests; null for none.
  returned: always
  type: dict
  sample: {installed: "7.2.19", path: /usr/bin/qemu-system-x86_64}
  contains:
    installed: {description: Its version., returned: always, type: str}
    path: {description: Where it lies., returned: always, type: str}
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
packages_offered:
  description: Upstream version of each of RV(packages_missing) that apt would install.
  returned: always
  type: dict
  sample: {qemu-system-x86: "7.2"}
apt:
  description: Whether packages can be installed with apt here.
  returned: always
  type: bool
programs_missing:
  description: Programs that preparing takes and that are not there.
  returned: always
  type: list
  elements: str
held_mib:
  description: Memory that cells hold just now, those of a run under way.
  returned: always
  type: int
exchangeable_folder:
  description: A folder on the way to O(state_dir) that others than root may write to, if any.
  returned: always
  type: str
unfit_mount:
  description: V(read-only) if the file system of O(state_dir) is mounted so; else null.
  returned: always
  type: str
foreign_entry:
  description: Something in O(state_dir) that hintfleet did not put there; null if there is nothing.
  returned: always
  type: str
closed_folder:
  description: The first folder on the way to O(state_dir) that other users cannot enter; null if
    there is none.
  returned: always
  type: str
overcommit_memory:
  description: The kernel's C(vm.overcommit_memory).
  returned: always
  type: int
panic_on_oom:
  description: The kernel's C(vm.panic_on_oom).
  returned: always
  type: int
daemons:
  description: Programs at work that kill for want of memory, or set what a study sets.
  returned: always
  type: list
  elements: str
settings:
  description: Kernel settings in force by name; null where this kernel lacks the setting.
  returned: always
  type: dict
arms_refused:
  description: A sentence for all that arms state and this host cannot have.
  returned: always
  type: list
  elements: str
settings_refused:
  description: What is wrong with O(settings).
  returned: always
  type: list
  elements: str
"""

import re
import shutil
from dataclasses import asdict
from os import defpath, environ, geteuid
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import from_plan
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import qemu as _qemu
from ansible_collections.hintfleet.bench.plugins.module_utils.host import daemons as _daemons
from ansible_collections.hintfleet.bench.plugins.module_utils.host import folder as _folder
from ansible_collections.hintfleet.bench.plugins.module_utils.host import hierarchy as _hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host import nodes as _nodes
from ansible_collections.hintfleet.bench.plugins.module_utils.host import settings as _settings
from ansible_collections.hintfleet.bench.plugins.module_utils.host import users as _users
from ansible_collections.hintfleet.bench.plugins.module_utils.run.preflight import refused_arms

# Of util-linux and passwd, which a very small system may lack.
PROGRAMS = ("mkswap", "swapon", "swapoff", "prlimit", "setpriv", "unshare", "useradd", "userdel")
CAP_SYS_ADMIN = 21  # its bit, from capability.h
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


def programs_missing() -> list[str]:
    """Programs that preparing takes and that are not there."""
    path = f"{environ.get('PATH', defpath)}:{SYSTEM_FOLDERS}"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def sysctl(name: str, folder: Path = Path("/proc/sys/vm")) -> int:
    """A number that rules the kernel's memory; 0 where this kernel has no such rule."""
    file = folder / name
    return int(file.read_text()) if file.exists() else 0


def rules_kernel(proc: Path = Path("/proc/self")) -> bool:
    """Whether this process may administer the machine, not only a user namespace of its own."""
    held = re.search(r"^CapEff:\s+([0-9a-f]+)$", (proc / "status").read_text(), re.MULTILINE)
    everybody = (proc / "uid_map").read_text().split() == ["0", "0", "4294967295"]
    return everybody and held is not None and bool(int(held[1], 16) >> CAP_SYS_ADMIN & 1)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state_dir": {"type": "path", "default": "/var/lib/hintfleet"},
            "swap_path": {"type": "path", "default": "/var/lib/hintfleet/swap"},
            "user": {"type": "str", "default": "hintfleet"},
            "settings": {"type": "dict", "default": {}},
            "packages": {"type": "list", "elements": "str", "default": []},
            "arms": {"type": "list", "elements": "dict", "default": []},
            "side_by_side": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    hierarchy = _hierarchy.find()
    state_dir = Path(module.params["state_dir"])
    qemu = _qemu.find()
    usable = qemu is not None and qemu.version >= _qemu.OLDEST
    # Whatever brought a usable QEMU: nothing is missing for want of the package of that name.
    wanted = [n for n in module.params["packages"] if not (usable and n == _qemu.PACKAGE)]
    missing = _nodes.packages_missing(wanted)
    closed = _nodes.closed_folder(state_dir)
    exchangeable = _folder.exchangeable(state_dir)
    user = module.params["user"]
    module.exit_json(
        changed=False,
        user_id=geteuid(),
        rules_kernel=rules_kernel(),
        nodes=[asdict(node) for node in _nodes.read_nodes()],
        memory_mib=_nodes.memory_mib("MemTotal"),
        available_mib=_nodes.memory_mib("MemAvailable"),
        disk_free_mib=_nodes.disk_free_mib(state_dir),
        cgroup={
            "version": hierarchy.version,
            "controllers": sorted(hierarchy.roots),
            "counts_swap": hierarchy.counts_swap(),
            "writable": hierarchy.is_writable(),
        },
        qemu={
            "installed": qemu.text if qemu else None,
            "path": qemu.path if qemu else None,
        },
        swap_there=Path(module.params["swap_path"]).exists(),
        user_foreign=_users.exists(user) and user not in _users.made(user),
        packages_missing=missing,
        packages_offered=_nodes.offered(missing),
        apt=_nodes.has_apt(),
        programs_missing=programs_missing(),
        held_mib=hierarchy.held_mib(),
        closed_folder=str(closed) if closed else None,
        exchangeable_folder=str(exchangeable) if exchangeable else None,
        foreign_entry=_folder.foreign_entry(state_dir, "found.json"),
        unfit_mount=_folder.unfit_mount(state_dir),
        overcommit_memory=sysctl("overcommit_memory"),
        panic_on_oom=sysctl("panic_on_oom"),
        daemons=_daemons.at_work(),
        settings=_settings.read_all(),
        arms_refused=refused_arms(
            [from_plan(arm) for arm in module.params["arms"]], module.params["side_by_side"]
        ),
        settings_refused=_settings.refusals(module.params["settings"]),
    )


if __name__ == "__main__":
    main()
