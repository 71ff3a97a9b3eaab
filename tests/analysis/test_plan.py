# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers of a plan: counts, intervals, verdicts, and the shapes that were published."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hintfleet.figures.figure import Verdict
from hintfleet.plan.answer import Plan, Question, make_plan, nodes_needed
from hintfleet.plan.input import parse_mechanism
from hintfleet.plan.model import Demand, Footprint, NodeKind, Trace, by_mechanism
from hintfleet.records.read import UnusableError

SEED_GUESTS = (
    "none,active=4600,idle=4500,touched=4096",
    "free_page_reporting,active=4600,idle=600,touched=4096,s50=5,s90=12,s99=20",
    "page_hinting,active=4600,idle=600,touched=4096,s50=1,s90=2,s99=3",
)
HOUR = Demand(horizon_seconds=3600.0, active_seconds=120.0, idle_seconds=1080.0)


def plan_of(
    demand: Demand | Trace, memory_mib: float = 15360.0, nodes: int = 800, **question: float
) -> Plan:
    footprints = by_mechanism([parse_mechanism(text) for text in SEED_GUESTS])
    kinds = (NodeKind(memory_mib, 10),)
    return make_plan(Question(kinds, demand, nodes=nodes, **question), footprints)  # type: ignore[arg-type]


def guests_of(plan: Plan) -> dict[str, int]:
    return {answer.mechanism: answer.guests for answer in plan.answers}


def test_simultaneous_peaks_leave_nothing_to_gain() -> None:
    counts = guests_of(plan_of(dataclasses.replace(HOUR, together=1.0)))
    assert counts == {"none": 3, "free_page_reporting": 3, "page_hinting": 3}


def test_staggered_peaks_gain_what_the_idle_footprints_allow() -> None:
    staggered = dataclasses.replace(
        HOUR, horizon_seconds=7200.0, idle_seconds=1e6, spread=0.0, stagger_seconds=150.0
    )
    counts = guests_of(plan_of(staggered))
    # n - 1 idle guests of 600 MiB beside an active one of 4600: (15360 - 4600) / 600 + 1
    assert counts == {"none": 3, "free_page_reporting": 18, "page_hinting": 18}


def test_slower_return_costs_guests_when_phases_follow_each_other_fast() -> None:
    """Twenty seconds to return against a new peak every fifteen."""
    fast = Demand(3600.0, 5.0, 1e6, spread=0.0, stagger_seconds=15.0)
    counts = guests_of(plan_of(fast))
    assert counts["none"] < counts["free_page_reporting"] < counts["page_hinting"]


def test_published_peaks_of_three_guests_have_the_published_shape() -> None:
    """EuroSys 2025 artifact, three 16 GiB guests: staggered peak 40.7 against 36.0 GiB,
    simultaneous 40.8 against 40.9. A guest peaks at a third of 40.74 GiB; 8.8 GiB stay after
    the peak when two others peak: the cache that a build leaves behind is not free memory. With
    just that, the simulation must give all four figures within 2 %.
    """
    gib = 1024.0
    peak, rest = 40.74 / 3.0 * gib, (35.98 - 2.0 * 40.74 / 3.0) * gib
    footprints = by_mechanism(
        [
            Footprint("none", "vm", peak, peak, peak, peak, (None, None, None)),
            Footprint("free_page_reporting", "vm", peak, rest, peak - rest, gib, (4.0, 8.0, 10.0)),
        ]
    )
    used = np.zeros((1, 36))  # five minutes a step: a build of an hour, two hours of rest
    used[0, :12] = peak
    published = {
        "staggered": {"none": 40.74, "free_page_reporting": 35.98},
        "simultaneous": {"none": 40.75, "free_page_reporting": 40.89},
    }
    traces = {
        "staggered": Trace(300.0, used, stagger_seconds=2400.0, horizon_seconds=10800.0),
        "simultaneous": Trace(300.0, used, together=1.0, horizon_seconds=10800.0),
    }
    from hintfleet.plan.simulation import trace_peaks

    for name, trace in traces.items():
        for mechanism, f in footprints.items():
            scaled = dataclasses.replace(trace, used_mib=trace.used_mib / peak * f.touched_mib[0])
            runs = np.zeros((4, 3), np.int64)
            largest = trace_peaks(f, runs, scaled, np.random.default_rng(1))[:, -1]
            assert largest / gib == pytest.approx(np.full(4, published[name][mechanism]), rel=0.02)


def test_the_same_seed_gives_the_same_plan_with_any_number_of_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hintfleet.plan.answer.CHUNK_GUESTS", 1500)  # a chunk holds about 200 nodes
    question = Question((NodeKind(15360.0, 10),), HOUR, nodes=700)
    footprints = by_mechanism([parse_mechanism(text) for text in SEED_GUESTS[:2]])
    one = make_plan(question, footprints, workers=1)
    assert one == make_plan(question, footprints, workers=2)
    other = make_plan(dataclasses.replace(question, seed=7), footprints, workers=1)
    assert one.answers != other.answers


