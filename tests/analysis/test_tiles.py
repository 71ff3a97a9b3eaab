# SPDX-License-Identifier: GPL-2.0-or-later
"""Tiles: what records of them may not say, what is counted of them, and what is doubted."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hintfleet.cli import main
from hintfleet.figures.figure import Verdict
from hintfleet.records.observed import observe
from hintfleet.records.read import DamagedError, load_run, load_study
from hintfleet.render.tables import tile_tables
from hintfleet.report.build import Report, build_report
from synthetic import Builder, Truth

Record = dict[str, Any]


def builder_of(folder: Path, **changes: Any) -> Builder:
    return Builder(folder, **{"workloads": ("tile",), "blocks": 6, **changes})


def reported(folder: Path, change: Callable[[Record], object] = lambda record: None) -> Report:
    """The report of a study whose records were changed."""
    builder = builder_of(folder)
    for file in builder.write().glob("runs/*/record.json"):
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))
    return build_report(observe(load_study(builder.folder)))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return reported(tmp_path_factory.mktemp("tiles"))


def last(record: Record) -> Record:
    found: Record = record["result"]["tiles"][-1]
    return found


def slower(record: Record) -> None:
    for program in last(record)["programs"]:
        program["seconds"] *= 3.0


LIES: dict[str, tuple[Callable[[Record], object], str, str]] = {
    "one tile more than its rounds show": (
        lambda r: r["result"].update(tiles_at_quality=len(r["result"]["tiles"])),
        "result.tiles_at_quality", "as 6 rounds were run and quality ended them",
    ),
    "none, although rounds held": (
        lambda r: r["result"].update(tiles_at_quality=0), "result.tiles_at_quality", "5, as",
    ),
    "a factor that its times do not give": (
        slower, "result.tiles[5].worst_factor", "as its times are those with one tile",
    ),
    "a factor beyond the limit that held": (
        lambda r: r["parameters"].update(tile_factor=1.01),
        "result.tiles[2].worst_factor", "at most tile_factor, 1.01",
    ),
    "a factor that broke, within the limit": (
        lambda r: r["parameters"].update(tile_factor=4.0),
        "result.broken_by.factor", "beyond tile_factor, 4",
    ),
    "what broke by a factor of its own": (
        lambda r: r["result"]["broken_by"].update(factor=9.0),
        "result.broken_by.factor", "about 2.6",
    ),
    "what broke, of no phase": (
        lambda r: r["result"]["broken_by"].update(phase="write"),
        "result.broken_by", "a phase of a program that ended",
    ),
    "nothing that broke": (
        lambda r: r["result"].update(broken_by=None), "result.broken_by", "what broke",
    ),
    "something that broke, and the maximum": (
        lambda r: r["result"].update(stopped_by="maximum", tiles_at_quality=6),
        "result.tiles[5].worst_factor", "at most tile_factor",
    ),
    "a name that the tile lacks": (
        lambda r: last(r)["programs"][0].update(name="other"),
        "result.tiles[5].programs[0].name", "a guest of the tile in parameters.tile: cache",
    ),
    "a program under another's name": (
        lambda r: last(r)["programs"][0].update(program="churn"),
        "result.tiles[5].programs[0].name", "busy (churn)",
    ),
    "a tile that was not there": (
        lambda r: last(r)["programs"][0].update(tile=7),
        "result.tiles[5].programs[0].tile", "at most the 6 of its round",
    ),
    "a phase twice": (
        lambda r: last(r)["programs"].append(last(r)["programs"][0]),
        "result.tiles[5].programs", "each phase of each guest once",
    ),
    "rounds out of order": (
        lambda r: r["result"]["tiles"].reverse(), "result.tiles", "from 1 on",
    ),
    "a clock that went back": (
        lambda r: last(r).update(started_seconds=1.0),
        "result.tiles[5].started_seconds", "at least 240",
    ),
    "longer than its round": (
        lambda r: last(r)["programs"][0].update(seconds=500.0),
        "result.tiles[5].programs[0].seconds", "at most the",
    ),
    "percentiles that fall": (
        lambda r: last(r)["programs"][0].update(p50_ms=7.0),
        "result.tiles[5].programs[0]", "percentiles that rise",
    ),
    "no time and no reason": (
        lambda r: last(r)["programs"][0].update(seconds=None),
        "result.tiles[5].programs[0].censored", "a sentence",
    ),
    "a phase that did not end, at quality": (
        lambda r: r["result"]["tiles"][2]["programs"][0].update(censored="The guest died."),
        "result.tiles[2].programs", "as its quality held",
    ),
    "more memory than the cell has": (
        lambda r: last(r).update(mean_memory_mib=2000.0),
        "result.tiles[5].mean_memory_mib", "at most the cell's 960 MiB",
    ),
    "guests beyond the tiles": (
        lambda r: last(r).update(guest_resident_mib=[1.0] * 13),
        "result.tiles[5].guest_resident_mib", "at most the 12 guests of 6 tiles",
    ),
    "guests that hold more than the cell": (
        lambda r: last(r).update(guest_resident_mib=[150.0] * 12),
        "result.tiles[5].cell_memory_mib", "that its guests hold",
    ),
    "another workload's result": (
        lambda r: r.update(workload="memhog"), "result", "a result of memhog",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_record_that_contradicts_itself_is_none(tmp_path: Path, name: str) -> None:
    change, field, expected = LIES[name]
    builder = builder_of(tmp_path, noise=0.0)
    record = builder.record("h-node0", 1, 1, "page_hinting", "tile", np.random.default_rng(1))
    file = builder.put(copy.deepcopy(record))
    assert load_run(file).tile is not None
    change(record)
    builder.put(record)
    with pytest.raises(DamagedError) as caught:
        load_run(file)
    assert caught.value.damage.field == field
    assert expected in caught.value.damage.expected


def test_tiles_are_counted_and_compared_in_pairs(tiles: Report) -> None:
    counts = {n: r.figures["tiles_at_quality"].estimate for n, r in tiles.tile.items()}
    assert counts == {"none": 2.0, "free_page_reporting": 4.0, "page_hinting": 5.0}
    gain = tiles.tile["page_hinting"].figures["more_tiles_than_none"]
    assert (gain.estimate, gain.unit, gain.n, gain.verdict) == (3.0, "tiles", 6, Verdict.SOUND)
    assert gain.interval is not None and gain.interval.guard
    assert "5 tiles fit a node at quality instead of 2" in tiles.answer
    assert tiles.verdict == Verdict.SOUND


def test_costs_are_of_as_many_tiles_as_every_arm_holds(tiles: Report) -> None:
    """The planted truth: memory by arm, times that hardly differ, all with two tiles."""
    hinting, none = tiles.tile["page_hinting"], tiles.tile["none"]
    assert hinting.equal_tiles == none.equal_tiles == 2
    assert none.figures["tile_mean_memory_mib"].estimate == pytest.approx(600.0, rel=0.02)
    held = hinting.figures["tile_held_vs_none"]
    assert held.estimate == pytest.approx(170.0 / 300.0 * 1.01, rel=0.03)
    reread = none.figures["cache:reread:seconds"]
    assert reread.estimate == pytest.approx(4.0 * 1.04 / 64.0, rel=0.02)
    assert hinting.figures["cache:reread:p99_ms_vs_none"].estimate == pytest.approx(1.01, rel=0.03)
    assert "busy:churn:p99_ms" not in none.figures


def test_what_broke_first_is_told_by_arm(tiles: Report) -> None:
    result = tiles.tile["page_hinting"]
    assert result.stopped_by == {"quality": 6}
    (broken,) = result.broken_by
    assert (broken.name, broken.phase, broken.measure, broken.runs) == (
        "cache",
        "reread",
        "seconds",
        6,
    )
    assert broken.factor == pytest.approx(2.4 * 1.12 / 1.02, rel=0.02)
    rows = {row.label: row for row in tile_tables(tiles)[0].rows}
    assert rows["broke first, factor"].cells[2].text.startswith("cache (reread) 2.6")
    assert rows["ended by, runs"].cells[0].text == "6 quality"


def test_a_tile_and_its_quality_are_told(tiles: Report) -> None:
    (note,) = [note for note in tiles.notes if note.startswith("A tile is ")]
    assert "busy (churn of 48 MiB in a guest of 128 MiB); one guest works at a time" in note
    assert "1.5 times" in note


def test_rounds_that_held_when_done_again_are_told(tiles: Report, tmp_path: Path) -> None:
    def again(record: Record) -> None:
        if record["mechanism"] == "none" and record["block"] < 3:
            record["result"]["tiles"][1]["once_broken_by"] = {"name": "cache"}
            last(record)["once_broken_by"] = {"name": "cache"}

    assert not any("done again" in note for note in tiles.notes)
    (note,) = [note for note in reported(tmp_path, again).notes if "done again" in note]
    assert note.startswith("A quality broke in 2 rounds of tiles and held when")


def of_hinting(change: Callable[[Record], object]) -> Callable[[Record], None]:
    def changed(record: Record) -> None:
        if record["mechanism"] == "page_hinting":
            change(record)

    return changed


def stopped(record: Record, by: str) -> None:
    """Ended otherwise, with all of its rounds at quality."""
    record["result"].update(stopped_by=by, broken_by=None)
    record["result"]["tiles"].pop()
    record["result"]["tiles_at_quality"] = len(record["result"]["tiles"])


def censor(record: Record) -> None:
    record["result"].update(stopped_by="lost", broken_by=None, swap_end_mib=60.0)
    last(record)["programs"][0].update(seconds=None, work=None, censored="The guest died.")
    last(record)["worst_factor"] = None


def lazy(record: Record) -> None:
    for one in record["result"]["tiles"]:
        one["programs"][-1]["work"] = 0


def late(record: Record) -> None:
    last(record)["programs"][0]["late_seconds"] = 3.0


DOUBTS: dict[str, tuple[Callable[[Record], object], Verdict, str]] = {
    "maximum": (
        lambda r: stopped(r, "maximum"), Verdict.UNSETTLED,
        "the run stopped at its maximum of tiles, so more may fit",
    ),
    "no time": (
        lambda r: [stopped(r, "maximum"), r["result"].update(stop_reason="No time for 6 tiles.")],
        Verdict.UNSETTLED, "there was no time for one more tile, so more may fit",
    ),
    "lost without swap": (
        lambda r: stopped(r, "lost"), Verdict.UNSETTLED, "a guest was lost while swap was unused",
    ),
    "censored": (censor, Verdict.UNSETTLED, "a program did not end one of its phases"),
    "no work": (lazy, Verdict.NOT_TO_BE_TRUSTED, "a program did no work"),
    "late": (late, Verdict.UNSETTLED, "a guest's agent told late that a program had ended"),
    "another tile": (
        lambda r: r["parameters"].update(tile_factor=1.6), Verdict.NOT_TO_BE_TRUSTED,
        "another tile was run, or of another quality",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTS)
def test_a_run_that_cannot_be_trusted_is_doubted(tmp_path: Path, name: str) -> None:
    change, verdict, reason = DOUBTS[name]
    report = reported(tmp_path, of_hinting(change))
    assert not report.damages
    doubts = {o.reason: o for o in report.objections}
    (found,) = [o for said, o in doubts.items() if said.startswith(reason)]
    assert (found.verdict, found.arm, found.workload) == (verdict, "page_hinting", "tile")
    assert report.tile["page_hinting"].figures["more_tiles_than_none"].verdict == verdict
    assert report.tile["free_page_reporting"].figures["more_tiles_than_none"].verdict == (
        Verdict.SOUND
    )


def test_a_program_that_did_not_end_is_longer_than_any_that_did(tmp_path: Path) -> None:
    """With two tiles under none, the last of its rounds but one: reading again did not end once."""

    def change(record: Record) -> None:
        if record["mechanism"] == "none" and record["block"] == 1:
            result = record["result"]
            result.update(tiles_at_quality=1, stopped_by="lost", broken_by=None)
            result["tiles"].pop()
            for program in last(record)["programs"]:
                if program["phase"] == "reread":
                    program.update(seconds=None, work=None, p99_ms=None, censored="It died.")

    report = reported(tmp_path, change)
    assert report.tile["none"].equal_tiles == 2
    assert report.tile["none"].figures["cache:reread:seconds"].censored == 1
    versus = report.tile["page_hinting"].figures["cache:reread:seconds_vs_none"]
    assert versus.interval is not None and versus.interval.low == 0.0


def test_a_tile_that_breaks_alone_has_no_density(tmp_path: Path) -> None:
    builder = builder_of(tmp_path)
    builder.truth = {name: replace(t, tiles=0) for name, t in builder.truth.items()}
    report = build_report(observe(load_study(builder.write())))
    assert report.answer.startswith(
        "Not even one tile fits a node at quality, with any arm. One tile"
    )
    assert "One tile needs 1,010 MiB" in report.answer
    assert any("no number of tiles that every arm holds" in note for note in report.notes)
    assert not any(":" in name for name in report.tile["none"].figures)


def test_quality_that_broke_with_memory_free_is_said_not_to_be_of_memory(tmp_path: Path) -> None:
    builder = builder_of(tmp_path)
    file = next(builder.write().glob("runs/*.b1.none.tile/samples.csv"))
    assert not any(
        "processors or disks" in n for n in build_report(observe(load_study(builder.folder))).notes
    )
    for file in builder.folder.glob("runs/*.none.tile/samples.csv"):
        file.write_text("seconds,guest,resident_mib,swap_mib\n0.0,0,100.0,0.0\n39.0,0,200.0,0.0\n")
    report = build_report(observe(load_study(builder.folder)))
    (note,) = [note for note in report.notes if "processors or disks" in note]
    assert note.startswith("With none quality broke while 79 % of the node's memory was free")


def test_tables_of_tiles_are_exported(tmp_path: Path) -> None:
    folder = builder_of(tmp_path, blocks=1, mechanisms=("none",)).write()
    target = tmp_path / "csv"
    assert main(["export", str(folder), "--format", "csv", "--output", str(target)]) == 0
    rounds, costs, programs = (
        list(csv.DictReader((target / f"tile_{name}.csv").open()))
        for name in ("rounds", "costs", "programs")
    )
    assert [row["tiles"] for row in rounds] == ["1", "2", "3"]
    held = float(rounds[0]["mean_memory_mib"]) / 1024 * float(rounds[0]["seconds"]) / 60
    assert float(rounds[0]["held_gib_min"]) == pytest.approx(held)
    assert len(costs) == 9 and len(programs) == 18
    (run,) = csv.DictReader((target / "runs.csv").open())
    assert (run["tiles_at_quality"], run["stopped_by"], run["broken_phase"]) == (
        "2",
        "quality",
        "reread",
    )


def test_a_run_of_tiles_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = builder_of(tmp_path, blocks=1, mechanisms=("none",), noise=0.0).write()
    assert main(["show", str(folder / "runs/local-node0.b1.none.tile"), "--width", "100"]) == 0
    said = capsys.readouterr().out
    assert "2 tiles at quality (ended by cache (reread), 2.49 times its time)" in said
    assert "tile3-cache, reread" in said


def test_two_studies_of_tiles_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = builder_of(tmp_path / "a", mechanisms=("none", "page_hinting")).write()
    later = builder_of(tmp_path / "b", mechanisms=("none", "page_hinting"), seed=2)
    later.truth = {**later.truth, "page_hinting": replace(later.truth["page_hinting"], tiles=8)}
    assert main(["compare", str(before), str(later.write()), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    figures = found["arms"]["page_hinting"]["figures"]
    assert figures["tile.tiles_at_quality"]["change"]["estimate"] == 3.0
    assert figures["tile.tiles_at_quality"]["change"]["unit"] == "tiles"
    assert figures["tile.cache:reread:seconds"]["change"]["estimate"] == pytest.approx(1, abs=0.05)
    assert found["answer"].startswith("More tiles than none: page_hinting 3 in laptop (A), 6 in")


def test_what_a_user_named_and_what_guests_said_of_an_end_is_not_shared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = builder_of(
        tmp_path, mechanisms=("none",), truth={"none": Truth(2, 1, 1, 1, 1, None, 0)}
    )
    folder = builder.write()
    assert main(["report", str(folder), "--share", "--format", "json"]) in (0, 2)
    assert "1,010 MiB" not in capsys.readouterr().out
