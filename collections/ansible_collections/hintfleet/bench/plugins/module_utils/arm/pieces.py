# SPDX-License-Identifier: GPL-2.0-or-later
"""What an arm may state beside its mechanism: each piece in one class, registered by its name.

To add one: a class here, or in a file beside it, with the methods of Piece that it needs, and its
line in PIECES.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.backing import Backing
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.discard import Discard
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.driven import (
    BalloonPolicy,
    VirtioMemPolicy,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.files import FilesWay
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.hosts import HostReclaim, Zswap
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import (
    Piece,
    read_in,
    read_of_qemu,
    text_of,
    unlike,
    write_in,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.reclaim import Reclaim
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine

THP = "/sys/kernel/mm/transparent_hugepage/enabled"
MODULES = "/sys/module"
# Read by the guest's own init: there is no module of that name.
OF_THE_IMAGE = "hintfleet."
YES, NO = {"y", "1", "on", "true"}, {"n", "0", "off", "false"}


class KernelArguments(Piece):
    """More words for the guest kernel's command line; parameters of modules are read back."""

    def machine(self, value: str, machine: Machine) -> Machine:
        words = f"{machine.kernel_arguments} {value}".strip()
        return replace(machine, kernel_arguments=words)

    def shown(self, value: str, guest: Guest) -> str:
        line = guest.facts.kernel_command_line if guest.facts else ""
        missing = [word for word in value.split() if word not in line.split()]
        if missing:
            raise unlike(guest, f"kernel argument {missing[0]}", "its command line lacks it")
        seen = [_parameter(guest, word) for word in value.split()]
        return ", ".join(seen)

    def held(self, value: str, entry: str, text: str) -> str:
        if entry not in ("guest_kernel_command_line", "qemu_arguments"):
            return text
        return " ".join(text.replace(f" {value}", "", 1).split(" "))


class GuestSettings(Piece):
    """Files that are written in the guest after boot: by path what each is to hold."""

    def checked(self, value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not value:
            raise ValueError("give a mapping of paths to values")
        for path in value:
            if not re.fullmatch(r"/(?:sys|proc/sys)(?:/[A-Za-z0-9_][A-Za-z0-9._:-]*)+", str(path)):
                raise ValueError(f"{path} is no file below /sys or /proc/sys of the guest")
        return {str(path): text_of(value[path]) for path in sorted(value)}

    def booted(self, value: dict[str, str], guest: Guest) -> None:
        for path, text in value.items():
            write_in(guest, path, text)

    def shown(self, value: dict[str, str], guest: Guest) -> str:
        seen = []
        for path, text in value.items():
            found = read_in(guest, path)
            if not _says(found, text):
                raise unlike(guest, f"{path} as {text!r}", f"it reads {found!r}")
            seen.append(f"{path} reads {found}")
        return ", ".join(seen)


class GuestThp(Piece):
    """Transparent huge pages in the guest: always, madvise or never."""

    differs = ("guest_thp_enabled",)

    def checked(self, value: Any) -> str:
        if value not in ("always", "madvise", "never"):
            raise ValueError("choose from always, madvise, never")
        return str(value)

    def booted(self, value: str, guest: Guest) -> None:
        write_in(guest, THP, value)

    def shown(self, value: str, guest: Guest) -> str:
        found = read_in(guest, THP)
        if f"[{value}]" not in found:
            raise unlike(guest, f"transparent huge pages {value}", f"it reads {found!r}")
        return f"{THP} reads {found}"


class Kernel(Piece):
    """Another kernel, by its name in guest_kernels. The play delivers it; guests have booted it."""

    differs = (
        "guest_kernel_key",
        "guest_kernel_sha256",
        "guest_kernel_config_sha256",
        "guest_kernel_debug_options",
    )

    def shown(self, value: str, guest: Guest) -> str:
        release = guest.facts.kernel_release if guest.facts else ""
        return f"its guests run {release}"


class OtherQemu(Piece):
    """Another QEMU, by its path on the hosts."""

    differs = ("qemu_version",)

    def checked(self, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"(?:/[A-Za-z0-9._+-]+)+", value):
            raise ValueError("give the whole path of a QEMU on the hosts")
        return value

    def machine(self, value: str, machine: Machine) -> Machine:
        return replace(machine, binary=value)

    def shown(self, value: str, guest: Guest) -> str:
        run = guest.qemu.command_line[0]
        if run != value:
            raise unlike(guest, f"the QEMU {value}", f"it is {run}")
        return f"its QEMU is {value}"


class MachineOptions(Piece):
    """More options of QEMU's -M, as QEMU writes them: hpet=off,mem-merge=off."""

    def checked(self, value: Any) -> str:
        text = text_of(value)
        if not re.fullmatch(r"[a-z][a-z0-9-]*=[a-z0-9-]+(?:,[a-z][a-z0-9-]*=[a-z0-9-]+)*", text):
            raise ValueError("give options with values and commas between, such as hpet=off")
        return text

    def machine(self, value: str, machine: Machine) -> Machine:
        return replace(machine, options=value)

    def shown(self, value: str, guest: Guest) -> str:
        # QEMU refuses an option or a value that its machine does not have, and does not start.
        line = read_of_qemu(guest, "cmdline").split("\0")
        if not any(word.endswith(f",{value}") for word in line):
            raise unlike(guest, f"machine options {value}", "its QEMU was started without them")
        return f"its QEMU was started with -M …,{value}"

    def held(self, value: str, entry: str, text: str) -> str:
        return text.replace(f",{value}", "", 1) if entry == "qemu_arguments" else text


PIECES: dict[str, Piece] = {
    "kernel": Kernel(),
    "kernel_arguments": KernelArguments(),
    "guest_settings": GuestSettings(),
    "guest_thp": GuestThp(),
    "qemu": OtherQemu(),
    "machine": MachineOptions(),
    "reclaim": Reclaim(),
    "balloon": BalloonPolicy(),
    "backing": Backing(),
    "discard": Discard(),
    "virtio_mem": VirtioMemPolicy(),
    "host_reclaim": HostReclaim(),
    "zswap": Zswap(),
    "files": FilesWay(),
}


def _says(found: str, wanted: str) -> bool:
    """Whether a file that reads so holds what was written: as it is, chosen of several in
    brackets, or as another word for yes or no."""
    if found == wanted or f"[{wanted}]" in found.split():
        return True
    pair = {found.lower(), wanted.lower()}
    return pair <= YES or pair <= NO


def _parameter(guest: Guest, word: str) -> str:
    """How a word of the command line was seen. What a module takes is read back: the kernel passes
    over what it does not know."""
    name, given, value = word.partition("=")
    module, dot, parameter = name.partition(".")
    if not given or not dot or word.startswith(OF_THE_IMAGE):
        return f"{word} on the command line"
    path = f"{MODULES}/{module.replace('-', '_')}/parameters/{parameter.replace('-', '_')}"
    found = read_in(guest, path)
    if not _says(found, value):
        raise unlike(guest, f"kernel argument {word}", f"{path} reads {found!r}")
    return f"{path} reads {found}"
