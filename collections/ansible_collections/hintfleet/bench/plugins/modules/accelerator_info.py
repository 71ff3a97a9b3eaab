#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: accelerator_info
short_description: Find out how guests run on a host, by booting one
version_added: 0.1.0
description:
  - Boots a guest and waits for its agent. Nothing is left of it but its console log.
  - Fails if no guest comes up, with the last lines of its console.
  - Then boots one guest under each arm that states something, and fails with a sentence if it does
    not show that; so a file that a guest does not have costs no run.
attributes:
  check_mode:
    description: Nothing on the host is changed in any mode.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Nothing is changed.
    support: full
options:
  python:
    description:
      - Python of the host that has C(qemu.qmp), whatever runs other modules there.
      - Used by the action plugin only.
    type: path
  accelerator:
    description:
      - V(auto) is KVM if a guest under it answers before, or soon after, one that is emulated; else
        emulation (V(tcg)).
    type: str
    choices: [auto, kvm, tcg]
    default: auto
  guest_kernel:
    description: The kernel that guests boot, and that this one must prove to run.
    type: dict
    required: true
    suboptions: &artifact
      path:
        description: Where it lies on the host.
        type: path
        required: true
      manifest:
        description: What it is, by whom it was built; its C(sha256) is verified.
        type: dict
        required: true
  guest_image:
    description: The initramfs that guests boot.
    type: dict
    required: true
    suboptions: *artifact
  arms:
    description:
      - Arms to try, each with C(name), C(mechanism), what it C(states), and its C(guest_kernel).
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
  guest_memory_mib:
    description: Memory of the guest.
    type: int
    default: 256
  tb_size_mib:
    description: QEMU's translation buffer, with V(tcg).
    type: int
    default: 12
  deadline_seconds:
    description: When the guest's agent must have answered.
    type: float
    default: 120
  user:
    description: Unprivileged user that QEMU runs as.
    type: str
    default: hintfleet
  state_dir:
    description: Folder on the host whose C(probe/) keeps the console of the last such guest.
    type: path
    default: /var/lib/hintfleet
requirements:
  - qemu.qmp
  - QEMU 5.1 or later
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
- name: See how guests run here
  hintfleet.bench.accelerator_info:
    guest_kernel: {path: /var/lib/hintfleet/kernels/k/bzImage, manifest: "{{ kernel }}"}
    guest_image: {path: /var/lib/hintfleet/images/i/initramfs.img, manifest: "{{ image }}"}
  register: accelerator_info
"""

RETURN = r"""
accelerator:
  description: How guests run on this host.
  returned: success
  type: str
  sample: tcg
reason:
  description: Why, as a sentence.
  returned: success
  type: str
  sample: A guest under KVM answered after 1.2 s.
boot_seconds:
  description: From the start of QEMU to the agent's first answer.
  returned: success
  type: float
  sample: 3.9
kernel_release:
  description: What the guest's kernel calls itself.
  returned: success
  type: str
  sample: 6.1.153-hintfleet-0123456789ab
