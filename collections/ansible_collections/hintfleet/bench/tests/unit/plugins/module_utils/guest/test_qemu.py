# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line, and that what it starts is as told and ends."""

from __future__ import annotations

import itertools
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import qemu as _qemu
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.mechanisms import MECHANISMS
from ansible_collections.hintfleet.bench.plugins.module_utils.run.parity import without_mechanism

MACHINE = _qemu.Machine(
    name="guest1",
    logs=Path("/var/x"),
    memory_mib=320,
    vcpus=2,
    accelerator="tcg",
    mechanism="none",
    kernel=Path("/k/bzImage"),
    image=Path("/i/initramfs.img"),
)


def after(line: list[str], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(line) if name == option]


@pytest.mark.parametrize(
    ("mechanism", "property_", "argument"),
    [
        ("none", "free-page-reporting=off", "virtio_balloon.free_page_engine=off"),
        ("free_page_reporting", "free-page-reporting=on", "virtio_balloon.free_page_engine=list"),
        ("page_hinting", "free-page-reporting=on", "virtio_balloon.free_page_engine=bitmap"),
    ],
)
def test_a_mechanism_is_a_device_property_and_a_kernel_parameter(
    mechanism: str, property_: str, argument: str
) -> None:
    line = _qemu.command_line(replace(MACHINE, mechanism=mechanism))
    assert f"virtio-balloon-pci,id=balloon,{property_}" in after(line, "-device")
    assert argument in after(line, "-append")[0].split()


def test_mechanisms_differ_in_nothing_else() -> None:
    lines = {
        without_mechanism(" ".join(_qemu.command_line(replace(MACHINE, mechanism=name))), name)
        for name in MECHANISMS
    }
    assert len(lines) == 1


def test_a_guest_has_no_network_and_no_default_devices() -> None:
    line = _qemu.command_line(MACHINE)
    assert "-nodefaults" in line
    assert "-no-user-config" in line
    assert not after(line, "-netdev") + after(line, "-nic") + after(line, "-drive")
    assert "spawn=deny" in after(line, "-sandbox")[0]
    assert "elevateprivileges=deny" in after(line, "-sandbox")[0]


def test_a_guest_that_starts_over_ends_instead() -> None:
    """One that reset or panicked would answer again, with all of its memory free."""
    assert "-no-reboot" in _qemu.command_line(MACHINE)
    assert "panic=-1" in MACHINE.kernel_command_line.split()


def test_emulation_bounds_its_translation_buffer() -> None:
    assert after(_qemu.command_line(replace(MACHINE, tb_size_mib=16)), "-accel") == [
        "tcg,tb-size=16"
    ]
    assert after(_qemu.command_line(replace(MACHINE, accelerator="kvm")), "-accel") == ["kvm"]


def test_memory_is_bound_where_there_are_nodes_to_bind_to() -> None:
    assert "bind" not in " ".join(_qemu.command_line(MACHINE))
    bound = after(_qemu.command_line(replace(MACHINE, bind_node=1)), "-object")[0]
    assert bound == "memory-backend-ram,id=ram,size=320M,host-nodes=1,policy=bind"


def test_a_swap_disk_is_passed_as_a_descriptor() -> None:
    line = _qemu.command_line(MACHINE, 100)
    assert after(line, "-add-fd") == ["fd=100,set=1"]
    assert "virtio-blk-pci,drive=swap" in after(line, "-device")


def test_a_swap_disk_is_a_swap_area_that_nobody_finds(tmp_path: Path) -> None:
    with _qemu.swap_disk(tmp_path, 8) as descriptor:
        assert descriptor is not None
        assert os.pread(descriptor, 10, 4086) == b"SWAPSPACE2"
        assert os.fstat(descriptor).st_size == 8 * 2**20
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with _qemu.swap_disk(tmp_path, 0) as none:
        assert none is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        # Debian 12, 2026-11-22
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\n", (7, 2, 22)),
        ("QEMU emulator version 5.0.0\n", (5, 0, 0)),
    ],
)
def test_version(text: str, version: tuple[int, ...]) -> None:
    assert _qemu.parse_version(text) == version


def test_a_version_that_is_none() -> None:
    with pytest.raises(BenchError, match="no QEMU version"):
        _qemu.parse_version("segmentation fault")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """One that those may enter whom guests run as, as they may enter /usr/bin."""
    with tempfile.TemporaryDirectory(prefix="qemu-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def qemu_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found as QEMU's."""
    program = tmp_path / "bin" / _qemu.BINARY
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(_qemu.find, "__defaults__", ((_qemu.BINARY,),))
    return program


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_an_old_qemu_is_refused(qemu_program: Path) -> None:
    script(qemu_program, "echo QEMU emulator version 5.0.1")
    with pytest.raises(BenchError, match=r"5\.0\.1, free page reporting came with 5\.1"):
        _qemu.usable_qemu()


def test_no_qemu_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_qemu.find, "__defaults__", ((_qemu.BINARY,),))
    with pytest.raises(BenchError, match="install qemu-system-x86"):
        _qemu.usable_qemu()


