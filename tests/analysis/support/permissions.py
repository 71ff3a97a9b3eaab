# SPDX-License-Identifier: GPL-2.0-or-later
"""Root for whom permissions count, as they do for everybody else."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

# capabilities(7): read, write and search whatever the permissions are.
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
VERSION_3 = 0x20080522  # of the structures below, with 64 bits each in two halves

LIBC = ctypes.CDLL(None, use_errno=True)


def _call(
    name: str, header: ctypes.Array[ctypes.c_uint32], data: ctypes.Array[ctypes.c_uint32]
) -> None:
    if getattr(LIBC, name)(header, data):
        raise OSError(ctypes.get_errno(), f"{name} failed")


@contextlib.contextmanager
def permissions_count() -> Iterator[None]:
    """In this thread. It stays root, so what is root's, such as the checkout, can still be read."""
    if os.geteuid() != 0:
        yield
        return
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    before = (ctypes.c_uint32 * 6)()
    _call("capget", header, before)
    without = (ctypes.c_uint32 * 6)(*before)
    without[0] &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)  # the lower half of what is in force
    _call("capset", header, without)
    try:
        yield
    finally:
        _call("capset", header, before)
