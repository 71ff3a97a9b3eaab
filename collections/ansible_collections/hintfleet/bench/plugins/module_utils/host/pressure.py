# SPDX-License-Identifier: GPL-2.0-or-later
"""Pressure as Linux counts it, of a cell or of a guest (Documentation/accounting/psi.rst)."""

from __future__ import annotations

import re

MICROSECONDS = 1_000_000


def parse_pressure(text: str) -> dict[str, float]:
    """Seconds by `some` and `full` that tasks stood still, of a file of pressure."""
    found = re.findall(r"^(some|full) .*\btotal=(\d{1,19})$", text, re.MULTILINE)
    return {kind: int(total) / MICROSECONDS for kind, total in found}
