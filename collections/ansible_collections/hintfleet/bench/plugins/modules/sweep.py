#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: sweep
short_description: End runs and guests of hintfleet and remove their cgroups
version_added: 0.1.0
description:
  - Finds guests by their cgroup and the users they run as and runners by the locks they hold, ends
    them, waits until they are gone, and removes cgroups and what those users left in folders where
    everybody may.
  - Runners are asked to end first, so that a run under way leaves a record that says it was
    aborted. Finished runs are not touched; RV(runs) lists what lies on the host.
options:
  state_dir:
    description: Folder of kernels, images and runs.
    type: path
    default: /var/lib/hintfleet
  user:
    description:
      - Unprivileged user that guests run as, or the beginning of their names where cells have one
        each. All processes of users that hintfleet made are ended, those of others never.
    type: str
    default: hintfleet
  swap_path:
    description: Swap file or device of hintfleet; those that the host was prepared with come along.
    type: path
    default: /var/lib/hintfleet/swap
  grace_seconds:
    description: How long runners may take to end by themselves.
    type: float
    default: 20
author:
  - hintfleet contributors (@hintfleet)
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows no diff.
    support: none
"""

EXAMPLES = r"""
- name: End everything hintfleet runs on this host
  hintfleet.bench.sweep:
"""

RETURN = r"""
processes:
  description: Command lines of the processes that were ended.
  returned: always
  type: list
  elements: str
cgroups:
  description: cgroups that were removed.
  returned: always
  type: list
  elements: str
files:
  description: What guests' users had left in C(/tmp), C(/dev/shm) and the like.
  returned: always
  type: list
  elements: str
runs:
  description: Finished runs on this host, as C(<study>/<run>).
  returned: always
  type: list
  elements: str
  sample: [laptop/numa1-node0.b1.none.memhog]
swap_paths:
  description: O(swap_path), and those that the host was prepared with.
  returned: always
  type: list
  elements: str
users:
  description: Users that hintfleet made for guests.
  returned: always
  type: list
  elements: str
  sample: [hintfleet]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import folder as _folder
from ansible_collections.hintfleet.bench.plugins.module_utils.host import hierarchy as _hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host import settings as _settings
from ansible_collections.hintfleet.bench.plugins.module_utils.host import sweep as _sweep
from ansible_collections.hintfleet.bench.plugins.module_utils.host import users as _users
from ansible_collections.hintfleet.bench.plugins.module_utils.run.detached import (
    runner_process_ids,
)


def sweep(module: AnsibleModule) -> dict[str, Any]:
    """Find, end, remove."""
    state_dir = Path(module.params["state_dir"])
    found = _found(state_dir)
    users: dict[str, int] = {}
    for name in _settings.used(found, "user", module.params["user"]):
        users |= _users.made(name)
    folders = _hierarchy.find().folders()
    processes = _sweep.find(folders, runner_process_ids(state_dir), users.values())
    if not module.check_mode:
        _sweep.end(processes, module.params["grace_seconds"])
    cgroups = _sweep.cgroup_folders(folders)
    files = _users.leavings(users.values())
    if not module.check_mode:
        _sweep.remove_cgroups(cgroups)
        _folder.remove(files)
    return {
        "changed": bool(processes or cgroups or files),
        "processes": [process.command for process in processes],
        "cgroups": [str(path) for path in cgroups],
        "files": [str(path) for path in files],
        "users": sorted(users),
        "swap_paths": _settings.used(found, "swap_path", module.params["swap_path"]),
        "runs": _sweep.finished_runs(state_dir),
    }


def _found(state_dir: Path) -> dict[str, Any] | None:
    """The record of the host as found; what ends guests does not fail for one that is damaged."""
    try:
        return _settings.load(state_dir / "found.json")
    except BenchError:
        return None


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "state_dir": {"type": "path", "default": "/var/lib/hintfleet"},
            "user": {"type": "str", "default": "hintfleet"},
            "swap_path": {"type": "path", "default": "/var/lib/hintfleet/swap"},
            "grace_seconds": {"type": "float", "default": 20},
        },
        supports_check_mode=True,
    )
    try:
        outcome = sweep(module)
    except BenchError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
