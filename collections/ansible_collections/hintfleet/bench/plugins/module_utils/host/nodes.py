# SPDX-License-Identifier: GPL-2.0-or-later
"""NUMA nodes of a host and what it has to offer them: read only, nothing is changed here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NODES = Path("/sys/devices/system/node")
MIB_KIB = 1024


@dataclass(frozen=True)
class Node:
    """A NUMA node with its memory and CPUs; one without either cannot be a cell."""

    node: int
    memory_mib: int
    free_mib: int
    cpus: list[int]


def parse_list(text: str) -> list[int]:
    """The kernel's list format: `0-2,8` is [0, 1, 2, 8]."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def parse_meminfo(text: str) -> dict[str, int]:
    """Amounts in KiB by name, from /proc/meminfo or from a node's meminfo."""
    found = re.findall(r"^(?:Node \d+ )?([\w()]+):\s+(\d+) kB$", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


def read_nodes(folder: Path = NODES, meminfo: Path = Path("/proc/meminfo")) -> list[Node]:
    """Nodes that have memory and CPUs, in order.

    A host with one node has all of the host's memory there. Its node's own count is not used: it
    falls behind where a hypervisor hands out memory bit by bit.
    """
    nodes = []
    for place in folder.glob("node[0-9]*"):
        amounts = parse_meminfo((place / "meminfo").read_text())
        nodes.append(
            Node(
                node=int(place.name[4:]),
                memory_mib=amounts["MemTotal"] // MIB_KIB,
                free_mib=amounts["MemFree"] // MIB_KIB,
                cpus=parse_list((place / "cpulist").read_text()),
            )
        )
    if len(nodes) < 2:
        amounts = parse_meminfo(meminfo.read_text())
        cpus = nodes[0].cpus if nodes else sorted(os.sched_getaffinity(0))
        total, free = amounts["MemTotal"] // MIB_KIB, amounts["MemFree"] // MIB_KIB
        nodes = [Node(nodes[0].node if nodes else 0, total, free, cpus)]
    return sorted((n for n in nodes if n.memory_mib and n.cpus), key=lambda node: node.node)


def memory_mib(name: str) -> int:
    """An amount of /proc/meminfo; MemAvailable is what programs can have without swapping."""
    return parse_meminfo(Path("/proc/meminfo").read_text())[name] // MIB_KIB


def disk_free_mib(path: Path) -> int:
    """Free space where `path` lies or would lie."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free // 2**20


def packages_missing(names: list[str]) -> list[str]:
    """Those of the Debian packages that are not installed."""
    if not names:
        return []
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n", *names],
        capture_output=True,
        text=True,
        check=False,  # dpkg-query fails where it does not know a package, which is an answer
    )
    installed = parse_installed(done.stdout)
    return [name for name in names if name not in installed]


def parse_installed(text: str) -> set[str]:
    """Packages whose state is `ii`, wanted and installed, from lines of state and name."""
    lines = (line.split() for line in text.splitlines())
    return {fields[-1] for fields in lines if len(fields) == 2 and fields[0] == "ii"}


def qemu_offered() -> str | None:
    """Version of QEMU that apt would install, as in `7.2`; None if it knows none."""
    if shutil.which("apt-cache") is None:
        return None
    done = subprocess.run(
        ["apt-cache", "policy", "qemu-system-x86"],
        capture_output=True,
        text=True,
        check=False,  # apt-cache fails for want of lists, which is no offer either
        env={**os.environ, "LC_ALL": "C"},
    )
    return parse_candidate(done.stdout)


def parse_candidate(policy: str) -> str | None:
    """Upstream version from the candidate line of `apt-cache policy`."""
    match = re.search(r"^\s+Candidate:\s+(?:\d+:)?(\d[\d.]*)", policy, re.MULTILINE)
    return match.group(1) if match else None
