#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ansible module: how far the build of the guest kernel is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_kernel_progress
short_description: Say how far the build of the guest kernel is
version_added: 0.1.0
description:
  - Looks at the job that builds and at its log. Changes nothing.
options:
  job:
    description: The state of the job, RV(ignore:results_file) of the task that started it.
    type: path
    required: true
  log:
    description: The build's log, RV(ignore:log) of M(hintfleet.bench.guest_kernel_build).
    type: path
    required: true
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
- name: Wait for the kernel
  hintfleet.bench.guest_kernel_progress:
    job: "{{ started.results_file }}"
    log: "{{ wanted.log }}"
  register: build
  until: build.finished
"""

RETURN = r"""
finished:
  description: Whether the job has ended, well or not.
  returned: always
  type: bool
progress:
  description: What the build is at, and how many objects of it are done, of how many.
  returned: always
  type: dict
  sample: {stage: compiling the kernel, done: 412, expected: 1060}
"""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.build import kernel
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import end_of


def finished(job: Path) -> bool:
    """Whether a module's answer is there; Ansible writes `started` until then.

    While it is being written it says nothing.
    """
    try:
        state = json.loads(job.read_text())
    except (OSError, ValueError):
        return False
    return "started" not in state or bool(state.get("finished"))


def said(job: Path, log: Path) -> str:
    """What the build under way has said; nothing of what an earlier one left in the log.

    Ansible writes the job's state when it begins, and again at its end.
    """
    try:
        of_this_build = log.stat().st_mtime_ns >= job.stat().st_mtime_ns
        return end_of(log) if of_this_build else ""
    except OSError:
        return ""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "job": {"type": "path", "required": True},
            "log": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    job, log = Path(module.params["job"]), Path(module.params["log"])
    module.exit_json(
        changed=False, finished=finished(job), progress=kernel.progress(said(job, log))
    )


if __name__ == "__main__":
    main()
