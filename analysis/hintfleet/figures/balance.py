# SPDX-License-Identifier: GPL-2.0-or-later
"""Where memory stays: what the host still holds for a guest that has come to rest, by its use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.figures.estimate import absolute
from hintfleet.figures.figure import DEFAULTS, Figures, Objection, Thresholds
from hintfleet.records.columns import HELD
from hintfleet.records.observations import Observations, values_of
from hintfleet.statistics.intervals import Floats

RECLAIMED_BY = {
    "page_cache_clean": "a policy that drops the page cache",
    "page_cache_dirty": "a policy that writes back and drops the page cache",
    "free_small": "reporting smaller blocks, or compaction",
    "free_listed": "emptying the CPUs' lists of free pages",
    "free_reportable": "a mechanism that reports free memory",
    "qemu_translation": "a smaller translation buffer (accelerator tcg only)",
}
"""What would bring a part back; the others are in use."""


@dataclass(frozen=True)
class Balance:
    """Of a guest at rest under one arm, by HELD in MiB, means over the guests of a run."""

    arm: str
    figures: Figures

    @property
    def parts_mib(self) -> dict[str, float]:
        """By part; what is not held is left out."""
        found = {part: self.figures[f"held_{part}_mib"].estimate for part in HELD}
        return {part: size for part, size in found.items() if size}

    @property
    def most_to_gain(self) -> str | None:
        """The largest part that could come back."""
        parts = {part: size for part, size in self.parts_mib.items() if part in RECLAIMED_BY}
        return max(parts, key=parts.__getitem__, default=None)


def balances(
    observations: Observations,
    objections: Sequence[Objection] = (),
    limits: Thresholds = DEFAULTS,
) -> dict[str, Balance]:
    """By arm, of those whose runs took one; observations: finished consolidations."""
    numbers = observations.numbers
    results = {}
    for name in observations.arms:
        against = [o for o in objections if o.concerns([name], "consolidation")]
        columns = {
            **{f"held_{part}_mib": (numbers[f"held_{part}_mib"], "MiB") for part in HELD},
            "balance_footprint_mib": (numbers["balance_footprint_mib"], "MiB"),
            "guest_free_mib": (numbers["guest_free_mib"], "MiB"),
            "reportable_share": (_reportable_share(observations), "share"),
        }
        figures: Figures = {
            key: absolute(values_of(observations, name, column), unit, against, limits)
            for key, (column, unit) in columns.items()
        }
        if figures["balance_footprint_mib"].n:
            results[name] = Balance(name, figures)
    return results


def _reportable_share(observations: Observations) -> Floats:
    """By run: how much of what guests have free lies in blocks that can be reported."""
    free = observations.numbers["guest_free_mib"]
    share: Floats = np.divide(
        observations.numbers["guest_reportable_mib"], free,
        out=np.full_like(free, np.nan), where=free > 0.0,
    )  # fmt: skip
    return share
