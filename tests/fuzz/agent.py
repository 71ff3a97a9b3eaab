# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests whose agent, console and QEMU say anything at all, for as long as one likes.

    python tests/fuzz/agent.py --seconds 3600

Each case is a guest as a run has one, on real sockets and pipes, whose other ends are a stranger's.
It must come to a GuestError or to an answer before its deadline, take no memory and no descriptor
along, and leave an entry that the record's schema takes.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import jsonschema

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import guest as _guest  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import (  # noqa: E402
    end_loop,
    new_loop,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.costs import parse_costs  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.files import parse_read  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.meminfo import (  # noqa: E402
    parse_caches,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.output import Output  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.programs import (  # noqa: E402
    PERCENTILES,
    parse_answer,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import (  # noqa: E402
    Machine,
    connection,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (  # noqa: E402
    page_fault as _page_fault,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import (  # noqa: E402
    proof as _proof,
)

SCHEMA = json.loads(
    (ROOT / "analysis/hintfleet/records/schemas/run_record.schema.json").read_text()
)
ENTRY = {**SCHEMA["properties"]["guests"]["items"], "$defs": SCHEMA["$defs"]}
ANSWER_SECONDS = 0.3
CASE_SECONDS = 300.0  # some ten, each part having a deadline, and more where the machine is busy
MOST_MIB = 160  # one line of 1 MiB is 25 MiB of empty lists, and a case meets it several times
MIB = 2**20

Say = Callable[[bytes], None]


def odd(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON, and what only Python's reader takes for it."""
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: chance.choice([True, False]),
        lambda: chance.choice([0, -1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf")]),
        lambda: chance.random(),
        lambda: chance.choice(["", "abc", "\0\x1b]0;owned\a", "\ud800", "\u202e", "/etc/passwd"]),
        lambda: "x" * chance.choice([10, 5000, 300_000]),
    ]
    if depth < 4:
        kinds += [
            lambda: [odd(chance, depth + 1) for _ in range(chance.randrange(4))],
            lambda: {str(odd(chance, 4)): odd(chance, depth + 1) for _ in range(3)},
        ]
    return chance.choice(kinds)()


def printed(chance: random.Random) -> Any:
    """What a program of ours may print, or something near it."""
    numbers = {
        name: chance.choice([5, 0.5, odd(chance)])
        for name in (
            *_page_fault.LATENCY,
            "touches_per_second",
            "idle_percent",
            "touched_mib",
            *PERCENTILES,
            "work",
            "seconds",
        )
    }
    texts = [
        json.dumps({**numbers, "bounds_ns": [64, 128], "counts": odd(chance)}),
        json.dumps(odd(chance)),
        "[" * 100_000,
        "average:" + "9" * chance.randrange(1, 6000) + "\ncpu 1 2 3\ncpu 4 5 6\n",
        "cpu  1 2 3 4 5 6 7 8\naverage:5\ncpu  1 1 1 1 1 1 1 x\n",
        "6.1\nconsole=ttyS0\n010001\n[always]\n" * chance.randrange(3),
    ]
    data = chance.choice(texts).encode(errors="surrogatepass")
    return chance.choice([base64.b64encode(data).decode(), odd(chance)])


def answer(chance: random.Random, asked: dict[str, Any]) -> dict[str, Any]:
    """An honest answer with up to two of its parts replaced."""
    command, arguments = asked.get("execute"), asked.get("arguments", {})
    returned: Any = {}
    if command == "guest-sync":
        returned = arguments.get("id")
    elif command == "guest-exec":
        returned = {"pid": chance.randrange(1, 1000)}
    elif command == "guest-exec-status":
        returned = {"exited": True, "exitcode": 0, "out-data": printed(chance)}
    said: dict[str, Any] = {"return": returned, "id": asked.get("id")}
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        where = said["return"] if isinstance(said.get("return"), dict) else said
        where = chance.choice([said, where])
        where[chance.choice([*where, "event", "error", "signal", "err-data"])] = odd(chance)
    return said


def noise(chance: random.Random) -> bytes:
    """What is no answer."""
    event = b'{"event":"X","timestamp":{"seconds":1,"microseconds":1},"data":'
    return chance.choice(
        [
            lambda: chance.randbytes(chance.randrange(1, 5000)),
            lambda: b"\xff" * 10 + b"\n",
            lambda: event + b"[" + b"[]," * 300_000 + b"[]]}\n",
            lambda: (event + b"{}}\n") * 20_000,
            lambda: b'{"id":"nobody","return":{}}\n' * 1000,
            lambda: b'{"x":' + b"[" * 900 + b"1," * 200_000 + b"1" + b"]" * 900 + b"}\n",
            lambda: b"[" * 100_000 + b"\n",
            lambda: b"9" * 5000 + b"\n",
            lambda: b"x" * (3 * MIB),
            lambda: b'{"id":[],"return":{}}\n',
            lambda: b'{"error":{"class":"X","desc":"' + b"d" * 500_000 + b'"}}\n',
            lambda: b"\n" * 100_000,
        ]
    )()


def stranger(chance: random.Random, other: socket.socket, say: list[Output]) -> None:
    """Plays the guest until its socket is closed."""
    other.settimeout(0.5)
    pending = b""
    with other:
        while True:
            try:
                heard = other.recv(65536)
                if not heard:
                    return
                try:
                    asked = json.loads(pending + heard)
                except ValueError:  # a question has no end but its brace
                    pending += heard
                    continue
                pending = b""
                if chance.random() < 0.15:
                    other.sendall(noise(chance))
                if chance.random() < 0.03:
                    return
                if chance.random() < 0.05:
                    continue
                other.sendall(json.dumps(answer(chance, asked)).encode() + b"\n")
                for output in say:
                    print_to(chance, output)
            except TimeoutError:
                if chance.random() < 0.2:
                    return
            except OSError:
                return


def print_to(chance: random.Random, output: Output) -> None:
    """Print something, if the pipe takes it."""
    said = chance.choice(
        [b"", chance.randbytes(3000), b"BUG: \x1b]0;owned\a\n" * 3000, b"\xff\xfe" * 9]
    )
    try:
        os.write(output.writing, said)
    except (BlockingIOError, BrokenPipeError):
        return


class StrangersQemu:
    """What a Guest sees of its QEMU, without one."""

    process_id = 2**22  # no process has that number
    exit_status = None
    command_line = ("qemu-system-x86_64",)
    alive = True

    def __init__(self, machine: Machine, *_: object) -> None:
        self.console, self.errors = Output(machine.console), Output(machine.errors)
        for output in (self.console, self.errors):
            os.set_blocking(output.writing, False)
        self.qmp, qmp = connection(300)
        self.agent, agent = connection(300)
        self.others = [socket.socket(fileno=qmp), socket.socket(fileno=agent)]

    def is_alive(self) -> bool:
        return self.alive

    def last_words(self) -> str:
        return self.errors.last()

    def drain(self) -> None:
        self.console.drain()
        self.errors.drain()

    def kill(self) -> None:
        pass

    def stop(self) -> None:
        for output in (self.console, self.errors):
            os.close(output.writing)
            output.close()


def _answered(output: str) -> dict[str, Any]:
    """What a phase of a program came to."""
    return asdict(parse_answer(output))


def use(guest: Any) -> None:
    """What a run asks of a guest."""
    guest.boot(0.5)
    for parse in (
        _page_fault.latency,
        _page_fault._rate_and_idle,
        _page_fault.parse_will_it_scale,
        _proof._touched,
        parse_caches,
        parse_costs,
        parse_read,
        _answered,
    ):
        done = guest.run(["/bin/true"], 0.5)
        guest.qemu.drain()
        str(done.failure)
        try:
            json.dumps(parse(done.output), allow_nan=False)
        except ValueError as error:
            if "Out of range float" in str(error):
                raise AssertionError(f"{parse.__name__} let {error} through") from error


def case(seed: int, folder: Path) -> None:
    """One guest from its start to its entry in the record; raises AssertionError."""
    chance = random.Random(seed)
    loop = new_loop()
    machine = Machine(
        name="guest1", logs=folder, memory_mib=64, vcpus=1, accelerator="tcg",
        mechanism="none", kernel=Path("/k"), image=Path("/i"),
    )  # fmt: skip
    began = time.monotonic()
    guests = [_guest.Guest(machine, "nobody", [], 0, loop) for _ in range(2)]
    threads = []
    for guest in guests:
        qemu: Any = guest.qemu
        qemu.alive = chance.random() < 0.2  # a guest waits a second for one that seems to end
        for other in qemu.others:
            player = random.Random(chance.getrandbits(32))
            arguments = (player, other, [qemu.console, qemu.errors])
            threads.append(threading.Thread(target=stranger, args=arguments, daemon=True))
            threads[-1].start()
    try:
        for guest in guests:
            try:
                use(guest)
            except BenchError as error:
                shown = str(error)
                assert len(shown) < 3000, f"a sentence of {len(shown)} characters"
                assert shown.isprintable(), f"a sentence that cannot be shown: {shown!r}"
    finally:
        _guest.quit_all(guests)
        end_loop(loop)
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive(), "the stranger's socket is still open"
    for guest in guests:
        entry = json.loads(json.dumps(guest.record(), allow_nan=False))
        jsonschema.validate(entry, ENTRY)
        size = machine.console.stat().st_size
        assert size < MIB, f"a console of {size} bytes"
    took = time.monotonic() - began
    assert took < CASE_SECONDS, f"it took {took:.1f} s"


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def fuzz(seconds: float, seed: int) -> int:
    """Number of cases played; raises AssertionError, naming the case."""
    played = 0
    with (
        TemporaryDirectory() as folder,
        mock.patch.object(_guest, "Qemu", StrangersQemu),
        mock.patch.object(_guest, "ANSWER_SECONDS", ANSWER_SECONDS),
    ):
        start_mib, open_before = resident_mib(), descriptors()
        give_up = time.monotonic() + seconds
        while not played or time.monotonic() < give_up:
            try:
                case(seed + played, Path(folder))
                gc.collect()
                grown = resident_mib() - start_mib
                assert grown < MOST_MIB, f"{grown:.0f} MiB of memory were taken along"
                assert descriptors() <= open_before, "descriptors were left open"
            except Exception as error:
                raise AssertionError(f"case --seed {seed + played}: {error!r}") from error
            played += 1
    return played


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(30))
    arguments = parser.parse_args()
    played = fuzz(arguments.seconds, arguments.seed)
    print(f"agent: {played} guests from seed {arguments.seed}, nothing found", flush=True)


if __name__ == "__main__":
    main()
