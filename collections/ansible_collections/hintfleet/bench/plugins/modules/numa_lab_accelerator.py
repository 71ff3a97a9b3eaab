#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: numa_lab_accelerator
short_description: Find out whether emulated hosts can run on KVM
description:
  - Boots the kernel of the hosts' image under KVM. Hosts that are to have KVM themselves also need
    nested virtualization.
options:
  image:
    description: Folder with C(vmlinuz) and C(initrd.img).
    type: path
    required: true
  deadline_seconds:
    description: How long the kernel may take to reach its first program.
    type: float
    default: 20
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: Find out whether the lab can run on KVM
  hintfleet.bench.numa_lab_accelerator:
    image: /var/cache/hintfleet/lab/image
"""

RETURN = r"""
accelerator:
  description: V(kvm) or V(tcg).
  returned: always
  type: str
reason:
  description: Why, as a sentence.
  returned: always
  type: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.lab.lab import boots_with_kvm


def nested() -> bool:
    """Whether KVM passes virtualization on to its guests."""
    files = (Path(f"/sys/module/kvm_{kind}/parameters/nested") for kind in ("intel", "amd"))
    return any(file.exists() and file.read_text().strip() in ("1", "Y") for file in files)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "path", "required": True},
            "deadline_seconds": {"type": "float", "default": 20},
        },
        supports_check_mode=True,
    )
    seconds = module.params["deadline_seconds"]
    accelerator = "tcg"
    if not Path("/dev/kvm").exists():
        reason = "there is no /dev/kvm"
    elif not nested():
        reason = "KVM does not pass virtualization on to guests (nested)"
    elif not boots_with_kvm(Path(module.params["image"]), seconds):
        reason = f"/dev/kvm is there, and a kernel does not boot with it within {seconds:g} s"
    else:
        accelerator, reason = "kvm", "a kernel boots with it"
    module.exit_json(changed=False, accelerator=accelerator, reason=reason)


if __name__ == "__main__":
    main()
