# SPDX-License-Identifier: GPL-2.0-or-later
"""What a figure speaks for, and what it may not claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hintfleet.figures.estimate import (
    absolute,
    difference,
    independent_difference,
    independent_ratio,
    ratio,
)
from hintfleet.figures.family import judge_side_figures
from hintfleet.figures.figure import Figure, Verdict
from hintfleet.records.observations import Values
from hintfleet.render.json_report import figure_document


def values(numbers: np.ndarray, hosts: int = 1, nodes: int = 1) -> Values:
    """In the order of hosts, their nodes, and blocks."""
    array = np.asarray(numbers, dtype=np.float64).ravel()
    blocks = array.size // (hosts * nodes)
    host, node, turn = (axis.ravel() for axis in np.indices((hosts, nodes, blocks)))
    return Values(
        array, np.zeros_like(host), host, host * nodes + node, np.arange(array.size), turn
    )


def is_sound_difference(figure: Figure) -> bool:
    return figure.claims_effect and figure.verdict == Verdict.SOUND


@pytest.mark.parametrize(
    ("hosts", "nodes", "words"),
    [
        (1, 8, "on this host"),
        (3, 2, "on these 3 hosts"),
        (5, 1, "on hosts like these"),
        (20, 4, "on hosts like these"),
    ],
)
def test_a_figure_says_what_it_speaks_for(hosts: int, nodes: int, words: str) -> None:
    sides = [values(np.full(hosts * nodes * 3, level), hosts, nodes) for level in (2.0, 7.0)]
    for figure in (difference(*sides, "guests", resolution=1.0), absolute(sides[0], "guests")):
        assert str(figure.scope) == words
        assert figure_document(figure)["speaks_for"] == words


@pytest.mark.parametrize("hosts", [2, 3, 6])
def test_two_fleets_of_one_truth_are_rarely_called_different(hosts: int) -> None:
    """Hosts differ by 10 %, nodes and boots by little: many runs make no more hosts."""
    random = np.random.default_rng(hosts)
    called, studies = 0, 60
    for _ in range(studies):
        sides = []
        for _ in range(2):
            level = random.normal(0.0, 0.1, (hosts, 1, 1))
            boots = random.normal(0.0, 0.02, (hosts, 4, 5))
            sides.append(values(8.0 * np.exp(level + boots), hosts, 4))
        called += is_sound_difference(independent_ratio(*sides, "ratio"))
    assert called <= 0.1 * studies


def test_one_host_against_another_settles_nothing_and_against_itself_does() -> None:
    sides = [values(np.array([level, level + 0.01, level])) for level in (1.0, 3.0)]
    assert independent_ratio(*sides, "ratio").verdict == Verdict.UNSETTLED
    before_and_after = independent_ratio(*sides, "ratio", same_hosts=True)
    assert is_sound_difference(before_and_after)
    assert str(before_and_after.scope) == "on this host"


def test_equal_counts_say_the_same_paired_and_in_a_comparison() -> None:
    sides = [values(np.full(3, level)) for level in (8.0, 9.0)]
    for figure in (
        difference(*sides, "guests", resolution=1.0),
        independent_difference(*sides, "guests", resolution=1.0, same_hosts=True),
    ):
        assert figure.verdict == Verdict.UNSETTLED and not figure.claims_effect


@pytest.mark.parametrize(("ratio_of", "sound"), [(1.1, False), (1.3, False), (2.0, True)])
def test_three_equal_times_are_no_certainty(ratio_of: float, sound: bool) -> None:
    figure = ratio(values(np.ones(3)), values(np.full(3, ratio_of)), "ratio")
    assert is_sound_difference(figure) == sound
    if not sound:
        assert "so few may all have met one of several states" in figure.judgement.reason
        assert figure.judgement.next_step.startswith("run ")


def test_a_small_base_makes_a_guest_matter() -> None:
    random = np.random.default_rng(1)
    more = values(2.0 + random.permutation([1.0] * 16 + [0.0] * 4))
    figure = difference(values(np.full(20, 2.0)), more, "guests", resolution=1.0)
    assert is_sound_difference(figure) and figure.base == 2.0
    equal = difference(values(np.full(20, 2.0)), values(np.full(20, 2.0)), "guests", resolution=1.0)
    assert equal.verdict == Verdict.UNSETTLED


@pytest.mark.parametrize("blocks", [12, 15, 20, 30, 60])
def test_one_damaged_block_is_named_and_decides_nothing(blocks: int) -> None:
    random = np.random.default_rng(blocks)
    seconds = 1.2 * np.exp(random.normal(0.0, 0.02, blocks))
    seconds[4] = 1450.0
    figure = ratio(values(np.full(blocks, 2.5)), values(seconds), "ratio")
    assert is_sound_difference(figure) and figure.interval is not None
    assert figure.interval.low < 0.48 < figure.interval.high
    assert figure.evidence is not None and figure.evidence.stands_out == 4
    if figure.evidence.left_out:
        assert "one block that stands out is left out" in figure.judgement.reason
        assert figure.estimate == pytest.approx(0.48, rel=0.03)
    # it is left out only where nothing could be said with it
    assert figure.evidence.left_out == (blocks < 30)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_of_two_blocks_that_are_as_far_off_none_is_the_broken_one(order: slice) -> None:
    steps = np.array([1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 8.0, -6.0])[order]
    figure = difference(values(np.full(8, 2.0)), values(2.0 + steps), "guests")
    assert figure.n == 8
    assert figure.evidence is not None and figure.evidence.stands_out is None


def test_what_did_not_end_takes_part_as_longer_than_any_that_did() -> None:
    ended = [1.2, math.inf, 1.2, math.inf, math.inf, 1.2]
    figure = ratio(values(np.full(6, 2.5)), values(np.array(ended)), "ratio")
    assert (figure.n, figure.censored, figure.estimate) == (6, 3, None)
    assert figure.interval is not None and figure.interval.high == math.inf
    assert figure.verdict == Verdict.UNSETTLED and not figure.claims_effect
    assert figure_document(figure)["interval"]["high"] is None


def test_a_baseline_that_never_ends_has_no_level() -> None:
    figure = ratio(values(np.full(3, math.inf)), values(np.array([8.0, 9.0, 8.5])), "ratio")
    assert (figure.base, figure.estimate, figure.censored) == (None, None, 3)
    assert figure.interval is not None and figure.interval.low == 0.0
    assert figure_document(figure)["interval"]["low"] == 0.0


def test_runs_that_never_end_are_slower_once_there_are_enough() -> None:
    none = values(np.linspace(2.0, 2.1, 8))
    slow = values(np.array([8.0, 9.0, 8.5, math.inf, 8.0, math.inf, 9.0, 8.0]))
    figure = ratio(none, slow, "ratio")
    assert is_sound_difference(figure)
    assert figure.interval is not None and 3.0 < figure.interval.low < figure.interval.high


def test_of_many_equal_side_figures_hardly_any_is_called_different() -> None:
    random = np.random.default_rng(5)
    called, reports = 0, 60
    for _ in range(reports):
        figures = {
            name: ratio(*(values(np.exp(random.normal(0, 0.15, 8))) for _ in range(2)), "ratio")
            for name in range(20)
        }
        judge_side_figures([figures], ())
        called += any(is_sound_difference(figure) for figure in figures.values())
    assert called <= 0.1 * reports


def test_a_doubt_stays_when_a_family_is_corrected() -> None:
    figure = ratio(values(np.ones(3)), values(np.full(3, 2.0)), "ratio")
    assert figure.p_value == 0.0
    distrusted = Figure(**{**vars(figure), "p_value": 1.0})
    grave = Figure(
        **{
            **vars(distrusted),
            "judgement": type(figure.judgement)(Verdict.NOT_TO_BE_TRUSTED, "debug options"),
        }
    )
    group = {"a": grave, "b": distrusted}
    judge_side_figures([group], ())
    assert group["a"].verdict == Verdict.NOT_TO_BE_TRUSTED
    assert group["b"].verdict == Verdict.UNSETTLED


@pytest.mark.parametrize("unended", [1, 2])
def test_a_base_is_of_runs_that_ended_whatever_was_left_out(unended: int) -> None:
    """One block is broken and left out, in others the baseline was not seen to end: what is
    infinitely long has no mean, and numpy would warn of one."""
    random = np.random.default_rng(1)
    base = np.exp(random.normal(0.0, 0.005, 12))
    other = base * np.exp(random.normal(0.0, 0.005, 12))
    other[3] *= 1e-4
    base[5 : 5 + unended] = np.inf
    figure = ratio(values(base), values(other), "ratio")
    assert figure.evidence is not None and figure.evidence.left_out
    assert figure.base == pytest.approx(1.0, abs=0.01)
    assert figure.interval is not None and figure.interval.low == 0.0
