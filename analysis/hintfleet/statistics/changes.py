# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a series of values moves to another level, by the library ruptures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

FEWEST = 6
"""Of fewer values no change is told from scatter."""

SHORTEST = 2
"""Values of a level: one alone may be an accident."""

PENALTY = 6.0
"""Of one more level, in variances times the logarithm of the number of values. The criterion of
Schwarz (1978) would be 2, for a known variance; this one comes from few values. Equal levels are
called different in at most 5 % of series (tests/analysis/test_changes.py)."""


def change_points(values: Sequence[float]) -> list[int]:
    """The index of the first value of each new level; values in order of time, finite.

    Least squares with a penalty for each level, exactly (PELT: Killick, Fearnhead and Eckley 2012).
    The variance is that of neighbours (von Neumann 1941), which few changes of level hardly touch.
    """
    series = np.asarray(values, dtype=np.float64)
    if series.size < FEWEST or float(np.ptp(series)) == 0.0:
        return []
    series = (series - series.mean()) / float(np.ptp(series))
    variance = float((np.diff(series) ** 2).mean()) / 2.0
    import ruptures  # imports half of SciPy, and few commands need it

    search = ruptures.KernelCPD(kernel="linear", min_size=SHORTEST).fit(series.reshape(-1, 1))
    ends: list[int] = search.predict(pen=PENALTY * variance * math.log(series.size))
    return [int(end) for end in ends[:-1]]
