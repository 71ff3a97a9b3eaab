# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures published in 2019, as observations of one block, for the same code as measured ones.

A published table is one boot of each mechanism: it has no spread, and its verdicts say so.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hintfleet.figures.figure import Objection, Verdict
from hintfleet.records.observations import Workloads, aligned, finished_row, from_rows
from hintfleet.records.observed import WORKLOADS
from hintfleet.records.read import UnusableError

FOLDER = Path(__file__).parent / "tables"
MIB_A_GB = 1024.0
"""The mails say GB where free(1) and QEMU, whose figures they give, count in GiB."""

SUCCESSORS = {"bubble_hinting_v1": "free_page_reporting"}
"""Mechanisms that were published under another name, as first versions of today's."""


@dataclass(frozen=True)
class Published:
    """All that one message reported, and what is known of its conditions."""

    source: str
    workloads: Workloads
    conditions: dict[str, str]
    objections: tuple[Objection, ...]


def sources() -> list[str]:
    """Names of the messages, oldest first."""
    return list(dict.fromkeys(row["source"] for row in _rows("conditions")))


def load_published(source: str) -> Published:
    """One message's figures; UnusableError for a name that is not known."""
    if source not in sources():
        raise UnusableError(
            f"{source!r} is no published source; choose one of {', '.join(sources())}"
        )
    conditions = {
        row["condition"]: row["value"] for row in _rows("conditions") if row["source"] == source
    }
    return Published(
        source,
        _workloads(source),
        conditions,
        tuple(_objections(source, conditions)),
    )


def _workloads(source: str) -> Workloads:
    found: dict[str, list[dict[str, Any]]] = {
        "consolidation": [_density(row) for row in _rows("density") if row["source"] == source],
        "memhog": [_memhog(row) for row in _rows("memhog") if row["source"] == source],
        "page_fault": _page_fault(source),
    }
    return aligned({name: from_rows(found.get(name, [])) for name in WORKLOADS})


def _density(row: dict[str, str]) -> dict[str, Any]:
    first, swap = row["guests_at_first_swap"], row["swap_end_gb"]
    return finished_row(row["mechanism"], "consolidation", row["source"]) | {
        "guests_without_swap": int(row["guests_without_swap"]),
        "guests_at_first_swap": int(first) if first else None,
        "swap_end_mib": float(swap) * MIB_A_GB if swap else None,
    }


def _memhog(row: dict[str, str]) -> dict[str, Any]:
    seconds = [{"guest": k, "seconds": float(row[f"guest{k}_s"])} for k in (1, 2, 3)]
    return finished_row(row["mechanism"], "memhog", row["source"]) | {
        "memhog_guests": seconds,
        "swap_end_mib": float(row["swap_end_gb"]) * MIB_A_GB,
    }


def _page_fault(source: str) -> list[dict[str, Any]]:
    tables: dict[str, list[dict[str, float]]] = {}
    for row in _rows("page_fault1"):
        if row["source"] == source:
            tables.setdefault(row["mechanism"], []).append(
                {
                    "tasks": int(row["tasks"]),
                    "processes": float(row["processes"]),
                    "threads": float(row["threads"]),
                }
            )
    return [
        finished_row(name, "page_fault", source) | {"page_fault_rows": rows}
        for name, rows in tables.items()
    ]


def _objections(source: str, conditions: dict[str, str]) -> list[Objection]:
    found = [
        Objection(
            Verdict.UNSETTLED,
            "one boot of each mechanism was published, without spread",
            "take direction and rough size from it, no percentages",
            about=source,
        )
    ]
    options = conditions.get("debug options")
    if not options:
        return found
    return found + [
        Objection(
            Verdict.NOT_TO_BE_TRUSTED,
            f"the guest kernel was built with debug options ({options})",
            "look at a later message of the same series for figures without them",
            None,
            workload,
            f"{source}, {workload}",
        )
        for workload in ("page_fault", "memhog")
    ]


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
