# SPDX-License-Identifier: GPL-2.0-or-later
"""How guests reach their files: what they are given, and that they are seen to have it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.files import root_of
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import GuestError

FILES = PIECES["files"]
# What LOOK prints in a guest, QEMU 7.2, Linux 6.1.192, shortened
DEVICES = """\
22 1 0:5 / /dev rw,relatime shared:2 - devtmpfs devtmpfs rw,size=152520k
254:0 vda
259:0 pmem0
"""
MOUNTS = "20 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n" + DEVICES
DAX = "20 1 259:0 / / rw,relatime - ext4 /dev/root rw,dax=always\n" + DEVICES
MEMORY = "1 1 0:2 / / rw - rootfs rootfs rw\n" + DEVICES
NOCACHE = "/usr/lib/nocache/nocache.so"


def guest_of(mounts: str, preloaded: str = "") -> Any:
    def run(command: list[str], seconds: float) -> Any:
        text = mounts if "mountinfo" in command[-1] else preloaded
        failure = None if text else "exit code 1 (No such file or directory)"
        return SimpleNamespace(output=text, failure=failure)

    return SimpleNamespace(name="guest1", run=run)


@pytest.mark.parametrize(
    ("value", "guest", "shown"),
    [
        ("cached", guest_of(MOUNTS), "its root is /dev/vda"),
        ("dax", guest_of(DAX), "its root is /dev/pmem0 with dax=always"),
        (
            "direct",
            guest_of(MOUNTS, NOCACHE),
            f"its root is /dev/vda, /etc/ld.so.preload reads {NOCACHE}",
        ),
    ],
)
def test_what_a_guest_has_is_seen(value: str, guest: Any, shown: str) -> None:
    assert FILES.shown(value, guest) == shown


@pytest.mark.parametrize(
    ("value", "guest", "cause"),
    [
        ("dax", guest_of(MOUNTS), "its root is /dev/vda with no dax"),
        ("dax", guest_of(DAX.replace(",dax=always", "")), "/dev/pmem0 with no dax"),
        ("dax", guest_of(DAX.replace("dax=always", "dax=inode")), "with dax=inode"),
        ("cached", guest_of(DAX), "its root is /dev/pmem0 with dax=always"),
        ("direct", guest_of(MOUNTS), "cannot be read"),
        ("direct", guest_of(MOUNTS, "/other.so"), "reads '/other.so'"),
        ("cached", guest_of(MEMORY), "nothing from a disk"),
    ],
)
def test_a_guest_that_reaches_them_otherwise_is_none_of_the_arm(
    value: str, guest: Any, cause: str
) -> None:
    with pytest.raises(GuestError, match=cause):
        FILES.shown(value, guest)


@pytest.mark.parametrize("value", ["nvdimm", "", True, None])
def test_another_word_is_refused_with_those_there_are(value: Any) -> None:
    with pytest.raises(ValueError, match="choose from cached, direct, dax"):
        FILES.checked(value)


def test_only_dax_asks_for_persistent_memory_in_the_kernel() -> None:
    asked = {value: "VIRTIO_PMEM" in FILES.needs(value) for value in ("cached", "direct", "dax")}
    assert asked == {"cached": False, "direct": False, "dax": True}


def test_the_fragment_gives_all_that_is_needed() -> None:
    place = Path("roles/guest_kernel/files/config/fragments/disk.config")
    for folder in Path(__file__).resolve().parents:
        if (folder / place).exists():
            break
    else:
        pytest.skip("there are no roles beside the collection")
    text = (folder / place).read_text()
    for value in ("cached", "direct", "dax"):
        assert all(f"CONFIG_{option}=y\n" in text for option in FILES.needs(value))


def test_the_root_is_told_by_its_number() -> None:
    assert root_of(DAX) == ("/dev/pmem0", {"rw", "dax=always"})
