# SPDX-License-Identifier: GPL-2.0-or-later
"""What must agree between arms, of guests with a disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import (
    Machine,
    command_line,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.root import WAYS, Root
from ansible_collections.hintfleet.bench.plugins.module_utils.run import parity

MACHINE = Machine(
    name="guest1", logs=Path("/var/x"), memory_mib=320, vcpus=1, accelerator="tcg",
    mechanism="none", kernel=Path("/k"), image=Path("/i/root.img"), swap_mib=8,
    root=Root(descriptor=128, direct=True, mib=200),
)  # fmt: skip
RECORD = {
    "provenance": {
        "guest_kernel": {"key": "k", "sha256": "s", "debug_options": []},
        "qemu": {"version": "7.2.22", "accelerator": "tcg"},
        "guest_image": {"sha256": "i"},
        "host": {**dict.fromkeys(parity.HOST_FACTS), "daemons": [], "swap_devices": []},
    },
    "mechanism": "none",
    "cell": {"memory_mib": 1, "swap_mib": 1, "cpus": [0], "side_by_side": False},
}


def entries(machine: Machine) -> dict[str, Any]:
    """Parity of a run whose guest is such a machine."""
    facts = SimpleNamespace(
        kernel_command_line=machine.kernel_command_line, thp_enabled="never", features={}
    )
    qemu = SimpleNamespace(command_line=command_line(machine, 100, own=(105, False)))
    guest: Any = SimpleNamespace(machine=machine, qemu=qemu, facts=facts)
    arm: Any = SimpleNamespace(states={})
    return parity.parity(RECORD, guest, arm)


def reached(way: str) -> Machine:
    assert MACHINE.root is not None
    return replace(MACHINE, root=replace(MACHINE.root, way=way))


@pytest.mark.parametrize("way", WAYS)
def test_another_way_to_files_is_all_that_differs(way: str) -> None:
    usual, other = entries(MACHINE), entries(reached(way))
    differing = {name for name in usual | other if usual.get(name) != other.get(name)}
    assert differing == (set() if way == "cached" else set(PIECES["files"].differs))


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        ({"tb_size_mib": 32}, "qemu_arguments"),
        ({"vcpus": 2}, "qemu_arguments"),
        ({"kernel_arguments": "quiet"}, "guest_kernel_command_line"),
    ],
)
def test_beside_another_way_to_files_the_rest_must_agree(
    change: dict[str, Any], entry: str
) -> None:
    usual, other = entries(MACHINE), entries(replace(reached("dax"), **change))
    assert usual[entry] != other[entry]


def test_a_guest_without_a_disk_has_no_entry_of_one() -> None:
    assert "guest_root" not in entries(replace(MACHINE, root=None))
