# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulated NUMA host: one QEMU with several nodes, its own disks, and SSH on loopback.

All that belongs to a host lies in one folder; a host is up while the QEMU that its `pid` file names
runs. The root disk is an overlay over the image that all hosts share, so that a clean host is one
whose overlay is new.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 120.0
STOP_SECONDS = 10.0
# The translation buffer of each host; QEMU's own default may take 1 GiB.
TB_SIZE_MIB = 256
# A guest under nested KVM is told of vector registers that it cannot enable, and its kernel warns
# of the contradiction. Without them nobody does, and nothing that hintfleet runs needs them.
WITHOUT = ",".join(f"-{name}" for name in ("xsave", "xsaveopt", "avx", "avx2", "f16c", "fma"))
SWAP_SERIAL = "hintfleet-swap"
# What the initramfs of Debian says when the kernel has handed over to it.
SIGN_OF_LIFE = b"Loading, please wait"
KERNEL_ARGUMENTS = "root=/dev/vda rw console=ttyS0 mitigations=off"


class LabError(Exception):
    """A sentence for the user: object, cause, remedy."""


@dataclass(frozen=True)
class LabHost:
    """What a host is. `image` is the folder with disk.raw, vmlinuz and initrd.img."""

    name: str
    folder: Path
    image: Path
    authorized_key: Path
    port: int
    accelerator: str
    nodes: int
    node_mib: int
    node_cpus: int
    nested_kvm: bool
    swap_mib: int
    swap_mib_per_second: int
    swap_operations_per_second: int
    internet: bool
    kernel_arguments: str

    @property
    def overlay(self) -> Path:
        return self.folder / "root.qcow2"

    @property
    def swap(self) -> Path:
        return self.folder / "swap.raw"

    @property
    def host_key(self) -> Path:
        return self.folder / "ssh_host_key"


def processor(accelerator: str, nested_kvm: bool) -> list[str]:
    """Arguments for the processor. TCG can emulate AMD's virtualization, and KVM works with it."""
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host" if nested_kvm else "host,-svm,-vmx"]
    svm = "+svm" if nested_kvm else "-svm"
    return ["-accel", f"tcg,thread=multi,tb-size={TB_SIZE_MIB}", "-cpu", f"EPYC,{svm},{WITHOUT}"]


def memory(nodes: int, node_mib: int, node_cpus: int) -> list[str]:
    """Arguments for the NUMA nodes: each has its own memory and a socket with `node_cpus` CPUs."""
    cpus = nodes * node_cpus
    arguments = ["-m", f"{nodes * node_mib}M"]
    arguments += ["-smp", f"{cpus},sockets={nodes},cores={node_cpus},threads=1"]
    for node in range(nodes):
        arguments += ["-object", f"memory-backend-ram,id=node{node},size={node_mib}M"]
        arguments += ["-numa", f"node,nodeid={node},memdev=node{node}"]
        arguments += ["-numa", f"cpu,node-id={node},socket-id={node}"]
    return arguments


def command_line(host: LabHost) -> list[str]:
    """QEMU for this host. Only SSH is reachable, from loopback; nothing is reachable from it."""
    restrict = "off" if host.internet else "on"
    throttling = (
        f"throttling.bps-total={host.swap_mib_per_second * 2**20},"
        f"throttling.iops-total={host.swap_operations_per_second}"
    )
    given = "opt/org.hintfleet"
    return [
        "qemu-system-x86_64",
        "-name", host.name,
        "-nodefaults", "-no-user-config", "-display", "none",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-pidfile", str(host.folder / "pid"),
        "-M", "q35",
        *processor(host.accelerator, host.nested_kvm),
        *memory(host.nodes, host.node_mib, host.node_cpus),
        "-drive", f"file={host.overlay},format=qcow2,if=none,id=root,cache=unsafe",
        "-device", "virtio-blk-pci,drive=root",
        # A swap disk without a price would be as fast as the page cache behind it.
        "-drive", f"file={host.swap},format=raw,if=none,id=swap,cache=unsafe,{throttling}",
        "-device", f"virtio-blk-pci,drive=swap,serial={SWAP_SERIAL}",
        "-netdev", f"user,id=net,restrict={restrict},hostfwd=tcp:127.0.0.1:{host.port}-:22",
        "-device", "virtio-net-pci,netdev=net",
        "-device", "virtio-rng-pci",
        "-fw_cfg", f"name={given}/hostname,string={host.name}",
        "-fw_cfg", f"name={given}/authorized_keys,file={host.authorized_key}",
        "-fw_cfg", f"name={given}/ssh_host_key,file={host.host_key}",
        "-kernel", str(host.image / "vmlinuz"),
        "-initrd", str(host.image / "initrd.img"),
        "-append", f"{KERNEL_ARGUMENTS} {host.kernel_arguments}".strip(),
        "-serial", f"file:{host.folder / 'console.log'}",
    ]  # fmt: skip


