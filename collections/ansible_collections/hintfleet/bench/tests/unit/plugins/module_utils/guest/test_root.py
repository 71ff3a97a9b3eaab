# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests' disks: what QEMU is told, and that a guest's own disk ends with it."""

from __future__ import annotations

import itertools
import mmap
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import qemu as _qemu
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import root as _root
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.files import Files

ROOT = _root.Root(descriptor=128, direct=True, mib=200)
MACHINE = _qemu.Machine(
    name="guest1", logs=Path("/var/x"), memory_mib=320, vcpus=1, accelerator="tcg",
    mechanism="none", kernel=Path("/k"), image=Path("/i/root.img"), root=ROOT,
)  # fmt: skip
FILES = Files(128, True)
DISK = {"root": "debian", "sha256": "ab", "free_mib": 60.0}


def after(line: list[str], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(line) if name == option]


def test_a_guest_with_a_disk_boots_from_its_own_over_the_base() -> None:
    line = _qemu.command_line(MACHINE)
    assert "-initrd" not in line
    assert "root=/dev/vda rw" in after(line, "-append")[0]
    nodes = after(line, "-blockdev")
    assert "qcow2,node-name=root,file=own-file,backing=base" in nodes
    assert "raw,node-name=base,file=base-file,read-only=on" in nodes
    assert after(line, "-add-fd") == ["fd=104,set=3", "fd=105,set=4"]
    assert "root.img" not in " ".join(line)


def test_without_a_disk_nothing_is_said_of_one() -> None:
    line = _qemu.command_line(replace(MACHINE, root=None))
    assert after(line, "-initrd") == ["/i/root.img"]
    assert "root=" not in after(line, "-append")[0]
    assert not after(line, "-blockdev")


@pytest.mark.parametrize(
    ("swap_mib", "files", "device"),
    [
        (0, None, "vda"),
        (8, None, "vdb"),
        (0, Files(128, True), "vdb"),
        (8, Files(128, True), "vdc"),
    ],
)
def test_the_root_is_the_last_disk(swap_mib: int, files: Files | None, device: str) -> None:
    """Disks are named in the order of the command line."""
    machine = replace(MACHINE, swap_mib=swap_mib, files=files)
    line = _qemu.command_line(machine, 100 if swap_mib else None)
    disks = [word for word in after(line, "-device") if word.startswith("virtio-blk")]
    assert disks[-1] == "virtio-blk-pci,drive=root"
    assert f"root=/dev/{device} " in after(line, "-append")[0]
    assert device == f"vd{'abc'[len(disks) - 1]}"


@pytest.mark.parametrize(("base", "own"), [(True, False), (False, True)])
def test_each_disk_passes_the_hosts_cache_by_where_it_can(base: bool, own: bool) -> None:
    words = _root.root_words(replace(ROOT, direct=base), 104, 105, own)
    found = {word.split(",")[1]: word.split("=")[-1] for word in words if "cache.direct" in word}
    assert found == {
        "node-name=base-file": "on" if base else "off",
        "node-name=own-file": "on" if own else "off",
    }


@pytest.fixture
def image(tmp_path: Path) -> Iterator[dict[str, Any]]:
    path = tmp_path / "root.img"
    path.write_bytes(os.urandom(2**20))
    yield {"path": str(path), "manifest": dict(DISK)}


def test_the_base_is_open_for_reading_only_and_closed_at_the_end(image: dict[str, Any]) -> None:
    with _root.root_disk(image) as root:
        assert root is not None
        assert root.mib == 1
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(root.descriptor, b"x")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(root.descriptor)


def test_an_initramfs_has_no_base() -> None:
    with _root.root_disk({"path": "/absent", "manifest": {"sha256": "ab"}}) as root:
        assert root is None


@pytest.mark.parametrize("how", ["written", "replaced", "removed"])
def test_a_base_that_changes_meanwhile_is_told(image: dict[str, Any], how: str) -> None:
    path = Path(image["path"])
    with pytest.raises(BenchError, match=r"changed while guests ran.*deliver it again"):  # noqa: SIM117
        with _root.root_disk(image):
            if how == "written":
                path.write_bytes(b"other")
            elif how == "replaced":
                other = path.with_name("other")
                other.write_bytes(path.read_bytes())
                other.rename(path)
            else:
                path.unlink()


def test_a_guest_that_failed_is_what_is_told_of_a_run(image: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="a guest died"), _root.root_disk(image):
        Path(image["path"]).unlink()
        raise RuntimeError("a guest died")


