#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ansible module: the guest kernel in the builder's cache, built if it is not there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_kernel_build
short_description: Build the guest kernel unless it is in the builder's cache
description:
  - Applies patches without fuzz, configures, verifies every symbol asked for, and compiles.
  - The result lies under C(kernels/<key>/) of O(cache); the key is a hash of all inputs
    (source, patches, configuration, toolchain, recipe), and the same key means the same bytes.
  - In check mode, C(changed) says whether a build is due.
options:
  source:
    description: Tarball or tree of the kernel's source, on the builder.
    type: path
    required: true
  version:
    description: Series the source must belong to, such as V(6.1).
    type: str
    required: true
  patches:
    description: Patches in the order they are applied, each a list of its name and its text.
    type: list
    elements: list
    default: []
  base_config:
    description: The base configuration's text, applied onto allnoconfig.
    type: str
    required: true
  fragments:
    description: Configuration fragments by name, applied in their order; the last one wins.
    type: dict
    default: {}
  cache:
    description: The builder's cache folder.
    type: path
    default: /var/cache/hintfleet
  jobs:
    description: How many compilers run at once; V(0) for one on each CPU.
    type: int
    default: 0
  packages:
    description: Also make Debian packages (bindeb-pkg), under C(packages/<key>/) of O(cache).
    type: bool
    default: false
  begun_with:
    description:
      - Key of the artifact that a study began with. If today's inputs give another one, that of the
        study is taken from O(cache), and nothing is built.
    type: str
    default: ''
author: hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Build the guest kernel
  hintfleet.bench.guest_kernel_build:
    source: /usr/src/linux-source-6.1.tar.xz
    version: "6.1"
    base_config: "{{ lookup('ansible.builtin.file', 'base.config') }}"
"""

RETURN = r"""
due:
  description: Whether a build was due when the module was called.
  returned: success
  type: bool
key:
  description: Hash of all inputs; empty in check mode as long as source or compiler are absent.
  returned: success
  type: str
folder:
  description: Folder of the artifact (bzImage, config, manifest.json) on the builder.
  returned: success
  type: str
manifest:
  description: The artifact's manifest; empty in check mode if it is not built yet.
  returned: success
  type: dict
packages:
  description: Paths of the Debian packages on the builder.
  returned: success
  type: list
  elements: str
log:
  description: Where the build's output is kept.
  returned: success
  type: str
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.build import kernel
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    begun_with,
    file_sha256,
    input_key,
    locked,
    publish,
    stored_manifest,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import leave_session

FILES = {"bzImage": "sha256", "config": "config_sha256"}
NEEDED_TOOLS = ("gcc", "ld", "make", "ccache", "flex", "bison", "bc", "patch", "tar")


class Wanted:
    """The kernel that is asked for, and where it belongs."""

    def __init__(self, parameters: dict) -> None:
        self.cache = Path(parameters["cache"])
        self.source = Path(parameters["source"])
        self.version = parameters["version"]
        self.patches = parameters["patches"]
        self.symbols = kernel.merge_configs(parameters["base_config"], parameters["fragments"])
        self.inputs = kernel.inputs(self.source, self.patches, self.symbols, kernel.toolchain())
        self.key = input_key(self.inputs)
        self.store = self.cache / "kernels"
        self.package_folder = self.cache / "packages" / self.key
        self.build = kernel.Build(
            folder=self.cache / "build" / "guest_kernel",
            ccache=self.cache / "ccache",
            jobs=parameters["jobs"] or os.cpu_count() or 1,
        )

    def manifest(self) -> dict | None:
        """Return the manifest if the kernel is there, else None."""
        return stored_manifest(self.store, self.key, FILES)

    def packages(self) -> list[str]:
        """Return the Debian packages that are there."""
        return sorted(str(path) for path in self.package_folder.glob("*.deb"))

    def make(self, with_packages: bool) -> dict:
        """Build, publish, and return the manifest."""
        build = self.build
        build.unpack(self.source)
        version = build.version()
        kernel.check_version(version, self.version)
        kernel.apply_patches(self.patches, build.source, build.log)
        final = build.configure({**self.symbols, **kernel.local_version(self.key)})
        image = build.image()
        config = build.config
        manifest = {
            "key": self.key,
            "release": build.release(),
            "version": version,
            "sha256": file_sha256(image),
            "config_sha256": file_sha256(config),
            "debug_options": kernel.debug_options(final),
            "inputs": self.inputs,
        }
        publish(self.store, self.key, {"bzImage": image, "config": config}, manifest)
        if with_packages:
            build.packages(self.package_folder)
        return manifest


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "patches": {"type": "list", "elements": "list", "default": []},
            "base_config": {"type": "str", "required": True},
            "fragments": {"type": "dict", "default": {}},
            "cache": {"type": "path", "default": "/var/cache/hintfleet"},
            "begun_with": {"type": "str", "default": ""},
            "jobs": {"type": "int", "default": 0},
            "packages": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
        # Not a secret: whole patches do not belong in the system log.
        no_log=True,
    )
    source = Path(module.params["source"])
    missing = kernel.missing_tools(NEEDED_TOOLS)
    if module.check_mode and (missing or not source.exists()):
        # The steps before this one would have brought them.
        module.exit_json(
            changed=True, due=True, key="", folder="", manifest={}, packages=[], log=""
        )
    if missing:
        module.fail_json(msg=f"The builder lacks {', '.join(missing)}; install build-essential, "
                             "ccache, flex, bison and bc.")  # fmt: skip
    if not source.exists():
        module.fail_json(msg=f"There is no kernel source at {source} on the builder.")
    try:
        wanted = Wanted(module.params)
        key = module.params["begun_with"]
        if manifest := begun_with(wanted.store, key, wanted.key, FILES, "guest kernel"):
            module.exit_json(
                changed=False, due=False, key=key, folder=str(wanted.store / key),
                manifest=manifest, packages=[], log=str(wanted.build.log),
            )  # fmt: skip
        with_packages = module.params["packages"]

        def is_due() -> bool:
            return wanted.manifest() is None or (with_packages and not wanted.packages())

        due = changed = is_due()
        if due:
            needed_mib = kernel.SPACE_NEEDED_MIB
            needed_mib += kernel.SPACE_NEEDED_PACKAGES_MIB if with_packages else 0
            kernel.check_space(wanted.cache, needed_mib)
        if due and not module.check_mode:
            leave_session()  # a long build goes on when whoever started it is gone
            with locked(wanted.build.folder):
                # Another play may have built it while this one waited.
                changed = is_due()
                if changed:
                    wanted.make(with_packages)
        module.exit_json(
            changed=changed,
            due=due,
            key=wanted.key,
            folder=str(wanted.store / wanted.key),
            manifest=wanted.manifest() or {},
            packages=wanted.packages(),
            log=str(wanted.build.log),
        )
    except ArtifactError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
