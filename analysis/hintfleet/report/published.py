# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures published in 2019, as observations of one block, for the same code as measured ones.

A published table is one boot of each mechanism: it has no spread, and its verdicts say so.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from hintfleet.figures.figure import Objection, Verdict
from hintfleet.records.observations import (
    DensityObservation,
    MemhogObservation,
    PageFaultObservation,
)
from hintfleet.records.read import UnusableError
from hintfleet.records.types import PageFaultRow

FOLDER = Path(__file__).parent / "tables"
MIB_A_GB = 1024.0
"""The mails say GB where free(1) and QEMU, whose figures they give, count in GiB."""

SUCCESSORS = {"bubble_hinting_v1": "free_page_reporting"}
"""Mechanisms that were published under another name, as first versions of today's."""


@dataclass(frozen=True)
class Published:
    """All that one message reported, and what is known of its conditions."""

    source: str
    density: tuple[DensityObservation, ...]
    memhog: tuple[MemhogObservation, ...]
    page_fault: tuple[PageFaultObservation, ...]
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
        tuple(_density(row) for row in _rows("density") if row["source"] == source),
        tuple(_memhog(row) for row in _rows("memhog") if row["source"] == source),
        tuple(_page_fault(source)),
        conditions,
        tuple(_objections(source, conditions)),
    )


def _density(row: dict[str, str]) -> DensityObservation:
    first, swap = row["guests_at_first_swap"], row["swap_end_gb"]
    return DensityObservation(
        row["mechanism"],
        row["source"],
        1,
        int(row["guests_without_swap"]),
        int(first) if first else None,
        float(swap) * MIB_A_GB if swap else None,
    )


def _memhog(row: dict[str, str]) -> MemhogObservation:
    seconds = tuple(float(row[f"guest{position}_s"]) for position in (1, 2, 3))
    swap = float(row["swap_end_gb"]) * MIB_A_GB
    return MemhogObservation(row["mechanism"], row["source"], 1, seconds, swap)


def _page_fault(source: str) -> list[PageFaultObservation]:
    tables: dict[str, list[PageFaultRow]] = {}
    for row in _rows("page_fault1"):
        if row["source"] == source:
            tables.setdefault(row["mechanism"], []).append(
                PageFaultRow(
                    tasks=int(row["tasks"]),
                    processes=float(row["processes"]),
                    processes_idle=float(row["processes_idle"]),
                    threads=float(row["threads"]),
                    threads_idle=float(row["threads_idle"]),
                    linear=float(row["linear"]),
                )
            )
    return [PageFaultObservation(name, source, 1, tuple(rows)) for name, rows in tables.items()]


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