@pytest.fixture
def qemu_img(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found as qemu-img, and writes down how it was called."""
    program = tmp_path / "bin" / _root.QEMU_IMG
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@" >>"$0.log"\nprintf QFI >"$5"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def test_a_guests_own_disk_has_no_name_and_ends_with_it(tmp_path: Path, qemu_img: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with _root.own_disk(folder, ROOT, 105) as made:
        assert made is not None
        descriptor, _direct = made
        assert descriptor >= 105
        assert os.fstat(descriptor).st_size == 3
        assert list(folder.iterdir()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert qemu_img.with_name("qemu-img.log").read_text().endswith(" 200M\n")
    with _root.own_disk(folder, None, 105) as none:
        assert none is None


def test_a_disk_that_cannot_be_made_is_told(tmp_path: Path, qemu_img: Path) -> None:
    qemu_img.write_text("#!/bin/sh\necho No space left on device >&2\nexit 1\n")
    with (
        pytest.raises(BenchError, match=r"cannot make a guest's disk.*No space left.*free some"),
        _root.own_disk(tmp_path, ROOT, 105),
    ):
        pass


def test_what_a_disk_needs_is_told_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, qemu_img: Path
) -> None:
    reads, reads_not = ({"inputs": {"config": config}} for config in ({"EXT4_FS": "y"}, {}))
    _root.check_root_disk(DISK, reads)
    _root.check_root_disk({"sha256": "ab"}, reads_not)
    with pytest.raises(BenchError, match=r"without CONFIG_EXT4_FS: add the fragment disk"):
        _root.check_root_disk(DISK, reads_not)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BenchError, match=r"no qemu-img.*install qemu-utils"):
        _root.check_root_disk(DISK, reads)


def test_the_room_of_a_disk_is_what_its_guest_may_add() -> None:
    assert _root.room_mib(DISK) == 60 + _root.REWRITTEN_MIB
    assert _root.room_mib({"sha256": "ab"}) == 0


@pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v qemu-img"], capture_output=True).returncode != 0,
    reason="there is no qemu-img",
)
def test_a_disk_may_be_written_as_a_whole_within_its_limit(tmp_path: Path) -> None:
    root = replace(ROOT, mib=24)
    with _root.own_disk(tmp_path, root, 105) as made:
        assert made is not None
        path = f"/proc/self/fd/{made[0]}"
        source = tmp_path / "source"
        source.write_bytes(os.urandom(24 * 2**20))
        subprocess.run(
            ["qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", str(source), path],
            check=True, pass_fds=[made[0]],
        )  # fmt: skip
        assert 24 * 2**20 < os.fstat(made[0]).st_size <= root.largest_mib * 2**20


def test_under_dax_the_root_is_memory_that_writes_do_not_reach() -> None:
    machine = replace(MACHINE, root=replace(ROOT, way=_root.DAX))
    line = _qemu.command_line(machine)
    backend = after(line, "-object")[1]
    assert backend.startswith("memory-backend-file,id=root,mem-path=/proc/self/fd/104,size=200M")
    assert "share=off" in backend
    assert after(line, "-m") == ["320M,maxmem=520M"]
    assert "root=/dev/pmem0 rw rootflags=dax=always" in after(line, "-append")[0]
    assert not after(line, "-blockdev")


def test_the_base_of_dax_cannot_be_changed_by_who_opens_it(image: dict[str, Any]) -> None:
    with _root.root_disk(image, _root.DAX) as root:
        assert root is not None
        assert root.largest_mib == 0
        opened = os.open(f"/proc/self/fd/{root.descriptor}", os.O_RDWR)
        try:
            with pytest.raises(PermissionError):
                os.write(opened, b"x")
            with mmap.mmap(opened, 0, flags=mmap.MAP_PRIVATE) as mapped:
                assert mapped[:] == Path(image["path"]).read_bytes()
                mapped[0] = mapped[0] ^ 1
                assert mapped[:] != Path(image["path"]).read_bytes()
            with pytest.raises(PermissionError):
                mmap.mmap(opened, 0, flags=mmap.MAP_SHARED)
            with _root.own_disk(Path("/nowhere"), root, 105) as none:
                assert none is None
        finally:
            os.close(opened)


@pytest.mark.parametrize(
    ("way", "manifest", "devices", "words"),
    [
        ("cached", {"sha256": "ab"}, "", "boot into an initramfs.*guest_image_root=debian"),
        ("dax", DISK, "virtio-blk-pci", "has no virtio-pmem-pci: install a QEMU"),
        ("dax", DISK, "virtio-pmem-pci", "^$"),
        ("direct", DISK, "", "^$"),
    ],
)
def test_a_way_that_cannot_be_is_refused(
    tmp_path: Path, way: str, manifest: dict[str, Any], devices: str, words: str
) -> None:
    binary = tmp_path / "qemu"
    binary.write_text(f"#!/bin/sh\necho 'name \"{devices}\", bus virtio-bus'\n")
    binary.chmod(0o755)
    assert re.search(words, _root.refused_way(way, manifest, str(binary)) or "") is not None
