#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ansible module: the guest's root as a disk in the builder's cache, made if it is not there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_root_build
short_description: Make a disk with Debian for guests unless it is in the builder's cache
version_added: 0.2.0
description:
  - Installs a release of Debian with mmdebstrap, without Recommends and without documentation, puts
    our programs into it, and writes an ext4 file system that guests boot from.
  - The result lies under C(images/<key>/) of O(cache); the key is a hash of all inputs (packages
    with their versions as apt resolves them, sources, scripts, compiler, recipe).
  - What apt knows of the release is kept in C(sources/) of O(cache), and fetched anew when there is
    something to make.
  - In check mode, C(changed) says whether a new disk is due.
options:
  suite:
    description: Release of Debian, such as V(trixie); the builder's own if empty.
    type: str
    default: ''
  packages:
    description: Debian packages beside the essential ones; what they depend on follows by itself.
    type: list
    elements: str
    required: true
  sources:
    description: C sources and headers by file name; each C(name.c) becomes C(bin/name).
    type: dict
    required: true
  libraries:
    description: >-
      C sources by file name; each C(name.c) becomes C(name.so), which needs no other library and
      lies beside the disk, for what runs the guest.
    type: dict
    default: {}
  scripts:
    description: Text files by path in the root; executable unless below C(etc/).
    type: dict
    required: true
  links:
    description: Symbolic links by path in the root, each with its target, where there is nothing.
    type: dict
    default: {}
  extra_files:
    description: Further executables by path in the root, each with its path on the builder.
    type: dict
    default: {}
  spare_mib:
    description: Room for what guests write.
    type: int
    default: 128
  cache:
    description: The builder's cache folder.
    type: path
    default: /var/cache/hintfleet
  begun_with:
    description:
      - Key of the artifact that a study began with. If today's inputs give another one, that of the
        study is taken from O(cache), and nothing is built.
    type: str
    default: ''
author: hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Make the guests' disk
  hintfleet.bench.guest_root_build:
    suite: trixie
    packages: [busybox-static, qemu-guest-agent, usr-is-merged]
    sources: {}
    scripts: {sbin/init: "#!/bin/sh\n"}
"""

RETURN = r"""
key:
  description: Hash of all inputs; empty in check mode as long as a tool or an extra file is absent.
  returned: success
  type: str
folder:
  description: Folder of the artifact (root.img, manifest.json) on the builder.
  returned: success
  type: str
manifest:
  description: The artifact's manifest; empty in check mode if it is not made yet.
  returned: success
  type: dict
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.build import initramfs, root
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    begun_with,
    file_sha256,
    input_key,
    locked,
    publish,
    stored_manifest,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.build.release import Release
from ansible_collections.hintfleet.bench.plugins.module_utils.build.suite import own_suite

FILES = {"root.img": "sha256"}
NEEDED_TOOLS = ("musl-gcc", "mmdebstrap", "mkfs.ext4", "debugfs", "apt-get")
PACKAGES_OF_TOOLS = "musl-tools, mmdebstrap and e2fsprogs"


class Wanted:
    """The disk that is asked for, and where it belongs."""

    def __init__(self, parameters: dict[str, Any], release: Release) -> None:
        self.parameters = parameters
        self.cache = Path(parameters["cache"])
        self.store = self.cache / "images"
        self.release = release
        self.tools = initramfs.compiler()
        self.resolve()

    def resolve(self) -> None:
        """Ask apt what the packages are."""
        self.packages = self.release.resolve(self.parameters["packages"])
        self.inputs = root.inputs(self.release.suite, self.packages, self.tools, self.parameters)
        self.key = input_key(self.inputs)

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest if the disk is there, else None."""
        return stored_manifest(self.store, self.key, FILES)

    def make(self) -> None:
        """Make the disk and publish it."""
        with tempfile.TemporaryDirectory(dir=self.cache / "build" / "guest_image") as scratch:
            Path(scratch).chmod(0o755)
            image = Path(scratch, "root.img")
            about = root.make(self.release, self.packages, self.parameters, self.key, image)
            libraries = initramfs.compile_libraries(self.parameters["libraries"], Path(scratch))
            manifest = {
                "key": self.key,
                "sha256": file_sha256(image),
                "root": "debian",
                "suite": self.release.suite,
                "packages": {package.name: package.version for package in self.packages},
                "programs": initramfs.programs_of(self.parameters["scripts"]),
                **about,
                "inputs": self.inputs,
                "libraries": {name: file_sha256(path) for name, path in libraries.items()},
            }
            publish(self.store, self.key, {image.name: image, **libraries}, manifest)


def only_look(params: dict[str, Any], suite: str) -> None:
    """See that apt has the packages of the release, and keep nothing; raises ArtifactError."""
    with tempfile.TemporaryDirectory(prefix="hintfleet-apt-") as scratch:
        release = Release(Path(scratch), suite)
        release.refresh()
        release.resolve(params["packages"])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "suite": {"type": "str", "default": ""},
            "packages": {"type": "list", "elements": "str", "required": True},
            "sources": {"type": "dict", "required": True},
            "libraries": {"type": "dict", "default": {}},
            "scripts": {"type": "dict", "required": True},
            "links": {"type": "dict", "default": {}},
            "extra_files": {"type": "dict", "default": {}},
            "spare_mib": {"type": "int", "default": 128},
            "cache": {"type": "path", "default": "/var/cache/hintfleet"},
            "begun_with": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
        # Not a secret: whole sources do not belong in the system log.
        no_log=True,
    )
    params = module.params
    missing = [name for name in NEEDED_TOOLS if not shutil.which(name)]
    absent = [path for path in params["extra_files"].values() if not Path(path).exists()]
    if missing and not module.check_mode:
        module.fail_json(
            msg=f"The builder lacks {', '.join(missing)}; install {PACKAGES_OF_TOOLS}."
        )
    try:
        suite = params["suite"] or own_suite()
        release = Release(Path(params["cache"]) / "sources" / f"root-{suite}", suite)
        if module.check_mode and not release.is_there():
            only_look(params, suite)
        if module.check_mode and (missing or absent or not release.is_there()):
            # The steps before this one would have brought them.
            module.exit_json(changed=True, key="", folder="", manifest={})
        if not release.is_there():
            release.refresh()
        wanted = Wanted(params, release)
        key = params["begun_with"]
        if manifest := begun_with(wanted.store, key, wanted.key, FILES, "guest image"):
            module.exit_json(
                changed=False, key=key, folder=str(wanted.store / key), manifest=manifest
            )
        changed = wanted.manifest() is None
        if changed and not module.check_mode:
            with locked(wanted.cache / "build" / "guest_image"):
                # What was resolved with lists of long ago is no longer on the mirror.
                release.refresh()
                wanted.resolve()
                changed = wanted.manifest() is None
                if changed:
                    wanted.make()
        module.exit_json(
            changed=changed,
            key=wanted.key,
            folder=str(wanted.store / wanted.key),
            manifest=wanted.manifest() or {},
        )
    except ArtifactError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