qemu_version:
  description: QEMU on the host.
  returned: success
  type: str
  sample: 7.2.22
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm, from_plan
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import (
    QMP_IMPORT_ERROR,
    end_loop,
    new_loop,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import (
    Guest,
    wrong_engine,
    wrong_kernel,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import (
    Machine,
    usable_qemu,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.root import (
    CACHED,
    check_root_disk,
    root_disk,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.accelerator import Booted, decide
from ansible_collections.hintfleet.bench.plugins.module_utils.host.cgroup import (
    RUNNER_MIB,
    apart,
    find_hierarchy,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.run.detached import turn
from ansible_collections.hintfleet.bench.plugins.module_utils.run.preflight import (
    ARTIFACT,
    MANIFEST_KEYS,
    check_artifact,
    check_files,
    check_library,
    check_user,
    qemu_of,
)

QEMU_MIB = 128


class _Prober:
    """Boots guests that are of no further use."""

    def __init__(self, params: dict[str, Any], logs: Path, binary: str) -> None:
        self._params = params
        self._logs = logs
        self._binary = binary
        self._found = Path(params["state_dir"]) / "found.json"
        self._guests: list[Guest] = []

    def boot(self, accelerator: str, deadline: float) -> Booted:
        machine = self._machine(f"probe-{accelerator}", accelerator, self._params["guest_kernel"])
        with contextlib.ExitStack() as ends:
            root = ends.enter_context(root_disk(self._params["guest_image"]))
            guest = ends.enter_context(self._booted(replace(machine, root=root), deadline))
            release = guest.facts.kernel_release if guest.facts else ""
            return Booted(guest.boot_seconds or 0.0, release)

    def try_arm(
        self, arm: Arm, accelerator: str, guest_kernel: dict[str, Any], deadline: float
    ) -> None:
        """Raises BenchError if a guest does not come up under the arm, or lacks what it states."""
        machine = self._machine("probe-arm", accelerator, guest_kernel)
        machine = replace(machine, mechanism=arm.mechanism, binary=qemu_of(arm).path)
        with contextlib.ExitStack() as ends:
            way = arm.states.get("files", CACHED)
            root = ends.enter_context(root_disk(self._params["guest_image"], way))
            machine = replace(machine, root=root)
            for piece, value in arm.states.items():
                machine = PIECES[piece].machine(value, machine)
            for piece, value in arm.states.items():
                ends.enter_context(PIECES[piece].hosted(value, self._found))
            guest = ends.enter_context(self._booted(machine, deadline))
            engine = guest.facts.engine if guest.facts else ""
            if sentence := wrong_engine(guest.name, arm.mechanism, engine):
                raise BenchError(sentence)
            for piece, value in arm.states.items():
                PIECES[piece].booted(value, guest)
                guest.look()
                PIECES[piece].shown(value, guest)

    def _machine(self, name: str, accelerator: str, guest_kernel: dict[str, Any]) -> Machine:
        params = self._params
        return Machine(
            name=name,
            logs=self._logs,
            memory_mib=params["guest_memory_mib"],
            vcpus=1,
            accelerator=accelerator,
            mechanism="none",
            kernel=Path(guest_kernel["path"]),
            image=Path(params["guest_image"]["path"]),
            tb_size_mib=params["tb_size_mib"],
            binary=self._binary,
        )

    @contextlib.contextmanager
    def _booted(self, machine: Machine, deadline: float) -> Iterator[Guest]:
        loop = new_loop()
        guest = Guest(machine, self._params["user"], [], 0, loop)
        self._guests.append(guest)
        try:
            guest.boot(deadline)
            yield guest
        finally:
            guest.kill()
            end_loop(loop)

    def stop(self) -> None:
        """Those that still boot see their QEMU end, and give up."""
        for guest in self._guests:
            guest.qemu.kill()


def _probe(params: dict[str, Any]) -> dict[str, Any]:
    qemu = usable_qemu()
    check_user(params["user"])
    for name in MANIFEST_KEYS:
        check_artifact(name, params[name])
    check_root_disk(params["guest_image"]["manifest"], params["guest_kernel"]["manifest"])
    logs = Path(params["state_dir"]) / "probe"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    logs.chmod(0o700)
    # No cell is made for these guests: two of them, and what a QEMU takes beside its guest.
    room_mib = RUNNER_MIB + 2 * (params["guest_memory_mib"] + QEMU_MIB)
    with turn(logs / "lock", shared=False), apart("probe", find_hierarchy(), room_mib):
        prober = _Prober(params, logs, qemu.path)
        found = decide(params["accelerator"], params["deadline_seconds"], prober.boot, prober.stop)
        _try_arms(params, prober, found.accelerator)
    release = params["guest_kernel"]["manifest"]["release"]
    if found.guest.kernel_release != release:
        raise BenchError(wrong_kernel("probe", found.guest.kernel_release, release))
    return {
        "accelerator": found.accelerator,
        "reason": found.reason,
        "boot_seconds": round(found.guest.seconds, 3),
        "kernel_release": found.guest.kernel_release,
        "qemu_version": qemu.text,
    }


def _try_arms(params: dict[str, Any], prober: _Prober, accelerator: str) -> None:
    """Raises BenchError that names every arm of which a guest does not show what it states."""
    refused = []
    for given in params["arms"]:
        arm = from_plan(given)
        try:
            check_artifact("guest_kernel", given["guest_kernel"])
            check_library(arm, params["guest_image"])
            kernel = given["guest_kernel"]["manifest"]
            check_root_disk(params["guest_image"]["manifest"], kernel)
            check_files(arm, params["guest_image"]["manifest"])
            prober.try_arm(arm, accelerator, given["guest_kernel"], params["deadline_seconds"])
        except BenchError as error:
            refused.append(f"Arm {arm.name} was tried in a guest. {error}")
    if refused:
        raise BenchError(" ".join(refused))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "python": {"type": "path"},
            "accelerator": {"type": "str", "choices": ["auto", "kvm", "tcg"], "default": "auto"},
            "guest_kernel": {"type": "dict", "required": True, "options": ARTIFACT},
            "guest_image": {"type": "dict", "required": True, "options": ARTIFACT},
            "arms": {"type": "list", "elements": "dict", "default": []},
            "guest_memory_mib": {"type": "int", "default": 256},
            "tb_size_mib": {"type": "int", "default": 12},
            "deadline_seconds": {"type": "float", "default": 120},
            "user": {"type": "str", "default": "hintfleet"},
            "state_dir": {"type": "path", "default": "/var/lib/hintfleet"},
        },
        supports_check_mode=True,
    )
    if QMP_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("qemu.qmp"), exception=QMP_IMPORT_ERROR)
    try:
        module.exit_json(changed=False, **_probe(module.params))
    except BenchError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
