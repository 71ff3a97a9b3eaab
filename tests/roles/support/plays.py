# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the roles on hosts that are made up: each answers what a test says, all in one play."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.host.folder import MARK
from ansible_collections.hintfleet.bench.plugins.modules import builder_info, host_info

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = ("thp_enabled", "thp_defrag", "ksm_run", "swappiness", "numa_balancing", "zswap_enabled")
COLLECTION = "ansible_collections/hintfleet/bench"
# In place of host_info: it returns what lies in the state folder, and promises what that one does.
ANSWERS = """\
#!/usr/bin/python
import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

RETURN = %r
if __name__ == "__main__":
    names = ("user", "packages", "settings", "swap_path", "arms", "side_by_side")
    module = AnsibleModule(
        argument_spec={"state_dir": {"type": "path"}, **{name: {"type": "raw"} for name in names}},
        supports_check_mode=True,
    )
    module.exit_json(**json.loads(Path(module.params["state_dir"], "answer.json").read_text()))
"""
# The same in place of builder_info, where a test says what the builder answers.
BUILDER_ANSWERS = """\
#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule

RETURN = %r
if __name__ == "__main__":
    names = ("cache", "packages", "kernel_series")
    module = AnsibleModule(
        argument_spec={name: {"type": "raw"} for name in names}, supports_check_mode=True
    )
    module.exit_json(**%r)
"""
# What a host answers that has all it takes.
FIT: dict[str, Any] = {
    "user_id": 0,
    "rules_kernel": True,
    "nodes": [
        {"node": 0, "memory_mib": 16384, "available_mib": 16000, "cpus": [0, 1]},
        {"node": 1, "memory_mib": 16384, "available_mib": 16000, "cpus": [2, 3]},
    ],
    "memory_mib": 32768,
    "available_mib": 32000,
    "held_mib": 0,
    "disk_free_mib": 50000,
    "cgroup": {
        "version": 2,
        "controllers": ["cpuset", "memory"],
        "counts_swap": True,
        "writable": True,
    },
    "qemu": {"installed": "7.2.22", "path": "/usr/bin/qemu-system-x86_64"},
    "swap_there": False,
    "user_foreign": False,
    "packages_missing": [],
    "packages_offered": {},
    "apt": True,
    "programs_missing": [],
    "closed_folder": None,
    "foreign_entry": None,
    "exchangeable_folder": None,
    "unfit_mount": None,
    "overcommit_memory": 0,
    "panic_on_oom": 0,
    "daemons": [],
    "settings": dict.fromkeys(SETTINGS, "0"),
    "settings_refused": [],
    "arms_refused": [],
}
# What a builder answers that has all it takes.
FIT_BUILDER: dict[str, Any] = {
    "packages_unknown": [],
    "kernel_series": None,
    "exchangeable_folder": None,
    "unfit_mount": None,
    "room_lacking_mib": 0,
}


class Fleet:
    """Made-up hosts of one play."""

    def __init__(self, folder: Path, builder: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.builder = builder
        self.hosts: dict[str, dict[str, Any]] = {}
        self.output = ""

    def add(self, name: str, variables: dict[str, Any] | None = None, **answer: Any) -> None:
        state = self.folder / "hosts" / name
        state.mkdir(parents=True)
        (state / MARK).write_text("")  # of a host that was prepared before
        (state / "answer.json").write_text(json.dumps({**FIT, **answer}))
        self.hosts[name] = {"numa_host_state_dir": str(state), **(variables or {})}

    def play(self, tasks: str, *arguments: str, environment: dict[str, str] | None = None) -> int:
        """Play tasks on all hosts; returns the exit code."""
        collections = self.folder / "collections"
        copy = collections / COLLECTION
        if not copy.exists():
            shutil.copytree(
                ROOT / "collections" / COLLECTION, copy, ignore=shutil.ignore_patterns("tests")
            )
            (copy / "plugins/modules/host_info.py").write_text(ANSWERS % host_info.RETURN)
            if self.builder is not None:
                said = BUILDER_ANSWERS % (builder_info.RETURN, self.builder)
                (copy / "plugins/modules/builder_info.py").write_text(said)
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"vars": local, "hosts": self.hosts}}
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        playbooks = self.folder / "playbooks"
        playbooks.mkdir(exist_ok=True)
        (playbooks / "play.yml").write_text(tasks)
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                "-i",
                str(self.folder / "inventory.json"),
                str(playbooks / "play.yml"),
                *arguments,
            ],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(collections),
                "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_LOCALHOST_WARNING": "false",
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.output = done.stdout + done.stderr
        return done.returncode

    def sentences(self, host: str) -> str:
        """All that failed on a host, in one line."""
        assert self.has_ended(host), self.output[-3000:]
        pattern = rf"^(?:failed|fatal): \[{re.escape(host)}(?: -> [^\]]*)?\].*? => (.*)$"
        results = map(json.loads, re.findall(pattern, self.output, re.MULTILINE))
        said = " ".join(str(result.get("msg")) for result in results)
        return re.sub(r"\s+", " ", said)

    def has_ended(self, host: str) -> bool:
        """Whether the play counted the host at its end."""
        return re.search(rf"^{re.escape(host)} +: ok=", self.output, re.MULTILINE) is not None

    def changed(self, host: str) -> int:
        found = re.search(rf"^{re.escape(host)} +: .*changed=(\d+)", self.output, re.MULTILINE)
        assert found, self.output[-3000:]
        return int(found[1])
