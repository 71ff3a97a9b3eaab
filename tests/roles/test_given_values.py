# SPDX-License-Identifier: GPL-2.0-or-later
"""Values as people write them are taken, or refused with a sentence that shows the right way."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import Arm
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import LONGEST_NAME
from ansible_collections.hintfleet.bench.plugins.module_utils.study import plan as _plan
from ansible_collections.hintfleet.bench.plugins.plugin_utils import given as _given
from plays import Fleet

PREFLIGHT = """\
- hosts: all
  gather_facts: true
  tasks:
    - ansible.builtin.include_role: {name: study, tasks_from: preflight, public: true}
    - ansible.builtin.include_role: {name: numa_host, tasks_from: preflight, public: true}
    - ansible.builtin.assert:
        that: false
        quiet: true
        fail_msg: "{{ {'nodes': __numa_host_cells | map(attribute='node'),
          'swap': __numa_host_swap_area_mib | int,
          'arms': __study_arms.arms | map(attribute='name'),
          'workloads': __study_workloads, 'memhog': study_parameters.memhog} | to_json }}"
"""
ROLES = Path(__file__).resolve().parents[2] / "roles"
INTEGERS = {"type": "list", "elements": "int"}
WORDS = {"type": "list", "elements": "str"}
FLAG = {"type": "bool"}


@pytest.mark.parametrize(
    ("option", "value", "meant"),
    [
        (INTEGERS, "1", [1]),
        (INTEGERS, 1, [1]),
        (INTEGERS, "0, 1", [0, 1]),
        (INTEGERS, "[0, 1]", [0, 1]),
        (INTEGERS, [0, "1"], [0, 1]),
        (INTEGERS, "", []),
        (WORDS, "consolidation", ["consolidation"]),
        (WORDS, '["a", "b"]', ["a", "b"]),
        (FLAG, "false", False),
        (FLAG, "True", True),
        (FLAG, 0, False),
        ({"type": "int"}, "7", 7),
        ({"type": "float"}, "0.5", 0.5),
        ({"type": "dict"}, '{"a": 1}', {"a": 1}),
        ({"type": "dict"}, "a=1", {"a": "1"}),
        ({"type": "dict"}, "", {}),
        ({}, "6.10", "6.10"),
        ({}, 7, "7"),
        ({}, "two words", "two words"),
        (WORDS, "a\r", ["a"]),
    ],
)
def test_what_can_be_meant_is_taken(option: dict[str, Any], value: Any, meant: Any) -> None:
    assert _given.settled("name", option, value) == meant


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        (INTEGERS, "zero", 'name is "zero", which is no list of whole numbers: write -e name=0,1'),
        (INTEGERS, "[0,", "no list of whole numbers"),
        (INTEGERS, {"a": 1}, "no list of whole numbers"),
        (FLAG, "perhaps", "neither true nor false: write -e name=true on a command line"),
        ({"type": "int"}, "many", "no whole number: write -e name=3 .*, name: 3 in YAML"),
        ({"type": "int"}, "2.5", "no whole number"),
        ({"type": "float"}, "x", "no number"),
        ({"type": "dict"}, "a", 'no mapping: write -e \'{"name": {"key": "value"}}\''),
        ({"type": "str", "choices": ["a", "b"]}, "c", "choose from a, b"),
        ({"type": "int"}, True, "name is true, which is no whole number"),
        ({"type": "float"}, False, "no number"),
        (INTEGERS, True, "no list of whole numbers"),
        ({"type": "int"}, "inf", "no whole number"),
        ({"type": "int"}, None, "name is null, which is no whole number"),
        (WORDS, None, "name is null, which is no list: write -e name=one,two"),
        (FLAG, None, "neither true nor false"),
        ({"type": "path"}, None, "name is null, which is no path"),
        ({"type": "path"}, "", 'name is "", which is no path'),
        ({}, 6.1, 'name is 6.1, which is no text: write .*, name: "words" in YAML'),
        ({}, datetime.date(2026, 11, 28), 'name is "2026-11-28", which is no text'),
        ({}, True, "name is true, which is no text"),
        ({}, ["a"], r'name is \["a"\], which is no text: write -e name=words'),
        ({}, {"a": 1}, "which is no text"),
        ({"type": "path"}, ["/srv"], "which is no path: write -e name=/one/path"),
        ({}, "a\r", r'name is "a\\r", which has a line\'s end .*: take it out; files of Windows'),
        ({"type": "path"}, "/srv/a\n", "which has a line's end"),
        (WORDS, ["a\r"], "which has a line's end"),
    ],
)
def test_what_cannot_is_a_sentence(option: dict[str, Any], value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _given.settled("name", option, value)


@pytest.mark.parametrize(
    ("option", "value", "bounds", "words"),
    [
        ({"type": "int"}, "0", (1,), "name is 0: give at least 1."),
        ({"type": "int"}, "-1", (0, 200), "name is -1: give 0 to 200."),
        ({"type": "int"}, 201, (0, 200), "name is 201: give 0 to 200."),
        ({"type": "float"}, "nan", (0,), "name is nan: give at least 0."),
        ({"type": "float"}, "inf", (0,), "name is inf: give at least 0."),
    ],
)
def test_a_number_out_of_bounds_is_a_sentence(
    option: dict[str, Any], value: Any, bounds: tuple[float, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        _given.settled("name", option, value, bounds)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("study_block", "study_blocks"),
        ("study_work_loads", "study_workloads"),
        ("study-blocks", "study_blocks"),
        ("Study_Blocks", "study_blocks"),
        ("study_mechanism", "study_mechanisms"),
    ],
)
def test_a_name_that_would_do_nothing_is_a_sentence(given: str, meant: str) -> None:
    known = {"study_blocks", "study_workloads", "study_mechanisms", "study_name"}
    (said,) = _given.misspelt([given, *known], "study_", known)
    assert said.startswith(f"{given} is no variable of hintfleet: write {meant}, or give what is")


def test_names_of_others_are_theirs() -> None:
    known = {"study_blocks", "study_name"}
    given = ["study_owner", "blocks", "site_study_block", "study_block_size"]
    assert _given.misspelt(given, "study_", known) == []
    assert _given.misspelt(["study_block"], "study_", known, own=["study_block"]) == []


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_what_a_role_tells_later_plays_is_not_taken_for_a_slip(role: str) -> None:
    entries = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
    known = [name for entry in entries["argument_specs"].values() for name in entry["options"]]
    own = yaml.safe_load((ROLES / role / "vars/main.yml").read_text())
    tasks = "\n".join(path.read_text() for path in ROLES.glob("*/tasks/*.yml"))
    told = set(re.findall(rf"^ +({role}[a-z_]*): ", tasks, re.MULTILINE))
    assert _given.misspelt(told, f"{role}_", known, own) == []


@pytest.mark.parametrize("path", ["/srv/hintfleet", "/a", "/srv/a+b@c_d-e.f"])
def test_a_plain_path_is_taken(path: str) -> None:
    assert _given.settled("name", {"type": "path"}, path, plain=True) == path


@pytest.mark.parametrize(
    "path",
    ["srv", "/srv/", "/srv/my data", "/srv/../etc", "/données", "/a,b", "/", "/" + "d" * 1000],
)
def test_a_path_that_a_program_would_read_otherwise_is_a_sentence(path: str) -> None:
    with pytest.raises(ValueError, match="give a path from the root, such as /srv/hintfleet"):
        _given.settled("name", {"type": "path"}, path, plain=True)


def test_a_number_within_bounds_is_taken() -> None:
    assert _given.settled("name", {"type": "int"}, "200", (0, 200)) == 200
    assert _given.settled("name", {"type": "int"}, "10" * 9, (1,)) == int("10" * 9)


# Host: what its inventory gives it as words, and what the refusal says.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "first": ({}, "laptop_is_taken"),
    "words": (
        {
            "study_mechanisms": "none,free_page_reporting,page_hinting",
            "study_workloads": '["consolidation", "memhog", "page_fault"]',
            "study_blocks": "3",
            "numa_host_nodes": "1",
            "numa_host_side_by_side": "false",
            "study_node_mib": "900",
        },
        "words_are_taken",
    ),
    "no-number": (
        {"study_blocks": "several"},
        'study_blocks is "several", which is no whole number',
    ),
    "two-wrong": ({"study_blocks": "x", "study_seed": "y"}, "study_blocks is .* study_seed is"),
    "nothing": ({"numa_host_nodes": None}, "numa_host_nodes is null, which is no list of whole"),
    "no-blocks": ({"study_blocks": 0}, "study_blocks is 0: give 1 to 10000"),
    "few-samples": ({"study_sample_hz": "5"}, "study_sample_hz is 5: give 10 to 1000"),
    "no-swappiness": ({"study_swappiness": 300}, "study_swappiness is 300: give 0 to 200"),
    "endless-blocks": ({"study_blocks": "9" * 30}, "study_blocks is 9+: give 1 to 10000"),
    "endless-run": ({"study_deadline_seconds": 10**9}, "give 1 to 604800"),
    "two-arguments": (
        {"study_guest_kernel_arguments": ["quiet", "hintfleet.thp=always"]},
        "study_guest_kernel_arguments is .*, which is no text",
    ),
    "misspelt": ({"study_block": 5}, "study_block is no variable of hintfleet: write study_blocks"),
    "no-time": ({"study_deadline_seconds": -5}, "study_deadline_seconds is -5: give 1 to 604800"),
    "yes-is-no-number": ({"study_node_mib": True}, "study_node_mib is true, which is no whole"),
    "no-swap": ({"numa_host_swap_mib": 0}, "numa_host_swap_mib is 0: give at least 1"),
    "no-flag": ({"numa_host_side_by_side": "maybe"}, "neither true nor false"),
    "no-node": ({"numa_host_nodes": "zero"}, "which is no list of whole numbers"),
    "another-study": (
        {"study_blocks": 5, "study_seed": 9},
        "another study_blocks, study_seed than host first",
    ),
    "another-guest": ({"study_memhog_mib": 200}, "another study_memhog_mib than host first"),
    "merged": (
        {"study_ksm": "1"},
        "study_ksm is 1, and memhog fills its memory with one byte, which KSM merges",
    ),
    "own-size": ({"study_node_mib": 1024, "study_accelerator": "tcg"}, "own_is_taken"),
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    hosts = Fleet(tmp_path_factory.mktemp("fleet"))
    for name, (variables, _) in CASES.items():
        hosts.add(name, variables)
    hosts.play(PREFLIGHT)
    return hosts


@pytest.mark.parametrize("name", CASES)
def test_a_host_is_asked_what_was_meant(fleet: Fleet, name: str) -> None:
    said, words = fleet.sentences(name), CASES[name][1]
    assert fleet.changed(name) == 0
    if not words.endswith("_taken"):
        assert re.search(words, said), said
        return
    asked = json.loads(said)
    assert asked["arms"] == ["none", "free_page_reporting", "page_hinting"]
    assert asked["workloads"] == ["consolidation", "memhog", "page_fault"]
    assert asked["nodes"] == ([1] if name == "words" else [0, 1])
    assert asked["swap"] == 256 + 64
    assert "kernel_arguments" not in asked["memhog"]


def play_with(tmp_path: Path, *extra: str, host: str = "box") -> tuple[Fleet, str]:
    hosts = Fleet(tmp_path)
    hosts.add(host)
    hosts.play(PREFLIGHT, *(word for pair in extra for word in ("-e", pair)))
    assert hosts.changed(host) == 0
    return hosts, hosts.sentences(host)


def test_one_name_on_the_command_line_is_a_list_of_one(tmp_path: Path) -> None:
    _, said = play_with(
        tmp_path,
        "study_workloads=consolidation",
        "study_mechanisms=none,page_hinting",
        "numa_host_nodes=0,1",
        "numa_host_side_by_side=true",
        "study_guest_kernel_arguments=hintfleet.thp=always",
    )
    asked = json.loads(said)
    assert (asked["nodes"], asked["swap"]) == ([0, 1], 2 * 256 + 64)
    assert asked["workloads"] == ["consolidation"]
    assert asked["arms"] == ["none", "page_hinting"]
    assert asked["memhog"]["kernel_arguments"] == "hintfleet.thp=always"


DROP = {"name": "drop", "mechanism": "free_page_reporting", "reclaim": "drop_caches"}
AGED = {"name": "aged", "mechanism": "free_page_reporting", "reclaim": "damon"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"study_arms": ["virtio_mem"]},
            "mechanism virtio_mem, and its guest kernel is built with",
        ),
        ({"study_arms": [DROP]}, "Arm drop states a reclaim policy and guests have no files"),
        (
            {"study_arms": [AGED], "study_guest_files_mib": 8},
            "states reclaim damon, and its guest kernel is built without CONFIG_DAMON_RECLAIM: add "
            "handback to guest_kernel_fragments",
        ),
        (
            {"study_arms": [{"name": "d", "mechanism": "none", "files": "dax"}]},
            "built without CONFIG_BLK_DEV_PMEM: add disk to guest_kernel_fragments",
        ),
        (
            {
                "study_arms": [{"name": "d", "mechanism": "none", "files": "dax"}],
                "guest_kernel_fragments": ["disk"],
            },
            r"Arm d states files dax and guests boot into an initramfs.*guest_image_root=debian",
        ),
        (
            {
                "study_arms": [{**AGED, "kernel": "other"}],
                "study_guest_files_mib": 8,
                "guest_kernels": {"other": {"version": "6.12"}},
                "guest_kernel_fragments": ["handback"],
            },
            "add handback to the fragments of other in guest_kernels",
        ),
        (
            {"study_mechanisms": ["none", "ballooon"]},
            r"study_mechanisms names 'ballooon', which is no mechanism \(did you mean balloon",
        ),
        ({"study_arms": ["none", "ballooon"]}, "study_arms names 'ballooon'"),
        ({"study_mechanisms": ""}, "has no arm: name at least one in study_mechanisms"),
    ],
)
def test_arms_that_cannot_be_or_act_are_refused(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    _, said = play_with(tmp_path, json.dumps(given))
    assert re.search(words, said), said


def test_names_of_runs_fit_a_file_system(tmp_path: Path) -> None:
    """Known from host and arm, long before the first of them is kept."""
    host = "numa1." + "b" * 60 + ".example.org.of.a.large.fleet.one"

    def longest(letters: int) -> int:
        """Of the names of runs that a plan makes with an arm whose name has so many."""
        arms = [Arm("none", "none"), Arm("a" * letters, "page_hinting")]
        planned = {
            "study_id": "1",
            "seed": 1,
            "blocks": 10000,
            "arms": [arm.as_dict() for arm in arms],
            "baseline": "none",
            "workloads": ["consolidation"],
            "cells": [{"name": f"{host}-node1023", "host": host}],
        }
        return max(len(run["run_id"]) for run in _plan.planned_runs(planned))

    assert longest(70) == LONGEST_NAME
    arm = {"name": "a" * 71, "mechanism": "page_hinting", "backing": "4k"}
    _, said = play_with(tmp_path, json.dumps({"study_arms": ["none", arm]}), host=host)
    assert f"with host {host} and arm {arm['name']} a name is too long for files: give that" in said
    assert "one of at most 70 letters" in said


def test_policies_are_taken_with_the_kernel_that_is_built_for_them(tmp_path: Path) -> None:
    given = {
        "study_arms": ["none", "balloon", "virtio_mem", DROP, AGED],
        "study_guest_files_mib": 8,
        "guest_kernel_fragments": ["handback"],
    }
    _, said = play_with(tmp_path, json.dumps(given))
    asked = json.loads(said)
    assert asked["arms"] == ["none", "balloon", "virtio_mem", "drop", "aged"]
    assert asked["memhog"]["guest_files_mib"] == 8


def test_the_playbook_says_it_in_words_that_show_the_way(tmp_path: Path) -> None:
    """Ansible's own check of arguments would come first, and names type and value only."""
    hosts = Fleet(tmp_path)
    hosts.add("box")
    prepare = ROLES.parent / "playbooks" / "prepare.yml"
    hosts.play(
        f"- ansible.builtin.import_playbook: {prepare}\n",
        "-e", "study_until=setled", "-e", "study_blocks=two",
    )  # fmt: skip
    said = hosts.sentences("box")
    assert 'study_until is "setled": choose from blocks, settled.' in said
    assert 'study_blocks is "two", which is no whole number: write -e study_blocks=3' in said
    assert hosts.changed("box") == 0


def test_a_set_brings_its_arms_workloads_and_files(tmp_path: Path) -> None:
    _, said = play_with(tmp_path, "study_set=handback")
    asked = json.loads(said)
    assert {"none", "balloon", "virtio_mem", "reporting+damon"} <= set(asked["arms"])
    assert asked["workloads"] == ["consolidation"]
    assert asked["memhog"]["guest_files_mib"] == 64


def test_more_cpus_than_the_guest_kernel_takes_are_refused(tmp_path: Path) -> None:
    _, said = play_with(
        tmp_path,
        "study_page_fault_guest_vcpus=48",
        "study_page_fault_tasks=48",
        "study_page_fault_guest_mib=8192",
        "study_node_mib=10240",
    )
    assert "48 CPUs is asked for, and the guest kernel is built for 32" in said
