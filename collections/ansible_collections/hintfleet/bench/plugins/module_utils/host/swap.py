# SPDX-License-Identifier: GPL-2.0-or-later
"""A swap area of our own, in a file or on a block device, told from others by its label."""

from __future__ import annotations

import errno
import mmap
import os
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError

LABEL = "hintfleet"
MIB = 2**20
PAGE_BYTES = mmap.PAGESIZE  # of this kernel; arm64 has some with 64 KiB
LOOKS = 64  # places where a device is looked at before it is taken for empty

# Swapping goes past these file systems' own code straight to disk blocks, which they do not have
# (memory, network, overlay) or may move (copy on write).
UNFIT = {
    "9p": "a file shared by a hypervisor has no disk blocks",
    "bcachefs": "it moves blocks when they are written",
    "btrfs": "it moves blocks when they are written",
    "nfs": "it is another machine's disk",
    "nfs4": "it is another machine's disk",
    "overlay": "it has no disk blocks of its own",
    "ramfs": "it is memory itself",
    "tmpfs": "it is memory itself",
    "virtiofs": "a file shared by a hypervisor has no disk blocks",
    "zfs": "it moves blocks when they are written",
}


@dataclass(frozen=True)
class Active:
    """A swap area in use: size without its header page, what is used of it, and priority."""

    size_kib: int
    used_kib: int
    priority: int


@dataclass(frozen=True)
class Header:
    """What a swap area's first page says."""

    size_bytes: int
    label: str


def parse_swaps(text: str) -> dict[str, Active]:
    """Areas in use by path, from /proc/swaps (white space in paths is octal there)."""
    areas: dict[str, Active] = {}
    for line in text.splitlines()[1:]:
        path, _kind, *numbers = line.rsplit(maxsplit=4)
        areas[path.strip().encode().decode("unicode_escape")] = Active(*map(int, numbers))
    return areas


def parse_header(page: bytes) -> Header | None:
    """The header of a swap area of this kernel's pages, or None if this page is none.

    Layout: `union swap_header` in Linux' include/linux/swap.h.
    """
    if len(page) < PAGE_BYTES or page[PAGE_BYTES - 10 : PAGE_BYTES] != b"SWAPSPACE2":
        return None
    version, last_page = struct.unpack_from("=II", page, 1024)
    if version != 1:
        return None
    label = page[1052:1068].split(b"\0", 1)[0].decode(errors="replace")
    return Header((last_page + 1) * PAGE_BYTES, label)


def read_header(path: Path) -> Header | None:
    """The header of the swap area in a file or on a device."""
    with path.open("rb") as file:
        return parse_header(file.read(PAGE_BYTES))


def is_ours(path: Path, size_bytes: int | None = None) -> bool:
    """Whether an area of ours lies there, of that size if one is given."""
    header = read_header(path) if path.is_file() or is_device(path) else None
    return header is not None and header.label == LABEL and size_bytes in (None, header.size_bytes)


