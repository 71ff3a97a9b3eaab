#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: builder_info
short_description: Say what a builder has and what its apt could install
version_added: 0.1.0
description:
  - Finds packages that apt does not have, which kernel series a builder should build, and what is
    wrong with the folder that it keeps all in.
  - If apt does not know something, its lists are fetched (as root) and it is asked once more; a
    freshly installed system often has none. Changes nothing else.
options:
  packages:
    description: Debian packages to look for.
    type: list
    elements: str
    default: []
  kernel_series:
    description: Kernel series to choose from, such as V(6.1).
    type: list
    elements: str
    default: []
  cache:
    description: Folder of sources, builds and finished artifacts, existing or not.
    type: path
    default: /var/cache/hintfleet
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
- name: Ask which kernel to build
  hintfleet.bench.builder_info:
    kernel_series: ["6.1", "6.12"]
  register: builder
"""

RETURN = r"""
packages_unknown:
  description: Those of O(packages) that are neither installed nor to be had from apt.
  returned: always
  type: list
  elements: str
kernel_series:
  description:
    - The one of O(kernel_series) that the builder's release has as C(linux-source), else the newest
      that apt has; null for none.
  returned: always
  type: str
  sample: "6.12"
exchangeable_folder:
  description: A folder on the way to O(cache) that others than root may write to, if any.
  returned: always
  type: str
unfit_mount:
  description: V(read-only) or V(noexec) if the file system of O(cache) is mounted so; else null.
  returned: always
  type: str
room_lacking_mib:
  description: What is missing on the disk of O(cache) to build a kernel; 0 once it holds one.
  returned: always
  type: int
"""

from os import geteuid
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.build import apt
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import ArtifactError
from ansible_collections.hintfleet.bench.plugins.module_utils.build.kernel import SPACE_NEEDED_MIB
from ansible_collections.hintfleet.bench.plugins.module_utils.host.apt_lists import refresh
from ansible_collections.hintfleet.bench.plugins.module_utils.host.folder import (
    exchangeable,
    unfit_mount,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.nodes import disk_free_mib


def room_lacking_mib(cache: Path) -> int:
    """Where no kernel was built, one will be; whether it is the one asked for is known later."""
    if any((cache / "kernels").glob("[!.]*")):
        return 0
    return max(0, SPACE_NEEDED_MIB - disk_free_mib(cache))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "kernel_series": {"type": "list", "elements": "str", "default": []},
            "cache": {"type": "path", "default": "/var/cache/hintfleet"},
        },
        supports_check_mode=True,
    )
    packages, ours = module.params["packages"], module.params["kernel_series"]
    sources = [f"{apt.KERNEL_SOURCE}-{series}" for series in ours]

    def look() -> tuple[list[str], str | None]:
        missing = apt.unknown([*packages, *sources])
        series = apt.choose_kernel_series(ours, apt.release_kernel_series(), missing)
        return [name for name in missing if name in packages], series

    try:
        unknown, series = look()
        if (unknown or (ours and series is None)) and geteuid() == 0:
            refresh()
            unknown, series = look()
    except ArtifactError as error:
        module.fail_json(msg=str(error))
    cache = Path(module.params["cache"])
    place = exchangeable(cache)
    module.exit_json(
        changed=False,
        packages_unknown=unknown,
        kernel_series=series,
        exchangeable_folder=str(place) if place else None,
        unfit_mount=unfit_mount(cache, for_programs=True),
        room_lacking_mib=room_lacking_mib(cache),
    )


if __name__ == "__main__":
    main()
