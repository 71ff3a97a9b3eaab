# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated NUMA host: it is what it claims to be, is prepared, cleaned, unplugged and reset.

Minutes on a machine without KVM.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import host_snapshot
import pytest
from lab_host import CLEAN, LAB, Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    playbook = tmp_path_factory.mktemp("play") / "prepare.yml"
    report = "{{ numa_host_cells | to_json }}"
    playbook.write_text(
        "- hosts: all\n  roles: [numa_host]\n  tasks:\n    - ansible.builtin.copy:\n"
        f"        content: '{report}'\n        dest: ~/cells.json\n"
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
    cells = json.loads(lab.ssh("cat ~/cells.json; rm ~/cells.json"))
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
    lab.ssh("echo written >~/kept; sync")
    os.kill(lab.process_id, 9)
    lab.play(LAB, lab_state="up")
    assert lab.ssh("cat ~/kept") == "written\n"
    lab.play(LAB, lab_state="reset")
    assert lab.ssh("ls -A ~/kept 2>/dev/null || echo gone") == "gone\n"
