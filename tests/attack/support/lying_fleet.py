# SPDX-License-Identifier: GPL-2.0-or-later
"""A fleet of hosts that say what a test wants, and the controller that plays against them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import host_answer
from lying_host import LyingHost
from plays import FIT, FIT_BUILDER

ROOT = Path(__file__).resolve().parents[3]
SECRET = "the-controllers-own-secret"  # noqa: S105 - it opens nothing
CONTENT = b"bytes of an artifact"
SHA256 = sha256(CONTENT).hexdigest()
# On a controller that took it for one, it would make a file of which nobody had spoken.
TEMPLATE = "{{ lookup('ansible.builtin.pipe', 'touch $TOUCHED') }}"
EVIL = "\x1b]0;owned\x07" + TEMPLATE
KERNEL = {"key": "a" * 64, "release": "6.1.0", "version": "6.1", "sha256": SHA256,
          "config_sha256": SHA256, "debug_options": [], "inputs": {"tool": TEMPLATE}}  # fmt: skip
IMAGE = {"key": "b" * 64, "sha256": SHA256, "packages": {TEMPLATE: TEMPLATE}}
SWEPT: dict[str, Any] = {"processes": [], "cgroups": [], "files": [], "users": [],
                         "swap_paths": [], "runs": []}  # fmt: skip
FOLDER: dict[str, Any] = {"removed": [], "left": []}
SETTINGS: dict[str, Any] = {"found": {}, "settings": {}, "absent": []}
NODE = {"node": 0, "memory_mib": 4096, "available_mib": 4000, "cpus": [0, 1]}
FACTS = {"ansible_distribution": "Debian", "ansible_python": {"version": {"major": 3, "minor": 11}}}
HONEST: dict[str, Any] = {
    "own_folder": FOLDER,
    "host_settings": SETTINGS,
    "setup": {"ansible_facts": FACTS},
    "getent": {"ansible_facts": {"getent_group": {"kvm": None}}},
    "host_info": {**FIT, "nodes": [NODE], "memory_mib": 4096, "available_mib": 4000},
    "command id": {"rc": 0, "stdout": "0"},
    "command dpkg-query": {"rc": 0, "stdout": ""},
    "builder_info": {**FIT_BUILDER, "kernel_series": "6.1"},
    "command uname": {"rc": 0, "stdout": "x86_64"},
    "guest_kernel_build": {"due": False, "log": "", "key": KERNEL["key"], "manifest": KERNEL},
    "guest_image_build": {"key": IMAGE["key"], "manifest": IMAGE},
    "slurp": {"encoding": "base64", "content": base64.b64encode(CONTENT).decode()},
    "stat": {"stat": {"exists": True, "isdir": False, "checksum": "1", "mode": "0644"}},
    "stat sha256": {"stat": {"exists": True, "checksum": SHA256}},
    "accelerator_info": {"accelerator": "tcg", "reason": "A guest booted."},
}
# The honest records of host_answer are of a study with these.
SIZES = {
    **{f"study_{name}": host_answer.PARAMETERS[name]
       for name in ("proof_mib", "proof_seconds", "sample_hz", "boot_deadline_seconds",
                    "deadline_seconds", "swap_threshold_mib")},
    **{f"study_memhog_{name}": host_answer.PARAMETERS[of]
       for name, of in (("guest_mib", "guest_memory_mib"), ("guest_vcpus", "guest_vcpus"),
                        ("guest_swap_mib", "guest_swap_mib"), ("guests", "guests"),
                        ("mib", "memhog_mib"), ("pause_seconds", "pause_seconds"))},
}  # fmt: skip


class Fleet:
    """Hosts by name, and the controller that plays against them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.secret = folder / "secret"
        self.secret.write_text(SECRET)
        self.hosts: dict[str, LyingHost] = {}

    def add(self, name: str, **answers: Any) -> LyingHost:
        run = {"run": honest_run(name)}
        self.hosts[name] = LyingHost(self.folder / name, {**HONEST, **run, **answers})
        return self.hosts[name]

    def play(
        self,
        playbook: str,
        builder: str = "honest",
        variables: dict[str, Any] | None = None,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        inventory = {
            "all": {
                "hosts": {name: host.variables() for name, host in self.hosts.items()},
                "vars": {
                    "study_results_dir": str(self.results),
                    "numa_host_results_dir": str(self.results),
                    "guest_artifact_cache_dir": str(self.folder / "cache"),
                    "guest_artifact_controller_dir": str(self.folder / "cache"),
                    "study_name": "s",
                    "study_blocks": 1,
                    "study_mechanisms": ["none"],
                    "study_workloads": ["memhog"],
                    **SIZES,
                    **(variables or {}),
                },
                "children": {"builders": {"hosts": {builder: {}}}},
            }
        }
        (self.folder / "hosts.json").write_text(json.dumps(inventory))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i",
                   str(self.folder / "hosts.json"), f"playbooks/{playbook}.yml",
                   "--skip-tags", "numa_host_python"]  # fmt: skip
        return subprocess.run(
            command,
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "TOUCHED": str(self.folder / "touched"),
                **environment,
            },
            text=True,
            capture_output=True,
            check=False,
            timeout=1800,
        )

    def written(self) -> set[str]:
        """What the controller wrote, hosts' own folders aside."""
        files = (p.relative_to(self.folder) for p in self.folder.rglob("*") if not p.is_dir())
        return {str(p) for p in files if p.parts[0] not in (*self.hosts, "secret", "hosts.json")}

    def heard_the_secret(self) -> bool:
        return any(SECRET in call for host in self.hosts.values() for call in host.calls)


def honest_run(host: str, **changes: Any) -> dict[str, Any]:
    """The answer to the one run of a host's one cell."""
    cell = {**host_answer.record()["cell"], "name": f"{host}-node0", "host": host}
    made = host_answer.record(
        run_id=f"{host}-node0.b1.none.memhog",
        cell=cell,
        order=1,
        provenance={**host_answer.record()["provenance"], "guest_kernel": KERNEL,
                    "guest_image": IMAGE},
    )  # fmt: skip
    return host_answer.answer(files=host_answer.files({**made, **changes}))
