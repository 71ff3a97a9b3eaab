# SPDX-License-Identifier: GPL-2.0-or-later
"""Plans from studies of tiles, and the simulation held against how many tiles memory held."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hintfleet import cli
from hintfleet.plan.tiles import measured_tiles, predicted_tiles, validate_tiles
from synthetic import TILE, Builder

BOOTED_MIB = 60.0
USED_MIB = {"cache": 90.0, "busy": 55.0}
"""What each guest of the tile uses at its peak, beside what it holds since it booted."""

SECONDS_TO = {"none": None, "page_hinting": 0.4}


def most_held_mib(tiles: int, arm: str, schedule: str) -> float:
    """What so many tiles hold at most, by counting: of what guests used nothing comes back under
    none; else all of it before the next guest works."""
    used = [USED_MIB[str(one["name"])] for one in TILE] * tiles
    at_once = sum(used) if arm == "none" or schedule == "together" else max(used)
    return len(used) * BOOTED_MIB + at_once


def truth_of(arm: str, schedule: str) -> int:
    """How many tiles a node of 960 MiB holds."""
    return max(n for n in range(1, 20) if most_held_mib(n, arm, schedule) <= 960.0)


def write_planted(folder: Path, schedule: str, blocks: int = 3) -> Path:
    """A study whose nodes held tiles until their memory was full."""
    builder = Builder(
        folder, study="tiles", blocks=blocks, mechanisms=("none", "page_hinting"),
        workloads=("tile",),
    )  # fmt: skip
    for file in builder.write().glob("runs/*/record.json"):
        record = json.loads(file.read_text())
        plant(record, schedule)
        file.write_text(json.dumps(record))
    return builder.folder


def plant(record: dict[str, Any], schedule: str) -> None:
    arm, result = record["mechanism"], record["result"]
    fit = truth_of(arm, schedule)
    noise = 1.0 + 0.004 * (record["block"] - 2)
    record["parameters"].update(tile_schedule=schedule, tile_pause_seconds=5)
    seconds = SECONDS_TO[arm]
    proof = {f"seconds_to_{share}": seconds for share in (50, 90, 99)}
    record["proof"].update(proof)
    model = result["tiles"][0]
    rounds = []
    for count in range(1, fit + 2):
        programs = [
            {**one, "tile": tile, "guest": f"tile{tile}-{one['name']}", "seconds": 4.0}
            for tile in range(1, count + 1)
            for one in model["programs"]
        ]
        at_once = 1 if schedule == "together" else len(programs)
        peaks = [BOOTED_MIB + USED_MIB[str(one["name"])] for one in TILE] * count
        rest = peaks if arm == "none" else [BOOTED_MIB] * len(peaks)
        rounds.append({
            **model, "tiles": count, "started_seconds": 500.0 * count, "programs": programs,
            "seconds": 4.0 * at_once + 10.0 + 1.0 * at_once, "worst_factor": 1.0,
            "mean_memory_mib": min(sum(rest), 900.0), "cell_memory_mib": min(sum(rest), 960.0),
            "guest_resident_mib": [round(mib * noise, 3) for mib in rest],
            "guest_peak_mib": [round(mib * noise, 3) for mib in peaks],
        })  # fmt: skip
    rounds[-1].update(peak_swap_mib=50.0, cell_swap_mib=40.0, guest_resident_mib=[])
    result.update(
        tiles=rounds, tiles_at_quality=fit, stopped_by="swap", broken_by=None, swap_end_mib=40.0
    )


@pytest.mark.parametrize("schedule", ["staggered", "together"])
def test_tiles_that_memory_held_are_reproduced_within_one(tmp_path: Path, schedule: str) -> None:
    comparisons = validate_tiles(measured_tiles(write_planted(tmp_path, schedule)).rows)
    measured = {c.arm: c.measured for c in comparisons}
    assert measured["none"] == (truth_of("none", schedule),) * 3
    assert all(c.held_out and c.agrees and c.what == "tiles" for c in comparisons), comparisons
    assert not any(any(c.at_least) for c in comparisons)


def test_that_guests_work_in_turn_matters_where_memory_comes_back(tmp_path: Path) -> None:
    """So that the test above cannot pass by what guests hold at rest alone."""
    predicted = {}
    for schedule in ("staggered", "together"):
        rows = measured_tiles(write_planted(tmp_path / schedule, schedule)).rows
        predicted[schedule] = {c.arm: set(c.predicted) for c in validate_tiles(rows)}
    assert predicted["staggered"]["none"] == predicted["together"]["none"]
    assert min(predicted["staggered"]["page_hinting"]) > max(predicted["together"]["page_hinting"])


def test_more_memory_holds_more_tiles(tmp_path: Path) -> None:
    rows = measured_tiles(write_planted(tmp_path, "staggered")).rows
    mine = [row for row in rows if row["arm"] == "page_hinting"]
    counts = [predicted_tiles(mine, memory, 12) for memory in (200.0, 700.0, 1400.0)]
    assert counts[0] == 0 < counts[1] < counts[2]


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs hintfleet plan; exit code and what it wrote."""

    def call(*arguments: str) -> tuple[int, str]:
        code = cli.main(["plan", *arguments])
        written = capsys.readouterr()
        return code, written.out + written.err

    return call


