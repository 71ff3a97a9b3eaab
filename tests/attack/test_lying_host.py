# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole phases are played with hosts that lie: to the controller, about the fleet, as a builder."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import host_answer
import pytest
from lying_host import LyingHost
from plays import FIT, FIT_BUILDER

ROOT = Path(__file__).resolve().parents[2]
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
# What Ansible says of an expression that met something else than it was written for.
SPEAKS_JINJA = re.compile(r"object of type|has no attribute|is undefined|[Tt]emplat(e|ing) error")
NODE = {"node": 0, "memory_mib": 4096, "available_mib": 4000, "cpus": [0, 1]}
FACTS = {"ansible_distribution": "Debian", "ansible_python": {"version": {"major": 3, "minor": 11}}}
FOLDER: dict[str, Any] = {"removed": [], "left": []}
SETTINGS: dict[str, Any] = {"found": {}, "settings": {}, "absent": []}
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
    "guest_kernel_build": {"due": False, "key": KERNEL["key"], "manifest": KERNEL},
    "guest_image_build": {"key": IMAGE["key"], "manifest": IMAGE},
    "slurp": {"encoding": "base64", "content": base64.b64encode(CONTENT).decode()},
    "stat": {"stat": {"exists": True, "isdir": False, "checksum": "1", "mode": "0644"}},
    "stat sha256": {"stat": {"exists": True, "checksum": SHA256}},
    "accelerator_info": {"accelerator": "tcg", "reason": "A guest booted."},
}


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
        self, playbook: str, builder: str = "honest", **environment: str
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
            timeout=300,
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


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def evil_facts(fleet: Fleet) -> dict[str, Any]:
    """Names that a play would take from a host, were they variables."""
    evil = str(fleet.folder / "evil")
    return {
        "study_results_dir": evil,
        "numa_host_results_dir": evil,
        "study_name": "../evil",
        "inventory_hostname": "../../evil",
        "guest_artifact_builder": "liar",
        "guest_artifact_cache_dir": evil,
        "guest_kernel_extra_patches": [str(fleet.secret)],
        "guest_kernel_source": "git",
        "guest_kernel_git_url": evil,
        "numa_host_wheels_dir": evil,
        "numa_host_cells": [{"name": "../../evil"}],
        "ansible_connection": "ssh",
        "ansible_python_interpreter": "/bin/false",
        "ansible_become": True,
    }


def test_hosts_that_lie_cost_themselves_only(fleet: Fleet) -> None:
    """The first of the play lies in facts and records, the second says nonsense of its nodes."""
    told = {**HONEST["host_info"], "daemons": [EVIL], "packages_offered": {EVIL: EVIL}}
    liar = fleet.add(
        "liar",
        **{
            "*": {
                "ansible_facts": evil_facts(fleet),
                "add_host": {"host_name": "evil", "groups": ["builders"], "host_vars": {}},
                "add_group": "builders",
                "_ansible_delegated_vars": {"ansible_host": "evil"},
                "warnings": [EVIL],
                "msg": EVIL,
            },
            "host_info": told,
            "setup": {"ansible_facts": {**FACTS, **evil_facts(fleet)}},
            "accelerator_info": {"accelerator": "tcg", "reason": EVIL},
            "run": {**honest_run("honest"), "earlier": [{"../../evil": "x"}], "summary": EVIL},
        },
    )
    fleet.add("fool", host_info={**HONEST["host_info"], "nodes": [{**NODE, "node": "../../evil"}]})
    silent = {name: it for name, it in HONEST["host_info"].items() if name != "held_mib"}
    fleet.add("silent", host_info=silent)
    fleet.add("honest")
    played = fleet.play("study")
    said = played.stdout + played.stderr
    assert "Host silent: held_mib is missing from its answer; see what the host is" in said
    assert not SPEAKS_JINJA.search(said), said
    assert "Host fool: nodes[0].node is '../../evil' and not a whole number" in said
    assert "Host liar brought something else than run liar-node0.b1.none.memhog" in said
    run = "honest-node0.b1.none.memhog"
    assert fleet.written() == {
        "results/s/study.json",
        f"results/s/runs/{run}/record.json",
        f"results/s/runs/{run}/samples.csv",
        "results/s/missing/liar-node0.b1.none.memhog.txt",
        "results/s/kept/honest-node0.b1.none.memhog.txt",
        *(f"cache/{kind}/{of['key']}/{name}"
          for kind, of, names in (("kernels", KERNEL, ("bzImage", "config", "manifest.json")),
                                  ("images", IMAGE, ("initramfs.img", "manifest.json")))
          for name in names),
    }  # fmt: skip
    assert "\x1b]" not in said and "\x07" not in said
    assert not fleet.heard_the_secret()
    # Only the builder that the inventory names was asked to build.
    assert (
        liar.asked("guest_kernel_build") == [] != fleet.hosts["honest"].asked("guest_kernel_build")
    )
    cells = json.loads((fleet.results / "s" / "study.json").read_text())["cells"]
    assert [cell["name"] for cell in cells] == ["liar-node0", "honest-node0"]


