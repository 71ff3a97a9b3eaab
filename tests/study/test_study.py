# SPDX-License-Identifier: GPL-2.0-or-later
"""What a study must show on any machine: relations between measurements, never their values."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from small_study import BIN, ROOT, Playbooks, Study

pytestmark = pytest.mark.guest

MECHANISMS = ("none", "free_page_reporting", "page_hinting")
WORKLOADS = ("consolidation", "memhog", "page_fault")
MORE_SWAP_THAN_DISK_MIB = shutil.disk_usage("/var/lib").free // 2**20 + 100_000


def of(study: Study, workload: str) -> dict[str, dict[str, Any]]:
    """Records of one workload by mechanism (the study has one block)."""
    return {
        record["mechanism"]: record
        for record in study.records.values()
        if record["workload"] == workload
    }


def guests(study: Study) -> Iterator[dict[str, Any]]:
    for record in study.records.values():
        yield from record["guests"]


def test_resumed_study_is_complete(study: Study) -> None:
    assert study.resumed.returncode == 0, study.resumed.stdout[-4000:]
    seen = {(r["mechanism"], r["workload"]) for r in study.records.values()}
    assert seen == {(m, w) for m in MECHANISMS for w in WORKLOADS}
    assert {r["outcome"]["status"] for r in study.records.values()} == {"finished"}


def test_resuming_keeps_finished_runs_and_repeats_none(study: Study) -> None:
    assert len(study.finished_before_the_kill) >= 2
    for name, written in study.finished_before_the_kill.items():
        path = study.folder / "runs" / name / "record.json"
        assert path.stat().st_mtime == written, f"{name} was run again"
    # An attempt that is not the last is kept beside it as <run>.<n>.
    assert [p.name for p in (study.folder / "runs").glob("*.[0-9]")] == []


def test_a_complete_study_started_again_changes_nothing(study: Study) -> None:
    assert study.repeated.returncode == 0, study.repeated.stdout[-4000:]
    changed = re.findall(r"changed=(\d+)", study.repeated.stdout)
    assert changed and set(changed) == {"0"}, study.repeated.stdout[-4000:]


def test_mechanisms_are_proven_to_act(study: Study) -> None:
    for name, record in study.records.items():
        proof = record["proof"]
        assert proof["as_expected"], f"{name}: {proof}"
        assert proof["acted"] == (record["mechanism"] != "none")


def test_every_guest_ran_the_kernel_that_was_built(study: Study) -> None:
    releases = {guest["kernel_release"] for guest in guests(study)}
    keys = {r["provenance"]["guest_kernel"]["key"] for r in study.records.values()}
    assert len(releases) == len(keys) == 1
    assert releases.pop().endswith(f"-hintfleet-{keys.pop()[:12]}")


def test_the_balloon_negotiated_what_the_mechanism_needs(study: Study) -> None:
    for record in study.records.values():
        for guest in record["guests"]:
            wanted = record["mechanism"] != "none"
            assert guest["features"]["free_page_reporting"] == wanted


def test_more_guests_fit_when_memory_comes_back(study: Study) -> None:
    fit = {m: r["result"]["guests_without_swap"] for m, r in of(study, "consolidation").items()}
    assert 0 < fit["none"] < fit["free_page_reporting"]
    assert fit["none"] < fit["page_hinting"]


def test_consolidation_programs_really_touched_their_memory(study: Study) -> None:
    for record in of(study, "consolidation").values():
        for step in record["result"]["steps"]:
            assert step["touched_mib"] == record["parameters"]["allocation_mib"]
        assert record["result"]["active_footprint_mib"] >= record["parameters"]["allocation_mib"]


def test_memhog_swaps_most_where_nothing_comes_back(study: Study) -> None:
    runs = of(study, "memhog")
    swap = {mechanism: record["result"]["swap_end_mib"] for mechanism, record in runs.items()}
    assert swap["none"] > 1
    assert swap["free_page_reporting"] <= 1
    assert swap["page_hinting"] <= 1
    for record in runs.values():
        assert all(guest["seconds"] > 0 for guest in record["result"]["guests"])


def test_page_fault_measures_rates_and_latencies(study: Study) -> None:
    for record in of(study, "page_fault").values():
        rows, latency = record["result"]["rows"], record["result"]["latency"]
        assert [row["tasks"] for row in rows] == list(range(record["parameters"]["tasks"] + 1))
        assert all(row["processes"] > 0 and row["threads"] > 0 for row in rows[1:])
        assert latency["count"] == record["parameters"]["latency_mib"] * 256
        assert 0 < latency["p50_ns"] <= latency["p95_ns"] <= latency["p99_ns"] <= latency["p999_ns"]


def test_samples_are_dense_enough(study: Study) -> None:
    for name, record in study.records.items():
        lines = (study.folder / "runs" / name / record["files"]["samples"]).read_text().splitlines()
        times = [float(line.split(",")[0]) for line in lines[1:] if line.split(",")[1] == "0"]
        assert len(times) >= 10 * (times[-1] - times[0]) * 0.9, name


def test_the_report_gives_programs_the_same_as_the_records(study: Study) -> None:
    shown = subprocess.run(
        [str(BIN / "hintfleet"), "report", str(study.folder), "--format", "json"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert shown.returncode in (0, 2), shown.stderr
    report = json.loads(shown.stdout)
    for mechanism, record in of(study, "consolidation").items():
        density = report["density"][mechanism]
        assert density["guests_without_swap"] == [record["result"]["guests_without_swap"]]
        figure = density["figures"]["guests_without_swap"]
        assert (figure["n"], figure["unit"]) == (1, "guests")
        assert figure["verdict"]
    for mechanism, record in of(study, "memhog").items():
        seconds = [guest["seconds"] for guest in record["result"]["guests"]]
        assert report["memhog"][mechanism]["seconds"] == [seconds]


def test_nothing_is_left_running_after_a_study(study: Study) -> None:
    running = subprocess.run(["pgrep", "-u", "hintfleet"], text=True, capture_output=True)
    assert running.stdout == "", f"processes of the user hintfleet: {running.stdout}"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"study_mechanisms": ["none", "ballooon"]}, ["ballooon", "choose from"]),
        ({"study_preset": "desktop"}, ["study_preset", "laptop, seed"]),
        ({"study_workloads": ["memhogg"]}, ["memhogg", "choose from"]),
        ({"study_consolidation_guest_mib": 4096}, ["4096 MiB is larger than the node", "smaller"]),
        ({"study_node_mib": 9_000_000}, ["9000000", "MiB"]),
        ({"study_swap_mib": MORE_SWAP_THAN_DISK_MIB}, ["MiB of disk are free"]),
        ({"study_memhog_mib": 256}, ["less than 64 MiB to live"]),
        ({"study_blocks": 0}, ["study_blocks is 0: give 1 to 10000"]),
        ({"study_name": "../x"}, ["study_name", "folder"]),
        ({"study_blocks": "many"}, ["study_blocks", "whole number"]),
    ],
)
def test_bad_parameters_get_a_sentence_before_anything_changes(
    playbooks: Playbooks, study: Study, variables: dict[str, Any], words: list[str]
) -> None:
    ended = playbooks.run("site", **variables)
    said = " ".join(ended.stdout.split()) + ended.stderr
    assert ended.returncode != 0
    assert [word for word in words if word not in said] == [], said[-3000:]
    assert set(re.findall(r"changed=(\d+)", ended.stdout)) <= {"0"}