def in_use(path: Path) -> bool:
    """Whether the kernel swaps to the file or device at `path`, by whatever path it lists it.

    A listed path may lead elsewhere from here, or nowhere: it is one of whoever put the
    area in use. Since Linux 5.3 a write to an area in use is refused, one of no bytes too.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except OSError as error:
        if error.errno == errno.EBUSY:  # a mounted device, where the kernel protects these
            return False
        raise
    try:
        os.write(descriptor, b"")
    except OSError as error:
        if error.errno != errno.ETXTBSY:
            raise
        return True
    finally:
        os.close(descriptor)
    return False


def listed_at(path: Path, areas: dict[str, Active]) -> Active | None:
    """What is listed of the area at `path`: the entry that leads to the same file or device."""
    wanted = path.stat()
    for name, area in areas.items():
        try:
            found = Path(name).stat()
        except OSError:
            continue
        if os.path.samestat(wanted, found) or (
            stat.S_ISBLK(wanted.st_mode) and wanted.st_rdev == found.st_rdev
        ):
            return area
    return None


def rivals(priority: int, areas: dict[str, Active]) -> list[str]:
    """Areas of others in use that are filled before one of this priority, or by turns with it.

    A path that leads to none from here, or to one of ours, is passed over.
    """
    return [
        name
        for name, area in areas.items()
        if area.priority >= priority and Path(name).exists() and not is_ours(Path(name))
    ]


def empty_own() -> None:
    """Bring back into memory what others have put into areas of ours. Raises BenchError.

    A host that pages out idle memory by itself fills them between runs, and would leave a cell less
    swap than it is to have.
    """
    for name, area in parse_swaps(Path("/proc/swaps").read_text(errors="replace")).items():
        if not area.used_kib or not is_ours(Path(name)) or not in_use(Path(name)):
            continue
        for command in (["swapoff", name], ["swapon", "--priority", str(area.priority), name]):
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False
            )
            if done.returncode:
                raise BenchError(
                    f"Command `{' '.join(command)}` failed ({done.stderr.strip()}): others use "
                    "this swap area; end what needs so much memory, and prepare the host again."
                )


def file_system(path: Path, mountinfo: str) -> str:
    """Type of the file system on which `path` lies or would lie, from /proc/self/mountinfo."""
    real = path.resolve()
    best, kind = -1, "unknown"
    for line in mountinfo.splitlines():
        before, _dash, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        mount_point = Path(fields[4].encode().decode("unicode_escape"))
        depth = len(mount_point.parts)
        if depth >= best and (mount_point == real or mount_point in real.parents):
            best, kind = depth, after.split()[0]
    return kind


def refusal(path: Path, kind: str) -> str | None:
    """Why no swap area can lie on a file system of this type, as a sentence; None if it can."""
    reason = "it is kept by a program" if kind.startswith("fuse") else UNFIT.get(kind)
    if reason is None:
        return None
    return (
        f"Swap file {path} cannot lie on {kind} ({reason}): put hintfleet's state on ext4 or "
        "xfs (numa_host_state_dir), or give a disk of its own (numa_host_swap_device)."
    )


def is_device(path: Path) -> bool:
    """Whether a block device stands at `path`."""
    return path.exists() and stat.S_ISBLK(path.stat().st_mode)


def device_bytes(path: Path) -> int:
    """Size of a block device."""
    with path.open("rb") as file:
        return file.seek(0, os.SEEK_END)


def holds_file(path: Path, size_bytes: int) -> bool:
    """Whether `path` is a swap file of ours of that size with every block allocated."""
    if not path.is_file():
        return False
    status = path.stat()
    return (
        status.st_size == size_bytes
        and status.st_blocks * 512 >= size_bytes
        and is_ours(path, size_bytes)
    )


def allocate(path: Path, size_bytes: int) -> None:
    """Make a file only root can read, with every block allocated. Raises BenchError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        path.unlink()
        remedy = (
            "free some disk space, or ask for less swap (numa_host_swap_mib)."
            if error.errno == errno.ENOSPC
            else "give a disk of its own (numa_host_swap_device)."
        )
        raise BenchError(
            f"Swap file {path} of {size_bytes // MIB} MiB could not be allocated "
            f"({error.strerror}): {remedy}"
        ) from error
    finally:
        os.close(descriptor)


def check_device(path: Path, size_bytes: int, signature: str) -> None:
    """Refuse a device that is too small or holds something. Raises BenchError.

    `signature` is what blkid says lies on it ("" for nothing).
    """
    ours = is_ours(path)
    if signature and not ours:
        raise BenchError(f"Device {path} holds {signature}: {_remedy(path)}")
    if not ours and not reads_blank(path):
        raise BenchError(
            f"Device {path} holds something that has no signature, as an encrypted disk has none "
            f"and one that a database writes to: {_remedy(path)}"
        )
    size = device_bytes(path)
    if size < size_bytes:
        raise BenchError(
            f"Device {path} has {size // MIB} MiB and {size_bytes // MIB} MiB of swap "
            "are asked for: give a larger disk, or ask for less (numa_host_swap_mib)."
        )


def _remedy(path: Path) -> str:
    return (
        "give an empty disk, or empty this one yourself, if nobody needs what is on it, with "
        f"`blkdiscard --zeroout {path}`."
    )


def reads_blank(path: Path) -> bool:
    """Whether nothing but zeros is seen in a device's first and last MiB and at places between."""
    size = device_bytes(path)
    with path.open("rb") as file:
        for place in range(LOOKS + 1):
            file.seek(max(0, size - MIB) * place // LOOKS)
            if any(file.read(MIB)):
                return False
    return True


def erase(path: Path) -> None:
    """Overwrite an area of ours: anybody's memory has been in it, and others may get the disk.

    Its header goes last: until then it is known as ours, and this can be begun again.
    """
    header = read_header(path)
    size_bytes = header.size_bytes if header else path.stat().st_size
    zeros = bytes(MIB)
    with path.open("r+b", buffering=0) as file:
        file.seek(PAGE_BYTES)
        while (left := size_bytes - file.tell()) > 0:
            file.write(zeros[:left])
        os.fsync(file.fileno())
        file.seek(0)
        file.write(zeros[:PAGE_BYTES])
        os.fsync(file.fileno())
