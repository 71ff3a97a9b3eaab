# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host is and how it is set: provenance of every figure."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.host.daemons import at_work
from ansible_collections.hintfleet.bench.plugins.module_utils.host.nodes import (
    isolated_cpus,
    memory_mib,
    parse_list,
    parse_meminfo,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import without_secrets

KIB_PER_MIB = 1024
CPUFREQ = Path("/sys/devices/system/cpu/cpufreq")
DAMON_ACTIONS = "contexts/*/schemes/*/action"


def _text(path: str) -> str | None:
    file = Path(path)
    return file.read_text(errors="replace").strip() if file.exists() else None


def chosen(text: str | None) -> str | None:
    """The bracketed word of a setting such as `always [madvise] never`."""
    match = re.search(r"\[(\S+)\]", text or "")
    return match.group(1) if match else text


def parse_swaps(text: str) -> list[dict[str, Any]]:
    """From /proc/swaps."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [
        {
            "name": row[0],
            "type": row[1],
            "size_mib": int(row[2]) / KIB_PER_MIB,
            "used_mib": int(row[3]) / KIB_PER_MIB,
            "priority": int(row[4]),
        }
        for row in rows
    ]


def node_ids() -> list[int]:
    """NUMA nodes with memory; [0] where the kernel has no NUMA."""
    return parse_list(_text("/sys/devices/system/node/has_memory") or "0")


def node_memory_mib(node: int) -> float:
    text = _text(f"/sys/devices/system/node/node{node}/meminfo") or _text("/proc/meminfo") or ""
    return parse_meminfo(text).get("MemTotal", 0) / KIB_PER_MIB


def swap_mib() -> tuple[float, float]:
    """Swap of this host in MiB: all of it, and what is free."""
    amounts = parse_meminfo(_text("/proc/meminfo") or "")
    total, free = (amounts.get(name, 0) / KIB_PER_MIB for name in ("SwapTotal", "SwapFree"))
    return total, free


def node_cpus(node: int) -> list[int]:
    """CPUs of a node that are of use to a cell."""
    text = _text(f"/sys/devices/system/node/node{node}/cpulist")
    cpus = parse_list(text) if text is not None else sorted(os.sched_getaffinity(0))
    apart = isolated_cpus()
    return [cpu for cpu in cpus if cpu not in apart]


def _number(path: str) -> int | None:
    text = _text(path)
    return int(text) if text is not None else None


def proactive_reclaim() -> bool:
    """Whether DAMON pages out idle memory of this host, without anything being short of it."""
    if _text("/sys/module/damon_reclaim/parameters/enabled") == "Y":
        return True
    return any(
        _text(f"{kdamond}/state") == "on"
        and any(path.read_text().strip() == "pageout" for path in kdamond.glob(DAMON_ACTIONS))
        for kdamond in Path("/sys/kernel/mm/damon/admin/kdamonds").glob("[0-9]*")
    )


def cpu_governors(folder: Path = CPUFREQ) -> str | None:
    """What chooses the CPUs' frequency; several names if they differ, None if nothing does."""
    names = {path.read_text().strip() for path in folder.glob("policy[0-9]*/scaling_governor")}
    return " ".join(sorted(names)) or None


def own_versions() -> dict[str, str]:
    """Of what the run itself is carried out with on the host."""
    return {
        "python": platform.python_version(),
        "qemu.qmp": importlib.metadata.version("qemu.qmp"),
    }


def host_facts() -> dict[str, Any]:
    cpu = re.search(r"model name\s*: (.*)", _text("/proc/cpuinfo") or "")
    system = re.search(r'PRETTY_NAME="(.*)"', _text("/etc/os-release") or "")
    return {
        "cpu_model": cpu.group(1) if cpu else platform.machine(),
        "cpus": os.cpu_count(),
        "memory_mib": memory_mib("MemTotal"),
        "nodes": [
            {"node": n, "memory_mib": round(node_memory_mib(n)), "cpus": node_cpus(n)}
            for n in node_ids()
        ],
        "kernel_release": platform.release(),
        "kernel_command_line": without_secrets(_text("/proc/cmdline") or ""),
        "thp_enabled": chosen(_text("/sys/kernel/mm/transparent_hugepage/enabled")),
        "thp_defrag": chosen(_text("/sys/kernel/mm/transparent_hugepage/defrag")),
        "ksm_run": _number("/sys/kernel/mm/ksm/run"),
        "swappiness": _number("/proc/sys/vm/swappiness"),
        "proactive_reclaim": proactive_reclaim(),
        "numa_balancing": _number("/proc/sys/kernel/numa_balancing"),
        "overcommit_memory": _number("/proc/sys/vm/overcommit_memory"),
        "cpu_governors": cpu_governors(),
        "isolated_cpus": isolated_cpus(),
        "daemons": at_work(),
        "swap_devices": parse_swaps(_text("/proc/swaps") or ""),
        "load_1min_before": os.getloadavg()[0],
        "os": system.group(1) if system else platform.system(),
    }
