# SPDX-License-Identifier: GPL-2.0-or-later
"""How a run was made, in words: what a report tells of hosts, kernel, image and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hintfleet.statistics.units import number

CHANGES = frozenset({"load_1min_before"})
"""Facts of a host that every run has anew; they are judged, not told."""


def facts_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Facts about how a run was made, by name."""
    source, cell = record["provenance"], record["cell"]
    kernel, host = source["guest_kernel"], source["host"]
    values: dict[str, object] = {
        "cell": _cell(cell),
        "guest kernel": kernel["release"],
        "guest kernel sha256": kernel["sha256"],
        "guest image sha256": source["guest_image"]["sha256"],
        "QEMU": ", ".join(filter(None, (source["qemu"]["version"], source["qemu"]["accelerator"]))),
        "hintfleet": source["hintfleet"]["version"],
    }
    values |= {f"host {key.replace('_', ' ')}": host[key] for key in sorted(host.keys() - CHANGES)}
    if "imported" in record:
        values = {key: value for key, value in values.items() if value} | {
            "imported from": record["imported"]["source"]
        }
    return {name: fact_text(value) for name, value in values.items()}


def _cell(cell: Mapping[str, Any]) -> str:
    told = [f"{cell['memory_mib']:g} MiB memory", f"{cell['swap_mib']:g} MiB swap"]
    told += [f"{len(cell['cpus'])} CPUs"] if cell["cpus"] else []
    told.append(f"node {cell['node']}")
    told += [f"cgroup v{cell['cgroup_version']}"] if cell["cgroup_version"] else []
    return ", ".join(told)


def fact_text(value: object) -> str:
    """A fact of a record in words; what changes during a study is left out of it."""
    if isinstance(value, list):
        return ", ".join(fact_text(item) for item in value) or "none"
    if isinstance(value, dict):
        told = (f"{k}={fact_text(item)}" for k, item in value.items() if k != "used_mib")
        return " ".join(told) or "none"
    return number(value) if isinstance(value, float) else str(value)
