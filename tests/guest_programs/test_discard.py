# SPDX-License-Identifier: GPL-2.0-or-later
"""The library that is loaded before QEMU, compiled as a builder does and loaded before Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.build import initramfs

SOURCE = Path(__file__).resolve().parents[2] / "roles/guest_image/files/host/hf-discard.c"
MIB = 2**20

# Prints by how much LazyFree grew, in KiB, and the first byte of each of four discarded ranges.
PROGRAM = """
import ctypes, mmap, re
PAGE, DONTNEED, DONTFORK, DOFORK = mmap.PAGESIZE, 4, 10, 11
libc = ctypes.CDLL(None, use_errno=True)
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
def lazy():
    text = open("/proc/self/smaps_rollup").read()
    return int(re.search(r"LazyFree:\\s+(\\d+)", text)[1])
def memory():
    area = mmap.mmap(-1, 4 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.write(b"x" * len(area))
    return area, ctypes.addressof(ctypes.c_char.from_buffer(area))
def discard(address, length):
    assert libc.madvise(address, length, DONTNEED) == 0
guests, first = memory()
others, other = memory()
assert libc.madvise(first, len(guests), DONTFORK) == 0
before = lazy()
discard(first, MIB)
discard(first + len(guests) - MIB, MIB)
grown = lazy() - before
discard(other, MIB)
print(grown, lazy() - before - grown, guests[0:1], guests[-1:], others[0:1])
assert libc.madvise(3, PAGE, DONTNEED) == -1 and ctypes.get_errno() == 22
assert libc.madvise(first + MIB, MIB, DOFORK) == 0
""".replace("MIB", str(MIB)).replace("\\\\", "\\")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    made = initramfs.compile_libraries({SOURCE.name: SOURCE.read_text()}, folder)
    return made["hf-discard.so"]


def test_it_needs_no_other_library(library: Path) -> None:
    said = subprocess.run(
        ["readelf", "--dynamic", library], capture_output=True, text=True, check=True
    ).stdout
    assert "NEEDED" not in said


def test_only_memory_that_its_owner_keeps_from_children_is_freed_lazily(library: Path) -> None:
    done = subprocess.run(
        ["env", f"LD_PRELOAD={library}", sys.executable, "-c", PROGRAM],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    freed, of_others, first, last, other = done.stdout.split()
    # It keeps its content until the host needs it. A CPU has some dozen pages on their way.
    assert int(freed) == pytest.approx(2 * 1024, abs=256) and abs(int(of_others)) < 256
    assert first == last == "b'x'"
    assert other == "b'\\x00'"


def test_without_it_memory_is_gone_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    freed, _of_others, *contents = done.stdout.split()
    assert freed == "0" and contents == ["b'\\x00'"] * 3
