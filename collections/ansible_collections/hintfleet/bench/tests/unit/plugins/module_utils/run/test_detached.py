# SPDX-License-Identifier: GPL-2.0-or-later
"""A run outlives whoever asked for it. Runners here are real processes that do no work."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import StopRequest
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    earlier_attempts,
    new_record,
    read_record,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.run import detached as _detached

SCHEMA = json.loads(
    (
        Path(__file__).parents[9] / "analysis/hintfleet/records/schemas/run_record.schema.json"
    ).read_text()
)
REQUEST: dict[str, Any] = {
    "study": "s",
    "study_id": "1",
    "run_id": "c.b1.none.consolidation",
    "cell": {
        "name": "c",
        "host": "h",
        "node": 0,
        "memory_mib": 960,
        "swap_mib": 256,
        "cpus": [0, 1],
        "side_by_side": False,
        "cgroup_version": 2,
        "memory_binding": "cpuset",
    },
    "block": 1,
    "order": 1,
    "arm": {"name": "none", "mechanism": "none", "states": {}, "differs": {}},
    "baseline": "none",
    "workload": "consolidation",
    "parameters": {"guest_memory_mib": 320},
    "accelerator": "tcg",
    "guest_kernel": {
        "path": "/k",
        "manifest": {"key": "6b" * 32, "release": "6.1", "sha256": "00" * 32, "debug_options": []},
    },
    "guest_image": {"path": "/i", "manifest": {"key": "69" * 32, "sha256": "00" * 32}},
    "versions": {"version": "0.1.0"},
}
Ask = Callable[..., BaseProcess]


def finish(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Leaves its process id and waits for a file before it is done."""
    record = new_record(request)
    status, reason = "finished", None
    try:
        (folder / "working").write_text(str(os.getpid()))
        while not (folder.parent / "go").exists():
            time.sleep(0.01)
    except StopRequest:
        status, reason = "aborted", "It was asked to stop; start it again."
    record["outcome"] = {"status": status, "reason": reason}
    return record


