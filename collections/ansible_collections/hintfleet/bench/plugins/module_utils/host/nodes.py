# SPDX-License-Identifier: GPL-2.0-or-later
"""NUMA nodes of a host and what it has to offer them: read only, nothing is changed here."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.host.apt_lists import refresh

NODES = Path("/sys/devices/system/node")
CPUS = Path("/sys/devices/system/cpu")
CGROUP = Path("/sys/fs/cgroup")
MIB_KIB = 1024


# What the kernel gives back to programs before it swaps.
RECLAIMABLE = ("MemFree", "Active(file)", "Inactive(file)", "SReclaimable")


@dataclass(frozen=True)
class Node:
    """A NUMA node with its memory and CPUs; one without either cannot be a cell.

    `available_mib` is what programs could still have there without swapping.
    """

    node: int
    memory_mib: int
    available_mib: int
    cpus: list[int]


def parse_list(text: str) -> list[int]:
    """The kernel's list format: `0-2,8` is [0, 1, 2, 8]."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        if part:
            first, _dash, last = part.partition("-")
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def parse_meminfo(text: str) -> dict[str, int]:
    """Amounts in KiB by name, from /proc/meminfo or from a node's meminfo."""
    found = re.findall(r"^(?:Node \d+ )?([\w()]+):\s+(\d+) kB$", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


def isolated_cpus(folder: Path = CPUS, cgroup: Path = CGROUP) -> list[int]:
    """CPUs that the scheduler leaves alone: booted with isolcpus, or isolated by a cpuset.

    Tasks that may run on several of these all stay on one, so none is of use to a cell.
    """
    files = (folder / "isolated", cgroup / "cpuset.cpus.isolated")
    return sorted({cpu for file in files if file.exists() for cpu in parse_list(file.read_text())})


def read_nodes(
    folder: Path = NODES, meminfo: Path = Path("/proc/meminfo"), isolated: list[int] | None = None
) -> list[Node]:
    """Nodes that have memory and CPUs of use to a cell, in order; `isolated` None: ask the kernel.

    A host with one node has all of the host's memory there. Its node's own count is not used: it
    falls behind where a hypervisor hands out memory bit by bit.
    """
    apart = set(isolated_cpus() if isolated is None else isolated)
    nodes = []
    for place in folder.glob("node[0-9]*"):
        amounts = parse_meminfo((place / "meminfo").read_text())
        nodes.append(
            Node(
                node=int(place.name[4:]),
                memory_mib=amounts["MemTotal"] // MIB_KIB,
                available_mib=sum(amounts.get(name, 0) for name in RECLAIMABLE) // MIB_KIB,
                cpus=[n for n in parse_list((place / "cpulist").read_text()) if n not in apart],
            )
        )
    if len(nodes) < 2:
        amounts = parse_meminfo(meminfo.read_text())
        cpus = nodes[0].cpus if nodes else sorted(os.sched_getaffinity(0) - apart)
        total, left = amounts["MemTotal"] // MIB_KIB, amounts["MemAvailable"] // MIB_KIB
        nodes = [Node(nodes[0].node if nodes else 0, total, left, cpus)]
    return sorted((n for n in nodes if n.memory_mib and n.cpus), key=lambda node: node.node)


def memory_mib(name: str) -> int:
    """An amount of /proc/meminfo; MemAvailable is what programs can have without swapping."""
    return parse_meminfo(Path("/proc/meminfo").read_text())[name] // MIB_KIB


def disk_free_mib(path: Path) -> int:
    """Free space where `path` lies or would lie."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free // 2**20


def closed_folder(path: Path) -> Path | None:
    """The first folder on the way to `path`, or itself, that other users cannot enter, if any.

    What is not there yet will be made open to all.
    """
    real = path.resolve()
    for folder in (*reversed(real.parents), real):
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def packages_missing(names: list[str]) -> list[str]:
    """Those of the Debian packages that are not installed."""
    if not names or not shutil.which("dpkg-query"):
        return names
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n", *names],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,  # dpkg-query fails where it does not know a package, which is an answer
    )
    installed = parse_installed(done.stdout)
    return [name for name in names if name not in installed]


def parse_installed(text: str) -> set[str]:
    """Packages that are installed, held or not, from lines of state and name.

    The first letter says what is wanted (`h` to hold it), the second what is there.
    """
    lines = (line.split() for line in text.splitlines())
    return {fields[-1] for fields in lines if len(fields) == 2 and fields[0][1:] == "i"}


def has_apt() -> bool:
    """Whether packages can be installed here at all."""
    return shutil.which("apt-get") is not None and shutil.which("apt-cache") is not None


def offered(names: list[str]) -> dict[str, str]:
    """Upstream version, as in `7.2`, of those packages that apt would install.

    A freshly installed system often has no lists yet: root fetches them where apt lacks something.
    """
    if not names or not has_apt():
        return {}
    found = parse_candidates(_apt("apt-cache", "policy", *names))
    if set(names) - set(found) and os.geteuid() == 0:
        refresh()
        found = parse_candidates(_apt("apt-cache", "policy", *names))
    return found


def _apt(*command: str) -> str:
    """What a program of apt says; where it fails, for want of lists or a network, no offer."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return done.stdout


def parse_candidates(policy: str) -> dict[str, str]:
    """Upstream versions by package, from the candidate lines of `apt-cache policy`."""
    pattern = r"^(\S+):\n\s+Installed: .*\n\s+Candidate: (?:\d+:)?(\d[\d.]*)"
    return dict(re.findall(pattern, policy, re.MULTILINE))
