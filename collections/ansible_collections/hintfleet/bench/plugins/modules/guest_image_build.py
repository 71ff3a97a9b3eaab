#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ansible module: the guest image in the builder's cache, made if it is not there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_image_build
short_description: Make the guest's initramfs unless it is in the builder's cache
description:
  - Unpacks Debian packages without installing them, takes named programs and the libraries these
    need, compiles our programs statically, and writes an initramfs.
  - The result lies under C(images/<key>/) of O(cache); the key is a hash of all inputs (packages,
    sources, scripts, compiler, recipe), and the same key means the same bytes.
  - In check mode, C(changed) says whether a new image is due.
options:
  packages:
    description: Debian packages that O(programs) come from; library packages follow by themselves.
    type: list
    elements: str
    required: true
  programs:
    description: Programs by their path in the image, each with its path in a package.
    type: dict
    required: true
  applets:
    description: Paths in the image that become links to busybox.
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
      lies beside the image, for what runs the guest.
    type: dict
    default: {}
    version_added: 0.2.0
  scripts:
    description: Text files by path in the image; executable unless below C(etc/).
    type: dict
    required: true
  extra_files:
    description: Further executables by path in the image, each with its path on the builder.
    type: dict
    default: {}
  compression:
    description: How the initramfs is packed.
    type: str
    choices: [gzip, none]
    default: gzip
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
- name: Make the guest image
  hintfleet.bench.guest_image_build:
    packages: [busybox]
    programs: {bin/busybox: bin/busybox}
    applets: [bin/sh]
    sources: {}
    scripts: {init: "#!/bin/sh\n"}
"""

RETURN = r"""
key:
  description: Hash of all inputs; empty in check mode as long as a tool or an extra file is absent.
  returned: success
  type: str
folder:
  description: Folder of the artifact (initramfs.img, manifest.json) on the builder.
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
from ansible_collections.hintfleet.bench.plugins.module_utils.build import initramfs
from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    begun_with,
    file_sha256,
    input_key,
    locked,
    publish,
    stored_manifest,
)

FILES = {"initramfs.img": "sha256"}
NEEDED_TOOLS = ("musl-gcc", "readelf", "dpkg-deb", "apt-cache")


class Wanted:
    """The image that is asked for, and where it belongs."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.cache = Path(parameters["cache"])
        self.store = self.cache / "images"
        self.packages = initramfs.resolve(parameters["packages"])
        self.inputs = initramfs.inputs(
            self.packages, initramfs.compiler(), parameters, parameters["extra_files"]
        )
        self.key = input_key(self.inputs)

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest if the image is there, else None."""
        return stored_manifest(self.store, self.key, FILES)

    def make(self) -> None:
        """Make the image and publish it."""
        parameters = self.parameters
        entries, versions = initramfs.collect(self.packages, parameters, self.cache / "packages.d")
        with tempfile.TemporaryDirectory() as scratch:
            image = Path(scratch, "initramfs.img")
            image.write_bytes(
                initramfs.compress(initramfs.cpio(entries), parameters["compression"])
            )
            manifest = {
                "key": self.key,
                "sha256": file_sha256(image),
                "packages": versions,
                "programs": initramfs.programs_of(parameters["scripts"]),
                "packed_mib": round(image.stat().st_size / (1 << 20), 3),
                "unpacked_mib": round(initramfs.unpacked_mib(entries), 3),
                "inputs": self.inputs,
            }
            libraries = initramfs.compile_libraries(parameters["libraries"], Path(scratch))
            manifest["libraries"] = {name: file_sha256(path) for name, path in libraries.items()}
            publish(self.store, self.key, {image.name: image, **libraries}, manifest)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "programs": {"type": "dict", "required": True},
            "applets": {"type": "list", "elements": "str", "required": True},
            "sources": {"type": "dict", "required": True},
            "libraries": {"type": "dict", "default": {}},
            "scripts": {"type": "dict", "required": True},
            "extra_files": {"type": "dict", "default": {}},
            "compression": {"type": "str", "choices": ["gzip", "none"], "default": "gzip"},
            "cache": {"type": "path", "default": "/var/cache/hintfleet"},
            "begun_with": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
        # Not a secret: whole sources do not belong in the system log.
        no_log=True,
    )
    missing = [name for name in NEEDED_TOOLS if not shutil.which(name)]
    absent = [path for path in module.params["extra_files"].values() if not Path(path).exists()]
    if module.check_mode and (missing or absent):
        # The steps before this one would have brought them.
        module.exit_json(changed=True, key="", folder="", manifest={})
    if missing:
        module.fail_json(
            msg=f"The builder lacks {', '.join(missing)}; install musl-tools and binutils."
        )
    try:
        wanted = Wanted(module.params)
        key = module.params["begun_with"]
        if manifest := begun_with(wanted.store, key, wanted.key, FILES, "guest image"):
            module.exit_json(
                changed=False, key=key, folder=str(wanted.store / key), manifest=manifest
            )
        changed = wanted.manifest() is None
        if changed and not module.check_mode:
            with locked(wanted.cache / "build" / "guest_image"):
                # Another play may have made it while this one waited.
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
