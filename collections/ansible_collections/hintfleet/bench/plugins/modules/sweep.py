#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: sweep
short_description: End runs and guests of hintfleet and remove their cgroups and sockets
version_added: 0.1.0
description:
  - Finds guests by their cgroup and the user they run as and runners by the locks they hold, ends
    them, waits until they are gone, and removes cgroups and sockets.
  - Runners are asked to end first, so that a run under way leaves a record that says it was
    aborted. Finished runs are not touched; RV(runs) lists what lies on the host.
options:
  runtime_dir:
    description: Folder of sockets.
    type: path
    default: /run/hintfleet
  state_dir:
    description: Folder of kernels, images and runs.
    type: path
    default: /var/lib/hintfleet
  cgroup:
    description: Name of the cgroup that holds the cells.
    type: str
    default: hintfleet
  user:
    description: Unprivileged user that guests run as; all processes of that user are ended.
    type: str
    default: hintfleet
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
  description: Sockets and folders that were removed.
  returned: always
  type: list
  elements: str
runs:
  description: Finished runs on this host, as C(<study>/<run>).
  returned: always
  type: list
  elements: str
  sample: [laptop/numa1-node0.b1.none.memhog]
state:
  description: What lies in O(state_dir).
  returned: always
  type: list
  elements: str
  sample: [/var/lib/hintfleet/found.json]
"""

import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import hierarchy as _hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.host import sweep as _sweep
from ansible_collections.hintfleet.bench.plugins.module_utils.run.detached import (
    runner_process_ids,
)


def user_id(name: str) -> int | None:
    """Number of a user; None if there is none. Raises BenchError for root."""
    try:
        number = pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
    if number == 0:
        raise BenchError(
            f"User {name!r} is root, whose processes cannot all be ended: give the unprivileged "
            "user that guests run as (numa_host_user)."
        )
    return number


def sweep(module: AnsibleModule) -> dict[str, Any]:
    """Find, end, remove."""
    state_dir = Path(module.params["state_dir"])
    runtime_dir = Path(module.params["runtime_dir"])
    folders = _hierarchy.find().folders(module.params["cgroup"])
    processes = _sweep.find(folders, runner_process_ids(state_dir), user_id(module.params["user"]))
    if not module.check_mode:
        _sweep.end(processes, module.params["grace_seconds"])
    cgroups = _sweep.cgroup_folders(folders)
    files = _sweep.entries(runtime_dir)
    if not module.check_mode:
        _sweep.remove_cgroups(cgroups)
        _sweep.remove(files)
    return {
        "changed": bool(processes or cgroups or files),
        "processes": [process.command for process in processes],
        "cgroups": [str(path) for path in cgroups],
        "files": [str(path) for path in files],
        "state": [str(path) for path in _sweep.entries(state_dir)],
        "runs": _sweep.finished_runs(state_dir),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "runtime_dir": {"type": "path", "default": "/run/hintfleet"},
            "state_dir": {"type": "path", "default": "/var/lib/hintfleet"},
            "cgroup": {"type": "str", "default": "hintfleet"},
            "user": {"type": "str", "default": "hintfleet"},
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
