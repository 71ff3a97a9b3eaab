#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ansible module: a kernel source of another suite of Debian, in the builder's cache."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_kernel_source
short_description: Get a kernel source from another suite of Debian than the builder's
description:
  - Downloads the package C(linux-source-<version>) of a suite from the builder's own mirror,
    checked by Debian's signature, and keeps the tarball in it.
  - apt has a configuration of its own for that; the builder's sources, lists and packages stay as
    they are.
  - What was fetched before is used again without asking anybody.
  - In check mode it is only seen that the package can be had.
options:
  suite:
    description: A suite of Debian, such as V(trixie-backports).
    type: str
    required: true
  version:
    description: Series of the kernel, such as V(7.3).
    type: str
    required: true
  folder:
    description: Where to keep the tarball, C(linux-source-<version>.tar.xz), on the builder.
    type: path
    required: true
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Get Linux 7.3
  hintfleet.bench.guest_kernel_source:
    suite: trixie-backports
    version: "7.3"
    folder: /var/cache/hintfleet/sources/trixie-backports
"""

RETURN = r"""
path:
  description: The tarball on the builder.
  returned: success
  type: str
package_version:
  description: Version of the package; empty if it was there before.
  returned: success
  type: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    locked,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.build.suite import SuiteSource


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "suite": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    folder, suite = Path(module.params["folder"]), module.params["suite"]
    source = SuiteSource(folder, suite, f"linux-source-{module.params['version']}")
    version = ""
    try:
        due = not source.is_there()
        if due and module.check_mode:
            version = source.fetch(download=False)
        elif due:
            with locked(folder):
                # Another play may have fetched it while this one waited.
                due = not source.is_there()
                if due:
                    version = source.fetch(download=True)
    except ArtifactError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=due, path=str(source.tarball), package_version=version)


if __name__ == "__main__":
    main()
