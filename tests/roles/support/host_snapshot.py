# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host is like: everything hintfleet could change on it, to compare before and after.

Standard library only: it is also sent to emulated hosts and run there as
`python3 host_snapshot.py`, which prints the snapshot as JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

# Counters and clocks, which move by themselves.
MOVING = re.compile(
    r"/proc/sys/(fs/(dentry-state|file-nr|inode-nr|inode-state|quota/|aio-nr|epoll/|inotify/)"
    r"|kernel/(ns_last_pid|pty/nr|random/|perf_event_max_sample_rate|sched_domain/|tainted|spl/)"
    r"|net/.*(nr_|_count|expiration|tcp_mem|fastopen_key|neigh/)"
    r"|vm/(stat_refresh|compact_memory|drop_caches))"
    r"|/sys/kernel/mm/ksm/(full_scans|general_profit|ksm_|pages_|stable_|use_|zero_)"
    r"|/sys/kernel/mm/.*(khugepaged/(full_scans|pages_collapsed)|stats/|kdamond)"
)
# Logs, caches and scratch; what packages bring stays (see docs/security.md). A lab that runs on
# this machine is not part of the host.
PASSING = re.compile(
    r"/(tmp|var/tmp|var/cache|var/log|var/lib/(apt|dpkg|systemd|hintfleet-lab)|root/\.(ansible|ansible_async|cache|local)"
    r"|run/(systemd|udev|log|utmp|lock|user|sudo|screen)|etc/(passwd|group|shadow|gshadow)-)(/|$)"
    r"|/etc/(ld\.so\.cache|mtab|\.pwd\.lock|resolv\.conf)$|/__pycache__(/|$)"
)
FOLDERS = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/usr/local", "/var")


def text(path: Path) -> str | None:
    """What a file says; None if it cannot be read (some settings can only be written)."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def settings() -> dict[str, str | None]:
    """Every sysctl, and the memory management's settings under /sys."""
    found = {}
    for top in ("/proc/sys", "/sys/kernel/mm", "/sys/module/zswap/parameters"):
        for folder, folders, names in os.walk(top):
            # Looking into this one mounts it.
            folders[:] = [name for name in folders if name != "binfmt_misc"]
            for name in names:
                path = f"{folder}/{name}"
                if not MOVING.search(path):
                    found[path] = text(Path(path))
    return found


def cgroups() -> dict[str, str]:
    """Every cgroup of ours or at the top, with the controllers it passes on; "v1" has none."""
    top = Path("/sys/fs/cgroup")
    levels = [top, *(path for path in top.glob("*/*") if path.is_dir()), *top.glob("*/")]
    return {str(path): text(path / "cgroup.subtree_control") or "v1" for path in levels}


def files() -> dict[str, str]:
    """Kind, mode, owner and size of every file that is not of passing nature."""
    found = {}
    for top in FOLDERS:
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not PASSING.search(f"{folder}/{name}")]
            for name in folders + names:
                path = f"{folder}/{name}"
                if not PASSING.search(path):
                    try:
                        status = os.lstat(path)
                    except FileNotFoundError:
                        continue
                    size = status.st_size if name in names else 0
                    found[path] = f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {size}"
    return found


def processes() -> dict[str, int]:
    """Command lines with the user that runs them, and how many there are of each."""
    found: Counter[str] = Counter()
    for folder in Path("/proc").glob("[0-9]*"):
        command = (text(folder / "cmdline") or "").replace("\0", " ").strip()
        if command:  # kernel threads have none
            status = text(folder / "status") or ""
            user = re.search(r"Uid:\s+(\d+)", status)
            found[f"{user.group(1) if user else '?'} {command}"] += 1
    return dict(found)


def snapshot() -> dict[str, Any]:
    """Everything, by kind; each kind maps names to what they are."""
    mounts = (text(Path("/proc/self/mountinfo")) or "").splitlines()
    swaps = (text(Path("/proc/swaps")) or "").splitlines()[1:]
    names = {
        kind: {line.split(":")[0]: line for line in (text(Path(f"/etc/{kind}")) or "").splitlines()}
        for kind in ("passwd", "group")
    }
    return {
        "settings": settings(),
        "swap": {line.split()[0]: " ".join(line.split()[1:3] + line.split()[4:]) for line in swaps},
        "cgroups": cgroups(),
        "mounts": {line.split()[4]: line.split(" - ")[1] for line in mounts},
        "users": names["passwd"],
        "groups": names["group"],
        "files": files(),
        "processes": processes(),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """One line for each thing that came, went or changed; a process that went is none of ours."""
    lines = []
    for kind, old in before.items():
        new = after[kind]
        for name in sorted(set(old) | set(new)):
            if old.get(name) == new.get(name):
                continue
            if kind == "processes" and new.get(name, 0) < old.get(name, 0):
                continue
            lines.append(f"{kind}: {name}: {old.get(name)!r} -> {new.get(name)!r}")
    return lines


if __name__ == "__main__":
    json.dump(snapshot(), sys.stdout)
