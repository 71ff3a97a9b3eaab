# SPDX-License-Identifier: GPL-2.0-or-later
"""What was done to hand a guest's memory back: made free in it, taken from it, given to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RECLAIMED, TAKEN, GIVEN, MOVED = "reclaimed", "taken", "given", "moved"
SHORT_SHARE, SHORT_MIB = 0.1, 4.0  # what may be missing of what was asked for


@dataclass(frozen=True)
class Handed:
    """One step: by whom, how much was asked for, how much was done, in what time on the host.

    RECLAIMED: a policy made page cache free in the guest. TAKEN: a mechanism that the host drives
    took memory from the guest. GIVEN: it gave it back for work to come.
    MOVED: the host moved memory of the guest's cell out of memory, to swap.
    """

    step: str
    by: str
    asked_mib: float
    done_mib: float
    seconds: float

    @property
    def missed(self) -> bool:
        """Whether it did notably less than it was asked for."""
        short = self.asked_mib - self.done_mib
        return short > max(SHORT_MIB, SHORT_SHARE * self.asked_mib)

    def record(self) -> dict[str, Any]:
        """Its entry under `handed` of a guest in the run record."""
        return {
            "step": self.step,
            "by": self.by,
            "asked_mib": round(self.asked_mib, 3),
            "done_mib": round(self.done_mib, 3),
            "seconds": round(self.seconds, 3),
            "missed": self.missed,
        }
