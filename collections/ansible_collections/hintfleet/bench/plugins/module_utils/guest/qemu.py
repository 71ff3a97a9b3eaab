# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest's QEMU: its command line, its start inside the cell, its end."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.files import Files
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.mechanisms import MECHANISMS
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.output import Output
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.root import (
    Root,
    kernel_words,
    own_disk,
    root_words,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.limits import lift
from ansible_collections.hintfleet.bench.plugins.module_utils.host.nodes import closed_folder

BINARY = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"  # of Debian
# Where else one may lie: built from source, Enterprise Linux.
PLACES = (
    "/usr/local/bin/qemu-system-x86_64",
    "/usr/bin/qemu-system-x86_64",
    "/usr/libexec/qemu-kvm",
    "/usr/bin/qemu-kvm",
)
OLDEST = (5, 1)  # the first with free-page-reporting
VERSION_SECONDS = 30.0  # to --version; a wrapper may wait for something
STOP_SECONDS = 5.0
# The kernel takes a process's memory back page by page.
EXIT_SECONDS_PER_GIB = 0.5
# QEMU's descriptors. They are far from the numbers in use, and what the runner keeps for each guest
# lies beyond them, so that the same command line comes out each time.
SWAP_DESCRIPTOR, QMP_DESCRIPTOR, AGENT_DESCRIPTOR, FILES_DESCRIPTOR = 100, 101, 102, 103
BASE_DESCRIPTOR, OWN_DESCRIPTOR = 104, 105
KEPT_DESCRIPTORS = 128

PR_SET_THP_DISABLE = 41  # prctl(2)

# Puts itself into the cgroups named before `--`, so that not one page is charged elsewhere, then
# becomes the command after it.
ENTER_CELL = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Machine:
    """What a guest is. `bind_node` None: its memory is not bound to a node by QEMU. `options`: more
    of QEMU's -M. `small_pages`: its memory is in no huge pages, even if the host allows them.
    `plug_mib` of the memory are a virtio-mem, plugged at boot. `preload`: a library that turns what
    QEMU discards into memory that the host takes when it needs some. `image`: the initramfs that it
    boots into, unless it has its `root` on a disk, whose base that file is.

    `logs` is a folder of root's. `start` counts how often the guest has been started.
    """

    name: str
    logs: Path
    memory_mib: int
    vcpus: int
    accelerator: str
    mechanism: str
    kernel: Path
    image: Path
    kernel_arguments: str = ""
    tb_size_mib: int = 12
    swap_mib: int = 0
    options: str = ""
    small_pages: bool = False
    bind_node: int | None = None
    binary: str = BINARY
    start: int = 1
    plug_mib: int = 0
    files_mib: int = 0
    files: Files | None = None
    preload: Path | None = None
    root: Root | None = None

    @property
    def console(self) -> Path:
        return self.logs / f"console-{self._log}.log"

    @property
    def errors(self) -> Path:
        return self.logs / f"qemu-{self._log}.log"

    @property
    def _log(self) -> str:
        return self.name if self.start == 1 else f"{self.name}-{self.start}"

    @property
    def files_device(self) -> str:
        """The disk of files in the guest: disks are named in the order of the command line."""
        return "/dev/vdb" if self.swap_mib else "/dev/vda"

    @property
    def root_device(self) -> str:
        """The disk of its root in the guest: the last, so that others are named as without."""
        return f"/dev/vd{'abc'[bool(self.swap_mib) + (self.files is not None)]}"

    @property
    def kernel_command_line(self) -> str:
        # loglevel=5 prints warnings and worse: what a call trace is made of, and little else.
        # An emulated guest that gets no CPU for a moment would take its timer for broken and panic;
        # under KVM the kernel leaves that check out by itself.
        words = ["console=ttyS0", "panic=-1", "loglevel=5", "no_timer_check"]
        if self.root is not None:
            words.append(kernel_words(self.root, self.root_device))
        mechanism = MECHANISMS[self.mechanism]
        words.append(mechanism.kernel_argument)
        if mechanism.more_arguments:
            words.append(mechanism.more_arguments)
        if self.kernel_arguments:
            words.append(self.kernel_arguments)
        return " ".join(words)


def memory_words(machine: Machine) -> list[str]:
    """The part of the command line that says how much memory there is at boot."""
    boot_mib = machine.memory_mib - machine.plug_mib
    pmem_mib = machine.root.pmem_mib if machine.root else 0
    later = machine.plug_mib or pmem_mib
    most = f",maxmem={machine.memory_mib + pmem_mib}M" if later else ""
    return ["-m", f"{boot_mib}M{most}", "-object", _backend(machine, "ram", boot_mib)]


def plug_words(machine: Machine) -> list[str]:
    """The part of the command line that is about memory that is plugged; none if none is."""
    if not machine.plug_mib:
        return []
    size = f"{machine.plug_mib}M"
    device = f"virtio-mem-pci,id=virtio_mem,memdev=plugged,block-size=2M,requested-size={size}"
    return ["-object", _backend(machine, "plugged", machine.plug_mib), "-device", device]


def _backend(machine: Machine, name: str, mib: int) -> str:
    bound = "" if machine.bind_node is None else f",host-nodes={machine.bind_node},policy=bind"
    return f"memory-backend-ram,id={name},size={mib}M{bound}"


def command_line(
    machine: Machine,
    swap: int | None = None,
    qmp: int = QMP_DESCRIPTOR,
    agent: int = AGENT_DESCRIPTOR,
    files: int = FILES_DESCRIPTOR,
    base: int = BASE_DESCRIPTOR,
    own: tuple[int, bool] = (OWN_DESCRIPTOR, True),
) -> list[str]:
    """No default devices and a small translation buffer: an idle guest's own footprint is small.

    Descriptors: `swap` of the guest's swap disk, if it has one; `qmp` and `agent` of sockets;
    `files` of its disk of files, if it has one; `base` of its root, and its `own` disk over that
    with whether it passes the host's page cache by.
    """
    if machine.accelerator == "kvm":
        processor = ["-accel", "kvm", "-cpu", "host"]
    else:
        # A newer model has the guest use instructions that cost more to emulate than they save.
        processor = ["-accel", f"tcg,tb-size={machine.tb_size_mib}", "-cpu", "qemu64"]
    options = f",{machine.options}" if machine.options else ""
    balloon = MECHANISMS[machine.mechanism].balloon_properties
    swap_disk = []
    if swap is not None:
        swap_disk += ["-add-fd", f"fd={swap},set=1"]
        swap_disk += ["-blockdev", "file,node-name=swap,filename=/dev/fdset/1"]
        swap_disk += ["-device", "virtio-blk-pci,drive=swap"]
    files_disk = []
    if machine.files is not None:
        direct = "on" if machine.files.direct else "off"
        files_disk += ["-add-fd", f"fd={files},set=2"]
        files_disk += ["-blockdev", "file,node-name=files,filename=/dev/fdset/2,read-only=on,"
                       f"cache.direct={direct}"]  # fmt: skip
        files_disk += ["-device", "virtio-blk-pci,drive=files"]
    if machine.root is None:
        initrd, root_disk = ["-initrd", str(machine.image)], []
    else:
        initrd, root_disk = [], root_words(machine.root, base, *own)
    return [
        machine.binary,
        "-name", machine.name,
        "-nodefaults", "-no-user-config", "-no-reboot",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-M", f"pc,usb=off,vmport=off,dump-guest-core=off,memory-backend=ram{options}",
        *processor,
        "-smp", str(machine.vcpus),
        *memory_words(machine),
        "-display", "none", "-vga", "none",
        "-kernel", str(machine.kernel),
        *initrd,
        "-append", machine.kernel_command_line,
        # Standard output is the console.
        "-chardev", "stdio,id=console,signal=off",
        "-serial", "chardev:console",
        "-chardev", f"socket,id=qmp,fd={qmp}",
        "-mon", "chardev=qmp,mode=control",
        "-chardev", f"socket,id=agent,fd={agent}",
        "-device", "virtio-serial-pci",
        "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
        "-device", f"virtio-balloon-pci,id=balloon,{balloon}",
        *swap_disk,
        *files_disk,
        *root_disk,
        *plug_words(machine),
    ]  # fmt: skip


def parse_version(text: str) -> tuple[int, ...]:
    """From the output of `qemu-system-x86_64 --version`; raises BenchError."""
    match = re.search(r"version (\d+(?:\.\d+)+)", text)
    if match is None:
        raise BenchError(f"{BINARY} --version says {text[:80]!r}, which is no QEMU version.")
    return tuple(int(part) for part in match.group(1).split("."))


@dataclass(frozen=True)
class Installed:
    """A QEMU on this host that answers."""

    path: str
    version: tuple[int, ...]

    @property
    def text(self) -> str:
        return ".".join(str(part) for part in self.version)


def find(places: tuple[str, ...] = (BINARY, *PLACES)) -> Installed | None:
    """The first QEMU that is new enough; else the newest of those that are not; None for none.

    What it says of itself decides, not the package that it came with. One that only root may start
    (built with a umask of 077) is none: guests run as another user.
    """
    answers = [
        found
        for place in places
        if (found := ask(place)) and closed_folder(Path(found.path)) is None
    ]
    usable = [found for found in answers if found.version >= OLDEST]
    return next(iter(usable), max(answers, key=lambda found: found.version, default=None))


def ask(place: str) -> Installed | None:
    path = shutil.which(place)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=VERSION_SECONDS,
        )
        return Installed(path, parse_version(done.stdout))
    except (OSError, subprocess.SubprocessError, BenchError):
        return None  # it is there and of no use, as one for another processor


