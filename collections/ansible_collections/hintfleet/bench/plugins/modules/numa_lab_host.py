#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: numa_lab_host
short_description: Start, stop or reset one emulated NUMA host
description:
  - Runs on the controller. A host that is up is left as it is; one that went down starts again with
    its disks as they were, as a machine does.
options:
  name:
    description: Name of the host.
    type: str
    required: true
  folder:
    description: Folder of all that belongs to the host; removed when it goes down.
    type: path
    required: true
  state:
    description:
      - V(up) starts the host, V(reset) starts it with new disks, V(down) stops it and removes its
        folder, V(asked) only looks.
    type: str
    choices: [up, reset, down, asked]
    required: true
  image:
    description: Folder with C(disk.raw), C(vmlinuz) and C(initrd.img).
    type: path
  authorized_key:
    description: File with the public key that may log in as root.
    type: path
  port:
    description: Port of loopback that leads to the host's SSH.
    type: int
  accelerator:
    description: V(kvm) or V(tcg).
    type: str
    choices: [kvm, tcg]
  nodes:
    description: Number of NUMA nodes.
    type: int
  node_mib:
    description: Memory of each node in MiB.
    type: int
  node_cpus:
    description: CPUs of each node.
    type: int
  nested_kvm:
    description: Whether the host has /dev/kvm itself.
    type: bool
  swap_mib:
    description: Size of the swap disk in MiB.
    type: int
  swap_mib_per_second:
    description: Throughput of the swap disk.
    type: int
  swap_operations_per_second:
    description: Operations of the swap disk in a second.
    type: int
  internet:
    description: Whether the host reaches other machines.
    type: bool
  kernel_arguments:
    description: Added to the host's kernel command line.
    type: str
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: See whether a host of the lab is up
  hintfleet.bench.numa_lab_host:
    name: lab1
    folder: /var/lib/hintfleet-lab/lab1
    state: asked
"""

RETURN = r"""
running:
  description: Whether the host is up now.
  returned: always
  type: bool
known_host:
  description: The host's line of known_hosts; empty if it is not up.
  returned: always
  type: str
"""

import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.lab.lab import (
    LabError,
    LabHost,
    known_host,
    process_id,
    start,
    stop,
)

WHAT_A_HOST_IS = {
    "image": "path",
    "authorized_key": "path",
    "port": "int",
    "accelerator": "str",
    "nodes": "int",
    "node_mib": "int",
    "node_cpus": "int",
    "nested_kvm": "bool",
    "swap_mib": "int",
    "swap_mib_per_second": "int",
    "swap_operations_per_second": "int",
    "internet": "bool",
    "kernel_arguments": "str",
}


def described(module: AnsibleModule) -> LabHost:
    """The host that the parameters describe."""
    given = {name: module.params[name] for name in WHAT_A_HOST_IS}
    for name in ("image", "authorized_key"):
        given[name] = Path(given[name])
    folder = Path(module.params["folder"])
    return LabHost(name=module.params["name"], folder=folder, **given)


def bring_about(module: AnsibleModule) -> dict[str, object]:
    """Bring the host into the wanted state."""
    state, folder = module.params["state"], Path(module.params["folder"])
    running = process_id(folder) is not None
    changed = {"up": not running, "reset": True, "down": folder.exists(), "asked": False}[state]
    if changed and not module.check_mode:
        if state in ("reset", "down"):
            stop(folder)
        if state == "down":
            shutil.rmtree(folder)
        else:
            host = described(module)
            if state == "reset":
                host.overlay.unlink(missing_ok=True)
                host.swap.unlink(missing_ok=True)
            start(host)
        running = state != "down"
    up = running and state in ("up", "reset") and not module.check_mode
    known = known_host(described(module)) if up else ""
    return {"changed": changed, "running": running, "known_host": known}


def main() -> None:
    """Entry point."""
    spec = {name: {"type": kind} for name, kind in WHAT_A_HOST_IS.items()}
    spec["accelerator"]["choices"] = ["kvm", "tcg"]
    states = ["up", "reset", "down", "asked"]
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "state": {"type": "str", "choices": states, "required": True},
            **spec,
        },
        required_if=[("state", state, list(WHAT_A_HOST_IS)) for state in ("up", "reset")],
        supports_check_mode=True,
    )
    try:
        outcome = bring_about(module)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
