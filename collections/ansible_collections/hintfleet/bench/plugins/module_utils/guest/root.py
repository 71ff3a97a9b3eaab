# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that guests have their root on: one base for all guests of a run, read only, and for each
what it has written, which ends with it.

cached, direct: a virtio-blk, of which the guest has a disk of its own over the base. dax:
persistent memory (virtio-pmem), which the guest's programs map as it is; the base is in memory of
the host that all guests share, and what a guest writes is memory of its QEMU.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.files import (
    KEPT_DESCRIPTOR,
    opened,
)

MIB = 2**20
QEMU_IMG, PACKAGE = "qemu-img", "qemu-utils"
INITRAMFS = "initramfs"
CACHED, DIRECT, DAX = "cached", "direct", "dax"
WAYS = (CACHED, DIRECT, DAX)
"""How a guest reaches its files."""

SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
PMEM = "virtio-pmem-pci"
# Tables of a disk over another, beside what they point to: 8 bytes and 2 for 64 KiB, and headers.
TABLES_SHARE, TABLES_MIB = 1 / 4096, 2
# Blocks of the base that a guest writes anew: logs, the file system's own.
REWRITTEN_MIB = 16


@dataclass(frozen=True)
class Root:
    """`descriptor` of the base. `direct`: the host's page cache has no part in it, which would
    count as memory of the cell. `mib`: its size. `way`: one of WAYS."""

    descriptor: int
    direct: bool
    mib: int
    way: str = CACHED

    @property
    def pmem_mib(self) -> int:
        """What of it the guest has as memory."""
        return self.mib if self.way == DAX else 0

    @property
    def largest_mib(self) -> int:
        """What a guest's own disk may grow to, if the guest writes every block of it."""
        return 0 if self.way == DAX else self.mib + int(self.mib * TABLES_SHARE) + TABLES_MIB


def is_disk(manifest: dict[str, Any]) -> bool:
    """Whether guests have their root on a disk, from an image's manifest."""
    return manifest.get("root", INITRAMFS) != INITRAMFS


def room_mib(manifest: dict[str, Any]) -> float:
    """What a guest's own disk may take on the host as long as the guest only adds to it."""
    return manifest["free_mib"] + REWRITTEN_MIB if is_disk(manifest) else 0


def check_root_disk(manifest: dict[str, Any], kernel: dict[str, Any]) -> None:
    """Raises BenchError if guests cannot boot from this disk here."""
    if not is_disk(manifest):
        return
    if shutil.which(QEMU_IMG) is None:
        raise BenchError(
            f"Guests have their root on a disk, and this host has no {QEMU_IMG}, which makes each "
            f"one a disk of its own: install {PACKAGE} (numa_host_packages)."
        )
    if kernel["inputs"]["config"].get("EXT4_FS") != "y":
        raise BenchError(
            "Guests have their root on a disk, and their kernel cannot read it, as it was built "
            "without CONFIG_EXT4_FS: add the fragment disk (guest_kernel_fragments)."
        )


def refused_way(way: str, manifest: dict[str, Any], binary: str) -> str | None:
    """Why guests cannot reach their files so with this QEMU, and what to do; None if they can."""
    if not is_disk(manifest):
        return (
            "guests boot into an initramfs, which is memory: give them a disk "
            "(guest_image_root=debian), or leave that out"
        )
    if way == DAX and PMEM not in _devices(binary):
        return (
            f"{binary} has no {PMEM}: install a QEMU that was built with it, as Debian's is, or "
            "leave that out"
        )
    return None


