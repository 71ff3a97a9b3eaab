# SPDX-License-Identifier: GPL-2.0-or-later
"""Where memory stays: parts that add up, and what would bring most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hintfleet.records.columns import HELD
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.render.balance_bars import LETTERS, bars, shares
from hintfleet.render.console import as_text
from hintfleet.render.tables import balance_table
from hintfleet.render.terminal import render
from hintfleet.report.build import Report, build_report
from synthetic import Builder

IN_USE = {"programs": 8.5, "kernel": 22.4, "qemu_translation": 12.0, "qemu_other": 20.0}
HELD_BY_ARM = {
    "none": {**IN_USE, "free_reportable": 180.0, "free_small": 30.0},
    "free_page_reporting": {**IN_USE, "free_reportable": 4.0, "free_small": 13.0},
    "page_hinting": {**IN_USE, "free_small": 13.0},
}


def balance(parts: dict[str, float], scale: float = 1.0) -> dict[str, Any]:
    held = {part: parts.get(part, 0.0) * scale for part in HELD}
    return {
        "footprint_mib": sum(held.values()),
        "held_mib": held,
        "free_mib": 288.0,
        "reportable_mib": 216.0,
    }


def planted(folder: Path, change: Any = None) -> Report:
    """The report of a study in which each consolidation has two guests with a balance."""
    Builder(folder, blocks=3).write()
    for file in folder.glob("laptop/runs/*.consolidation/record.json"):
        record = json.loads(file.read_text())
        guest = record["guests"][0]
        parts = HELD_BY_ARM[record["mechanism"]]
        record["guests"] = [
            {**guest, "name": "proof"},
            {**guest, "name": "guest1", "balance": balance(parts, 0.5)},
            {**guest, "name": "guest2", "balance": balance(parts, 1.5)},
        ]
        if change:
            change(record)
        file.write_text(json.dumps(record))
    return build_report(observe(load_study(folder / "laptop")))


def test_parts_are_means_over_guests_and_add_up(tmp_path: Path) -> None:
    report = planted(tmp_path)
    assert list(report.balance) == ["none", "free_page_reporting", "page_hinting"]
    for name, found in report.balance.items():
        assert found.parts_mib == pytest.approx(HELD_BY_ARM[name])
        whole = found.figures["balance_footprint_mib"].estimate
        assert whole == pytest.approx(sum(HELD_BY_ARM[name].values()))
        assert found.figures["reportable_share"].estimate == pytest.approx(0.75)


def test_what_would_bring_most_is_said_once_for_arms_that_agree(tmp_path: Path) -> None:
    report = planted(tmp_path)
    assert [note for note in report.notes if "at rest" in note] == [
        "Of what the host holds for a guest at rest, a mechanism that reports free memory would "
        "bring most under none (180 MiB).",
        "Of what the host holds for a guest at rest, reporting smaller blocks, or compaction would "
        "bring most under free_page_reporting (13 MiB), page_hinting (13 MiB).",
    ]


def test_parts_that_no_arm_has_are_no_row(tmp_path: Path) -> None:
    rows = [row.label for row in balance_table(planted(tmp_path)).rows]
    assert rows == [
        "programs",
        "kernel",
        "free, in pieces too small",
        "free, could be reported",
        "QEMU, translated code",
        "QEMU, the rest",
        "all of it",
        "free in the guest",
        "  can be reported",
    ]


def test_a_study_that_took_none_has_none(tmp_path: Path) -> None:
    Builder(tmp_path, blocks=1).write()
    report = build_report(observe(load_study(tmp_path / "laptop")))
    assert report.balance == {}
    assert not balance_table(report).rows
    assert not any("at rest" in note for note in report.notes)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda b: b["held_mib"].pop("kernel"),
        lambda b: b["held_mib"].update(kernel="22"),
        lambda b: b.pop("free_mib"),
        lambda b: b.update(footprint_mib=-1),
    ],
)
def test_a_balance_that_is_none_costs_its_record(tmp_path: Path, wrong: Any) -> None:
    def spoil(record: dict[str, Any]) -> None:
        if record["mechanism"] == "none" and record["block"] == 1:
            wrong(record["guests"][1]["balance"])

    report = planted(tmp_path, spoil)
    (damage,) = report.damages
    assert "balance" in damage.field
    assert report.balance["none"].figures["balance_footprint_mib"].n == 2


@pytest.mark.parametrize("width", [40, 80, 200])
def test_bars_are_on_one_scale_and_as_long_as_what_is_held(tmp_path: Path, width: int) -> None:
    report = planted(tmp_path)
    lines = as_text(bars(report.balance, width), width).split("\n")
    assert max(map(len, lines)) <= width
    drawn = {lines[i]: lines[i + 1].split(" ", 1) for i in (0, 2, 4)}
    assert list(drawn) == list(report.balance)
    longest = len(drawn["none"][0])
    for name, (bar, said) in drawn.items():
        whole = sum(HELD_BY_ARM[name].values())
        assert len(bar) == pytest.approx(longest * whole / 272.9, abs=1)
        assert float(said.removesuffix(" MiB")) == pytest.approx(whole, abs=0.5)
        for part, size in HELD_BY_ARM[name].items():
            assert bar.count(LETTERS[part]) == pytest.approx(longest * size / 272.9, abs=1)


def test_every_part_has_a_letter_of_its_own() -> None:
    assert set(LETTERS) == set(HELD)
    assert len(set(LETTERS.values())) == len(HELD)


def test_parts_too_small_to_draw_lengthen_no_bar() -> None:
    assert sum(shares(dict.fromkeys("abcdefghij", 0.4), 10, 40.0).values()) == 1


def test_the_detail_in_a_terminal_has_the_bars(tmp_path: Path) -> None:
    report = planted(tmp_path)
    for ascii_only in (False, True):
        text = as_text(render(report, 80, ascii_only, detail=True), 80, ascii_only)
        assert "Where memory stays: held for a guest at rest" in text
        assert "f free, could be reported" in text
