# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions and answers over QEMU's QMP and over its guest agent, each with a deadline.

Both speak the same JSON over a socket, but the agent does not greet. Neither is to be trusted: what
arrives is held in memory one line at a time, lines have an end, and whatever is wrong with one is a
ChannelError.
"""

from __future__ import annotations

import asyncio
import json
import socket
import traceback
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line

try:
    from qemu.qmp import Message, QMPClient, QMPError

    QMP_IMPORT_ERROR = None
except ImportError:
    Message = QMPClient = object
    QMPError = Exception
    QMP_IMPORT_ERROR = traceback.format_exc()

LINE_BYTES = 2**20  # a guest's longest honest answer is some ten KiB of a program's output
CLOSE_SECONDS = 1.0


class ChannelError(Exception):
    """The other side closed the channel, refused the question, or speaks nonsense."""


class SilenceError(ChannelError):
    """No answer before the deadline."""


class _Message(Message):  # type: ignore[misc,valid-type]
    """Errors and logs print messages, indented: a deep one would take a thousand times its size."""

    def __str__(self) -> str:
        return "not shown"


class _Client(QMPClient):  # type: ignore[misc,valid-type]
    """Keeps nothing that nobody asked for: the library queues events without end."""

    async def _event_dispatch(self, msg: Any) -> None:
        pass

    async def _do_recv(self) -> Any:
        line = await self._readline()
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            raise QMPError("what it says is no JSON") from None
        if not isinstance(content, dict):
            raise QMPError("what it says is no JSON object")
        return _Message(content)


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for channels. Each call reports its own error; a QEMU that ends is none."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    return loop


def end_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop of channels, and what a stranger has kept from ending by itself."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=CLOSE_SECONDS))
    loop.close()


class Channel:
    """A connection over `connected`; `greets` is true for QMP, false for the agent.

    All channels of a runner share `loop`; calls are synchronous.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connected: socket.socket, *, greets: bool
    ) -> None:
        self._loop = loop
        self._socket = connected
        self._client = _Client("channel", readbuflen=LINE_BYTES)
        self._client.await_greeting = greets
        self._client.negotiate = greets

    def open(self, seconds: float) -> None:
        """Raises SilenceError or ChannelError."""
        self._wait(self._client.connect(self._socket), seconds)

    def call(self, command: str, arguments: dict[str, Any] | None = None, *, seconds: float) -> Any:
        """The answer to `command`; raises SilenceError or ChannelError."""
        return self._wait(self._client.execute(command, arguments), seconds)

    def close(self) -> None:
        try:
            self._wait(self._client.disconnect(), CLOSE_SECONDS)
        except ChannelError:
            return  # the other side was first, or does not let go
        finally:
            self._socket.close()

    def _wait(self, action: Any, seconds: float) -> Any:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(action, seconds))
        except TimeoutError:
            raise SilenceError(f"no answer within {seconds:g} s") from None
        except Exception as error:  # the library does not expect every kind of nonsense
            said = one_line(str(error)) or type(error).__name__
            raise ChannelError(said) from error
