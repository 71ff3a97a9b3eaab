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
from hintfleet.figures.estimate import difference, independent_ratio, ratio
from hintfleet.figures.family import corrected
from hintfleet.records.observations import Values, aligned, finished_row, from_rows
from hintfleet.report.build import FAMILY, results_of
from hintfleet.statistics.intervals import mean_interval, share_at_least, share_interval
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


@pytest.mark.parametrize("n", [3, 5, 8, 12, 60])
def test_intervals_of_normal_noise_cover(n: int) -> None:
    random = np.random.default_rng(n)
    trials = 300 * TIMES
    covered = 0
    for _ in range(trials):
        interval = mean_interval(random.normal(10.0, 2.0, n))
        assert interval is not None
        covered += interval.low <= 10.0 <= interval.high
    assert_covers(f"normal noise, n = {n}", covered, trials)


@pytest.mark.parametrize(("n", "tolerance"), [(3, 0.06), (8, 0.05), (20, 0.03)])
def test_intervals_of_skewed_noise_nearly_cover(n: int, tolerance: float) -> None:
    """Latency is skewed. What skew costs is stated here and in docs/statistics.md."""
    random = np.random.default_rng(n)
    trials, truth = 150 * TIMES, float(np.exp(0.5 * 0.5**2))
    covered = 0
    for _ in range(trials):
        interval = mean_interval(random.lognormal(0.0, 0.5, n))
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert_covers(f"skewed noise, n = {n}", covered, trials, CLAIM - tolerance)


@pytest.mark.parametrize("truth", [6.0, 6.3, 6.5])
def test_intervals_of_counts_cover(truth: float) -> None:
    """Counts are rounded down from a fill level; their resolution widens the interval."""
    random = np.random.default_rng(int(truth * 10))
    trials, covered = 200 * TIMES, 0
    for _ in range(trials):
        counts = np.floor(truth + random.uniform(0, 1, 3))
        interval = mean_interval(counts, resolution=1.0)
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert_covers(f"counts of guests around {truth}, n = 3", covered, trials)


def test_intervals_within_few_cells_cover() -> None:
    random = np.random.default_rng(4)
    cells = [name for name in "abc" for _ in range(4)]
    levels = np.repeat([5.0, 9.0, 16.0], 4)
    trials, covered = 200 * TIMES, 0
    for _ in range(trials):
        interval = mean_interval(levels + random.normal(0, 1, 12), groups=cells)
        assert interval is not None
        covered += interval.low <= 10.0 <= interval.high
    assert_covers("within 3 cells of 4 blocks", covered, trials)


def test_intervals_over_a_fleet_cover_the_fleet() -> None:
    """Blocks of one cell are alike: what counts is the number of cells."""
    random = np.random.default_rng(5)
    trials, covered = 200 * TIMES, 0
    cells = [f"c{cell}" for cell in range(8) for _ in range(5)]
    for _ in range(trials):
        levels = np.repeat(random.normal(10.0, 2.0, 8), 5)
        interval = mean_interval(levels + random.normal(0, 0.2, 40), groups=cells)
        assert interval is not None
        covered += interval.low <= 10.0 <= interval.high
    assert_covers("over a fleet of 8 cells", covered, trials)


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
        rows = {name: [] for name in ("consolidation", "memhog", "page_fault")}
        for block in range(1, blocks + 1):
            boot = float(random.lognormal(0, 0.1))
            for mechanism in ("none", "page_hinting"):
                count = int(np.floor(6.4 + random.uniform(0, 1)))
                noise = random.lognormal(0, 0.05, 4) * boot
                rate = float(1e5 * noise[3])
                for workload, found in (
                    ("consolidation", {"guests_without_swap": count}),
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
            result.figures[name]
            for group in (results.density, results.memhog, results.page_fault)
            for result in group.values()
            for name in FAMILY
            if name in result.figures
        ]
        assert len(figures) == len(FAMILY)
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
        found += difference(*sides, "guests", resolution=1.0, practical=1.0).claims_effect
    print(f"5 guests more, n = {n}: found in {found / trials:.1%} of {trials}")
    assert found >= 0.95 * trials


@pytest.mark.parametrize("blocks", range(3, 15))
def test_more_blocks_never_unsettle_a_clear_gain(blocks: int) -> None:
    """Whichever test a number of blocks calls for, it must be able to speak in a whole family."""
    random = np.random.default_rng(blocks)
    gains = [
        difference(
            Values.of([2.0] * blocks),
            Values.of([7.0 + k % 2 for k in range(blocks)]),
            "guests",
            resolution=1.0,
            practical=1.0,
        )
        for _ in range(2)
    ]
    others = [
        ratio(
            Values.of(random.lognormal(0, 0.1, blocks)),
            Values.of(random.lognormal(0, 0.1, blocks)),
            "ratio",
        )
        for _ in range(22 if blocks >= 10 else 4)
    ]
    for figure in corrected([*gains, *others])[:2]:
        assert figure.verdict == "sound" and figure.claims_effect
