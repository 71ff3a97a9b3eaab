# SPDX-License-Identifier: GPL-2.0-or-later
"""What arms that hand back what was in use came to, and what that cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.render.handed import cache_words, handed_words
from hintfleet.render.json_report import document
from hintfleet.render.tables import handback_table
from hintfleet.report.build import Report, build_report
from synthetic import Builder

CACHE = {
    "read_mib": 64.0, "cached_mib": 60.0, "watched_seconds": 3.0, "cold_seconds": 0.5,
}  # fmt: skip
BACK_MIB = {"none": 0.0, "free_page_reporting": 3.2, "page_hinting": 57.6}


def planted(folder: Path, missed: bool = False) -> Report:
    """The report of a study whose page_hinting has a policy: it drops the cache."""
    Builder(folder, blocks=3).write()
    for file in folder.glob("laptop/runs/*/record.json"):
        record = json.loads(file.read_text())
        arm = record["mechanism"]
        proof = record["proof"]
        proof |= {"first_seconds": 1.0, "again_seconds": 1.5 if arm != "none" else 1.0}
        proof["cache"] = {
            **CACHE, "freed_mib": 60.0 if arm == "page_hinting" else 0.6,
            "dropped_mib": BACK_MIB[arm], "acted": arm == "page_hinting",
            "again_seconds": 0.5 if arm == "page_hinting" else 0.1,
        }  # fmt: skip
        if record["workload"] == "consolidation":
            guest = record["guests"][0]
            names = ("refaulted_file_mib", "refaulted_anonymous_mib", "direct_reclaim_mib",
                     "allocation_stalls", "compaction_stalls")  # fmt: skip
            step: dict[str, Any] = {
                "step": "reclaimed", "by": "drop_caches", "asked_mib": 60.0, "done_mib": 60.0,
                "seconds": 0.2, "missed": missed,
            }  # fmt: skip
            handed = {"handed": [step]} if arm == "page_hinting" else {}
            record["guests"] = [
                {**guest, "name": f"guest{n}", "costs": dict.fromkeys(names, float(n)), **handed}
                for n in (1, 3)
            ]
        file.write_text(json.dumps(record))
    return build_report(observe(load_study(folder / "laptop")))


def test_what_came_back_and_what_it_cost_is_told_by_arm(tmp_path: Path) -> None:
    report = planted(tmp_path)
    assert list(report.handback) == ["none", "free_page_reporting", "page_hinting"]
    shares = {arm: f["cache_back_share"].estimate for arm, f in report.handback.items()}
    assert shares == pytest.approx({"none": 0.0, "free_page_reporting": 0.05, "page_hinting": 0.9})
    hinting = report.handback["page_hinting"]
    assert hinting["reclaimed_mib"].estimate == 60.0
    assert hinting["again_ratio"].estimate == 1.5
    assert hinting["reread_ratio"].estimate == 1.0
    assert hinting["guest_refaulted_file_mib"].estimate == 2.0  # the mean of both guests
    assert "taken_mib" not in hinting and "cell_pressure_seconds" not in hinting
    assert document(report)["handing_back"]["page_hinting"]["figures"]


def test_a_single_run_tells_what_was_handed_back(tmp_path: Path) -> None:
    planted(tmp_path)
    runs = load_study(tmp_path / "laptop").runs
    (run,) = [
        one
        for one in runs
        if (one.block, one.arm, one.workload) == (1, "page_hinting", "consolidation")
    ]
    assert cache_words(run) == (
        "Page cache: of 64 MiB that the guest had read, 60 MiB became free and 57.6 MiB went back; "
        "reading took 0.5 s, and 0.5 s once more."
    )
    assert list(handed_words(run)) == [
        "Made free by drop_caches: 60 of 60 MiB in 0.2 s, mean of 2 times."
    ]
    Builder(tmp_path / "old", blocks=1).write()
    old = load_study(tmp_path / "old" / "laptop").runs[0]
    assert cache_words(old) is None and not list(handed_words(old))


def test_rows_that_no_arm_has_are_left_out(tmp_path: Path) -> None:
    rows = [row.label for row in handback_table(planted(tmp_path)).rows]
    assert rows[:2] == ["page cache made free", "files read that went back"]
    assert "made free by the policy, MiB" in rows
    assert not any("taken" in row or "pressure" in row for row in rows)


def test_guests_that_missed_are_said_once(tmp_path: Path) -> None:
    said = (
        "Guests freed or handed over less than they were asked for under page_hinting (6 guests)."
    )
    assert said in planted(tmp_path / "missed", missed=True).notes
    assert not any("less than they were" in note for note in planted(tmp_path / "met").notes)


def test_a_study_of_mechanisms_that_act_by_themselves_has_none(tmp_path: Path) -> None:
    Builder(tmp_path, blocks=1).write()
    report = build_report(observe(load_study(tmp_path / "laptop")))
    assert report.handback == {}
    assert not handback_table(report).rows


def test_what_is_not_plainly_back_or_without_swap_is_said(tmp_path: Path) -> None:
    plain = planted(tmp_path)
    assert not [note for note in plain.notes if note.startswith("Under ")]
    for file in tmp_path.glob("laptop/runs/*.consolidation/record.json"):
        record = json.loads(file.read_text())
        if record["mechanism"] == "page_hinting":
            record["result"]["idle_lazy_mib"] = 120.0
        if record["mechanism"] == "none":
            record["guests"][0]["handed"] = [{
                "step": "moved", "by": "host_reclaim", "asked_mib": 60.0, "done_mib": 58.0,
                "seconds": 0.2, "missed": False,
            }]  # fmt: skip
        file.write_text(json.dumps(record))
    report = build_report(observe(load_study(tmp_path / "laptop")))
    (lazy,) = (note for note in report.notes if note.startswith("Under page_hinting what"))
    assert "stays resident until the host needs it" in lazy
    (moved,) = (note for note in report.notes if note.startswith("Under none the host moved"))
    assert "needed no more than that" in moved
    assert report.handback["none"]["moved_mib"].estimate == 58.0
    assert report.density["page_hinting"].figures["idle_lazy_mib"].estimate == 120.0
