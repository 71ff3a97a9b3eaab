# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking again and again: how sure each look must be, so that all of them together err seldom.

A study that goes on until it is settled is judged after some blocks, and again after more. Each
look is another chance for noise to look like an effect. So the chance of error is shared out over
the looks in advance (alpha spending: Lan and DeMets 1983, Biometrika 70), by the series 1/(k(k+1)),
which adds up to 1 however many looks there will be. By Bonferroni's inequality the sum holds for
any dependence between looks, for any test, and for any reason to stop. An interval of each look's
confidence is one of a sequence that covers the truth at all looks at once (repeated confidence
intervals: Jennison and Turnbull 1989, Journal of the Royal Statistical Society B 51).
"""

from __future__ import annotations


def confidence_of_look(look: int, confidence: float) -> float:
    """What look 1, 2, ... must show, so that all looks together have this confidence."""
    return 1.0 - (1.0 - confidence) / (look * (look + 1))
