# SPDX-License-Identifier: GPL-2.0-or-later
"""Swap areas are told apart by their label, and refused where they cannot work."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import swap as _swap

# Captured 2026-11-22 on Linux 6.18; the file name with a space was made for it.
SWAPS = (
    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    "/var/lib/hintfleet/swap                 file\t\t278524\t\t0\t\t32767\n"
    "/mnt/a\\040disk/swap                     file\t\t307196\t\t1024\t\t-2\n"
)
MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334524k,mode=755
31 27 0:28 / /run rw,relatime - tmpfs tmpfs rw,mode=755
32 27 0:41 / /mnt/a\\040disk rw,relatime shared:7 - btrfs /dev/vdb rw
"""
MKSWAP = shutil.which("mkswap") or "/usr/sbin/mkswap"


def test_areas_in_use() -> None:
    assert _swap.parse_swaps(SWAPS) == {
        "/var/lib/hintfleet/swap": _swap.Active(278524, 0, 32767),
        "/mnt/a disk/swap": _swap.Active(307196, 1024, -2),
    }


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/hintfleet/swap", "ext4"),
        ("/run/hintfleet/swap", "tmpfs"),
        ("/mnt/a disk/swap", "btrfs"),
        ("/runner/swap", "ext4"),
    ],
)
def test_file_system_of_a_path(path: str, kind: str) -> None:
    assert _swap.file_system(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("kind", ["tmpfs", "overlay", "btrfs", "nfs4", "zfs", "fuse.sshfs"])
def test_unfit_file_systems_are_refused_with_a_way_out(kind: str) -> None:
    sentence = _swap.refusal(Path("/x/swap"), kind)
    assert sentence is not None
    assert kind in sentence and "/x/swap" in sentence and "numa_host_swap_device" in sentence


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_fit_file_systems(kind: str) -> None:
    assert _swap.refusal(Path("/x/swap"), kind) is None


def test_a_file_of_ours_is_recognised_by_size_blocks_and_label(tmp_path: Path) -> None:
    size = 2 * _swap.MIB
    file = tmp_path / "swap"
    _swap.allocate(file, size)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not _swap.holds_file(file, size), "no header yet"
    subprocess.run([MKSWAP, "--label", _swap.LABEL, str(file)], check=True, capture_output=True)
    assert _swap.holds_file(file, size)
    assert not _swap.holds_file(file, size + _swap.MIB)


@pytest.mark.parametrize("page_bytes", [4096, 16384, 65536])
def test_areas_are_known_whatever_pages_a_kernel_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_bytes: int
) -> None:
    """What is not known would be made anew by each play, and stay in use when the host is clean."""
    monkeypatch.setattr(_swap, "PAGE_BYTES", page_bytes)
    file = tmp_path / "swap"
    _swap.allocate(file, 2 * _swap.MIB)
    command = [MKSWAP, "--pagesize", str(page_bytes), "--label", _swap.LABEL, str(file)]
    subprocess.run(command, check=True, capture_output=True)
    assert _swap.holds_file(file, 2 * _swap.MIB)
    monkeypatch.setattr(_swap, "PAGE_BYTES", 65536 if page_bytes == 4096 else 4096)
    assert not _swap.is_ours(file), "this kernel could not use it"


def test_a_foreign_area_and_a_sparse_file_are_not_ours(tmp_path: Path) -> None:
    size = 2 * _swap.MIB
    foreign, sparse = tmp_path / "foreign", tmp_path / "sparse"
    for file, label in ((foreign, "theirs"), (sparse, _swap.LABEL)):
        with file.open("wb") as opened:
            opened.truncate(size)
        file.chmod(0o600)
        subprocess.run([MKSWAP, "--label", label, str(file)], check=True, capture_output=True)
    _swap.read_header(foreign)
    assert _swap.read_header(foreign) == _swap.Header(size, "theirs")
    assert not _swap.holds_file(foreign, size)
    assert not _swap.holds_file(sparse, size), "its blocks are not allocated"


def test_what_is_no_swap_area_has_no_header() -> None:
    assert _swap.parse_header(b"\0" * 4096) is None
    assert _swap.parse_header(b"SWAPSPACE2") is None


def test_too_large_a_file_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "swap"
    with pytest.raises(BenchError, match=r"could not be allocated .* (free some|give a disk)"):
        _swap.allocate(file, shutil.disk_usage(tmp_path).total * 2)
    assert not file.exists()


def test_a_device_that_holds_something_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"\0" * 4096)
    with pytest.raises(BenchError, match="holds ext4: give an empty disk"):
        _swap.check_device(disk, 4096, "ext4")
    with pytest.raises(BenchError, match=r"has 0 MiB and 1 MiB of swap"):
        _swap.check_device(disk, _swap.MIB, "")


