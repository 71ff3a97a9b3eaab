#!/usr/bin/python
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: swap_area
short_description: Keep one swap area in use, in a file or on a disk of its own
version_added: 0.1.0
description:
  - Makes a swap area that carries the label C(hintfleet) and puts it in use; takes it out of use
    and removes it. Never touches an area that does not carry the label.
options:
  path:
    description: The swap file to make, or an existing block device to use as a whole.
    type: path
    required: true
  size_mib:
    description: Size of the swap file in MiB; a device must have at least that. Needed if present.
    type: int
  priority:
    description: Swap priority; the area with the highest priority is used first.
    type: int
    default: 32767
  speed_dir:
    description:
      - Where to keep how quick a new area was found to be (C(swap-speed.json)), for the records of
        runs. Not measured if not given.
    type: path
  state:
    description:
      - Whether the area is in use, or gone. What lies in it is overwritten with zeros before a file
        is removed or a device given back.
    type: str
    choices: [present, absent]
    default: present
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
- name: Have 256 MiB of swap
  hintfleet.bench.swap_area:
    path: /var/lib/hintfleet/swap
    size_mib: 256

- name: Swap to a disk of its own
  hintfleet.bench.swap_area:
    path: /dev/disk/by-id/virtio-swap
    size_mib: 256

- name: Take the swap area away
  hintfleet.bench.swap_area:
    path: /var/lib/hintfleet/swap
    state: absent
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: str
  sample: [allocate, measure, format, use]
"""

import time
from collections.abc import Callable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import swap as _swap
from ansible_collections.hintfleet.bench.plugins.module_utils.host import swap_speed as _swap_speed

Step = tuple[str, Callable[[], None]]
BUSY_SECONDS = 30


class SwapArea:
    """The wanted area, what is there, and the steps from one to the other."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = Path(module.params["path"])
        self.device = _swap.is_device(self.path)
        self.real = self.path.resolve()
        self.in_use = self.real.exists() and _swap.in_use(self.real)

    def run(self, *command: str, pass_fds: list[int] | None = None) -> str:
        """Run a command; its failure ends the module with a sentence."""
        code, out, error = self.module.run_command(list(command), pass_fds=pass_fds)
        if code != 0:
            raise BenchError(
                f"Command `{' '.join(command)}` failed ({error.strip() or out.strip()}): "
                f"see that {self.path} can hold a swap area and that you are root on the host."
            )
        return out

    def present(self) -> list[Step]:
        """Steps towards an area in use."""
        self.check_rivals()
        size_bytes = self.module.params["size_mib"] * _swap.MIB
        if self.device:
            ready = _swap.is_ours(self.real, size_bytes)
            if not (ready and self.in_use):
                _swap.check_device(self.real, size_bytes, self.signature())
        else:
            kind = _swap.file_system(
                self.path.parent, Path("/proc/self/mountinfo").read_text(errors="replace")
            )
            if kind == "devtmpfs":
                raise BenchError(f"Device {self.path} does not exist: see `lsblk` on the host.")
            sentence = _swap.refusal(self.path, kind)
            if sentence:
                raise BenchError(sentence)
            ready = _swap.holds_file(self.path, size_bytes)
        steps: list[Step] = []
        good = ready and self.in_use and self.priority() == self.module.params["priority"]
        if self.in_use and not good:
            steps.append(("stop", self.stop))
        if not ready:
            if _swap.is_ours(self.real):
                steps.append(("blank", lambda: _swap.erase(self.real)))
            if not self.device:
                steps.append(("allocate", lambda: _swap.allocate(self.path, size_bytes)))
            if self.module.params["speed_dir"]:
                steps.append(("measure", lambda: self.measure(size_bytes)))
            steps.append(("format", self.format))
        if not good:
            steps.append(("use", self.use))
        return steps

    def absent(self) -> list[Step]:
        """Steps towards no area; one with another label is not ours and stays."""
        if not self.real.exists():
            return []
        ours = _swap.is_ours(self.real)
        unfinished = (
            self.real.is_file() and not self.in_use and _swap.read_header(self.real) is None
        )
        steps: list[Step] = []
        if self.in_use and ours:
            steps.append(("stop", self.stop))
        if self.device:
            if ours:
                steps.append(("blank", lambda: _swap.erase(self.real)))
        elif ours or unfinished:
            steps += [("blank", lambda: _swap.erase(self.real)), ("remove", self.real.unlink)]
        return steps

    def check_rivals(self) -> None:
        """Raises BenchError: what a cell swaps would go elsewhere, such as into memory (zram)."""
        wanted = self.module.params["priority"]
        areas = _swap.parse_swaps(Path("/proc/swaps").read_text(errors="replace"))
        if rivals := _swap.rivals(wanted, areas):
            raise BenchError(
                f"Swap area {rivals[0]} of this host has priority {areas[rivals[0]].priority}, and "
                f"{self.path} is to have {wanted}, so cells would swap to that one, too: give it a "
                f"lower one (swapoff {rivals[0]}, swapon --priority 100 {rivals[0]}), or take it "
                "out of use for the time of the study."
            )

    def priority(self) -> int | None:
        """That of the area in use; None if it is listed by a path that does not lead here."""
        listed = _swap.parse_swaps(Path("/proc/swaps").read_text(errors="replace"))
        area = _swap.listed_at(self.real, listed)
        return area.priority if area else None

    def signature(self) -> str:
        """What blkid finds on the device; exit code 2 is its way to say nothing."""
        code, out, error = self.module.run_command(
            [
                "blkid",
                "--probe",
                "--match-tag",
                "TYPE",
                "--match-tag",
                "PTTYPE",
                "--output",
                "value",
                str(self.real),
            ]
        )
        if code not in (0, 2):
            raise BenchError(
                f"Device {self.path} could not be looked at ({error.strip()}): give a disk that "
                "can be read."
            )
        return " ".join(out.split())

    def measure(self, size_bytes: int) -> None:
        """Its header is written after, so what was written here is no part of an area."""
        speed = _swap_speed.measure(self.real, size_bytes)
        _swap_speed.keep(Path(self.module.params["speed_dir"]), speed)

    def format(self) -> None:
        """No more of a disk than is asked for is swapped to, and has to be overwritten later.

        By a descriptor: mkswap refuses a path that is listed, and another tree's is listed alike.
        """
        kib = self.module.params["size_mib"] * 1024
        with self.real.open("r+b") as area:
            number = area.fileno()
            command = ["mkswap", "--label", _swap.LABEL, f"/dev/fd/{number}", str(kib)]
            self.run(*command, pass_fds=[number])

    def use(self) -> None:
        self.run("swapon", "--priority", str(self.module.params["priority"]), str(self.real))

    def stop(self) -> None:
        """Take the area out of use; what exits just now may still hold it busy for a moment."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self.run("swapoff", str(self.real))
                return
            except BenchError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "size_mib": {"type": "int"},
            "priority": {"type": "int", "default": 32767},
            "speed_dir": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["size_mib"])],
        supports_check_mode=True,
    )
    try:
        area = SwapArea(module)
        steps = getattr(area, module.params["state"])()
        if not module.check_mode:
            for _name, action in steps:
                action()
    except BenchError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"Swap area {module.params['path']} cannot be used ({error}): see that its disk "
            "has no faults and that root may read and write it, as in a container it may not."
        )
    module.exit_json(changed=bool(steps), steps=[name for name, _action in steps])


if __name__ == "__main__":
    main()