def test_where_facts_become_variables_nothing_is_played(fleet: Fleet) -> None:
    """Whoever plays without the project's ansible.cfg."""
    evil = evil_facts(fleet)
    for name in ("study_name", "inventory_hostname"):  # they would be refused before
        del evil[name]
    liar = fleet.add("liar", setup={"ansible_facts": {**FACTS, **evil}})
    for playbook in ("study", "clean"):
        played = fleet.play(playbook, builder="liar", ANSIBLE_INJECT_FACT_VARS="true")
        assert "set inject_facts_as_vars = false" in played.stdout + played.stderr
        assert played.returncode != 0
    # It was looked at, and nothing was done with what it said.
    assert {call.split()[0] for call in liar.calls} == {"setup", "stat"}
    assert fleet.written() == set()


def test_cleaning_believes_no_host(fleet: Fleet) -> None:
    """Names of runs become paths on the controller there."""
    fleet.add("liar", sweep={**SWEPT, "runs": ["../../secret"]})
    fleet.add("honest", sweep={**SWEPT, "runs": ["s/a.b1.none.memhog"]})
    silent = {name: it for name, it in SWEPT.items() if name != "users"}
    fleet.add("silent", sweep=silent)
    found = {"notes": {"packages_missing": 7}}
    fleet.add("vague", sweep=SWEPT, host_settings={**SETTINGS, "found": found})
    played = fleet.play("clean")
    said = played.stdout + played.stderr
    assert "Host silent: users is missing from its answer; see what the host is" in said
    assert "Host vague: found.notes.packages_missing is 7, which is no list" in said
    assert not SPEAKS_JINJA.search(said), said
    assert "A study is named '..', which cannot name a file" in said
    assert "1 runs were not fetched yet" in said
    # What the controller may not have yet stays.
    assert fleet.hosts["liar"].asked("own_folder") == []
    (removed,) = fleet.hosts["honest"].asked("own_folder")
    assert json.loads(removed.removeprefix("own_folder "))["ANSIBLE_MODULE_ARGS"]["keep"] == [
        "runs"
    ]


@pytest.mark.parametrize("module", ["guest_kernel_build", "guest_image_build"])
def test_a_builder_does_not_choose_where_the_controller_writes(fleet: Fleet, module: str) -> None:
    evil = "../../evil"
    lie = {"key": evil, "manifest": {**HONEST[module]["manifest"], "key": evil}}
    fleet.add("builder", **{module: {**HONEST[module], **lie}})
    honest = fleet.add("honest")
    played = fleet.play("prepare", builder="builder")
    said = " ".join((played.stdout + played.stderr).split())
    assert "Builder builder answered key '../../evil'; see what it is and runs" in said
    kinds = {Path(name).parts[1] for name in fleet.written()}
    assert kinds == ({"kernels"} if module == "guest_image_build" else set())
    assert not any(evil in call for host in fleet.hosts.values() for call in host.calls)
    assert honest.asked("accelerator_info") == []
