# SPDX-License-Identifier: GPL-2.0-or-later
"""What must agree between arms that do not state it, flat and comparable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.mechanisms import (
    FEATURES_CHOSEN,
    MECHANISMS,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import (
    BASE_DESCRIPTOR,
    OWN_DESCRIPTOR,
    Machine,
    memory_words,
    plug_words,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.root import (
    kernel_words,
    root_words,
)

MECHANISM = "<mechanism>"
ROOT = "<root>"
HOST_FACTS = (
    "cpu_model",
    "kernel_release",
    "kernel_command_line",
    "thp_enabled",
    "thp_defrag",
    "ksm_run",
    "swappiness",
    "numa_balancing",
    "overcommit_memory",
    "cpu_governors",
)


def _arguments(guest: Guest) -> str:
    """QEMU's, with kernel, QEMU and root by what they are: those have entries of their own."""
    words = ["<qemu>", *guest.qemu.command_line[1:]]
    text = " ".join("<kernel>" if word == str(guest.machine.kernel) else word for word in words)
    return without_root(without_plugged(text, guest.machine), guest.machine)


def root_texts(machine: Machine) -> list[str]:
    """What may stand of a guest's root in a command line, its kernel's and QEMU's.

    Whether its own disk passes the host's page cache by is found when that is made.
    """
    if machine.root is None:
        return []
    disks = [
        root_words(machine.root, BASE_DESCRIPTOR, OWN_DESCRIPTOR, direct)
        for direct in (True, False)
    ]
    return [kernel_words(machine.root, machine.root_device), *map(" ".join, disks)]


def without_root(text: str, machine: Machine) -> str:
    """As it is for guests whose root is reached in another way."""
    for words in root_texts(machine):
        text = text.replace(words, ROOT)
    return text


def without_plugged(text: str, machine: Machine) -> str:
    """As if all of the guest's memory were there at boot: that part of it is plugged is the
    mechanism's, and that there is room for a root among it an entry of its own."""
    whole = replace(machine, plug_mib=0, root=None)
    text = text.replace(" ".join(memory_words(machine)), " ".join(memory_words(whole)))
    return text.removesuffix(" " + " ".join(plug_words(machine)))


def without_mechanism(text: str, mechanism: str) -> str:
    """Replace what the mechanism itself sets."""
    chosen = MECHANISMS[mechanism]
    for setting in (chosen.balloon_properties, chosen.kernel_argument):
        text = text.replace(setting, setting.partition("=")[0] + "=" + MECHANISM)
    return text.replace(f" {chosen.more_arguments}", "") if chosen.more_arguments else text


def parity(record: dict[str, Any], guest: Guest, arm: Arm) -> dict[str, Any]:
    """From a record whose provenance is complete, and a guest of the workload.

    What the arm says by words of its own is taken out of the texts that hold it; what it says by
    another value stands there, and the arm's `differs` names it.
    """
    entries = _entries(record, guest)
    for piece, value in arm.states.items():
        for name, text in entries.items():
            if isinstance(text, str):
                entries[name] = PIECES[piece].held(value, name, text)
    return entries


def _entries(record: dict[str, Any], guest: Guest) -> dict[str, Any]:
    provenance, mechanism = record["provenance"], record["mechanism"]
    kernel = provenance["guest_kernel"]
    entries: dict[str, Any] = {
        "accelerator": provenance["qemu"]["accelerator"],
        "qemu_version": provenance["qemu"]["version"],
        "qemu_arguments": without_mechanism(_arguments(guest), mechanism),
        "guest_kernel_key": kernel["key"],
        "guest_kernel_sha256": kernel["sha256"],
        "guest_kernel_config_sha256": kernel.get("config_sha256"),
        "guest_kernel_debug_options": " ".join(kernel["debug_options"]),
        "guest_image_sha256": provenance["guest_image"]["sha256"],
        "cell_memory_mib": record["cell"]["memory_mib"],
        "cell_swap_mib": record["cell"]["swap_mib"],
        "cell_cpus": " ".join(str(cpu) for cpu in record["cell"]["cpus"]),
        "cell_side_by_side": record["cell"]["side_by_side"],
    }
    if guest.machine.root is not None:
        line = " ".join(guest.qemu.command_line)
        entries["guest_root"] = " ".join(t for t in root_texts(guest.machine) if t in line)
    for name in HOST_FACTS:
        entries[f"host_{name}"] = provenance["host"][name]
    entries["host_daemons"] = " ".join(provenance["host"]["daemons"])
    devices = [f"{d['name']} {d['size_mib']:.0f} MiB" for d in provenance["host"]["swap_devices"]]
    entries["host_swap_devices"] = ", ".join(devices)
    if guest.facts:
        facts = guest.facts
        line = without_root(facts.kernel_command_line, guest.machine)
        entries["guest_kernel_command_line"] = without_mechanism(line, mechanism)
        entries["guest_thp_enabled"] = facts.thp_enabled
        for name, negotiated in facts.features.items():
            entries[f"feature_{name}"] = MECHANISM if name in FEATURES_CHOSEN else negotiated
    return entries
