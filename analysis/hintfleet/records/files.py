# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens what lies in a folder of results: regular files of that folder, up to a size.

A study may come from somebody else. A link in it could lead to a file of the reader's own, a
device has no end, a FIFO waits for ever: none of them is opened or read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hintfleet.records.damage import Damage, DamagedError, UnusableError
from hintfleet.records.text import harmless

KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


LARGEST_NOTE_BYTES = 1 << 16


@contextmanager
def open_regular(file: Path, follow: bool = False) -> Iterator[tuple[BinaryIO, int]]:
    """The open file and its size; DamagedError for what is no readable regular file. Links are
    followed only in a name that the reader typed."""
    try:
        # Without O_NONBLOCK the open itself would wait for a FIFO's writer.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(file, flags if follow else flags | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _irregular(file, found.st_mode)
            yield stream, found.st_size
    except OSError as error:
        raise _unreadable(file, error) from error


def read_regular(file: Path, most_bytes: int, follow: bool = False) -> bytes:
    """All of a file; DamagedError also for one that is larger than `most_bytes`."""
    with open_regular(file, follow) as (stream, size):
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise DamagedError(
            Damage(file, "size", f"at most {most_bytes} bytes", f"{max(size, len(content))} bytes")
        )
    return content


def read_given(file: Path, most_bytes: int) -> str:
    """The text of a file that was named on the command line; UnusableError if it has none."""
    try:
        return read_regular(file, most_bytes, follow=True).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableError(
            f"{file}: expected text in UTF-8, found other bytes at {error.start}"
        ) from error
    except DamagedError as error:
        raise UnusableError(f"{error}; name another file") from error


def read_note(folder: Path, name: str) -> str | None:
    """What was noted in a file of a folder of results, as one line; None if there is no such
    file. A note that cannot be read says so in its place."""
    file = folder / name
    if not os.path.lexists(file):
        return None
    try:
        if folder.is_symlink():
            raise _irregular(folder, stat.S_IFLNK)
        note = read_regular(file, LARGEST_NOTE_BYTES).decode("utf-8", "replace")
        return harmless(note.strip())
    except DamagedError as error:
        return str(error)


def read_end(file: Path, most_bytes: int) -> bytes:
    """The last bytes of a file, however large it is."""
    with open_regular(file) as (stream, size):
        stream.seek(max(size - most_bytes, 0))
        return stream.read(most_bytes)


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, in order; OSError if it cannot be listed."""
    return sorted(entry.name for entry in folder.iterdir())


def _unreadable(file: Path, error: OSError) -> DamagedError:
    """O_NOFOLLOW tells of a link only that there are too many levels of them."""
    try:
        mode = os.lstat(file).st_mode
    except OSError:
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):
        return _irregular(file, mode)
    return DamagedError(Damage(file, "file", "a readable file", error.strerror or str(error)))


def _irregular(file: Path, mode: int) -> DamagedError:
    kind = KINDS.get(stat.S_IFMT(mode), "something else")
    return DamagedError(Damage(file, "file", "a regular file", kind))
