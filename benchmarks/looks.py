# SPDX-License-Identifier: GPL-2.0-or-later
"""How often a study that goes on until it is settled is wrong: equal arms, looked at repeatedly.

Each study adds blocks and looks after 3, 4, 5, ... of them, as study_until does, until each of its
comparisons is sound or there are 40 blocks. It is wrong if at any of its looks equal arms are
called different. For comparison the same studies judged as if each look were the only one.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
from ansible_collections.hintfleet.bench.plugins.module_utils.study.looks import next_look
from error_rates import FAMILY, MODELS, Layout, Model, Sides, figure_of
from hintfleet.figures.family import corrected
from hintfleet.figures.figure import DEFAULTS, Figure, Thresholds, Verdict
from hintfleet.statistics.looks import confidence_of_look

FIRST, MOST = 3, 40


@dataclass(frozen=True)
class Looked:
    """What came of studies of equal arms."""

    studies: int
    false: int
    """Studies that called equal arms different at any look."""
    settled: int
    """Studies that ended by themselves before MOST blocks."""
    blocks: float
    """Blocks of a study on average."""


def looked(model: Model, studies: int, seed: int, spending: bool = True) -> Looked:
    """Counts of so many studies on one cell; `spending`: each look is judged as one of many."""
    random = np.random.default_rng(seed)
    false = settled = blocks_in_all = 0
    for _ in range(studies):
        whole = [model(random, Layout(1, 1, MOST)) for _ in range(FAMILY)]
        blocks, look, wrong = FIRST, 1, False
        while True:
            sure = confidence_of_look(look, DEFAULTS.confidence) if spending else None
            limits = replace(DEFAULTS, confidence=sure) if sure else DEFAULTS
            figures = _figures(whole, blocks, limits)
            wrong |= any(f.claims_effect and f.verdict == Verdict.SOUND for f in figures)
            done = all(figure.verdict == Verdict.SOUND for figure in figures)
            if done or blocks >= MOST:
                break
            blocks, look = min(next_look(blocks), MOST), look + 1
        false += wrong
        settled += done
        blocks_in_all += blocks
    return Looked(studies, false, settled, blocks_in_all / studies)


def _figures(whole: list[Sides], blocks: int, limits: Thresholds) -> list[Figure]:
    layout = Layout(1, 1, blocks)
    parts = [
        replace(sides, first=sides.first[..., :blocks], second=sides.second[..., :blocks])
        for sides in whole
    ]
    return corrected([figure_of(part, layout, limits) for part in parts], limits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000, help="of each kind of noise")
    options = parser.parse_args()
    print("| noise | called different, % | without spending, % | settled, % | blocks |")
    print("|---|---|---|---|---|")
    for name in MODELS:
        kept = looked(MODELS[name], options.studies, 1)
        naive = looked(MODELS[name], options.studies, 1, spending=False)
        shares = [100 * n / options.studies for n in (kept.false, naive.false, kept.settled)]
        print(
            f"| {name} | {' | '.join(f'{s:.1f}' for s in shares)} | {kept.blocks:.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