def _devices(binary: str) -> str:
    return subprocess.run(
        [binary, "-device", "help"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", check=False, timeout=30,
    ).stdout  # fmt: skip


@contextlib.contextmanager
def root_disk(image: dict[str, Any], way: str = CACHED) -> Iterator[Root | None]:
    """The base that guests of a run share, None if they boot into an initramfs. Raises BenchError
    at the end if somebody has changed it meanwhile.

    image: `path` and `manifest`, checked before.
    """
    if not is_disk(image["manifest"]):
        yield None
        return
    descriptor, direct = opened(image["path"])
    try:
        before = _state(descriptor)
        mib = -(-os.fstat(descriptor).st_size // MIB)
        with contextlib.ExitStack() as ends:
            base = descriptor
            if way == DAX:
                base, direct = ends.enter_context(_in_memory(image["path"])), False
            yield Root(base, direct, mib, way)
        if _state(descriptor) != before or not _is_at(descriptor, image["path"]):
            raise BenchError(
                f"{image['path']} was changed while guests ran from it; deliver it again (role "
                "guest_image), and start the study again to repeat the run."
            )
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _in_memory(path: str) -> Iterator[int]:
    """A copy that lies in memory and that nobody can write to, whatever they may open it for.

    QEMU opens what a guest maps for writing, even if every write makes a page of the guest's own.
    """
    made = os.memfd_create("hintfleet-root", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    descriptor = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, KEPT_DESCRIPTOR)
    os.close(made)
    try:
        with Path(path).open("rb") as source:
            left = os.fstat(source.fileno()).st_size
            while left:
                left -= os.sendfile(descriptor, source.fileno(), None, left) or left
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


def _state(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), Path(path).stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def own_disk(folder: Path, root: Root | None, number: int) -> Iterator[tuple[int, bool] | None]:
    """A guest's own disk over the base: its descriptor, which has that number or one above it, and
    whether it passes the host's page cache by. None where a guest needs none.

    The file has no name, so nobody else finds it, and it ends with the guest.
    """
    if root is None or root.way == DAX:
        yield None
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        path = f"/proc/self/fd/{file.fileno()}"
        command = [QEMU_IMG, "create", "-q", "-f", "qcow2", path, f"{root.mib}M"]
        try:
            subprocess.run(command, check=True, capture_output=True, pass_fds=[file.fileno()])
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise BenchError(
                f"{QEMU_IMG} cannot make a guest's disk in {folder} ({said}); free some room."
            ) from error
        descriptor, direct = opened(path, os.O_RDWR, number)
    try:
        yield descriptor, direct
    finally:
        os.close(descriptor)


def root_words(root: Root, base: int, own: int, own_direct: bool) -> list[str]:
    """The part of QEMU's command line that gives a guest its root.

    base, own: QEMU's descriptors.
    """
    if root.way == DAX:
        # Private: what the guest writes are pages of this QEMU alone.
        backend = f"memory-backend-file,id=root,mem-path=/proc/self/fd/{base}"
        return ["-object", f"{backend},size={root.mib}M,share=off,prealloc=off",
                "-device", f"{PMEM},id=pmem,memdev=root"]  # fmt: skip
    files = [(base, 3, "base-file", "on", root.direct), (own, 4, "own-file", "off", own_direct)]
    words = []
    for descriptor, number, name, read_only, direct in files:
        words += ["-add-fd", f"fd={descriptor},set={number}"]
        words += ["-blockdev", f"file,node-name={name},filename=/dev/fdset/{number},"
                  f"read-only={read_only},cache.direct={'on' if direct else 'off'}"]  # fmt: skip
    words += ["-blockdev", "raw,node-name=base,file=base-file,read-only=on"]
    words += ["-blockdev", "qcow2,node-name=root,file=own-file,backing=base"]
    return [*words, "-device", "virtio-blk-pci,drive=root"]


def kernel_words(root: Root, disk: str) -> str:
    """What the kernel is told of its root. disk: the name it has there if it is one."""
    if root.way == DAX:
        # Memory above 4 GiB has the kernel set 64 MiB aside for devices that cannot reach it.
        return "root=/dev/pmem0 rw rootflags=dax=always swiotlb=noforce"
    return f"root={disk} rw" + (" hintfleet.files=direct" if root.way == DIRECT else "")
