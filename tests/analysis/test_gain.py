# SPDX-License-Identifier: GPL-2.0-or-later
"""Which mechanisms does nothing beat on every count?"""

from __future__ import annotations

from hintfleet.figures.figure import Figure, Figures, Judgement, Verdict
from hintfleet.figures.gain import beaten_by


def figure(value: float) -> Figure:
    return Figure("", 3, value, value, value, None, Judgement(Verdict.SOUND, ""))


def topics(**guests_and_p99: tuple[float, float]) -> dict[str, dict[str, Figures]]:
    return {
        "density": {
            name: {"guests_without_swap": figure(guests)}
            for name, (guests, _) in guests_and_p99.items()
        },
        "page_fault": {
            name: {"fault_p99_ns": figure(p99)} for name, (_, p99) in guests_and_p99.items()
        },
    }


def test_more_guests_at_no_cost_beats() -> None:
    found = beaten_by(topics(none=(2, 100), page_hinting=(7, 101)), ["none", "page_hinting"])
    assert found == {"none": ("page_hinting",), "page_hinting": ()}


def test_more_guests_at_a_price_leaves_a_choice() -> None:
    found = beaten_by(topics(none=(2, 100), page_hinting=(7, 130)), ["none", "page_hinting"])
    assert found == {"none": (), "page_hinting": ()}


def test_equals_do_not_beat_each_other() -> None:
    found = beaten_by(topics(a=(7, 100), b=(7, 102)), ["a", "b"])
    assert found == {"a": (), "b": ()}


def test_relative_figures_take_none_as_one() -> None:
    both = topics(none=(2, 100), page_hinting=(2, 100))
    both["memhog"] = {"none": {}, "page_hinting": {"last_guest_vs_none": figure(0.5)}}
    found = beaten_by(both, ["none", "page_hinting"])
    assert found == {"none": ("page_hinting",), "page_hinting": ()}
