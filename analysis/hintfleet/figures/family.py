# SPDX-License-Identifier: GPL-2.0-or-later
"""Comparisons judged together, so that many chances to be wrong do not add up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hintfleet.figures.figure import DEFAULTS, Figure, Figures, Judgement, Thresholds, Verdict
from hintfleet.figures.judge import run_blocks
from hintfleet.statistics.intervals import blocks_needed, holm, t_quantile


def corrected(figures: Sequence[Figure], limits: Thresholds = DEFAULTS) -> list[Figure]:
    """The same effects judged as one family, their p values corrected for their number (Holm).

    An effect that stood alone but not among so many is unsettled; one that showed no difference
    of practical size stays sound, for it claims none.
    """
    p_values = holm([1.0 if f.p_value is None else f.p_value for f in figures])
    result = []
    for figure, p_value in zip(figures, p_values, strict=True):
        judgement = figure.judgement
        if figure.claims_effect and p_value > 1.0 - limits.confidence:
            wanted = _blocks_among(figure, len(figures), limits)
            figure = replace(figure, blocks_to_settle=wanted)
            judgement = Judgement(
                Verdict.UNSETTLED,
                f"sound alone, but among {len(figures)} comparisons one like it may be chance",
                run_blocks(figure.n, wanted),
            )
        p = None if figure.p_value is None else float(p_value)
        result.append(replace(figure, p_value=p, judgement=judgement))
    return result


def judge_as_one_family(
    groups: Iterable[Figures], names: Sequence[str], limits: Thresholds = DEFAULTS
) -> None:
    """Replaces the figures of these names in all groups by what they are as one family."""
    family = [(group, name) for group in groups for name in names if name in group]
    judged = corrected([group[name] for group, name in family], limits)
    for (group, name), figure in zip(family, judged, strict=True):
        group[name] = figure


def _blocks_among(figure: Figure, comparisons: int, limits: Thresholds) -> int | None:
    """Blocks after which an effect like this would stand among so many, by its interval."""
    if figure.interval is None or figure.n < 2:
        return None
    low, high = figure.interval.low, figure.interval.high
    if figure.unit == "ratio":
        low, high = math.log(low), math.log(high)
    reach = t_quantile(0.5 + limits.confidence / 2.0, figure.n - 1)
    deviation = (high - low) / 2.0 / reach * math.sqrt(figure.n)
    among = 1.0 - (1.0 - limits.confidence) / comparisons
    wanted = blocks_needed(deviation, abs(high + low) / 2.0, among)
    return None if wanted is None else max(wanted, figure.n + 1)
