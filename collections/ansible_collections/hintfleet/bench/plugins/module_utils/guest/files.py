# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk of files that guests read, so that they have a page cache.

It holds what no host can make smaller, the same in every run, and is read only, so all guests of a
run share it. Guests read it as a whole, as a device: no file system is needed in their kernel.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import parse_numbers

MIB = 2**20
SEED = 20190603
KEPT_DESCRIPTOR = 128  # beyond those that QEMUs know by number

# A device whose last user closes it loses its page cache: somebody keeps it open. A file system
# that is mounted does the same.
READ_SCRIPT = """
[ -e /tmp/files ] || {{ sleep 1000000000 <{device} >/dev/null 2>&1 & >/tmp/files; }}
exec hf-read {device}
"""


@dataclass(frozen=True)
class Files:
    """`descriptor` of the file that is the disk. `direct`: the host's page cache has no part in it,
    which would count as memory of the cell."""

    descriptor: int
    direct: bool


@contextlib.contextmanager
def files_disk(folder: Path, mib: int) -> Iterator[Files | None]:
    """A new disk of that size, None for none. It has no name and ends with its last guest."""
    if not mib:
        yield None
        return
    made = random.Random(SEED)  # noqa: S311 - it is to be the same each time
    with tempfile.TemporaryFile(dir=folder) as file:
        file.writelines(map(made.randbytes, [MIB] * mib))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        descriptor, direct = opened(f"/proc/self/fd/{file.fileno()}")
    try:
        yield Files(descriptor, direct)
    finally:
        os.close(descriptor)


def opened(path: str, mode: int = os.O_RDONLY, number: int = KEPT_DESCRIPTOR) -> tuple[int, bool]:
    """A descriptor with that number or one above it, and whether it passes the host's page cache
    by."""
    for flags in (os.O_DIRECT, 0):
        try:
            first = os.open(path, mode | os.O_CLOEXEC | flags)
        except OSError:  # as in a file system that lives in memory
            continue
        kept = fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, number)
        os.close(first)
        return kept, bool(flags)
    raise OSError(f"a guest's disk cannot be opened at {path}")


def parse_read(output: str) -> tuple[float, float]:
    """MiB and seconds that hf-read tells in the guest; raises ValueError."""
    read_mib, seconds = parse_numbers(output, "read_mib", "seconds")
    return read_mib, seconds
