# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest to test a kernel in: QEMU, a one-program initramfs, and what QEMU traced of it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

PROGRAM = Path(__file__).parents[1] / "guest" / "init.c"
TRACED = re.compile(r"\d+@(?P<seconds>\d+\.\d+):(?P<event>\w+) (?P<rest>.*)")
DISCARDED = re.compile(r"(?P<block>\S+)@(?P<address>0x[0-9a-f]+) \+ (?P<length>0x[0-9a-f]+):")
# no wait anywhere: whatever the bitmap engine can get wrong, it gets wrong soonest like this
EAGER = "page_hinting.age_ms=0 page_hinting.threshold=1 page_hinting.flush_ms=1"
# With what users have, and with something between, thresholds, ages and waits take part in races.
SETTINGS = {
    "eager": EAGER,
    "defaults": "",
    "mixed": "page_hinting.age_ms=20 page_hinting.threshold=16 page_hinting.flush_ms=50",
}
REPORTING_QUEUE = " n 3 "  # of virtio-balloon, while free-page-hint is off


class GuestError(RuntimeError):
    """The guest refused a command, fell silent or died."""


class Kernel(NamedTuple):
    """A kernel under test; its variant is one of build.yml."""

    version: str
    variant: str
    path: Path


@dataclass(frozen=True)
class Discard:
    """One range that QEMU gave back to the host."""

    seconds: float  # since the epoch
    block: str  # QEMU's name of the memory
    address: int  # in QEMU's address space
    length: int  # bytes


def eventually(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition holds; raises GuestError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise GuestError(f"not within {seconds:g} s: {condition.__code__.co_names}")
        time.sleep(0.1)


def quiet_seconds(engine: str) -> float:
    """How long nothing is reported once an engine has done all: the list engine pauses for 2 s."""
    return 4.5 if engine == "list" else 1.5


def build_initramfs(folder: Path) -> Path:
    """Compile guest/init.c and pack it as a newc cpio archive that the kernel unpacks."""
    init = folder / "init"
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-static", "-pthread", "-o", init, PROGRAM],
        check=True,
    )
    archive = folder / "initramfs.cpio"
    with archive.open("wb") as out:
        entries = [
            ("dev", 0o40755, b""),
            ("init", 0o100755, init.read_bytes()),
            ("TRAILER!!!", 0, b""),
        ]
        for inode, (name, mode, data) in enumerate(entries, start=1):
            fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
            head = b"070701" + b"".join(b"%08x" % value for value in fields) + name.encode() + b"\0"
            out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
    return archive