def test_any_qemu_that_is_new_enough_is_found_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, broken, other = tmp_path / "old", tmp_path / "broken", tmp_path / "libexec" / "qemu-kvm"
    other.parent.mkdir()
    script(old, "echo QEMU emulator version 4.2.1")
    script(broken, "exit 127")
    script(other, "echo 'QEMU emulator version 9.1.0 (qemu-kvm-9.1.0-29.el10)'")
    places = (str(tmp_path / "none"), str(broken), str(old), str(other))
    assert _qemu.find(places) == _qemu.Installed(str(other), (9, 1, 0))
    other.chmod(0o700)
    assert _qemu.find((str(other), str(old))) == _qemu.Installed(str(old), (4, 2, 1))
    wraps = tmp_path / "wraps"
    script(wraps, r"printf 'Gru\337 QEMU emulator version 10.0.2\n'")
    assert _qemu.find((str(wraps),)) == _qemu.Installed(str(wraps), (10, 0, 2))
    monkeypatch.setattr(_qemu, "VERSION_SECONDS", 0.2)
    script(wraps, "exec sleep 60")
    assert _qemu.find((str(wraps),)) is None
    found = _qemu.find(places[:3])
    assert found is not None
    assert found.text == "4.2.1"
    assert _qemu.find(places[:2]) is None


# Stands for a QEMU that a guest has taken over: it looks at what it has and does what it can.
TAKEN = """
import json, os, resource, stat, sys
found = {"environment": dict(os.environ), "descriptors": {}}
with open("/proc/self/net/dev") as devices:
    found["network"] = [line.split(":")[0].strip() for line in list(devices)[2:]]
for name in os.listdir("/proc/self/fd"):
    try:
        mode = os.fstat(int(name)).st_mode
    except OSError:
        continue
    found["descriptors"][name] = stat.S_IFMT(mode)
found["limits"] = [resource.getrlimit(limit) for limit in
                   (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)]
try:
    os.ftruncate(1, 2**40)
except OSError as error:
    found["stretched"] = error.strerror
try:
    with open(sys.argv[1], "wb", buffering=0) as file:
        file.write(b"x")
except OSError as error:
    found["wrote"] = error.strerror
print(json.dumps(found), file=sys.stderr, flush=True)
os.write(101, b"hello")
while True:
    os.write(1, b"f" * 65536)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="starts a program as another user")
def test_a_qemu_that_is_taken_has_pipes_sockets_and_nothing_to_write_to(
    qemu_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = tmp_path / "attack.py"
    attack.write_text(TAKEN)
    script(qemu_program, f"exec {sys.executable} {attack} {tmp_path}/mine")
    monkeypatch.setenv("HTTPS_PROXY", "https://user:hunter2@proxy")
    monkeypatch.setattr(_qemu, "STOP_SECONDS", 0.2)
    qemu = _qemu.Qemu(replace(MACHINE, logs=tmp_path), "root", [])
    assert qemu.qmp.recv(5) == b"hello"
    for _ in range(200):
        qemu.drain()
    qemu.stop()
    found = json.loads(qemu.errors.text())
    assert "hunter2" not in json.dumps(found["environment"])
    assert set(found["environment"]) <= {"PATH", "LC_ALL", "PWD", "LC_CTYPE"}
    kinds = {int(number): kind for number, kind in found["descriptors"].items()}
    assert {kinds[1], kinds[2]} == {stat.S_IFIFO}
    assert {kinds[101], kinds[102]} == {stat.S_IFSOCK}
    assert set(kinds) == {0, 1, 2, 101, 102}
    assert found["network"] == ["lo"]
    assert found["limits"] == [[0, 0], [0, 0]]
    assert found["stretched"] == "Invalid argument"
    assert found["wrote"] == "File too large"
    assert qemu.console.lost_bytes > 0
    assert qemu.console.path.stat().st_size < 400_000


def test_one_command_line_comes_out_each_time(tmp_path: Path) -> None:
    kept = []
    for _ in range(3):
        ours, number = _qemu.connection(_qemu.QMP_DESCRIPTOR)
        assert number == _qemu.QMP_DESCRIPTOR
        os.close(number)
        kept.append(ours)
    assert all(ours.fileno() >= _qemu.KEPT_DESCRIPTORS for ours in kept)


def test_a_guests_memory_is_in_no_core_dump_and_no_socket_has_a_path() -> None:
    line = _qemu.command_line(MACHINE)
    assert "dump-guest-core=off" in after(line, "-M")[0]
    assert not any("path=" in word for word in line)
