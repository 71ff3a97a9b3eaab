# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab of one host for tests. Folders and ports of its own leave a lab that runs alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import host_snapshot

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
LAB, CLEAN = ROOT / "playbooks" / "lab.yml", ROOT / "playbooks" / "clean.yml"
SNAPSHOT = Path(host_snapshot.__file__)


@dataclass
class Lab:
    """A lab of one host, and the ways to reach it."""

    folder: Path

    @property
    def inventory(self) -> Path:
        return self.folder / "hosts.yml"

    def start(self, playbook: Path, **variables: Any) -> subprocess.Popen[str]:
        """Start a playbook on the lab, in a session of its own."""
        given = {
            "numa_lab_count": 1,
            "numa_lab_dir": str(self.folder / "lab"),
            "numa_lab_first_port": 22320,
            "numa_lab_inventory": str(self.inventory),
            **variables,
        }
        words = [str(BIN / "ansible-playbook"), "-i", str(self.inventory), str(playbook)]
        # The inventory is not there before the lab is up: the play that starts it reads it then.
        words += ["-e", f"@{ROOT / 'inventory' / 'lab' / 'group_vars' / 'all.yml'}"]
        path = f"{BIN}:{os.environ['PATH']}"
        return subprocess.Popen(
            [*words, "-e", json.dumps(given)],
            cwd=ROOT,
            env={**os.environ, "PATH": path, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: Path, **variables: Any) -> str:
        """Run a playbook on the lab; what it said. Fails the test if the play does."""
        process = self.start(playbook, **variables)
        try:
            said, _ = process.communicate()
        finally:  # a test that is stopped stops its play
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, said[-5000:]
        return said

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
