# SPDX-License-Identifier: GPL-2.0-or-later
"""A stranger at the other end of a channel gets a ChannelError, and no memory of the host."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import (
    Channel,
    ChannelError,
    SilenceError,
    end_loop,
    new_loop,
)

MIB = 2**20
Answer = Callable[[dict[str, object]], bytes]
Connect = Callable[[Answer], Channel]


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def stranger(other: socket.socket, answer: Answer) -> None:
    """Answers each question until it is hung up on; a question has no end but its brace."""
    pending = b""
    with other, contextlib.suppress(OSError):
        while heard := other.recv(65536):
            pending += heard
            with contextlib.suppress(ValueError):
                other.sendall(answer(json.loads(pending)))
                pending = b""


@pytest.fixture
def connect() -> Iterator[Connect]:
    """An open channel whose other end answers like that."""
    loop = new_loop()
    opened = []

    def start(answer: Answer) -> Channel:
        ours, theirs = socket.socketpair()
        threading.Thread(target=stranger, args=(theirs, answer), daemon=True).start()
        channel = Channel(loop, ours, greets=False)
        channel.open(5)
        opened.append(channel)
        return channel

    yield start
    for channel in opened:
        channel.close()
    end_loop(loop)


def honest(question: dict[str, object]) -> bytes:
    return json.dumps({"return": 7, "id": question["id"]}).encode() + b"\n"


NONSENSE = {
    "deep": b'{"x":' + b"[" * 100_000 + b"\n",
    "long": b"x" * (2 * MIB),
    "no JSON": b"\xff\xfe\0\n",
    "no object": b"[1]\n",
    "a number that is too large": b'{"id":' + b"9" * 5000 + b"}\n",
    "an id that is none": b'{"id":[],"return":1}\n',
    "an error to nobody": b'{"error":{"class":"a","desc":"b"}}\n',
    "an answer without an answer": b'{"id":"__qmp#00000"}\n',
}


def test_an_honest_answer(connect: Connect) -> None:
    assert connect(honest).call("x", seconds=5) == 7


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_an_error_of_the_channel_and_lets_it_be_closed(
    kind: str, connect: Connect
) -> None:
    channel = connect(lambda _question: NONSENSE[kind])
    with pytest.raises(ChannelError) as raised:
        channel.call("x", seconds=5)
    assert not isinstance(raised.value, SilenceError)
    assert len(str(raised.value)) <= 300
    channel.close()


def test_silence_has_an_end(connect: Connect) -> None:
    channel = connect(lambda _question: b"")
    began = time.monotonic()
    with pytest.raises(SilenceError, match=r"no answer within 0\.2 s"):
        channel.call("x", seconds=0.2)
    assert time.monotonic() - began < 2


def test_an_answer_that_comes_late_is_none_to_the_next_question(connect: Connect) -> None:
    """Or an agent that was swapped out would say of one program how another ended."""
    asked: list[dict[str, object]] = []

    def answer(question: dict[str, object]) -> bytes:
        asked.append(question)
        if len(asked) == 1:
            return b""
        late = json.dumps({"return": "late", "id": asked[0]["id"]}).encode() + b"\n"
        return late + honest(question)

    channel = connect(answer)
    with pytest.raises(SilenceError):
        channel.call("x", seconds=0.2)
    assert channel.call("y", seconds=5) == 7


def test_who_does_not_listen_is_hung_up_on() -> None:
    loop = new_loop()
    ours, theirs = socket.socketpair()
    channel = Channel(loop, ours, greets=False)
    channel.open(5)
    with pytest.raises(SilenceError):
        channel.call("x", {"y": "z" * (4 * MIB)}, seconds=0.2)
    began = time.monotonic()
    channel.close()
    assert time.monotonic() - began < 5
    assert ours.fileno() == -1
    theirs.close()
    end_loop(loop)


def test_events_without_end_take_no_memory(connect: Connect) -> None:
    """Kept, as the library does, they would be 75 MiB of lists for 4 MiB on the wire."""
    event = b'{"event":"X","timestamp":{"seconds":1,"microseconds":1},"data":['
    event += b"[]," * 200_000 + b"[]]}\n"
    channel = connect(lambda question: event * 40 + honest(question))
    before = resident_mib()
    assert channel.call("x", seconds=600) == 7
    assert resident_mib() - before < 80
    assert channel._client.events.empty() and not channel._client.events.history


def test_a_deep_message_is_not_written_out(connect: Connect) -> None:
    """Indented, as the library's logs and errors write it, this one is 700 MiB."""
    deep = b'{"error":{"class":"a","desc":"b"},"x":' + b"[" * 900 + b"1," * 200_000 + b"1"
    deep += b"]" * 900 + b"}\n"
    channel = connect(lambda _question: deep)
    before = resident_mib()
    with pytest.raises(ChannelError):
        channel.call("x", seconds=600)
    assert resident_mib() - before < 80


def test_what_arrives_is_not_logged(connect: Connect, capfd: pytest.CaptureFixture[str]) -> None:
    flood = b'{"id":"nobody","return":1}\n' * 1000
    assert connect(lambda question: flood + honest(question)).call("x", seconds=20) == 7
    assert capfd.readouterr().err == ""
