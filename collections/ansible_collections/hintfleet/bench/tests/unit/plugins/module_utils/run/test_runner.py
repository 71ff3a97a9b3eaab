# SPDX-License-Identifier: GPL-2.0-or-later
"""However a run ends, its record says so and holds what was seen; here without guests."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import (
    BenchError,
    StopRequest,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Installed
from ansible_collections.hintfleet.bench.plugins.module_utils.run import runner as _runner
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads.proof import verdict

SCHEMA = json.loads(
    (
        Path(__file__).parents[9] / "analysis/hintfleet/records/schemas/run_record.schema.json"
    ).read_text()
)


class FakeCgroup:
    """A cell with nothing in it."""

    procs_files: tuple[Path, ...] = ()
    made = removed = 0

    def __init__(self, *_: Any) -> None:
        pass

    def create(self, *_: Any) -> None:
        FakeCgroup.made += 1

    def remove(self) -> bool:
        FakeCgroup.removed += 1
        return False

    def memory_mib(self) -> float:
        return 1.0

    def swap_mib(self) -> float:
        return 0.0

    def pressure_seconds(self) -> dict[str, float] | None:
        return {"some": 0.5, "full": 0.25}


def request(tmp_path: Path) -> dict[str, Any]:
    artifact = {"key": "6b" * 32, "release": "6.1", "sha256": "00" * 32, "debug_options": []}
    return {
        "study": "s",
        "run_id": "c.b1.none.memhog",
        "cell": {
            "name": "c", "host": "h", "node": 0, "memory_mib": 960.0, "swap_mib": 256.0,
            "cpus": [0], "side_by_side": False, "cgroup_version": 1, "memory_binding": "cpuset",
        },
        "block": 1,
        "order": 1,
        "arm": {"name": "none", "mechanism": "none", "states": {}, "differs": {}},
        "baseline": "none",
        "workload": "memhog",
        "parameters": {
            "sample_hz": 20.0, "guest_memory_mib": 320, "guest_vcpus": 1, "kernel_arguments": "",
            "guest_swap_mib": 0, "proof_mib": 128, "proof_seconds": 6.0,
            "deadline_seconds": 60.0, "boot_deadline_seconds": 60.0,
        },
        "accelerator": "tcg",
        "tb_size_mib": 12,
        "guest_kernel": {"path": "/k", "manifest": artifact},
        "guest_image": {"path": "/i", "manifest": artifact},
        "user": "root",
        "versions": {"version": "0.1.0"},
    }  # fmt: skip


def perform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: BaseException) -> Any:
    """The record of a run whose workload measured something and then ended that way."""

    def work(_bench: Any, result: dict[str, Any]) -> None:
        result["guests"] = [{"guest": 1, "seconds": 1.5}]
        raise ending

    monkeypatch.setattr(_runner, "CellCgroup", FakeCgroup)
    monkeypatch.setattr(_runner, "find_hierarchy", lambda: None)
    monkeypatch.setattr(_runner, "apart", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(_runner, "qemu_of", lambda _: Installed("/usr/bin/qemu", (7, 2, 22)))
    monkeypatch.setattr(_runner, "empty_own", lambda: None)
    monkeypatch.setattr(_runner, "check_free_swap", lambda _cell: None)
    monkeypatch.setattr(_runner, "prove", lambda *_: verdict("none", 128, 0.5, 6.0, {}))
    monkeypatch.setitem(_runner.WORKLOADS, "memhog", SimpleNamespace(run=work))
    folder = tmp_path / "runs" / "s" / "c.b1.none.memhog"
    folder.mkdir(parents=True)
    FakeCgroup.made = FakeCgroup.removed = 0
    record = _runner.perform(request(tmp_path), folder)
    jsonschema.validate(record, SCHEMA)
    assert FakeCgroup.made == 2
    assert FakeCgroup.removed >= FakeCgroup.made
    for name in ("samples", "proof_samples"):
        assert (folder / record["files"][name]).read_text().startswith("seconds,guest,")
    return record


@pytest.mark.parametrize(
    ("ending", "status", "sentence"),
    [
        (BenchError("It broke; mend it."), "failed", "It broke; mend it."),
        (StopRequest(), "aborted", "was asked to stop; start the study again"),
        (ZeroDivisionError("by zero"), "failed", "error of hintfleet itself (ZeroDivisionError"),
    ],
)
def test_how_a_run_ends_is_recorded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: BaseException,
    status: str,
    sentence: str,
) -> None:
    record = perform(tmp_path, monkeypatch, ending)
    assert record["outcome"]["status"] == status
    assert sentence in record["outcome"]["reason"]


def test_a_wall_clock_that_is_set_back_ends_no_run_before_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = itertools.count(1_800_000_000.0, -1_000_000.0)
    monkeypatch.setattr(_runner.time, "time", lambda: next(times))
    record = perform(tmp_path, monkeypatch, BenchError("It broke."))
    assert record["finished"] >= record["started"] and record["duration_seconds"] < 60


def test_what_was_measured_before_a_failure_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = perform(tmp_path, monkeypatch, BenchError("It broke."))
    assert record["result"] is None
    assert record["partial"] == {"guests": [{"guest": 1, "seconds": 1.5}]}
    assert record["proof"]["as_expected"]
    assert record["provenance"]["qemu"]["version"] == "7.2.22"


def test_what_a_run_spends_its_time_on_adds_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = perform(tmp_path, monkeypatch, BenchError("It broke."))
    assert set(record["spent"]) == {"boot", "proof", "settling", "measuring", "teardown"}
    assert 0.0 <= sum(record["spent"].values()) <= record["duration_seconds"] + 0.01


def proven(tmp_path: Path, **changes: Any) -> dict[str, Any] | None:
    """The proof that a run takes over from one of its arm that lies beside it."""
    asked = request(tmp_path)
    other = tmp_path / "c.b1.none.consolidation"
    other.mkdir(exist_ok=True)
    proof = verdict("none", 128, changes.pop("dropped_mib", 0.5), 6.0, {})
    made = {"outcome": {"status": "failed"}, "proof": proof}
    (other / "record.json").write_text(json.dumps(made))
    there = {**asked, "workload": "consolidation", "proof_of": "", **changes}
    (other / "request.json").write_text(json.dumps(there))
    here = {**asked, "proof_of": other.name}
    return _runner.proof_of_another(here, tmp_path / "c.b1.none.memhog")


def test_runs_that_share_an_arm_share_its_proof(tmp_path: Path) -> None:
    found = proven(tmp_path)
    assert found is not None
    assert found["of_run"] == "c.b1.none.consolidation" and found["as_expected"]


@pytest.mark.parametrize(
    "changes",
    [
        {"dropped_mib": 100.0},
        {"block": 2},
        {"arm": {"name": "none", "mechanism": "none", "states": {"guest_thp": "never"}}},
        {"guest_kernel": {"path": "/k", "manifest": {}}},
        {"study_id": "another"},
    ],
)
def test_a_proof_of_something_else_is_not_shared(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert proven(tmp_path, **changes) is None


def test_the_first_run_of_an_arm_makes_the_proof(tmp_path: Path) -> None:
    assert _runner.proof_of_another(request(tmp_path), tmp_path / "x") is None
    asked = {**request(tmp_path), "proof_of": "not.there"}
    assert _runner.proof_of_another(asked, tmp_path / "x") is None