@dataclass
class Guest:
    """A running guest. Use as a context manager; `log` holds its console."""

    kernel: Path
    initramfs: Path
    folder: Path
    engine: str = "bitmap"
    memory_mib: int = 768
    cpus: int = 2
    command_line: str = ""
    balloon: str = "free-page-reporting=on"
    balloon_bus: str = "bus=pci.0,addr=5"
    hotplug: bool = False  # room for DIMMs and virtio-mem
    icount: bool = False
    qemu_options: list[str] = field(default_factory=list)
    boot_seconds: float = 120.0

    def __enter__(self) -> Guest:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.console = self.folder / "console.log"
        self.trace = self.folder / "qemu-trace.log"
        control, qmp = self.folder / "control.sock", self.folder / "qmp.sock"
        arguments = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-M", "pc", "-accel", "tcg,tb-size=32" + (",thread=single" if self.icount else ""),
            "-m", f"{self.memory_mib}" + (",slots=4,maxmem=8G" if self.hotplug else ""),
            "-smp", str(self.cpus), "-no-reboot",
            "-kernel", str(self.kernel), "-initrd", str(self.initramfs),
            "-append", "console=ttyS0 panic=-1 oops=panic nokaslr norandmaps "
            "randomize_kstack_offset=off no_timer_check loglevel=7 kunit.enable=1 "
            f"virtio_balloon.free_page_engine={self.engine} {self.command_line}",
            "-serial", f"file:{self.console}",
            "-chardev", f"socket,id=control,path={control},server=on,wait=off",
            "-device", "isa-serial,chardev=control,index=1",
            "-qmp", f"unix:{qmp},server=on,wait=off",
            "-trace", "enable=ram_block_discard_range", "-trace", "enable=virtio_queue_notify",
            "-D", str(self.trace), "-msg", "timestamp=on",
        ]  # fmt: skip
        if self.balloon:
            device = f"virtio-balloon-pci,id=balloon,{self.balloon_bus},{self.balloon}"
            arguments += ["-device", device]
        if self.icount:
            arguments += ["-icount", "shift=0,sleep=off", "-seed", "1"]
            arguments += ["-rtc", "base=2020-01-01T00:00:00,clock=vm"]
        self.process = subprocess.Popen(
            # tests that are killed take their guests with them
            ["setpriv", "--pdeathsig", "KILL", *arguments[:1], *self.qemu_options, *arguments[1:]],
            stdin=subprocess.DEVNULL,
            stderr=(self.folder / "qemu.err").open("wb"),
        )
        try:
            self._control = self._connect(control)
            self._qmp = self._connect(qmp).makefile("rwb")
            self._qmp.readline()
            self.qmp("qmp_capabilities")
            self._buffer = b""
            deadline = time.monotonic() + self.boot_seconds
            while self._line(deadline) != "= ready":
                pass
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def _connect(self, path: Path) -> socket.socket:
        deadline = time.monotonic() + 10
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(path))
                return connection
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    text = (self.folder / "qemu.err").read_text()
                    raise GuestError(f"QEMU did not start: {text.strip()}") from error
                time.sleep(0.02)

    def _line(self, deadline: float) -> str:
        while b"\n" not in self._buffer:
            self._control.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                data = self._control.recv(65536)
            except TimeoutError as error:
                raise GuestError(f"the guest is silent; console:\n{self.log()[-3000:]}") from error
            if not data:
                raise GuestError(f"the guest died; console:\n{self.log()[-3000:]}")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def log(self) -> str:
        """What the kernel wrote to its console."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def tell(self, command: str, seconds: float = 60.0) -> list[str]:
        """Run a command of init.c; returns the lines of its answer, or raises GuestError."""
        self._control.sendall(command.encode() + b"\n")
        deadline, answer = time.monotonic() + seconds, []
        while True:
            line = self._line(deadline)
            if line.startswith("="):
                break
            answer.append(line[1:])
        if line != "= ok":
            raise GuestError(f"{command}: {line[2:]}")
        return answer

    def figures(self, command: str, seconds: float = 60.0) -> dict[str, int]:
        """Like tell, for answers whose lines begin with a name and a number."""
        found = (line.split() for line in self.tell(command, seconds))
        return {words[0]: int(words[1]) for words in found if words[1:] and words[1].isdigit()}

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Run a QMP command; events are passed over."""
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._qmp.flush()
        while True:
            answer = json.loads(self._qmp.readline())
            if "error" in answer:
                raise GuestError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def parameter(self, name: str, value: object) -> None:
        """Set a parameter of the kernel, e.g. `page_hinting.age_ms`."""
        module, _, parameter = name.partition(".")
        self.tell(f"set /sys/module/{module}/parameters/{parameter} {value}")

    def counters(self) -> dict[str, int]:
        """The kernel's page_hinting_* and other counters of /proc/vmstat."""
        return self.figures("get /proc/vmstat")

    def resident_mib(self) -> float:
        """Anonymous memory of QEMU: what the guest costs the host."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
        return int(found.group(1)) / 1024 if found else 0.0

    def gone(self, seconds: float) -> bool:
        """Whether QEMU ends within that time by itself."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def pending_blocks(self) -> int:
        """Blocks that wait in the bitmaps of all zones; 0 on a kernel without page hinting."""
        try:
            lines = self.tell("get /sys/kernel/debug/page_hinting/pending")
        except GuestError:
            return 0
        return sum(int(n) for line in lines for n in re.findall(r"(?:young|old) (\d+)", line))

    def has_device(self, name: str) -> bool:
        """Whether QEMU still has a device that was given a name."""
        devices = self.qmp("qom-list", path="/machine/peripheral")
        return any(one["name"] == name for one in devices)

    def settle(self, quiet_seconds: float, seconds: float = 60.0) -> None:
        """Wait until nothing waits and QEMU has discarded nothing for quiet_seconds."""
        begun = time.time()

        def settled() -> bool:
            last = max([begun, *(one.seconds for one in self.discards())])
            return time.time() - last > quiet_seconds and not self.pending_blocks()

        eventually(settled, seconds)

    def hold(self, name: str, mib: int) -> None:
        """Have a process of the guest touch memory and keep it."""
        self.tell(f"hold {name} {mib}")

    def drop(self, name: str) -> float:
        """End that process; returns when its memory was free, in seconds since the epoch."""
        self.tell(f"drop {name}")
        return time.time()

    def discards(self, since: float = 0.0) -> list[Discard]:
        """The ranges that QEMU has discarded after a time in seconds since the epoch."""
        found = []
        for seconds, event, rest in self._traced():
            range_ = DISCARDED.match(rest)
            if event == "ram_block_discard_range" and range_ and seconds >= since:
                address, length = int(range_["address"], 16), int(range_["length"], 16)
                found.append(Discard(seconds, range_["block"], address, length))
        return found

    def kicks(self, since: float = 0.0) -> int:
        """How often the guest notified QEMU of a report."""
        return sum(
            event == "virtio_queue_notify" and REPORTING_QUEUE in rest and seconds >= since
            for seconds, event, rest in self._traced()
        )

    def reports(self, since: float = 0.0) -> list[int]:
        """Bytes that QEMU discarded after each notification: what was away at once."""
        sizes: list[int] = []
        for seconds, event, rest in self._traced():
            range_ = DISCARDED.match(rest)
            if seconds < since:
                continue
            if event == "virtio_queue_notify" and REPORTING_QUEUE in rest:
                sizes.append(0)
            elif event == "ram_block_discard_range" and range_ and sizes:
                sizes[-1] += int(range_["length"], 16)
        return sizes

    def host_address(self, guest_address: int) -> int:
        """Where QEMU keeps an address of the guest's memory, in its own address space."""
        command = f"gpa2hva {guest_address:#x}"
        answer = self.qmp("human-monitor-command", **{"command-line": command})
        found = re.search(r"is (0x[0-9a-f]+)", answer)
        if not found:
            raise GuestError(f"{command}: {answer.strip()}")
        return int(found.group(1), 16)

    def _traced(self) -> Iterator[tuple[float, str, str]]:
        for line in self.trace.read_text().splitlines():
            traced = TRACED.match(line)
            if traced:
                yield float(traced["seconds"]), traced["event"], traced["rest"]


def assert_reports(guest: Guest, engine: str, block: str = "", mib: int = 128) -> None:
    """Memory that is freed now reaches the host; of one memory block, if it is named."""
    before = time.time()
    guest.hold("r", mib)
    guest.drop("r")
    guest.settle(quiet_seconds(engine))
    found = [one for one in guest.discards(since=before) if one.block.endswith(block)]
    back = sum(one.length for one in found) >> 20
    assert back >= mib * 3 // 4, f"{back} MiB of {mib} came back"
