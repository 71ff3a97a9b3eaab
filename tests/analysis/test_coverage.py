# SPDX-License-Identifier: GPL-2.0-or-later
"""On synthetic truth: intervals cover it as often as they claim, and equals are called equal.

Seeds are fixed, so these tests do not depend on luck; the limits are what a binomial count of
that many trials allows at one in a thousand. More trials, with the rates that were seen (the table
in docs/statistics.md):

    HINTFLEET_TRIALS=20 .venv/bin/pytest -q -s tests/analysis/test_coverage.py
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hintfleet.figures.estimate import absolute, difference, independent_ratio, ratio
from hintfleet.figures.family import corrected
from hintfleet.figures.figure import DEFAULTS
from hintfleet.records.observations import Values, aligned, finished_row, from_rows
from hintfleet.records.observed import WORKLOADS
from hintfleet.report.build import FAMILY, results_of
from hintfleet.statistics.intervals import share_at_least, share_interval
from scipy import stats

CLAIM = 0.95
LUCK = 0.001
TIMES = int(os.environ.get("HINTFLEET_TRIALS", "1"))
"""How many times the usual number of trials."""


def assert_covers(what: str, covered: int, trials: int, claim: float = CLAIM) -> None:
    print(f"{what}: the truth in {covered / trials:.1%} of {trials} intervals")
    assert covered >= int(stats.binom.ppf(LUCK, trials, claim))


def assert_rarely_called(what: str, called: int, trials: int) -> None:
    print(f"{what}: called different in {called / trials:.1%} of {trials}")
    assert called <= int(stats.binom.ppf(1 - LUCK, trials, 1 - CLAIM))


@pytest.mark.parametrize("n", [3, 10, 59])
@pytest.mark.parametrize("truth", [0.5, 0.9, 0.97])
def test_exact_shares_never_cover_less_than_they_claim(n: int, truth: float) -> None:
    """Exactly, by summing over every possible count."""
    chances = stats.binom.pmf(np.arange(n + 1), n, truth)
    two_sided = sum(
        chance
        for hits, chance in enumerate(chances)
        if share_interval(hits, n).low <= truth <= share_interval(hits, n).high
    )
    one_sided = sum(
        chance for hits, chance in enumerate(chances) if share_at_least(hits, n) <= truth
    )
    assert two_sided >= CLAIM - 1e-9 and one_sided >= CLAIM - 1e-9


@pytest.mark.parametrize("n", [3, 5, 8, 15])
def test_a_paired_ratio_of_equals_is_rarely_called_different(n: int) -> None:
    """Blocks differ by far more than mechanisms: pairing takes that out."""
    random = np.random.default_rng(100 + n)
    trials, called = 150 * TIMES, 0
    for _ in range(trials):
        blocks = random.lognormal(0, 0.5, n)
        sides = [blocks * random.lognormal(0, 0.15, n) for _ in range(2)]
        figure = ratio(*(Values.of(side) for side in sides), "ratio")
        called += figure.claims_effect
    assert_rarely_called(f"a paired ratio, n = {n}", called, trials)


@pytest.mark.parametrize(("first", "second"), [(3, 3), (5, 8), (12, 12)])
def test_two_equal_studies_are_rarely_called_different(first: int, second: int) -> None:
    random = np.random.default_rng(first * 100 + second)
    trials, called = 100 * TIMES, 0
    for _ in range(trials):
        sides = [Values.of(random.lognormal(0, 0.2, n)) for n in (first, second)]
        called += independent_ratio(*sides, "ratio").claims_effect
    assert_rarely_called(f"two studies of {first} and {second} blocks", called, trials)


def test_a_family_of_equals_is_rarely_called_different_at_all() -> None:
    random = np.random.default_rng(77)
    trials, called = 60 * TIMES, 0
    for _ in range(trials):
        figures = []
        for _ in range(8):
            sides = [Values.of(random.lognormal(0, 0.2, 6)) for _ in range(2)]
            figures.append(ratio(*sides, "ratio"))
        called += any(figure.claims_effect for figure in claims(corrected(figures)))
    assert_rarely_called("any of a family of 8 ratios", called, trials)


def claims(figures):  # type: ignore[no-untyped-def]
    return [f for f in figures if f.claims_effect and f.verdict == "sound"]


@pytest.mark.parametrize("blocks", [3, 6, 10])
def test_a_study_of_two_equal_mechanisms_is_rarely_called_different(blocks: int) -> None:
    """Everything that decides, as a report computes it, with equal truths under two names."""
    random = np.random.default_rng(1000 + blocks)
    trials, called = 60 * TIMES, 0
    for _ in range(trials):
        rows = {name: [] for name in WORKLOADS}
        for block in range(1, blocks + 1):
            boot = float(random.lognormal(0, 0.1))
            for mechanism in ("none", "page_hinting"):
                count = int(np.floor(6.4 + random.uniform(0, 1)))
                noise = random.lognormal(0, 0.05, 4) * boot
                rate = float(1e5 * noise[3])
                for workload, found in (
                    ("consolidation", {"guests_without_swap": count}),
                    ("tile", {"tiles_at_quality": int(np.floor(2.4 + random.uniform(0, 1)))}),
                    (
                        "memhog",
                        {
                            "memhog_guests": [
                                {"guest": k, "seconds": noise[k - 1]} for k in (1, 2, 3)
                            ]
                        },
                    ),
                    (
                        "page_fault",
                        {
                            "page_fault_rows": [
                                {"tasks": t, "processes": rate * t, "threads": rate * t}
                                for t in (1, 2)
                            ]
                        },
                    ),
                ):
                    rows[workload].append(finished_row(mechanism, workload, "s", block) | found)
        results = results_of(aligned({name: from_rows(runs) for name, runs in rows.items()}), {})
        figures = [
            found[name]
            for group in results.topics.values()
            for found in group.values()
            for name in FAMILY
            if name in found
        ]
        assert len(figures) == len([name for name in FAMILY if not name.startswith("recorded_")])
        called += bool(claims(figures))
    assert_rarely_called(f"a study of {blocks} blocks", called, trials)


@pytest.mark.parametrize("n", [3, 6])
def test_a_real_difference_is_found(n: int) -> None:
    """Caution must not blind: two guests more, or a fifth less rate, are seen in three blocks."""
    random = np.random.default_rng(9)
    trials, found = 100 * TIMES, 0
    for _ in range(trials):
        fewer = [float(np.floor(2.2 + random.uniform(0, 1))) for _ in range(n)]
        more = [float(np.floor(7.2 + random.uniform(0, 1))) for _ in range(n)]
        sides = Values.of(fewer), Values.of(more)
        found += difference(*sides, "guests", resolution=1.0).claims_effect
    print(f"5 guests more, n = {n}: found in {found / trials:.1%} of {trials}")
    assert found >= 0.95 * trials


@pytest.mark.parametrize("blocks", [3, 5, 8, 12, 20, 30, 60])
def test_more_blocks_never_make_a_study_less_sound(blocks: int) -> None:
    """A fill level that scatters by 0.3 guests and a gain of 6: sound, however many blocks."""
    random = np.random.default_rng(blocks)
    studies, sound = 20 * TIMES, 0
    for _ in range(studies):
        levels = [np.floor(base + random.normal(0.0, 0.3, blocks)) for base in (8.5, 14.5)]
        gain = difference(*map(Values.of, levels), "guests", resolution=1.0)
        others = [ratio(*noisy(random, blocks), "ratio") for _ in range(5)]
        found = corrected([gain, *others])[0]
        sound += found.verdict == "sound" and found.claims_effect
        for counts in levels if blocks >= 8 else ():
            assert absolute(Values.of(counts), "guests", (), DEFAULTS, 1.0, 1.0).verdict == "sound"
    assert sound >= (0.7 if blocks == 3 else 1.0) * studies


def noisy(random: np.random.Generator, blocks: int) -> list[Values]:
    return [Values.of(random.lognormal(0, 0.1, blocks)) for _ in range(2)]
