# SPDX-License-Identifier: GPL-2.0-or-later
"""Comparisons judged together, so that many chances to be wrong do not add up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from hintfleet.figures.figure import DEFAULTS, Figure, Figures, Judgement, Thresholds, Verdict
from hintfleet.figures.judge import run_more, wanted_units
from hintfleet.statistics.intervals import Floats, benjamini_hochberg, holm

Correction = Callable[[Sequence[float]], Floats]


def corrected(
    figures: Sequence[Figure], limits: Thresholds = DEFAULTS, correction: Correction = holm
) -> list[Figure]:
    """The same effects judged as one family, their p values corrected for their number.

    An effect that stood alone but not among so many is unsettled; one that showed no difference
    of practical size stays sound, for it claims none.
    """
    p_values = correction([1.0 if f.p_value is None else f.p_value for f in figures])
    result = []
    for figure, p_value in zip(figures, p_values, strict=True):
        judgement, wanted = figure.judgement, figure.blocks_to_settle
        shown = figure.claims_effect and figure.verdict == Verdict.SOUND
        if shown and p_value > 1.0 - limits.confidence:
            step = ""
            if figure.evidence is not None:
                among = 1.0 - (1.0 - limits.confidence) / len(figures)
                wanted = wanted_units(figure.evidence, among)
                step = run_more(figure.evidence.mean, wanted)
            judgement = Judgement(
                Verdict.UNSETTLED,
                f"sound alone, but among {len(figures)} comparisons one like it may be chance",
                step,
            )
        p = None if figure.p_value is None else float(p_value)
        result.append(replace(figure, p_value=p, judgement=judgement, blocks_to_settle=wanted))
    return result


def judge_as_one_family(
    groups: Iterable[Figures], names: Sequence[str], limits: Thresholds = DEFAULTS
) -> None:
    """Replaces the figures of these names in all groups by what they are as one family (Holm)."""
    family = [(group, name) for group in groups for name in names if name in group]
    _judge(family, limits, holm)


def judge_side_figures(
    groups: Iterable[MutableMapping[Any, Figure]],
    decided: Sequence[str],
    limits: Thresholds = DEFAULTS,
) -> None:
    """Replaces every other comparison of all groups by what it is among them all.

    The share of false ones among those that are shown as sound stays at most 5 % (Benjamini and
    Hochberg 1995); where nothing differs, so does the chance that any is.
    """
    family = [
        (group, name)
        for group in groups
        for name, figure in group.items()
        if name not in decided and figure.evidence is not None
    ]
    _judge(family, limits, benjamini_hochberg)


def _judge(
    family: Sequence[tuple[MutableMapping[Any, Figure], Any]],
    limits: Thresholds,
    correction: Correction,
) -> None:
    judged = corrected([group[name] for group, name in family], limits, correction)
    for (group, name), figure in zip(family, judged, strict=True):
        group[name] = figure
