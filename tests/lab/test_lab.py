# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated NUMA host: it is what it claims to be, is prepared, cleaned, unplugged and reset.

It has folders and ports of its own, so that it leaves a lab that runs alone; the image is shared.
Minutes on a machine without KVM.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import host_snapshot
import pytest

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
LAB, CLEAN = ROOT / "playbooks" / "lab.yml", ROOT / "playbooks" / "clean.yml"
SNAPSHOT = Path(host_snapshot.__file__)


@dataclass
class Lab:
    """A lab of one host, and the ways to reach it."""

    folder: Path

    @property
    def inventory(self) -> Path:
        return self.folder / "hosts.yml"

    def play(self, playbook: Path, **variables: Any) -> str:
        """Run a playbook on the lab; what it said. Fails the test if the play does."""
        given = {
            "numa_lab_count": 1,
            "numa_lab_dir": str(self.folder / "lab"),
            "numa_lab_first_port": 22320,
            "numa_lab_inventory": str(self.inventory),
            "ansible_timeout": 120,
            **variables,
        }
        # Not there before the lab is up: the play that starts it reads it then.
        inventory = str(self.inventory)
        ansible = Path(sys.executable).parent / "ansible-playbook"
        done = subprocess.run(
            [str(ansible), "-i", inventory, str(playbook), "-e", json.dumps(given)],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout

    def ssh(self, command: str, given: str = "") -> str:
        """Run a command on the host; what it printed."""
        options = [f"UserKnownHostsFile={self.folder / 'lab' / 'known_hosts'}"]
        options += ["StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "ConnectTimeout=60"]
        words = ["ssh", "-i", str(self.folder / "lab" / "key"), "-p", "22321"]
        for option in options:
            words += ["-o", option]
        done = subprocess.run(
            [*words, "root@127.0.0.1", command],
            input=given,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def snapshot(self) -> dict[str, Any]:
        """What the host is like, without what an SSH session and a moment's work bring."""
        taken = json.loads(self.ssh("python3 -", SNAPSHOT.read_text()))
        passing = re.compile(r"sshd|systemd|agetty|python3 -|\(sd-pam\)|udevadm")
        taken["processes"] = {k: n for k, n in taken["processes"].items() if not passing.search(k)}
        # systemd makes and removes these as sessions and services come and go.
        taken["cgroups"] = {
            k: v
            for k, v in taken["cgroups"].items()
            if not re.search(r"\.(scope|service|mount)", k)
        }
        return taken

    @property
    def process_id(self) -> int:
        return int((self.folder / "lab" / "lab1" / "pid").read_text())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.fail("Building the lab's image needs root: run this test as root.")
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.play(LAB, lab_state="up")
    yield lab
    lab.play(LAB, lab_state="down")
    assert not (lab.folder / "lab").exists()
    assert not lab.inventory.exists()


@pytest.fixture(scope="module")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    playbook = tmp_path_factory.mktemp("play") / "prepare.yml"
    report = "{{ numa_host_cells | to_json }}"
    playbook.write_text(
        "- hosts: all\n  roles: [numa_host]\n  tasks:\n    - ansible.builtin.copy:\n"
        f"        content: '{report}'\n        dest: /root/cells.json\n"
    )
    return playbook


def test_it_is_a_debian_with_two_nodes_kvm_and_cgroup_v2(lab: Lab) -> None:
    assert lab.ssh("hostname").strip() == "lab1"
    assert "debian" in lab.ssh("cat /etc/os-release")
    assert lab.ssh("cat /sys/devices/system/node/has_memory").strip() == "0-1"
    assert "memory" in lab.ssh("cat /sys/fs/cgroup/cgroup.controllers").split()
    assert lab.ssh("test -c /dev/kvm && systemctl is-system-running --wait").strip() == "running"


def test_nothing_listens_beyond_loopback_and_the_host_reaches_nobody(lab: Lab) -> None:
    sockets = subprocess.run(["ss", "-tlnpH"], capture_output=True, text=True, check=True).stdout
    ours = [line.split()[3] for line in sockets.splitlines() if f"pid={lab.process_id}," in line]
    assert ours == ["127.0.0.1:22321"]
    assert lab.ssh("timeout 5 bash -c '</dev/tcp/10.0.2.2/22321' 2>&1 || echo refused").endswith(
        "refused\n"
    )


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = lab.process_id
    said = lab.play(LAB, lab_state="up")
    assert re.findall(r"^localhost .*changed=(\d+)", said, re.MULTILINE) == ["0"]
    assert lab.process_id == before
    assert "lab1: up, 2 nodes of 2048 MiB" in lab.play(LAB, lab_state="status")


def test_prepared_and_cleaned_is_as_found(lab: Lab, prepare: Path) -> None:
    before = lab.snapshot()
    lab.play(prepare)
    cells = json.loads(lab.ssh("cat /root/cells.json; rm /root/cells.json"))
    assert [(cell["name"], cell["node"], cell["cpus"]) for cell in cells] == [
        ("lab1-node0", 0, [0]),
        ("lab1-node1", 1, [1]),
    ]
    for line in ("/dev/vdb", "partition"):
        assert line in lab.ssh("cat /proc/swaps")
    assert "cpuset" in lab.ssh("cat /sys/fs/cgroup/hintfleet/cgroup.subtree_control").split()
    assert lab.ssh("/var/lib/hintfleet/venv/bin/python -c 'import qemu.qmp; print(1)'") == "1\n"
    assert "kvm" in lab.ssh("id -Gn hintfleet").split()

    lab.play(CLEAN)
    assert host_snapshot.differences(before, lab.snapshot()) == []


def test_a_pulled_plug_and_a_reset(lab: Lab) -> None:
    lab.ssh("echo written >/root/kept; sync")
    os.kill(lab.process_id, 9)
    lab.play(LAB, lab_state="up")
    assert lab.ssh("cat /root/kept") == "written\n"
    lab.play(LAB, lab_state="reset")
    assert lab.ssh("ls -A /root/kept 2>/dev/null || echo gone") == "gone\n"
