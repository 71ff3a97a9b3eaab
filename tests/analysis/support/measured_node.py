# SPDX-License-Identifier: GPL-2.0-or-later
"""A node whose memory is followed in small steps, to hold the plan's simulation against.

Nothing of hintfleet's own simulation is used here: guests boot, touch their memory little by
little, read it back, free it; the mechanism returns chunks at its own rate after a delay; the
count comes from watching the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

STEP_SECONDS = 0.05
WATCHED_SECONDS = 5.0


@dataclass(frozen=True)
class Physics:
    """What one guest of a mechanism really does."""

    base_mib: float
    program_mib: float = 256.0
    delay_seconds: float = 0.0
    return_mib_per_second: float = 0.0
    kept_mib: float = 0.0
    boot_seconds: float = 2.0
    program_seconds: float = 1.2

    def curve(self, pause_seconds: float, guests: int, seconds: float) -> np.ndarray[Any, Any]:
        """Memory of each guest over time: (guests, steps)."""
        times = np.arange(0.0, seconds, STEP_SECONDS)
        cycle = self.boot_seconds + self.program_seconds + pause_seconds
        touched = 0.6 * self.program_seconds  # then the program reads back what it wrote
        result = np.zeros((guests, times.size))
        for k in range(guests):
            age = times - k * cycle
            up = np.clip((age - self.boot_seconds) / touched, 0.0, 1.0) * self.program_mib
            over = age - self.boot_seconds - self.program_seconds - self.delay_seconds
            back = np.clip(over * self.return_mib_per_second, 0.0, self.program_mib - self.kept_mib)
            result[k] = np.where(age >= 0.0, self.base_mib + up - back, 0.0)
        return result

    def seconds_to(self, share: float, freed_mib: float) -> float | None:
        """What the proof of a run would report."""
        if not self.return_mib_per_second:
            return None
        return self.delay_seconds + share * freed_mib / self.return_mib_per_second


def measure(record: dict[str, Any], physics: Physics, pause_seconds: float) -> dict[str, Any]:
    """The record of a consolidation run, with what this node would have shown."""
    memory = record["cell"]["memory_mib"]
    curve = physics.curve(pause_seconds, 30, 240.0)
    total = np.array([curve[:n].sum(axis=0).max() for n in range(1, 31)])
    fits = int(np.count_nonzero(total <= memory))
    cycle = physics.boot_seconds + physics.program_seconds + pause_seconds
    steps = [
        {
            "guest": k + 1,
            "started_seconds": k * cycle,
            "boot_seconds": physics.boot_seconds,
            "program_seconds": physics.program_seconds,
            "touched_mib": physics.program_mib,
            "cell_memory_mib": min(float(curve[: k + 1, -1].sum()), memory),
            "cell_swap_mib": 0.0 if k < fits else 60.0,
            "guest_resident_mib": _resident(curve[: k + 1, -1], memory).tolist(),
        }
        for k in range(fits + 1)
    ]
    idle = float(curve[0, -1])
    record["result"] = {
        "steps": steps,
        "guests_without_swap": fits,
        "guests_at_first_swap": fits + 1,
        "stopped_by": "swap",
        "swap_end_mib": 60.0,
        "active_footprint_mib": physics.base_mib + physics.program_mib,
        "idle_footprint_mib": idle,
        "physical_limit_guests": int((memory - physics.base_mib - 256.0) / idle) + 1,
    }
    for share in (50, 90, 99):
        record["proof"][f"seconds_to_{share}"] = physics.seconds_to(share / 100.0, 128.0)
    return record


def _resident(held: np.ndarray[Any, Any], memory: float) -> np.ndarray[Any, Any]:
    """What of it stays in the node's memory: swap takes the rest, from each guest its share."""
    return held * min(1.0, memory / float(held.sum()))


def samples_csv(physics: Physics, pause_seconds: float, guests: int) -> str:
    """What the sampler would have seen of these guests, until a while after the last program."""
    cycle = physics.boot_seconds + physics.program_seconds + pause_seconds
    seconds = guests * cycle + WATCHED_SECONDS
    lines = ["seconds,guest,resident_mib,swap_mib"]
    for number, curve in enumerate(physics.curve(pause_seconds, guests, seconds), 1):
        lines += [
            f"{k * STEP_SECONDS:.3f},{number},{mib:.3f},0.000"
            for k, mib in enumerate(curve)
            if mib > 0.0
        ]
    return "\n".join(lines) + "\n"
