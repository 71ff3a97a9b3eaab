# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of an emulated host, and telling whether one runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ansible.plugins.filter.core import to_bool
from ansible_collections.hintfleet.bench.plugins.module_utils.lab import lab as hintfleet_lab
from ansible_collections.hintfleet.bench.plugins.module_utils.lab.lab import LabError, LabHost
from jinja2 import Environment

ROLE = Path(__file__).resolve().parents[2] / "roles/numa_lab"


def free_port() -> int:
    """A port of loopback that nobody has, not even a lab that runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def host(tmp_path: Path) -> LabHost:
    return LabHost(
        name="lab1",
        folder=tmp_path / "lab1",
        image=tmp_path / "image",
        authorized_key=tmp_path / "key.pub",
        port=free_port(),
        accelerator="tcg",
        nodes=2,
        node_mib=2048,
        node_cpus=3,
        nested_kvm=True,
        swap_mib=1,
        swap_mib_per_second=100,
        swap_operations_per_second=3000,
        internet=False,
        kernel_arguments="quiet",
    )


def after(command: list[str], option: str) -> list[str]:
    return [command[at + 1] for at, word in enumerate(command) if word == option]


def test_each_node_has_its_memory_and_its_socket(host: LabHost) -> None:
    command = hintfleet_lab.command_line(host)
    assert after(command, "-m") == ["4096M"]
    assert after(command, "-smp") == ["6,sockets=2,cores=3,threads=1"]
    assert after(command, "-numa") == [
        "node,nodeid=0,memdev=node0",
        "cpu,node-id=0,socket-id=0",
        "node,nodeid=1,memdev=node1",
        "cpu,node-id=1,socket-id=1",
    ]


def test_only_ssh_on_loopback_is_reachable(host: LabHost) -> None:
    command = hintfleet_lab.command_line(host)
    assert after(command, "-netdev") == [
        f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{host.port}-:22"
    ]
    assert "restrict=off" in " ".join(hintfleet_lab.command_line(replace(host, internet=True)))
    assert after(command, "-sandbox")[0].startswith("on,")
    assert "-nodefaults" in command


def test_swapping_has_a_price(host: LabHost) -> None:
    (disk,) = [d for d in after(hintfleet_lab.command_line(host), "-drive") if "id=swap" in d]
    assert disk.endswith("throttling.bps-total=104857600,throttling.iops-total=3000")


@pytest.mark.parametrize(
    ("accelerator", "nested", "cpu"),
    [
        ("tcg", True, f"EPYC,+svm,{hintfleet_lab.WITHOUT}"),
        ("tcg", False, f"EPYC,-svm,{hintfleet_lab.WITHOUT}"),
        ("kvm", True, "host"),
        ("kvm", False, "host,-svm,-vmx"),
    ],
)
def test_processor(accelerator: str, nested: bool, cpu: str) -> None:
    assert after(hintfleet_lab.processor(accelerator, nested), "-cpu") == [cpu]


@pytest.fixture
def running(host: LabHost) -> Iterator[subprocess.Popen[bytes]]:
    """Something that was started with this host's pid file on its command line."""
    host.folder.mkdir()
    words = ["-pidfile", str(host.folder / "pid"), "-M", "q35"]
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", *words])
    (host.folder / "pid").write_text(f"{process.pid}\n")
    yield process
    process.kill()
    process.wait()


def test_a_host_is_up_while_its_process_runs(
    host: LabHost, running: subprocess.Popen[bytes]
) -> None:
    while b"-pidfile" not in Path(f"/proc/{running.pid}/cmdline").read_bytes():
        assert running.poll() is None
    assert hintfleet_lab.process_id(host.folder) == running.pid
    running.kill()
    running.wait()
    assert hintfleet_lab.process_id(host.folder) is None
    assert not hintfleet_lab.stop(host.folder)


def test_a_number_that_is_anothers_now_is_not_the_host(host: LabHost) -> None:
    host.folder.mkdir()
    (host.folder / "pid").write_text(str(os.getpid()))
    assert hintfleet_lab.process_id(host.folder) is None
    (host.folder / "pid").write_text("")
    assert hintfleet_lab.process_id(host.folder) is None


def test_a_taken_port_is_a_sentence_before_anything_is_made(host: LabHost) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = replace(host, port=listener.getsockname()[1])
        with pytest.raises(LabError, match="is taken, and host lab1 needs it"):
            hintfleet_lab.start(taken)
    assert not host.folder.exists()


def test_a_host_that_does_not_start_says_why(
    host: LabHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.folder.mkdir()
    host.overlay.write_bytes(b"no disk")
    host.host_key.write_text("")
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(LabError, match="qemu-system-x86_64 is not installed; install"):
        hintfleet_lab.start(host)
    qemu = programs / "qemu-system-x86_64"
    qemu.write_text(
        "#!/bin/sh\necho 'starting' >&2\necho 'Image is not in qcow2 format' >&2\nexit 1\n"
    )
    qemu.chmod(0o755)
    with pytest.raises(LabError, match=r"Host lab1 did not start \(Image is not in qcow2 format\)"):
        hintfleet_lab.start(host)
    assert hintfleet_lab.process_id(host.folder) is None


def test_a_program_that_fails_is_a_sentence() -> None:
    with pytest.raises(LabError, match="is not installed; install"):
        hintfleet_lab.run("no-such-program")
    with pytest.raises(LabError, match=r"ls failed \(.*no-such-file"):
        hintfleet_lab.run("ls", "/no-such-file")


def test_whoever_ends_a_lab_finds_where_it_was_put() -> None:
    jinja = Environment(trim_blocks=True)  # noqa: S701 - as Ansible does
    jinja.filters["bool"] = to_bool
    template = jinja.from_string((ROLE / "templates" / "hosts.yml.j2").read_text())
    host = {"name": "lab1", "port": 22321, "nested_kvm": "yes"}
    variables = {
        "numa_lab_dir": "/srv/lab",
        "__numa_lab_hosts": [host],
        "__numa_lab_key": "/srv/lab/key",
        "__numa_lab_known_hosts": "/srv/lab/known_hosts",
    }
    written = yaml.safe_load(template.render(variables))
    assert written["all"]["vars"] == {"numa_lab_dir": "/srv/lab"}
    assert written["lab"]["hosts"]["lab1"] == {"ansible_port": 22321, "numa_lab_has_kvm": True}