def test_a_folder_and_a_store_are_validated_alike(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_planted(tmp_path, "staggered")
    assert cli.main(["export", str(folder), "--output", str(tmp_path / "store")]) == 0
    capsys.readouterr()
    said = [run("--validate", str(source)) for source in (folder, tmp_path / "store")]
    assert said[0] == said[1]
    code, text = said[0]
    assert code == 0 and text.startswith("6 of 6 measured counts are reproduced within 1 tile\n")
    code, text = run("--validate", str(folder), "--format", "json")
    found = json.loads(text)
    assert found["agrees"] is True and found["cells"][0]["ended_by_memory"] == [True] * 3


def test_what_ended_for_another_reason_is_the_least_that_fits(tmp_path: Path, run: Run) -> None:
    """Quality broke after one tile: memory has room for more, and that agrees; it does not where
    more ran than memory could have held."""
    builder = Builder(tmp_path, workloads=("tile",), mechanisms=("none",))
    folder = builder.write()
    code, text = run("--validate", str(folder))
    assert code == 0 and "2 or more" in text
    for file in folder.glob("runs/*/record.json"):
        record = json.loads(file.read_text())
        for one in record["result"]["tiles"]:
            one["guest_peak_mib"] = [900.0] * len(one["guest_peak_mib"])
        file.write_text(json.dumps(record))
    code, text = run("--validate", str(folder))
    assert code == 2 and text.startswith("0 of 3")


OPTIONS = ("--nodes", "400", "--hours", "1", "--workers", "1", "--node", "1900x4")


def test_a_plan_is_made_for_the_guests_of_a_tile(tmp_path: Path, run: Run) -> None:
    folder = write_planted(tmp_path, "staggered")
    code, text = run("--from", str(folder), *OPTIONS, "--format", "json")
    found = json.loads(text)
    assert {one["type"] for one in found["footprints"]} == {"cache", "busy"}
    cache = next(o for o in found["footprints"] if o["type"] == "cache" and o["arm"] == "none")
    assert cache["active_mib"] == pytest.approx(150.0, rel=0.01) == cache["idle_mib"]
    assert cache["touched_mib"] == 64.0
    code, text = run("--guest", f"cache,from={folder}", *OPTIONS, "--format", "json")
    assert {one["type"] for one in json.loads(text)["footprints"]} == {"cache"}
    code, text = run("--guest", f"web,from={folder}", *OPTIONS)
    assert code == 1 and "the tile of" in text and "has no such guest; it has cache, busy" in text


def without_peaks(record: dict[str, Any]) -> None:
    for one in record["result"]["tiles"]:
        del one["guest_peak_mib"]


def without_a_tile(record: dict[str, Any]) -> None:
    del record["parameters"]["tile"]


def without_density(record: dict[str, Any]) -> None:
    first = record["result"]["tiles"][:1]
    record["result"].update(tiles=first, tiles_at_quality=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_peaks, "does not say how much guests held while they worked"),
        (without_a_tile, "does not say which guest held what"),
        (without_density, "not one tile ran at quality"),
    ],
)
def test_what_records_lack_is_said_and_not_invented(
    tmp_path: Path, run: Run, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    folder = write_planted(tmp_path, "staggered")
    for file in folder.glob("runs/*/record.json"):
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))
    for arguments in (("--validate", str(folder)), ("--from", str(folder))):
        code, text = run(*arguments)
        assert code == 1 and words in text and "has no tile run to plan with" in text
