# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions and answers over QEMU's QMP and over its guest agent, each with a deadline.

Both speak the same JSON over a Unix socket, but the agent does not greet.
"""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Any

try:
    from qemu.qmp import QMPClient, QMPError

    QMP_IMPORT_ERROR = None
except ImportError:
    QMPError = Exception
    QMP_IMPORT_ERROR = traceback.format_exc()


class ChannelError(Exception):
    """The other side closed the channel or refused the question."""


class SilenceError(ChannelError):
    """No answer before the deadline."""


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for channels. Each call reports its own error; a QEMU that ends is none."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    return loop


class Channel:
    """A connection to the socket at `path`; `greets` is true for QMP, false for the agent.

    All channels of a runner share `loop`; calls are synchronous.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, *, greets: bool) -> None:
        self._loop = loop
        self._path = path
        self._client = QMPClient(path.stem)
        self._client.await_greeting = greets
        self._client.negotiate = greets

    def open(self, seconds: float) -> None:
        """Raises ChannelError, at once if nothing listens at the path."""
        self._wait(self._client.connect(str(self._path)), seconds)

    def call(self, command: str, arguments: dict[str, Any] | None = None, *, seconds: float) -> Any:
        """The answer to `command`; raises SilenceError or ChannelError."""
        return self._wait(self._client.execute(command, arguments), seconds)

    def close(self) -> None:
        try:
            self._wait(self._client.disconnect(), 1.0)
        except ChannelError:
            return  # the other side was first

    def _wait(self, action: Any, seconds: float) -> Any:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(action, seconds))
        except TimeoutError:
            raise SilenceError(f"no answer within {seconds:g} s") from None
        except (QMPError, EOFError, OSError) as error:
            raise ChannelError(str(error)) from error
