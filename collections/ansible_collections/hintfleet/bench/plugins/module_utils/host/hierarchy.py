# SPDX-License-Identifier: GPL-2.0-or-later
"""The cgroup that holds all cells, on v1 and v2: made ready for them, and undone again.

It has one name on every host: what is in it is ended when the host is cleaned.

A step is (path, text): write the text to the file, or make the folder where the text is empty.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host.nodes import parse_list

PARENT = "hintfleet"
CONTROLLERS = ("cpuset", "memory")
SUBTREE = "cgroup.subtree_control"


class HierarchyError(BenchError):
    """The kernel refuses a step."""


@dataclass(frozen=True)
class Hierarchy:
    """Where the controllers are mounted; `roots` lacks a controller that the host does not have."""

    roots: dict[str, Path]
    unified: Path | None

    @property
    def version(self) -> int:
        """1 or 2: the version that holds the memory controller."""
        return 2 if self.unified and self.roots.get("memory") == self.unified else 1

    def counts_swap(self) -> bool:
        """Whether the kernel accounts swap to cgroups.

        v2's root does not show it, and its children do as soon as one of them has the controller;
        a word on the kernel's command line counts only where none has, for newer kernels ignore it.
        """
        if self.version == 2 and self.unified:
            children = [path.parent for path in self.unified.glob("*/memory.max")]
            if children:
                return any((child / "memory.swap.max").exists() for child in children)
            return "swapaccount=0" not in _text(Path("/proc/cmdline")).split()
        memory = self.roots.get("memory")
        return memory is not None and (memory / "memory.memsw.usage_in_bytes").exists()

    def reclaims(self) -> bool:
        """Whether a cell would have memory.reclaim: on v2 from Linux 5.19 on; its root has none."""
        if self.version == 1 or self.unified is None:
            return False
        children = [path.parent for path in self.unified.glob("*/memory.max")]
        return not children or any((child / "memory.reclaim").exists() for child in children)

    def is_writable(self) -> bool:
        """Whether cells can be made here: a container may only look at its cgroups."""
        return all(os.access(root, os.W_OK) for root in set(self.roots.values()))

    def held_mib(self) -> int:
        """Memory that is charged to all cells together just now."""
        memory = self.roots.get("memory")
        key = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        return int(_text(memory / PARENT / key) or 0) // 2**20 if memory else 0

    def folders(self) -> list[Path]:
        """Each place where the cgroup of all cells lies or would lie."""
        return [root / PARENT for root in sorted(set(self.roots.values()))]


def parse_mounts(mountinfo: str) -> tuple[dict[str, Path], Path | None]:
    """From /proc/self/mountinfo: mount point of each v1 controller, and of cgroup v2 if mounted."""
    legacy: dict[str, Path] = {}
    unified: Path | None = None
    for line in mountinfo.splitlines():
        before, _dash, after = line.partition(" - ")
        fields, source = before.split(), after.split()
        if len(fields) < 5 or len(source) < 3:
            continue
        if source[0] == "cgroup2":
            unified = unified or Path(fields[4])
        elif source[0] == "cgroup":
            for option in source[2].split(","):
                legacy.setdefault(option, Path(fields[4]))
    return legacy, unified


def find(mountinfo: str | None = None) -> Hierarchy:
    """The hierarchy of this host, or of the one whose mountinfo is given."""
    text = (
        Path("/proc/self/mountinfo").read_text(errors="replace") if mountinfo is None else mountinfo
    )
    legacy, unified = parse_mounts(text)
    offered = _text(unified / "cgroup.controllers").split() if unified else []
    roots: dict[str, Path] = {}
    for name in CONTROLLERS:
        if name in legacy:
            roots[name] = legacy[name]
        elif unified and name in offered:
            roots[name] = unified
    return Hierarchy(roots, unified)


def plan(hierarchy: Hierarchy) -> list[tuple[Path, str]]:
    """What is missing until cells can limit memory and bind to a node."""
    steps = [(folder, "") for folder in hierarchy.folders() if not folder.is_dir()]
    unified = hierarchy.unified
    if unified:
        # From the root down: a level cannot pass on a controller it has not been given.
        for level in (unified, unified / PARENT):
            missing = [item for item in _offered_by_v2(hierarchy) if item not in _enabled(level)]
            if missing:
                steps.append((level / SUBTREE, " ".join(f"+{item}" for item in missing)))
    cpuset = hierarchy.roots.get("cpuset")
    if cpuset and cpuset != unified:
        # A v1 cpuset starts empty, and no task can enter an empty one. A CPU that goes offline
        # leaves it, and does not come back by itself as it does in the root.
        for key in ("cpuset.cpus", "cpuset.mems"):
            if parse_list(_text(cpuset / PARENT / key)) != parse_list(_text(cpuset / key)):
                steps.append((cpuset / PARENT / key, _text(cpuset / key)))
    return steps


def apply(steps: list[tuple[Path, str]]) -> None:
    """Carry out a plan. Raises HierarchyError."""
    for path, text in steps:
        try:
            if text:
                path.write_text(text)
            else:
                path.mkdir(exist_ok=True)
        except OSError as error:
            raise HierarchyError(
                f"cgroup {path} does not take {text or 'being made'!r} ({error.strerror}); "
                "run hintfleet as root on the host itself, not in a container."
            ) from error


def subtree_control(hierarchy: Hierarchy) -> list[str]:
    """Controllers that the root of cgroup v2 gives its children; empty without v2."""
    return _enabled(hierarchy.unified) if hierarchy.unified else []


def withdrawal(hierarchy: Hierarchy, found: list[str]) -> list[tuple[Path, str]]:
    """What takes back from the root of cgroup v2 the controllers that were not `found` there."""
    now = subtree_control(hierarchy)
    ours = [item for item in _offered_by_v2(hierarchy) if item in now and item not in found]
    if not ours or hierarchy.unified is None:
        return []
    return [(hierarchy.unified / SUBTREE, " ".join(f"-{item}" for item in ours))]


def _offered_by_v2(hierarchy: Hierarchy) -> list[str]:
    return [name for name in CONTROLLERS if hierarchy.roots.get(name) == hierarchy.unified]


def _enabled(level: Path) -> list[str]:
    return _text(level / SUBTREE).split()


def _text(path: Path) -> str:
    return path.read_text(errors="replace").strip() if path.exists() else ""
