# SPDX-License-Identifier: GPL-2.0-or-later
"""What the first screen of a plan says: the count, the demand that it assumes, what the study's own
count assumes, and for which nodes it holds."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hintfleet import cli
from synthetic import Builder, Truth

SCREEN_LINES = 24
Run = Callable[..., str]
QUICK = ("--nodes", "400", "--hours", "2", "--workers", "1", "--width", "80")


@pytest.fixture
def first_screen(capsys: pytest.CaptureFixture[str]) -> Run:
    """The first screen of hintfleet plan, as one line."""

    def call(*arguments: str) -> str:
        cli.main(["plan", *arguments, *QUICK])
        lines = capsys.readouterr().out.splitlines()[:SCREEN_LINES]
        return " ".join("\n".join(lines).replace("│", " ").split())

    return call


def test_plan_and_headline_say_what_each_assumes(builder: Builder, first_screen: Run) -> None:
    """The study's 7 and the plan's 2 are answers to two questions, and both are told."""
    text = first_screen("--from", str(builder.write()), "--together", "1")
    assert "Place 2 guests on a node of 960 MiB, whatever the arm: nothing is gained." in text
    assert "Demand: each guest uses its memory for 10 min and rests for 50 min" in text
    assert "all at the same moment" in text
    assert (
        "The study's count, 2 with none, 7 with free_page_reporting and 7 with page_hinting, "
        "assumes that they do so in turn. Memory that was given back helps only while nobody else "
        "needs it." in text
    )
    assert "if they peak in turn 2 8 8" in text
    assert "counted, in turn 2 7 7" in text


@pytest.mark.parametrize(
    ("form", "before"),
    [
        ("terminal", "swap began"),
        ("markdown", "swap began"),
        ("html", "</figcaption>"),
    ],
)
def test_a_report_says_what_its_count_assumes_on_its_first_screen_too(
    builder: Builder, capsys: pytest.CaptureFixture[str], form: str, before: str
) -> None:
    """In the corner of the first table; of a page, below its first picture."""
    folder = str(builder.write())
    assert cli.main(["report", folder, "--format", form, "--width", "80"]) == 0
    first = " ".join(capsys.readouterr().out.partition(before)[0].split())
    assert "memory used in turn" in first or "using memory in turn" in first


def test_the_studys_count_is_the_same_as_in_its_headline(
    builder: Builder, first_screen: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = builder.write()
    for block in (1, 2):
        file = folder / f"runs/local-node0.b{block}.page_hinting.consolidation/record.json"
        record = json.loads(file.read_text())
        record["result"]["guests_without_swap"] += 1
        file.write_text(json.dumps(record))
    cli.main(["report", str(folder), "--width", "200"])
    assert "7.67 guests fit a node without swapping instead of 2" in capsys.readouterr().out
    assert "7.67 with page_hinting" in first_screen("--from", str(folder))


def test_emulation_and_what_was_measured_are_on_the_first_screen(
    builder: Builder, first_screen: Run
) -> None:
    text = first_screen("--from", str(builder.write()))
    assert "plan · study laptop · 1 host · 3 blocks · emulated" in text
    assert "Verdict: sound on this host, for guests like those measured and this demand." in text


def test_a_fleet_that_was_not_measured_is_on_the_first_screen(
    builder: Builder, first_screen: Run
) -> None:
    text = first_screen("--from", str(builder.write()), "--node", "960x50000")
    assert (
        "Verdict: unsettled: 1 measured host cannot speak for 50,000 nodes and its guests were "
        "emulated. Next: measure at least 5 hosts of that fleet with KVM." in text
    )
    assert "interval unknown unknown unknown" in text


def test_what_was_not_measured_at_all_is_on_the_first_screen(first_screen: Run) -> None:
    text = first_screen("--mechanism", "none,active=200,idle=150", "--node", "960")
    assert "plan · footprints by hand, nothing measured" in text
    assert "Verdict: unsettled: the footprints are stated by hand" in text


def swept(builder: Builder, arms: int) -> Builder:
    """A study of so many arms beside the mechanisms, the last of which hold most guests."""
    builder.sweep = {
        f"page_hinting/age={k}": Truth(7 + k, 1.2, 0.0, 98_000.0, 915.0, 0.6) for k in range(arms)
    }
    return builder


def test_every_arm_is_planned_by_itself(builder: Builder, first_screen: Run) -> None:
    text = first_screen("--from", str(swept(builder, 2).write()), "--stagger-minutes", "20")
    for arm, count in {"none": 2, "page_hinting": 7, "page_hinting/age=1": 8}.items():
        assert f"{count} with {arm}" in text


def test_of_many_arms_the_best_are_planned_and_that_is_said(
    builder: Builder, first_screen: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(swept(builder, 9).write())
    text = first_screen("--from", folder)
    assert "with none" in text and "page_hinting/age=8" in text and "page_hinting/age=7" in text
    assert "page_hinting/age=3" not in text
    cli.main(["plan", "--from", folder, *QUICK])
    assert (
        "Of 12 arms the plan is for the baseline and the 2 that hold most guests where these use "
        "memory in turn; 9 are left out: --arm NAME plans for others."
        in " ".join(capsys.readouterr().out.split())
    )
    text = first_screen("--from", folder, "--arm", "page_hinting/age=3")
    assert "guests with page_hinting/age=3" in text and "with none" not in text


def test_the_baseline_of_a_study_need_not_be_none(builder: Builder, first_screen: Run) -> None:
    folder = builder.write()
    for file in folder.glob("runs/*/record.json"):
        record = json.loads(file.read_text())
        record["baseline"] = "free_page_reporting"
        file.write_text(json.dumps(record))
    text = first_screen("--from", str(folder), "--stagger-minutes", "20", "--spread", "0")
    assert "5 guests with free_page_reporting, 2 with none (0.4 times as many)" in text


def test_an_arm_that_guests_did_not_show_is_left_out_and_named(
    builder: Builder, first_screen: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = swept(builder, 1).write()
    for file in folder.glob("runs/*age-0.consolidation/record.json"):
        record = json.loads(file.read_text())
        record["arm"]["shows"] = {}
        file.write_text(json.dumps(record))
    cli.main(["plan", "--from", str(folder), *QUICK])
    assert (
        "left out 3 run(s), page_hinting/age=0: its guests did not show what the arm states"
        in " ".join(capsys.readouterr().out.split())
    )
