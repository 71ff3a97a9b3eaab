# SPDX-License-Identifier: GPL-2.0-or-later
"""What the module says of a run before it asks the host for anything."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import Hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    new_record,
    write_json,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.run import detached, preflight
from ansible_collections.hintfleet.bench.plugins.modules import run

ARTIFACT = {"path": "/gone", "manifest": {"key": "6b" * 32, "sha256": "00" * 32}}
KERNEL = {**ARTIFACT, "manifest": {**ARTIFACT["manifest"], "release": "6.1", "debug_options": []}}
ASKED = {
    "study": "s",
    "run_id": "c.b1.none.consolidation",
    "cell": {"name": "c", "host": "h", "node": 0, "memory_mib": 960, "swap_mib": 256, "cpus": [0]},
    "block": 1,
    "order": 1,
    "arm": {"name": "none", "mechanism": "none"},
    "workload": "consolidation",
    "parameters": {
        "guest_memory_mib": 320, "guest_vcpus": 1, "allocation_mib": 256, "max_guests": 9,
    },
    "accelerator": "tcg",
    "guest_kernel": KERNEL,
    "guest_image": ARTIFACT,
    "versions": {"version": "0.1.0"},
}  # fmt: skip


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A request to a host that has lost QEMU, its library, and the kernel of the study."""
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 0)
    monkeypatch.setattr(run, "find_hierarchy", lambda: Hierarchy({"memory": tmp_path}, None))
    monkeypatch.setattr(run, "QMP_IMPORT_ERROR", "no module named qemu")
    given = {**copy.deepcopy(ASKED), "state_dir": str(tmp_path)}
    return dict(ArgumentSpecValidator(run.ARGUMENTS).validate(given).validated_parameters)


def measure(asked: dict[str, Any], status: str) -> None:
    """Leave what such a run has left."""
    request = run._request(asked)
    folder = detached.run_folder(Path(asked["state_dir"]), "s", request["run_id"])
    folder.mkdir(parents=True)
    write_json(folder / detached.REQUEST, request)
    record = new_record(request)
    record["outcome"] = {"status": status, "reason": None}
    record["result"] = {"guests_before_swap": 5, "stopped_by": "swap"}
    write_json(folder / "record.json", record)


@pytest.mark.parametrize(("phase", "changed"), [("whole", False), ("rest", True)])
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_finished_run_is_handed_over_by_a_host_that_could_run_none(
    asked: dict[str, Any], phase: str, changed: bool, check_mode: bool
) -> None:
    measure(asked, "finished")
    told = run.answer({**asked, "phase": phase}, check_mode)
    assert told["outcome"]["status"] == "finished"
    assert told["changed"] is changed
    assert "record.json" in told["files"]


def test_one_that_has_failed_needs_all_of_it_again(asked: dict[str, Any]) -> None:
    measure(asked, "failed")
    with pytest.raises(BenchError, match=r"qemu\.qmp"):
        run.answer(asked, False)


def test_it_takes_root(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    measure(asked, "finished")
    monkeypatch.setattr(preflight.os, "geteuid", lambda: 1000)
    with pytest.raises(BenchError, match="become root"):
        run.answer(asked, False)
