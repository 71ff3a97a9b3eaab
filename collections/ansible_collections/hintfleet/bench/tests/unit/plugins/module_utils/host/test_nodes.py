# SPDX-License-Identifier: GPL-2.0-or-later
"""NUMA nodes as the kernel describes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host import nodes as _nodes

MEMINFO = "MemTotal:       24684096 kB\nMemFree:        22723328 kB\nMemAvailable:   23983736 kB\n"
# Captured 2026-11-22 from apt 2.6.
POLICY = """\
qemu-system-x86:
  Installed: (none)
  Candidate: 1:7.2+dfsg-7+deb12u18+b3
  Version table:
     1:7.2+dfsg-7+deb12u18+b3 500
"""


def host(tmp_path: Path, nodes: dict[int, tuple[int, str]]) -> tuple[Path, Path]:
    for number, (memory_kib, cpus) in nodes.items():
        place = tmp_path / f"node{number}"
        place.mkdir()
        (place / "meminfo").write_text(
            f"Node {number} MemTotal:       {memory_kib} kB\nNode {number} MemFree: 1024 kB\n"
            f"Node {number} Inactive(file): 2048 kB\nNode {number} SReclaimable: 1024 kB\n"
            f"Node {number} Active(anon):       4 kB\nNode {number} HugePages_Total:     0\n"
        )
        (place / "cpulist").write_text(cpus + "\n")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(MEMINFO)
    return tmp_path, meminfo


@pytest.mark.parametrize(("text", "numbers"), [("0-2,8\n", [0, 1, 2, 8]), ("3\n", [3]), ("\n", [])])
def test_list_format(text: str, numbers: list[int]) -> None:
    assert _nodes.parse_list(text) == numbers


def test_two_nodes_in_order(tmp_path: Path) -> None:
    nodes = _nodes.read_nodes(*host(tmp_path, {1: (4096 * 1024, "2-3"), 0: (2048 * 1024, "0-1")}))
    assert nodes == [_nodes.Node(0, 2048, 4, [0, 1]), _nodes.Node(1, 4096, 4, [2, 3])]


def test_a_node_without_cpus_or_memory_is_no_cell(tmp_path: Path) -> None:
    described = {0: (2097152, "0-1"), 1: (2097152, ""), 2: (0, "2-3")}
    assert [node.node for node in _nodes.read_nodes(*host(tmp_path, described))] == [0]


def test_one_node_has_all_memory_of_the_host(tmp_path: Path) -> None:
    (node,) = _nodes.read_nodes(*host(tmp_path, {0: (7432408, "0-1")}), [])
    assert node.available_mib == 23983736 // 1024
    assert (node.memory_mib, node.cpus) == (24105, [0, 1])


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert _nodes.disk_free_mib(tmp_path / "a" / "b") > 0


def test_version_that_apt_offers() -> None:
    assert _nodes.parse_candidates(POLICY) == {"qemu-system-x86": "7.2"}
    none = POLICY.replace("1:7.2+dfsg-7+deb12u18+b3", "(none)")
    assert _nodes.parse_candidates(none + POLICY.replace("-x86", "-arm")) == {
        "qemu-system-arm": "7.2"
    }
    assert _nodes.parse_candidates("") == {}


# What `apt-get update` says and ends with: all is well, one of several repositories wants a
# subscription, or somebody else is fetching, at first.
UPDATES = {
    "well": "true",
    "refused": "echo 'E: Failed to fetch https://enterprise/: 401  Unauthorized' >&2; status=100",
    "locked": "[ $(wc -l <$0.asked) = 3 ] || { echo 'E: Could not get lock /l' >&2; exit 100; }",
}


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize(("user", "knows"), [(0, True), (1000, False)])
def test_a_new_system_has_its_lists_fetched_once_by_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, knows: bool, update: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    lists, said = tmp_path / "lists", tmp_path / "said"
    said.write_text(POLICY)
    for name, does in {
        "apt-get": f'echo "$1" >>$0.asked; {UPDATES[update]}; echo "$1" >>{lists}; exit $status',
        "apt-cache": f"[ ! -e {lists} ] || cat {said}",
        "dpkg-query": "exit 1",
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(_nodes.os, "geteuid", lambda: user)
    assert _nodes.offered([]) == {}
    assert not lists.exists()
    assert _nodes.offered(["qemu-system-x86"]) == ({"qemu-system-x86": "7.2"} if knows else {})
    assert _nodes.offered(["qemu-system-x86"]) == ({"qemu-system-x86": "7.2"} if knows else {})
    assert lists.exists() is knows
    asked = tmp_path / "apt-get.asked"
    assert not knows or asked.read_text() == "update\n" * (3 if update == "locked" else 1)


def test_a_system_without_dpkg_lacks_all_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert _nodes.packages_missing(["qemu-system-x86"]) == ["qemu-system-x86"]
    assert _nodes.offered(["qemu-system-x86"]) == {}


def test_only_what_is_installed_counts_held_or_not() -> None:
    # Captured 2026-11-22 from dpkg 1.21; un: known and not installed, rc: removed.
    text = "ii  numactl\nun  xen-utils\nrc  mawk\niHR locales\nhi  qemu-system-x86\n"
    assert _nodes.parse_installed(text) == {"numactl", "qemu-system-x86"}


def test_isolated_cpus_are_left_out_of_cells(tmp_path: Path) -> None:
    cpus, cgroup = tmp_path / "cpu", tmp_path / "cgroup"
    cpus.mkdir()
    cgroup.mkdir()
    assert _nodes.isolated_cpus(cpus, cgroup) == []
    (cpus / "isolated").write_text("1-3\n")
    (cgroup / "cpuset.cpus.isolated").write_text("3,5\n")
    isolated = _nodes.isolated_cpus(cpus, cgroup)
    assert isolated == [1, 2, 3, 5]
    described = host(tmp_path, {0: (2097152, "0-3"), 1: (2097152, "4-5"), 4: (2097152, "1-2")})
    assert [(n.node, n.cpus) for n in _nodes.read_nodes(*described, isolated)] == [
        (0, [0]),
        (1, [4]),
    ]


def test_the_first_folder_that_others_cannot_enter_is_named(tmp_path: Path) -> None:
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & 1:
            folder.chmod(folder.stat().st_mode | 0o111)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    assert _nodes.closed_folder(tmp_path / "open" / "state") is None
    assert _nodes.closed_folder(home / "state") == home.resolve()
    (tmp_path / "link").symlink_to(home)
    assert _nodes.closed_folder(tmp_path / "link" / "state") == home.resolve()