@pytest.mark.parametrize("where", [0, 700 * 1024, 30 * _swap.MIB, 64 * _swap.MIB - 1])
def test_a_device_without_a_signature_is_not_taken_for_empty(tmp_path: Path, where: int) -> None:
    """A disk that is encrypted as a whole, or that a database writes to, has none."""
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(64 * _swap.MIB)
    _swap.check_device(disk, _swap.MIB, "")
    with disk.open("r+b") as file:
        file.seek(where)
        file.write(b"s")
    with pytest.raises(BenchError, match=r"has no signature.*blkdiscard --zeroout"):
        _swap.check_device(disk, _swap.MIB, "")


def test_nothing_of_what_was_swapped_can_be_read_afterwards(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    _swap.allocate(disk, 4 * _swap.MIB)
    label = ["--label", _swap.LABEL]
    subprocess.run([MKSWAP, *label, str(disk), "3072"], check=True, capture_output=True)
    assert _swap.is_ours(disk, 3 * _swap.MIB)
    with disk.open("r+b") as file:
        for place in (_swap.PAGE_BYTES, _swap.MIB, 3 * _swap.MIB - 6, 3 * _swap.MIB):
            file.seek(place)
            file.write(b"secret")
    _swap.erase(disk)
    assert disk.stat().st_size == 4 * _swap.MIB
    content = disk.read_bytes()
    assert content.index(b"secret") == 3 * _swap.MIB, "what lies beyond the area is not ours"
    assert set(content[: 3 * _swap.MIB]) == {0}
    assert not _swap.is_ours(disk)


def test_an_overwriting_that_was_cut_off_can_be_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    _swap.allocate(disk, _swap.MIB)
    subprocess.run([MKSWAP, "--label", _swap.LABEL, str(disk)], check=True, capture_output=True)
    monkeypatch.setattr(_swap.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        _swap.erase(disk)
    assert _swap.is_ours(disk)


def test_only_used_areas_of_ours_are_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    areas = {
        "used": (_swap.LABEL, 512),
        "empty": (_swap.LABEL, 0),
        "foreign": ("theirs", 512),
        "elsewhere": (_swap.LABEL, 512),  # listed for another tree's file of this path
    }
    active = {}
    for name, (label, used_kib) in areas.items():
        file = tmp_path / name
        with file.open("wb") as opened:
            opened.truncate(2 * _swap.MIB)
        file.chmod(0o600)
        subprocess.run([MKSWAP, "--label", label, str(file)], check=True, capture_output=True)
        active[str(file)] = _swap.Active(2044, used_kib, 7)
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, code, "", "Cannot allocate memory")

    monkeypatch.setattr(_swap, "parse_swaps", lambda _: active)
    monkeypatch.setattr(_swap, "in_use", lambda path: path.name != "elsewhere")
    monkeypatch.setattr(_swap.subprocess, "run", run)
    code = 0
    _swap.empty_own()
    used = str(tmp_path / "used")
    assert commands == [["swapoff", used], ["swapon", "--priority", "7", used]]
    code = 255
    with pytest.raises(BenchError, match=r"swapoff .*Cannot allocate memory.*end what needs"):
        _swap.empty_own()


def test_an_area_in_use_is_one_that_the_kernel_lets_nobody_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = tmp_path / "swap"
    area.write_bytes(b"content")
    before = area.stat()
    assert not _swap.in_use(area)
    after = area.stat()
    assert area.read_bytes() == b"content" and after.st_mtime_ns == before.st_mtime_ns

    def refuse(_descriptor: int, data: bytes) -> int:
        assert data == b""
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_swap.os, "write", refuse)
    number = errno.ETXTBSY
    assert _swap.in_use(area)
    number = errno.EIO
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        _swap.in_use(area)


def test_a_listed_area_is_known_by_what_its_path_leads_to(tmp_path: Path) -> None:
    """Mounts and links give a file other paths, and some lead nowhere from here."""
    area = tmp_path / "swap"
    area.touch()
    (tmp_path / "other").touch()
    (tmp_path / "mounted").hardlink_to(area)
    entry = _swap.Active(2044, 0, 7)
    others = {
        str(tmp_path / "other"): _swap.Active(2044, 0, 1),
        "/nowhere/swap (deleted)": _swap.Active(2044, 0, 2),
    }
    assert _swap.listed_at(area, {**others, str(tmp_path / "mounted"): entry}) == entry
    assert _swap.listed_at(area, others) is None
