#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ansible module: a program of a foreign source, compiled without its rights over the builder."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_program_build
short_description: Compile a program for guests from a foreign source
version_added: 0.1.0
description:
  - Runs C(make) for one target in a copy of the source, as a user without rights, network and
    root's environment, and keeps what it made.
  - What was made before is not made again.
options:
  source:
    description: Folder of the source on the builder, with its Makefile.
    type: path
    required: true
  program:
    description: Target of the Makefile, and name of the file that it makes.
    type: str
    required: true
  path:
    description: Where to keep the program, on the builder.
    type: path
    required: true
author:
  - hintfleet contributors (@hintfleet)
attributes:
  check_mode:
    description: Says whether it would be compiled.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Compile a program
  hintfleet.bench.guest_program_build:
    source: /var/cache/hintfleet/sources/will-it-scale
    program: page_fault1_processes
    path: /var/cache/hintfleet/sources/will-it-scale-made/page_fault1_processes
"""

RETURN = r"""
path:
  description: The program on the builder.
  returned: success
  type: str
"""

import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    give,
    run,
    take,
)


def compile_program(source: Path, program: str, path: Path) -> None:
    """Make the program and keep it. Raises ArtifactError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hintfleet-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        copy = scratch / "source"
        shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        give(copy)
        purpose = f"compile {program} of {source}"
        run(["make", program], purpose, folder=copy, log=scratch / "log", unprivileged=True)
        new = path.with_name(f"{path.name}.new")
        take(copy / program, new)
        new.chmod(0o755)
        new.replace(path)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "program": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    source, path = Path(module.params["source"]), Path(module.params["path"])
    due = not path.exists()
    try:
        if due and not module.check_mode:
            compile_program(source, module.params["program"], path)
    except (ArtifactError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=due, path=str(path))


if __name__ == "__main__":
    main()