def usable_qemu() -> Installed:
    """The QEMU to run guests with; raises BenchError if there is none or it is too old."""
    found = find()
    if found is None:
        raise BenchError(
            f"This host has no {BINARY}; install qemu-system-x86 (role numa_host does)."
        )
    if found.version < OLDEST:
        raise BenchError(
            f"QEMU on this host is {found.text}, free page reporting came with 5.1; install a "
            "newer one."
        )
    return found


def connection(number: int) -> tuple[socket.socket, int]:
    """A socket, and the descriptor of its other end, which has that number or one above it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        kept = fcntl.fcntl(ours.fileno(), fcntl.F_DUPFD_CLOEXEC, KEPT_DESCRIPTORS)
        return socket.socket(fileno=kept), fcntl.fcntl(
            theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, number
        )


@contextlib.contextmanager
def without_huge_pages(wanted: bool) -> Iterator[None]:
    """What is started meanwhile has small pages only, whatever the host allows; so has this process
    until then."""
    libc = ctypes.CDLL(None, use_errno=True)
    if wanted and libc.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this kernel cannot do without transparent huge pages")
    try:
        yield
    finally:
        if wanted:
            libc.prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0)


@contextlib.contextmanager
def swap_disk(folder: Path, mib: int) -> Iterator[int | None]:
    """Descriptor of a new swap area for a guest, None if it is to have none.

    The file has no name, so nobody else finds it, and it ends with the guest.
    """
    if not mib:
        yield None
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(mib * 2**20)
        descriptor = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, SWAP_DESCRIPTOR)
    try:
        subprocess.run(
            ["mkswap", f"/dev/fd/{descriptor}"],
            check=True,
            capture_output=True,
            pass_fds=[descriptor],
        )
        yield descriptor
    finally:
        os.close(descriptor)


class Qemu:
    """A running QEMU. It dies with the thread that started it."""

    def __init__(self, machine: Machine, user: str, cgroup_procs: list[Path]) -> None:
        lift()
        self.machine = machine
        self.cpu_user_seconds = 0.0
        self.cpu_system_seconds = 0.0
        self.exit_status: int | None = None
        self.console, self.errors = Output(machine.console), Output(machine.errors)
        enter = ["/bin/sh", "-c", ENTER_CELL, "sh", *(str(path) for path in cgroup_procs), "--"]
        # The swap disk and its own disk are the only files that QEMU has any business to write to.
        # Without namespaces of its own it could leave memory behind that belongs to no process, and
        # reach whatever the host reaches.
        largest_mib = max(machine.swap_mib, machine.root.largest_mib if machine.root else 0)
        limit = ["prlimit", "--core=0", f"--fsize={largest_mib * 2**20}"]
        limit += ["unshare", "--ipc", "--net"]
        drop = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"]
        drop += ["--no-new-privs", "--pdeathsig", "KILL", "--"]
        if machine.preload is not None:
            drop += ["env", f"LD_PRELOAD={machine.preload}"]
        self.qmp, qmp = connection(QMP_DESCRIPTOR)
        self.agent, agent = connection(AGENT_DESCRIPTOR)
        theirs = [qmp, agent, self.console.writing, self.errors.writing]
        given = [qmp, agent]

        def hand_over(kept: int, number: int) -> int:
            """Give QEMU a descriptor that others of the run have, too."""
            theirs.append(handed := fcntl.fcntl(kept, fcntl.F_DUPFD_CLOEXEC, number))
            given.append(handed)
            return handed

        try:
            files, base, own = FILES_DESCRIPTOR, BASE_DESCRIPTOR, (OWN_DESCRIPTOR, True)
            if machine.files is not None:
                files = hand_over(machine.files.descriptor, FILES_DESCRIPTOR)
            if machine.root is not None:
                base = hand_over(machine.root.descriptor, BASE_DESCRIPTOR)
            with (
                swap_disk(machine.logs, machine.swap_mib) as swap,
                own_disk(machine.logs, machine.root, OWN_DESCRIPTOR) as made,
            ):
                if swap is not None:
                    given.append(swap)
                if made is not None:
                    given.append(made[0])
                    own = made
                self.command_line = command_line(machine, swap, qmp, agent, files, base, own)
                self._process = subprocess.Popen(
                    [*enter, *limit, "--", *drop, *self.command_line],
                    stdin=subprocess.DEVNULL,
                    stdout=self.console.writing,
                    stderr=self.errors.writing,
                    pass_fds=given,
                    # Root's environment may hold what a guest must not know.
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                )
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.process_id = self._process.pid

    def is_alive(self) -> bool:
        """Reaps it if it has ended, and keeps its CPU time."""
        if self.exit_status is None:
            process_id, status, usage = os.wait4(self.process_id, os.WNOHANG)
            if process_id:
                self.exit_status = os.waitstatus_to_exitcode(status)
                self._process.returncode = self.exit_status  # subprocess need not wait for it
                self.cpu_user_seconds = usage.ru_utime
                self.cpu_system_seconds = usage.ru_stime
        return self.exit_status is None

    def cpu_seconds(self) -> float:
        """CPU time so far, user and system."""
        if not self.is_alive():
            return self.cpu_user_seconds + self.cpu_system_seconds
        fields = (
            Path(f"/proc/{self.process_id}/stat")
            .read_text(errors="replace")
            .rpartition(")")[2]
            .split()
        )
        # proc(5): utime and stime are fields 14 and 15; the text after ")" starts with field 3.
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def last_words(self) -> str:
        """The last line QEMU itself printed, if any."""
        lines = self.errors.last().strip().splitlines()
        return lines[-1] if lines else ""

    def stop(self) -> None:
        """Wait for its end (QMP may have asked for it), then end it: first kindly, then not."""
        seconds = STOP_SECONDS + self.machine.memory_mib / 1024 * EXIT_SECONDS_PER_GIB
        for wanted in (None, signal.SIGTERM, signal.SIGKILL):
            if wanted is not None and self.is_alive():
                os.kill(self.process_id, wanted)
            give_up = time.monotonic() + seconds
            while self.is_alive() and time.monotonic() < give_up:
                self.drain()
                time.sleep(0.01)
        self.console.close()
        self.errors.close()

    def drain(self) -> None:
        """Take what it has printed, so that it need not wait."""
        self.console.drain()
        self.errors.drain()

    def kill(self) -> None:
        if self.is_alive():
            os.kill(self.process_id, signal.SIGKILL)