def test_chances_rise_with_guests_and_hold_within_their_interval() -> None:
    """A second, larger fleet stands for the truth: 19 of 20 intervals may not miss it."""
    truth = plan_of(HOUR, nodes=8000, seed=99)
    small = plan_of(HOUR, nodes=800)
    covered = []
    for answer, true in zip(small.answers, truth.answers, strict=True):
        shares = [chance.share for chance in answer.curve]
        assert shares == sorted(shares)
        for chance, true_chance in zip(answer.curve, true.curve, strict=False):
            interval = chance.interval
            covered.append(interval.low - 4e-3 <= true_chance.share <= interval.high + 4e-3)
    assert np.mean(covered) > 0.9


def test_the_count_is_the_largest_that_is_shown_to_stay_within_the_bound() -> None:
    for answer in plan_of(HOUR, bound=0.05).answers:
        chosen, more = answer.at(answer.guests), answer.at(answer.guests + 1)
        assert chosen is not None and chosen.interval.high <= 0.05
        assert more is not None and more.interval.high > 0.05
        assert answer.low <= answer.guests <= answer.high


def test_larger_nodes_and_looser_bounds_take_more_guests() -> None:
    reference = guests_of(plan_of(HOUR))["page_hinting"]
    assert guests_of(plan_of(HOUR, memory_mib=23040.0))["page_hinting"] > reference
    assert guests_of(plan_of(HOUR, bound=0.5))["page_hinting"] > reference
    assert guests_of(plan_of(HOUR, reserve_mib=6000.0))["page_hinting"] < reference


def test_kinds_of_nodes_add_up_to_the_fleet() -> None:
    footprints = by_mechanism([parse_mechanism(text) for text in SEED_GUESTS])
    kinds = (NodeKind(15360.0, 10), NodeKind(7680.0, 3))
    plan = make_plan(Question(kinds, HOUR, nodes=500), footprints)
    assert plan.fleet_guests("none") == 10 * 3 + 3 * 1


def test_hosts_that_differ_widen_the_interval() -> None:
    alike = [Footprint("m", f"h{k}", 4600.0, 600.0, 4096.0, 4096.0, (1, 2, 3)) for k in range(4)]
    unlike = [
        dataclasses.replace(f, active_mib=4600.0 + 700.0 * (k % 2)) for k, f in enumerate(alike)
    ]
    sequential = Demand(7200.0, 120.0, 1e6, spread=0.0, stagger_seconds=150.0)
    question = Question((NodeKind(10_000.0, 1),), sequential, bound=0.02, nodes=600)
    sure = make_plan(question, by_mechanism(alike)).answers[0]
    unsure = make_plan(question, by_mechanism(unlike)).answers[0]
    assert (sure.low, sure.high, sure.judgement.verdict) == (10, 10, Verdict.SOUND)
    assert unsure.low < unsure.high
    assert unsure.judgement.verdict is Verdict.UNSETTLED
    assert "measure more hosts" in unsure.judgement.next_step


def test_too_few_nodes_are_not_to_be_trusted() -> None:
    plan = plan_of(HOUR, nodes=100)
    assert plan.verdict is Verdict.NOT_TO_BE_TRUSTED
    judgement = plan.answers[0].judgement
    assert judgement.verdict is Verdict.NOT_TO_BE_TRUSTED
    assert judgement.next_step == f"simulate at least {nodes_needed(plan.question)} (--nodes 368)"


def test_one_boot_is_not_to_be_trusted() -> None:
    footprint = Footprint("m", "host", 4600.0, 600.0, 4096.0, 4096.0, (1.0, 2.0, 3.0))
    question = Question((NodeKind(10_000.0, 1),), HOUR, nodes=800)
    plan = make_plan(question, by_mechanism([footprint]))
    assert plan.answers[0].judgement.reason == "the footprint is from one boot of one host"


def test_a_guest_that_does_not_fit_is_said() -> None:
    assert guests_of(plan_of(HOUR, memory_mib=4000.0)) == {
        "none": 0,
        "free_page_reporting": 0,
        "page_hinting": 0,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bound": 0.0}, "--bound must lie between"),
        ({"nodes": 0}, "--nodes must be at least 1"),
        ({"reserve_mib": 20_000.0}, "--reserve-mib must lie between 0 and the smallest"),
        ({"memory_mib": 1e7}, "more than 512 guests fit"),
    ],
)
def test_questions_without_an_answer_are_refused(change: dict[str, float], words: str) -> None:
    quiet = Demand(horizon_seconds=60.0, active_seconds=1.0, idle_seconds=1e6)
    with pytest.raises(UnusableError, match=words):
        plan_of(quiet, **change)  # type: ignore[arg-type]


def test_a_trace_of_one_guest_plans_like_the_phases_it_came_from() -> None:
    used = np.zeros((1, 40))
    used[0, :4] = 4096.0
    trace = Trace(30.0, used, horizon_seconds=3600.0)
    phases = Demand(3600.0, active_seconds=120.0, idle_seconds=1080.0, spread=0.0)
    by_trace, by_phases = guests_of(plan_of(trace)), guests_of(plan_of(phases))
    assert by_trace["none"] == by_phases["none"] == 3
    assert abs(by_trace["page_hinting"] - by_phases["page_hinting"]) <= 1
