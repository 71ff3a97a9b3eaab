# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab is asked for as people write, and what cannot be is a sentence before anything changes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from plays import Fleet

PREFLIGHT = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: numa_lab, tasks_from: preflight, public: true}
    - ansible.builtin.assert:
        that: false
        quiet: true
        fail_msg: "{{ __numa_lab_hosts | to_json }}"
"""
# What is asked for, and what the refusal says; None if it is taken.
CASES: dict[str, tuple[dict[str, Any], str | None]] = {
    "as-it-is": ({}, None),
    "words": ({"numa_lab_count": "1", "numa_lab_differing": '{"lab1": {"nodes": "1"}}'}, None),
    "no-number": ({"numa_lab_count": "two"}, 'numa_lab_count is "two", which is no whole number'),
    "none": ({"numa_lab_count": 0}, "numa_lab_count is 0: give 1 to 1000"),
    "port": ({"numa_lab_first_port": 65530}, "numa_lab_first_port is 65530: give 1 to 64535"),
    "comma": ({"numa_lab_dir": "/srv/a,b"}, 'numa_lab_dir is "/srv/a,b": give a path from the r'),
    "misspelt": ({"numa_lab_counts": 3}, "numa_lab_counts is no variable .*write numa_lab_count"),
    "no-trait": (
        {"numa_lab_differing": {"lab1": {"cpus": 4}}},
        "gives lab1 {'cpus': 4}: give it a mapping with any of nodes, node_mib, node_cpus",
    ),
    "no-mapping": ({"numa_lab_differing": {"lab1": 4}}, "gives lab1 4: give it a mapping"),
    "no-size": (
        {"numa_lab_differing": {"lab1": {"nodes": "many"}}},
        "give a host 1 to 64 nodes with 256 MiB",
    ),
    "stranger": ({"numa_lab_differing": {"lab7": {"nodes": 1}}}, "and the hosts are lab1, lab2: "),
    "release": ({"numa_lab_suite": "--mode=fakeroot"}, "name a release of Debian such as bookworm"),
    "packages": ({}, "needs mmdebstrap on this machine, and apt does not offer"),
    "memory": (
        {"numa_lab_node_mib": 99999},
        "have 399996 MiB together, and this machine has 32768",
    ),
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    hosts = Fleet(tmp_path_factory.mktemp("fleet"))
    for name, (variables, _) in CASES.items():
        lacks = {"packages_missing": ["mmdebstrap"]} if name == "packages" else {}
        hosts.add(name, variables, **lacks)
        hosts.hosts[name] = {"numa_lab_dir": hosts.hosts[name]["numa_host_state_dir"], **variables}
    hosts.play(PREFLIGHT)
    return hosts


@pytest.mark.parametrize("name", CASES)
def test_a_lab_is_taken_or_refused(fleet: Fleet, name: str) -> None:
    said, words = fleet.sentences(name), CASES[name][1]
    assert fleet.changed(name) == 0
    if words:
        assert re.search(words, said), said
        return
    hosts = json.loads(said)
    assert [host["name"] for host in hosts] == (
        ["lab1", "lab2"] if name == "as-it-is" else ["lab1"]
    )
    assert [host["nodes"] for host in hosts] == ([2, 2] if name == "as-it-is" else [1])
    assert {host["node_mib"] for host in hosts} == {2048}
    assert Path(hosts[0]["folder"]).name == "lab1"
