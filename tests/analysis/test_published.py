# SPDX-License-Identifier: GPL-2.0-or-later
"""The published tables of 2019 through the code that computes measured ones."""

from __future__ import annotations

import json

import pytest
from hintfleet.cli import main
from hintfleet.figures.figure import Figure, Verdict
from hintfleet.records.read import UnusableError
from hintfleet.report.compare import Side, side_of_published
from hintfleet.report.published import load_published, sources
from synthetic import Builder


def side(source: str) -> Side:
    return side_of_published(load_published(source))


def curve(source: str, mechanism: str, tasks: int) -> Figure:
    return side(source).results.page_fault[mechanism].curves["processes"][tasks]


def test_v10_density_by_both_rules() -> None:
    density = side("v10-cover").results.density
    baseline = density["none"].figures
    assert baseline["guests_without_swap"].estimate == 2
    assert baseline["guests_at_first_swap"].estimate == 3
    assert density["page_hinting"].figures["guests_without_swap"].estimate == 5
    assert density["page_hinting"].figures["more_guests_than_none"].estimate == 3


def test_v10_third_memhog_guest() -> None:
    memhog = side("v10-cover").results.memhog
    assert memhog["none"].figures["guest3_seconds"].estimate == 215
    assert memhog["page_hinting"].figures["guest3_seconds"].estimate == 37
    last = memhog["page_hinting"].figures["last_guest_vs_none"]
    assert last.estimate == pytest.approx(37 / 215)
    assert memhog["page_hinting"].figures["swap_end_mib"].estimate == 0


def test_v10_page_fault_at_24_tasks() -> None:
    figure = curve("v10-cover", "page_hinting", 24)
    # 3099457 / 3184542
    assert figure.estimate == pytest.approx(1 - 0.027, abs=0.0005)
    assert figure.verdict == Verdict.UNSETTLED, "one boot of each"
    assert curve("v10-cover", "page_hinting", 1).estimate == pytest.approx(0.971, abs=0.0005)


def test_25_june_is_flagged_by_noise_and_by_debug_options() -> None:
    figure = curve("v10-reply", "bubble_hinting_v1", 1)
    assert figure.estimate == pytest.approx(1 - 0.36, abs=0.005)
    assert figure.verdict == Verdict.NOT_TO_BE_TRUSTED
    assert "three times what boots of one kernel differ by" in figure.judgement.reason
    everywhere = side("v10-reply").results.page_fault["page_hinting"].figures["processes_vs_none"]
    assert everywhere.verdict == Verdict.NOT_TO_BE_TRUSTED
    assert "DEBUG_PAGEALLOC" in everywhere.judgement.reason


def test_25_june_is_flagged_by_noise_alone() -> None:
    """What the thread found three days later, its table alone says."""
    from hintfleet.figures.latency import page_fault_results

    found = page_fault_results(load_published("v10-reply").workloads["page_fault"], {})
    curves = found["bubble_hinting_v1"].curves["processes"]
    flagged = [t for t, f in curves.items() if f.verdict == Verdict.NOT_TO_BE_TRUSTED]
    assert 1 in flagged and 24 not in flagged
    fine = found["page_hinting"].curves["processes"]
    assert all(figure.verdict == Verdict.UNSETTLED for figure in fine.values())


def test_v10_page_fault_is_not_flagged_by_noise() -> None:
    curves = side("v10-cover").results.page_fault["page_hinting"].curves
    verdicts = {figure.verdict for figure in curves["processes"].values()}
    assert verdicts == {Verdict.UNSETTLED}


@pytest.mark.parametrize("source", sources())
def test_every_source_has_a_message_and_loads(source: str) -> None:
    published = load_published(source)
    assert published.conditions["message"]
    assert set(published.workloads["consolidation"].arms) >= {"none", "page_hinting"}


def test_an_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(UnusableError, match="v10-cover"):
        load_published("v13")


def test_ours_beside_theirs(builder: Builder, capsys: pytest.CaptureFixture[str]) -> None:
    builder.write()
    arguments = ["compare", str(builder.folder), "--published", "v10-reply", "--format", "json"]
    assert main(arguments) == 2, "the published rates are not to be trusted"
    document = json.loads(capsys.readouterr().out)
    mechanisms = document["arms"]
    assert mechanisms["free_page_reporting"]["second_name"] == "bubble_hinting_v1"
    gain = mechanisms["page_hinting"]["figures"]["density.more_guests_than_none"]
    assert (gain["first"]["estimate"], gain["second"]["estimate"]) == (5, 3)
    assert gain["change"] is None, "2019's guests are not ours measured again"
    assert any(c["name"] == "debug options" for c in document["conditions"])
    assert main(["compare", str(builder.folder), "--published", "v12-cover"]) == 0
    assert "MADV_DONTNEED" in capsys.readouterr().out


def test_published_rates_stand_beside_ours_at_their_own_numbers_of_tasks(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.write()
    command = ["compare", str(builder.folder), "--width", "100", "--published"]
    main([*command, "v10-cover"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    named = {" ".join(row[:8]): " ".join(row[8:]) for row in rows}
    assert named["page fault rate of 24 processes vs none"] == "- -2.7 % ?"
    assert named["page fault rate of 1 process vs none"].endswith("-2.9 % ?")
    main([*command, "v10-reply"])
    text = " ".join(capsys.readouterr().out.split())
    assert "page fault rate of 1 process vs none -1.3 % -36 % !" in text
    assert (
        "1 boot that differs by more than 18 %: three times what boots of one kernel differ by"
        in text
    )
    assert "built with debug options (DEBUG_PAGEALLOC" in text
