# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest's console and its QEMU print, read from a pipe into a file that has an end.

The unprivileged user holds the pipe only: it cannot make the file long, and what it prints faster
than root reads waits in the pipe or is lost to itself.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

HEAD_BYTES = 2**18  # the first of it, written at once: it survives a runner that is killed
TAIL_BYTES = 2**16  # and the last of it, written at the end
PIPE_BYTES = 2**16


class Output:
    """`writing` is the end of the pipe for whoever prints; close it once he has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost_bytes = 0
        self._lock = threading.Lock()  # the sampler drains it, too
        self._file = path.open("wb", buffering=0)
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC)
        fcntl.fcntl(self._reading, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._reading, False)
        self._left = HEAD_BYTES
        self._tail = b""
        self._closed = False

    def drain(self) -> None:
        """Take what waits in the pipe, once: somebody who never stops printing holds nobody up."""
        with self._lock:
            if self._closed:
                return
            try:
                said = os.read(self._reading, PIPE_BYTES)
            except BlockingIOError:
                return
            self._file.write(said[: self._left])
            rest = self._tail + said[self._left :]
            self._left -= min(self._left, len(said))
            self._tail = rest[-TAIL_BYTES:]
            self.lost_bytes += len(rest) - len(self._tail)

    def last(self) -> str:
        """The last of what has been printed so far."""
        self.drain()
        with self._lock, self.path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            end = file.read() if self._closed else file.read() + self._tail
        return end[-TAIL_BYTES:].decode(errors="replace")

    def text(self) -> str:
        """All that was kept."""
        self.drain()
        with self._lock:
            kept = self.path.read_bytes() if self._closed else self.path.read_bytes() + self._tail
        return kept.decode(errors="replace")

    def close(self) -> None:
        """Write the end of it; whoever printed has ended."""
        self.drain()
        with self._lock:
            if self._closed:
                return
            if self.lost_bytes:
                self._file.write(f"\n[hintfleet: {self.lost_bytes} bytes left out]\n".encode())
            self._file.write(self._tail)
            self._file.close()
            os.close(self._reading)
            self._closed = True
