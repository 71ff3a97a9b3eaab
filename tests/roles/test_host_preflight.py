# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host has is looked at, and what it lacks is a sentence before anything changes on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from plays import FIT, Fleet

PREFLIGHT = """\
- hosts: all
  gather_facts: true
  tasks:
    - ansible.builtin.include_role: {name: numa_host, tasks_from: preflight}
"""
NODE = FIT["nodes"][0]
APT_HAS_NONE = {"packages_missing": ["qemu-system-x86"], "packages_offered": {}}
NO_QEMU = {"installed": None, "path": None}

# Host: what it answers, what is asked of it, and what the refusal says; None if it is taken.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "fit": ({}, {}, None),
    "apt-would-bring-qemu": (
        {
            "qemu": NO_QEMU,
            "packages_missing": ["qemu-system-x86"],
            "packages_offered": {"qemu-system-x86": "10.0.2"},
        },
        {},
        None,
    ),
    "other-linux-with-qemu": (
        {"apt": False, "qemu": {"installed": "9.1.0", "path": "/usr/libexec/qemu-kvm"}},
        {},
        None,
    ),
    "other-linux": ({"apt": False, "qemu": NO_QEMU, **APT_HAS_NONE}, {}, "there is no apt"),
    "apt-without-qemu": (
        {"qemu": NO_QEMU, **APT_HAS_NONE},
        {},
        "apt has no qemu-system-x86: see what",
    ),
    "no-qemu-wanted": (
        {"qemu": NO_QEMU},
        {"numa_host_packages": []},
        "numa_host_packages names none",
    ),
    "old-qemu": ({"qemu": {"installed": "4.2.1", "path": "/q"}}, {}, "QEMU is 4.2.1"),
    "no-programs": ({"programs_missing": ["setpriv"]}, {}, "setpriv cannot be found"),
    "no-node": ({"nodes": []}, {}, "no NUMA node has both memory and CPUs"),
    "missing-node": ({}, {"numa_host_nodes": [7]}, "asks for node 7, and the nodes .* are 0, 1"),
    "small-node": ({}, {"numa_host_memory_mib": 20000}, "node 0, 1 has only 16384, 16384 MiB"),
    "taken-node": (
        {"nodes": [{**NODE, "available_mib": 300}, FIT["nodes"][1]]},
        {},
        "on node 0 only 300 MiB are available",
    ),
    "taken-by-a-run": (
        {"nodes": [{**NODE, "available_mib": 300}], "available_mib": 300, "held_mib": 900},
        {},
        None,
    ),
    "no-promises": ({"overcommit_memory": 2}, {}, "vm.overcommit_memory is 2"),
    "panics": ({"panic_on_oom": 2}, {}, "vm.panic_on_oom is 2, so the whole host would panic"),
    "panics-of-its-own": ({"panic_on_oom": 1}, {}, None),
    "full": ({"disk_free_mib": 100}, {}, "needs 832 MiB, and only 100 MiB of disk are free"),
    "read-only": ({"unfit_mount": "read-only"}, {}, "mounted read-only: mount it for writing"),
    "overcommit-always": ({"overcommit_memory": 1}, {}, None),
    "ksmtuned": ({"daemons": ["ksmtuned"]}, {}, "systemctl stop ksmtuned"),
    "earlyoom": ({"daemons": ["earlyoom", "irqbalance"]}, {}, None),
    "used-folder": ({"foreign_entry": "photos"}, {}, "holds photos, which hintfleet did not put"),
    "others-folder": ({"exchangeable_folder": "/home/op"}, {}, "than root may write to /home/op"),
    "space-in-path": (
        {},
        {"numa_host_state_dir": "/srv/my data"},
        'numa_host_state_dir is "/srv/my data": give a path from the root, such as /srv/hintfleet',
    ),
    "a-way-back": ({}, {"numa_host_state_dir": "/srv/../etc"}, "give a path from the root"),
    "no-path": ({}, {"numa_host_state_dir": "hintfleet"}, "give a path from the root"),
    "accents": ({}, {"numa_host_state_dir": "/srv/données"}, "give a path from the root"),
    "long-path": ({}, {"numa_host_state_dir": "/srv" + "/" + "d" * 1000}, "at most 1000 letters"),
    "no-users-name": ({}, {"numa_host_user": "Guest User"}, "cannot name a user: use at most 23"),
    "long-user": ({}, {"numa_host_user": "h" * 24}, "cannot name a user: use at most 23"),
    "no-device": ({}, {"numa_host_swap_device": "sdb"}, "name a whole disk by its path, such as"),
    "settings": (
        {"settings_refused": ["swapiness is not known", "swappiness cannot be None"]},
        {"numa_host_settings": {"swapiness": 10}},
        "of numa_host_settings swapiness is not known; swappiness cannot be None",
    ),
    "arms": (
        {"arms_refused": ["Arm a states zswap, and the kernel of this host has none."]},
        {},
        "arms: Arm a states zswap, and the kernel of this host has none",
    ),
    "container": ({"rules_kernel": False}, {}, "root is not the kernel's here, as in a container"),
    "looking-only": (
        {"cgroup": {**FIT["cgroup"], "writable": False}},
        {},
        "cgroups in /sys/fs/cgroup can only be looked at",
    ),
    "misspelt": (
        {},
        {"numa_host_node": 1},
        "numa_host_node is no variable .*: write numa_host_nodes",
    ),
    "closed-folder": ({"closed_folder": "/home/op"}, {}, "who cannot enter /home/op"),
    "no-swap-accounting": (
        {"cgroup": {**FIT["cgroup"], "counts_swap": False}},
        {},
        "does not account swap",
    ),
    "not-root": ({"user_id": 1000}, {}, "needs root"),
    "several-reasons": (
        {"user_id": 1000, "overcommit_memory": 2, "apt": False, "qemu": NO_QEMU, **APT_HAS_NONE},
        {},
        "needs root.*overcommit_memory is 2.*there is no apt",
    ),
    "numa1." + "a" * 60 + ".example.org": ({}, {}, None),
    "numa1." + ("b" * 60 + ".") * 3 + "org": ({}, {}, None),
    "numa1." + ("c" * 60 + ".") * 3 + "more.example.org": ({}, {}, "at most 200 letters"),
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """All cases as the hosts of one play."""
    hosts = Fleet(tmp_path_factory.mktemp("fleet"))
    for name, (answer, variables, _) in CASES.items():
        hosts.add(name, variables, **answer)
    hosts.play(PREFLIGHT)
    return hosts


@pytest.mark.parametrize("name", CASES)
def test_a_host_is_taken_or_refused_with_all_reasons(fleet: Fleet, name: str) -> None:
    said, words = fleet.sentences(name), CASES[name][2]
    assert fleet.changed(name) == 0
    if words is None:
        assert said == ""
    else:
        assert re.search(words, said), said or fleet.output[-2000:]


def test_a_python_that_is_too_old_is_named_before_a_module_needs_it(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.add("debian11", user_id=1000)  # what its modules would answer, were they asked
    fleet.play(PREFLIGHT, "-e", "__numa_host_python_version=3.9")
    said = fleet.sentences("debian11")
    assert "Host debian11 has Python 3.9" in said and "hintfleet needs 3.11: use Debian 12" in said
    assert "needs root" not in said
