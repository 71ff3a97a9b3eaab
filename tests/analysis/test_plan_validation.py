# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulation reproduces consolidation of nodes that were followed in small steps."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hintfleet import cli
from hintfleet.plan.input import measured
from hintfleet.plan.validation import validate
from measured_node import Physics, measure, samples_csv
from synthetic import Builder

LAPTOP = {
    "none": Physics(110.0),
    "free_page_reporting": Physics(85.0, delay_seconds=2.0, return_mib_per_second=90.0),
    "page_hinting": Physics(80.0, return_mib_per_second=700.0, kept_mib=12.0),
}


def write_measured(builder: Builder, pause_seconds: float, seed: int = 1) -> Path:
    """A study whose consolidation runs come from nodes followed in small steps."""
    builder.workloads = ("consolidation",)
    builder.write()
    random = np.random.default_rng(seed)
    for cell in builder.cells:
        for block in range(1, builder.blocks + 1):
            for mechanism, physics in LAPTOP.items():
                noisy = Physics(
                    physics.base_mib * random.normal(1.0, 0.02),
                    delay_seconds=physics.delay_seconds,
                    return_mib_per_second=physics.return_mib_per_second,
                    kept_mib=physics.kept_mib,
                )
                record = builder.record(cell, block, 1, mechanism, "consolidation", random)
                record = measure(record, noisy, pause_seconds)
                builder.put(record)
                seen = samples_csv(noisy, pause_seconds, len(record["result"]["steps"]))
                (builder.folder / "runs" / record["run_id"] / "samples.csv").write_text(seen)
    return builder.folder


@pytest.mark.parametrize("pause_seconds", [0.0, 1.0, 6.0])
def test_measured_density_is_reproduced_within_one_guest(
    builder: Builder, pause_seconds: float
) -> None:
    comparisons = validate(measured(write_measured(builder, pause_seconds)).rows)
    assert {c.arm for c in comparisons} == set(LAPTOP)
    assert all(c.held_out and c.agrees for c in comparisons), comparisons


def test_the_pause_between_guests_matters_to_slow_mechanisms(builder: Builder) -> None:
    """So that the test above cannot pass by the footprints alone."""
    counts = {}
    for pause in (0.0, 6.0):
        rows = measured(write_measured(builder, pause)).rows
        counts[pause] = {c.arm: max(c.predicted) for c in validate(rows)}
    assert counts[0.0]["free_page_reporting"] < counts[6.0]["free_page_reporting"]
    assert counts[0.0]["none"] == counts[6.0]["none"]


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs hintfleet plan; exit code and what it wrote."""

    def call(*arguments: str) -> tuple[int, str]:
        code = cli.main(["plan", *arguments, *(["--width", "100"] if arguments else [])])
        written = capsys.readouterr()
        return code, written.out + written.err

    return call


def test_validation_says_how_many_counts_it_reproduces(builder: Builder, run: Run) -> None:
    folder = write_measured(builder, 1.0)
    code, text = run("--validate", str(folder))
    assert code == 0
    assert text.startswith("9 of 9 measured counts are reproduced within 1 guest\n")
    code, text = run("--validate", str(folder), "--format", "json")
    assert json.loads(text)["agrees"] is True


def test_a_study_the_simulation_does_not_reproduce_is_said_so(builder: Builder, run: Run) -> None:
    folder = write_measured(builder, 6.0)
    for file in folder.glob("runs/*page_hinting*/record.json"):
        record = json.loads(file.read_text())
        record["result"]["guests_without_swap"] -= 3
        file.write_text(json.dumps(record))
    code, text = run("--validate", str(folder))
    assert code == 2
    assert text.startswith("6 of 9 measured counts")


def test_one_block_is_compared_with_itself_and_that_is_said(builder: Builder, run: Run) -> None:
    builder.blocks = 1
    code, text = run("--validate", str(write_measured(builder, 1.0)))
    assert code == 0
    assert "run at least 2 blocks" in text


def test_a_plan_from_a_study_answers_first(builder: Builder, run: Run) -> None:
    folder = write_measured(builder, 1.0)
    options = (
        "--from", str(folder), "--nodes", "400", "--hours", "1", "--node", "960x20",
        "--active-minutes", "1", "--idle-minutes", "60", "--workers", "1",
        "--stagger-minutes", "5", "--spread", "0",
    )  # fmt: skip
    code, text = run(*options)
    assert code == 0
    words = " ".join(text.replace("│", " ").split())
    assert "On 20 nodes of 960 MiB each place 40 guests with none, 160 with free_page" in words
    assert "(4 times as many)" in words
    assert "1 measured host cannot speak for 20 nodes and its guests were emulated" in words
    code, text = run(*options, "--format", "json")
    plan = json.loads(text)
    assert plan["schema"] == "hintfleet.plan/2"
    assert plan["fleet_guests"]["none"] == 40
    assert len(plan["footprints"]) == 9
    answer = next(a for a in plan["answers"] if a["arm"] == "page_hinting")
    assert answer["guests_low"] is None and answer["guests_high"] is None
    assert answer["guests"] > 2
    assert answer["guests_if_all_peak_at_once"] == 2
    assert answer["guests"] <= answer["guests_if_they_peak_in_turn"]


def test_a_plan_from_a_trace_and_a_footprint_by_hand(tmp_path: Path, run: Run) -> None:
    trace = tmp_path / "trace.csv"
    lines = [f"{k * 60},web,{200 if k == 3 else 0}" for k in range(20)]
    trace.write_text("seconds,guest,used_mib\n" + "\n".join(lines) + "\n")
    code, text = run(
        "--mechanism", "page_hinting,active=300,idle=100,s50=1", "--node", "960",
        "--trace", str(trace), "--hours", "1", "--nodes", "400", "--workers", "1",
    )  # fmt: skip
    assert code == 0
    words = " ".join(text.replace("│", " ").split())
    assert "Demand: each guest repeats the recorded trace of 20 min, at its own time." in words


GIVEN = ("--mechanism", "none,active=2,idle=1", "--node", "9")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "footprints from one place"),
        (GIVEN[:2], "a plan needs a node"),
        ((*GIVEN, "--only", "x"), "no such footprint; there are none"),
        ((*GIVEN, "--workers", "0"), "--workers"),
    ],
)
def test_incomplete_commands_are_refused(arguments: tuple[str, ...], words: str, run: Run) -> None:
    code, text = run(*arguments)
    assert code == 1
    assert text.startswith("hintfleet: ") and words in text and text.count("\n") == 1


def test_a_plan_that_is_killed_leaves_no_worker_behind() -> None:
    command = [sys.executable, "-m", "hintfleet.cli", "plan", *GIVEN[:2], "--node", "60"]
    plan = subprocess.Popen(
        [*command, "--nodes", "10000000", "--workers", "2"], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60.0
    while len(workers := children_of(plan.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert plan.poll() is None and len(workers) >= 2
    plan.kill()
    plan.wait()
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_running, workers))


def children_of(process_id: int) -> list[int]:
    file = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(child) for child in file.read_text().split()] if file.exists() else []


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