def fail(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    record = new_record(request)
    record["outcome"] = {"status": "failed", "reason": "It failed; mend it."}
    return record


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Ask for a run in a process of its own, as a module does; runners are gone after the test."""
    processes = []

    def start(request: dict[str, Any] = REQUEST) -> BaseProcess:
        process = get_context("fork").Process(
            target=_detached.carry_out, args=(request, tmp_path, finish)
        )
        process.start()
        processes.append(process)
        return process

    yield start
    for process_id in _detached.runner_process_ids(tmp_path):
        os.kill(process_id, signal.SIGKILL)
    for process in processes:
        process.kill()
        process.join()


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    return found


def folder(state: Path) -> Path:
    return _detached.run_folder(state, REQUEST["study"], REQUEST["run_id"])


def working(state: Path) -> int:
    """Process id of the runner at work."""
    path = folder(state) / "working"
    return int(wait_for(lambda: path.exists() and path.read_text()))


def let_finish(state: Path) -> None:
    (folder(state).parent / "go").touch()


def test_a_run_ends_with_a_record(tmp_path: Path, ask: Ask) -> None:
    process = ask()
    runner = working(tmp_path)
    assert _detached.runner_process_ids(tmp_path) == [runner]
    assert os.getsid(runner) != os.getsid(0)
    let_finish(tmp_path)
    process.join()
    assert read_record(folder(tmp_path))["outcome"]["status"] == "finished"
    assert _detached.runner_process_ids(tmp_path) == []


def test_the_runner_goes_on_when_its_caller_is_killed(tmp_path: Path, ask: Ask) -> None:
    caller = ask()
    runner = working(tmp_path)
    caller.kill()
    caller.join()
    assert _detached.runner_process_ids(tmp_path) == [runner]
    second = ask()
    let_finish(tmp_path)
    second.join()
    assert second.exitcode == 0
    assert working(tmp_path) == runner
    assert earlier_attempts(folder(tmp_path)) == []


def test_a_finished_run_is_not_run_again(tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "runs" / "s").mkdir(parents=True)
    let_finish(tmp_path)
    where, ran = _detached.carry_out(REQUEST, tmp_path, finish)
    runner = working(tmp_path)
    assert ran
    again, ran = _detached.carry_out(REQUEST, tmp_path, finish)
    assert (again, ran) == (where, False)
    assert working(tmp_path) == runner


def test_a_run_of_another_study_of_that_name_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "runs" / "s").mkdir(parents=True)
    let_finish(tmp_path)
    _detached.carry_out(REQUEST, tmp_path, finish)
    _, ran = _detached.carry_out({**REQUEST, "study_id": "2"}, tmp_path, finish)
    assert ran
    assert len(earlier_attempts(folder(tmp_path))) == 1


def test_a_failed_run_is_kept_and_run_again(tmp_path: Path) -> None:
    where, _ = _detached.carry_out(REQUEST, tmp_path, fail)
    assert read_record(where)["outcome"]["status"] == "failed"
    let_finish(tmp_path)
    _detached.carry_out(REQUEST, tmp_path, finish)
    assert read_record(where)["outcome"]["status"] == "finished"
    (attempt,) = earlier_attempts(where)
    assert read_record(attempt)["outcome"]["status"] == "failed"


def test_a_run_that_was_begun_is_waited_for_and_not_repeated(tmp_path: Path) -> None:
    assert _detached.set_going(REQUEST, tmp_path, finish)
    assert not _detached.set_going(REQUEST, tmp_path, finish)
    let_finish(tmp_path)
    where, ran = _detached.carry_out(REQUEST, tmp_path, finish, begun=True)
    assert ran
    assert read_record(where)["outcome"]["status"] == "finished"
    assert not _detached.set_going(REQUEST, tmp_path, finish)


def test_what_was_begun_and_failed_before_anybody_waited_is_the_outcome(tmp_path: Path) -> None:
    assert _detached.set_going(REQUEST, tmp_path, fail)
    wait_for(lambda: read_record(folder(tmp_path)))
    where, _ = _detached.carry_out(REQUEST, tmp_path, finish, begun=True)
    assert read_record(where)["outcome"]["status"] == "failed"
    assert earlier_attempts(where) == []


def test_a_runner_that_is_killed_leaves_an_aborted_attempt(tmp_path: Path, ask: Ask) -> None:
    caller = ask()
    runner = working(tmp_path)
    (folder(tmp_path) / "samples.csv").write_text("seconds,guest,resident_mib,swap_mib\n")
    (folder(tmp_path) / "console-guest1.log").write_text("ready\n")
    os.kill(runner, signal.SIGKILL)
    caller.join()
    record = read_record(folder(tmp_path))
    jsonschema.validate(record, SCHEMA)
    assert record["outcome"]["status"] == "aborted"
    assert record["files"]["samples"] == "samples.csv"
    assert record["files"]["consoles"] == ["console-guest1.log"]


def test_a_host_that_went_down_costs_the_run_that_was_under_way(tmp_path: Path, ask: Ask) -> None:
    caller = ask()
    runner = working(tmp_path)
    caller.kill()
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: not _detached.runner_process_ids(tmp_path))
    assert read_record(folder(tmp_path)) is None
    let_finish(tmp_path)
    _detached.carry_out(REQUEST, tmp_path, finish)
    assert read_record(folder(tmp_path))["outcome"]["status"] == "finished"
    (attempt,) = earlier_attempts(folder(tmp_path))
    assert read_record(attempt)["outcome"]["status"] == "aborted"


def test_a_runner_that_is_asked_to_stop_says_so(tmp_path: Path, ask: Ask) -> None:
    caller = ask()
    os.kill(working(tmp_path), signal.SIGTERM)
    caller.join()
    record = read_record(folder(tmp_path))
    jsonschema.validate(record, SCHEMA)
    assert record["outcome"] == {
        "status": "aborted",
        "reason": "It was asked to stop; start it again.",
    }


def test_turns_are_taken_alone_or_shared(tmp_path: Path) -> None:
    path = tmp_path / "host.lock"
    with _detached.turn(path, shared=True), _detached.turn(path, shared=True):
        assert _detached.try_lock(path) is None
    descriptor = _detached.try_lock(path)
    assert descriptor is not None
    os.close(descriptor)


def test_what_a_run_leaves_is_for_its_owner_only(tmp_path: Path, ask: Ask) -> None:
    os.umask(0o022)
    (tmp_path / "runs").mkdir(mode=0o755)  # as an earlier version made it
    process = ask()
    working(tmp_path)
    let_finish(tmp_path)
    process.join()
    where = folder(tmp_path)
    for path in (tmp_path / "runs", where.parent, where, *where.iterdir()):
        if path.name != _detached.REQUEST:  # below folders that nobody else enters
            assert path.stat().st_mode & 0o077 == 0, path
