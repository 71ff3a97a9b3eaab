# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of runs is looked at: what shows is told, and what does not is not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from hintfleet.figures.order import order_remarks
from hintfleet.records.observations import aligned, finished_row, from_rows

MECHANISMS = ("none", "free_page_reporting", "page_hinting")


def remarks(blocks: int, first: float = 0.0, moves: float = 0.0, seed: int = 1) -> list[str]:
    """first: by how much the first run of a block is slower; moves: what hinting costs more in each
    block than in the one before."""
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for block in range(1, blocks + 1):
        for place, mechanism in enumerate(np.roll(MECHANISMS, block), 1):
            slower = first * (place == 1) + moves * block * (mechanism == "page_hinting")
            rate = float(1e5 * np.exp(random.normal(0.0, 0.01) - slower))
            found = {"order": place, "page_fault_rows": [{"tasks": 1, "processes": rate}]}
            rows.append(finished_row(str(mechanism), "page_fault", "s", block) | found)
    parts = {"consolidation": [], "memhog": [], "page_fault": rows}
    return order_remarks(aligned({name: from_rows(runs) for name, runs in parts.items()}))


def test_a_slow_first_run_is_told() -> None:
    (said,) = remarks(6, first=0.2)
    assert re.match("What runs first in a block differs, in the page fault rate by -1[6-9] %", said)


def test_an_effect_that_moves_is_told() -> None:
    (said,) = remarks(10, moves=0.02)
    assert said.startswith("What page_hinting changes in the page fault rate moves over the blocks")


def test_a_quiet_host_is_not_remarked_on() -> None:
    assert sum(bool(remarks(6, seed=seed)) for seed in range(20)) == 0
    assert remarks(2) == []
