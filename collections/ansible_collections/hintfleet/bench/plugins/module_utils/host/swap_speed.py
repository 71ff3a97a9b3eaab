# SPDX-License-Identifier: GPL-2.0-or-later
"""How quick a swap area's disk is: what a figure costs that was measured while memory was short.

A disk may be as quick as memory, as one that a hypervisor keeps in its own: swapping costs nothing
there that shows, and a guest that was swapped out looks as good as one that was not.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import statistics
import time
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.host.swap import MIB, PAGE_BYTES
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import write_json

FILE = "swap-speed.json"
WRITE_MIB = 64
WRITE_SECONDS = 2.0
PAGES = 400
READ_SECONDS = 1.0


def measure(path: Path, size_bytes: int) -> dict[str, Any]:
    """Write to an area that is not in use yet, and read single pages of that back.

    Gives `swap_write_mib_per_second`, `swap_page_read_microseconds` (median of reads at random
    places, one at a time, as a program waits for a page) and `swap_direct`: whether this host's
    page cache had no part in it. Raises OSError.
    """
    descriptor, direct = _opened(path)
    try:
        with mmap.mmap(-1, MIB) as piece:  # aligned to a page, as direct transfers want it
            written, seconds = _write(descriptor, piece, min(size_bytes, WRITE_MIB * MIB))
            times = _read_pages(descriptor, piece, written)
    finally:
        os.close(descriptor)
    return {
        "swap_write_mib_per_second": round(written / MIB / seconds, 1),
        "swap_page_read_microseconds": round(statistics.median(times) * 1e6, 1),
        "swap_direct": direct,
    }


def _opened(path: Path) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_DIRECT), True
    except OSError:  # not every file system can
        return os.open(path, flags), False


def _write(descriptor: int, piece: mmap.mmap, most_bytes: int) -> tuple[int, float]:
    """Bytes written, and seconds until the disk had them: nothing on the way can make it less."""
    written, seconds = 0, 0.0
    while written + MIB <= most_bytes and seconds < WRITE_SECONDS:
        piece[:] = os.urandom(MIB)
        began = time.perf_counter()
        os.pwrite(descriptor, piece, written)
        seconds += time.perf_counter() - began
        written += MIB
    began = time.perf_counter()
    os.fsync(descriptor)
    seconds += time.perf_counter() - began
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return written, seconds


def _read_pages(descriptor: int, piece: mmap.mmap, written: int) -> list[float]:
    """Seconds of each read."""
    places = random.Random(written)  # noqa: S311 - places on a disk, no secret
    times: list[float] = []
    give_up = time.perf_counter() + READ_SECONDS
    with memoryview(piece)[:PAGE_BYTES] as page:
        while len(times) < PAGES and (not times or time.perf_counter() < give_up):
            place = places.randrange(written // PAGE_BYTES) * PAGE_BYTES
            began = time.perf_counter()
            os.preadv(descriptor, [page], place)
            times.append(time.perf_counter() - began)
    return times


def keep(state_dir: Path, speed: dict[str, Any]) -> None:
    """Keep it for the records of the runs to come."""
    write_json(state_dir / FILE, speed)


def kept(state_dir: Path) -> dict[str, Any]:
    """What was measured when the area was made; nothing where nothing was."""
    try:
        found = json.loads((state_dir / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