def process_id(folder: Path) -> int | None:
    """Of the QEMU of the host in this folder, if it runs."""
    try:
        number = int((folder / "pid").read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes().decode()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    # The number of a QEMU that has gone may be another's now.
    return number if f"-pidfile\0{folder / 'pid'}\0" in command else None


def port_is_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def start(host: LabHost) -> None:
    """Start a host: its disks are made if they are not there. Raises LabError."""
    if not port_is_free(host.port):
        raise LabError(
            f"Port {host.port} of 127.0.0.1 is taken, and host {host.name} needs it for SSH; "
            "choose others with numa_lab_first_port."
        )
    host.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not host.host_key.exists():
        run(
            "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", str(host.host_key)
        )
    if not host.overlay.exists():
        draft = host.overlay.with_suffix(".new")
        disk = str(host.image / "disk.raw")
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk, str(draft))
        draft.replace(host.overlay)
    with host.swap.open("ab") as file:
        file.truncate(host.swap_mib * 2**20)
    launch(host)


def launch(host: LabHost) -> None:
    """Start QEMU and leave it running. It cannot do that itself: its sandbox forbids to fork."""
    log = host.folder / "qemu.log"
    command = command_line(host)
    if shutil.which(command[0]) is None:
        raise not_installed(command[0])
    with log.open("wb") as out:
        qemu = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    give_up = time.monotonic() + START_SECONDS
    # It listens when all its devices are there.
    while process_id(host.folder) != qemu.pid or port_is_free(host.port):
        if qemu.poll() is not None or time.monotonic() > give_up:
            qemu.kill()
            words = last_line(log.read_text(errors="replace"))
            raise LabError(f"Host {host.name} did not start ({words}); see {log}.")
        time.sleep(0.1)


def stop(folder: Path) -> bool:
    """Stop the host in this folder, as if its plug was pulled. False if it was not up."""
    number = process_id(folder)
    if number is None:
        return False
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        os.kill(number, wanted)
        give_up = time.monotonic() + STOP_SECONDS
        while process_id(folder) == number and time.monotonic() < give_up:
            time.sleep(0.05)
        if process_id(folder) != number:
            return True
    raise LabError(f"QEMU {number} in {folder} does not end even when killed; see the kernel log.")


def known_host(host: LabHost) -> str:
    """The line of known_hosts that belongs to this host."""
    kind, key, *_comment = host.host_key.with_suffix(".pub").read_text().split()
    return f"[127.0.0.1]:{host.port} {kind} {key}"


def boots_with_kvm(image: Path, seconds: float) -> bool:
    """Whether an ordinary kernel reaches its first program under KVM.

    /dev/kvm can be there and a kernel still hang, so only booting one tells.
    """
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
    command += ["-sandbox", "on", "-no-reboot", "-M", "q35", "-accel", "kvm", "-cpu", "host"]
    command += ["-m", "512M", "-kernel", str(image / "vmlinuz")]
    command += ["-initrd", str(image / "initrd.img"), "-append", "console=ttyS0 panic=-1"]
    command += ["-serial", "stdio", "-monitor", "none"]
    guest = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        return _says(guest, SIGN_OF_LIFE, time.monotonic() + seconds)
    finally:
        guest.kill()
        guest.communicate()


def _says(guest: subprocess.Popen[bytes], words: bytes, deadline: float) -> bool:
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(guest.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                piece = os.read(guest.stdout.fileno(), 65536)
                if not piece:
                    return False
                said += piece
                if words in said:
                    return True
    return False


def run(*command: str) -> None:
    """Run a command; its failure is a sentence."""
    try:
        subprocess.run(
            command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise not_installed(command[0]) from None
    except subprocess.CalledProcessError as error:
        words = last_line(error.stderr)
        raise LabError(f"{command[0]} failed ({words}); mend that and try again.") from error


def not_installed(program: str) -> LabError:
    """The sentence for a program that this machine lacks."""
    return LabError(f"{program} is not installed; install numa_lab_packages.")


def last_line(text: str) -> str:
    """Where programs say why they failed."""
    return (text.strip().splitlines() or ["no reason given"])[-1]
