# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole phases are played with hosts that lie: to the controller, about the fleet, as a builder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lying_fleet import (
    EVIL,
    FACTS,
    HONEST,
    IMAGE,
    KERNEL,
    NODE,
    SETTINGS,
    SWEPT,
    Fleet,
    honest_run,
)

# What Ansible says of an expression that met something else than it was written for.
SPEAKS_JINJA = re.compile(r"object of type|has no attribute|is undefined|[Tt]emplat(e|ing) error")


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


@pytest.mark.parametrize(
    "lie", [{"key": KERNEL["key"]}, {"due": EVIL}, {"due": True, "log": "/log", "manifest": {}}]
)
def test_a_builder_that_says_not_what_it_is_at_is_told_from_one_that_builds(
    fleet: Fleet, lie: dict[str, Any]
) -> None:
    fleet.add("builder", guest_kernel_build=lie)
    honest = fleet.add("honest")
    played = fleet.play("prepare", builder="builder")
    said = " ".join((played.stdout + played.stderr).split())
    assert "Builder builder answered nothing that could be the guest kernel's build" in said
    assert not SPEAKS_JINJA.search(said), said
    assert fleet.written() == set()
    assert honest.asked("accelerator_info") == []
