# SPDX-License-Identifier: GPL-2.0-or-later
"""A run outlives whoever asked for it.

One process, the runner, carries out the run, detached from the module that started it. It holds a
lock while it lives, so that nobody has to guess from process ids whether it does; its record
appears when it is done. Whoever asks for the same run again finds the record, or waits for the
runner, or, if the runner died, keeps what it left as an aborted attempt and starts a new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import StopRequest
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    LOG,
    RECORD,
    is_finished,
    keep_earlier,
    new_record,
    read_record,
    utc,
    write_json,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import checked_name

REQUEST = "request.json"
POLL_SECONDS = 0.1

Perform = Callable[[dict[str, Any], Path], dict[str, Any]]
"""Carries out a request, leaving files in the folder, and returns the record."""


def run_folder(state_dir: Path, study: str, run_id: str) -> Path:
    return state_dir / "runs" / checked_name(study, "A study") / checked_name(run_id, "A run")


def _make_runs(state_dir: Path, study: str) -> None:
    """The folders above a run's: kernel messages and consoles in it are root's to read."""
    for folder in (state_dir / "runs", state_dir / "runs" / study):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)


def lock_path(folder: Path) -> Path:
    """The lock of the runner at work in `folder`; its text is the runner's process id."""
    return folder.with_name(folder.name + ".runner")


def try_lock(path: Path) -> int | None:
    """Take a lock until the returned descriptor is closed; None if somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def turn(path: Path, *, shared: bool) -> Any:
    """Wait for one's turn. Any number of sharers, or one who does not share, have it at a time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def runner_process_ids(state_dir: Path) -> list[int]:
    """Runners at work on this host, those waiting for their turn included."""
    found = []
    for path in sorted((state_dir / "runs").glob("*/*.runner")):
        descriptor = try_lock(path)
        if descriptor is None:
            found.append(int(path.read_text() or 0))
        else:
            os.close(descriptor)
    return [process_id for process_id in found if process_id]


def carry_out(
    request: dict[str, Any], state_dir: Path, perform: Perform, *, begun: bool = False
) -> tuple[Path, bool]:
    """The folder with the record of this run, and whether it was run now.

    `begun`: whoever asks has set it going before, and takes what came of that, failed or not.
    """
    folder = run_folder(state_dir, request["study"], request["run_id"])
    _make_runs(state_dir, request["study"])
    if finished(request, state_dir):
        return folder, begun
    while begun or not set_going(request, state_dir, perform):
        begun = False
        _wait_for_runner(folder)
        if _answers(folder, request) and read_record(folder) is not None:
            return folder, True
    _wait_for_runner(folder)
    if read_record(folder) is None:
        write_json(folder / RECORD, aborted_record(folder))
    return folder, True


def set_going(request: dict[str, Any], state_dir: Path, perform: Perform) -> bool:
    """Start the runner of this run; False if one is at work on it, or the run has finished."""
    folder = run_folder(state_dir, request["study"], request["run_id"])
    _make_runs(state_dir, request["study"])
    lock = try_lock(lock_path(folder))
    if lock is None:
        return False
    try:
        if finished(request, state_dir):
            return False
        _put_aside(folder)
        folder.mkdir(mode=0o700)
        write_json(folder / REQUEST, request)
        _start(lambda: _runner(request, folder, lock, perform), folder / LOG, lock)
    finally:
        os.close(lock)  # the runner has its own hold on it
    return True


def _answers(folder: Path, request: dict[str, Any]) -> bool:
    """Whether what lies in `folder` was asked for by this very request."""
    path = folder / REQUEST
    return path.exists() and json.loads(path.read_text()) == request


def of_study(folder: Path, study_id: str) -> bool:
    """Whether the attempt in `folder` belongs to this study, not to another of the same name."""
    path = folder / REQUEST
    return path.exists() and json.loads(path.read_text()).get("study_id") == study_id


def finished(request: dict[str, Any], state_dir: Path) -> Path | None:
    """The folder with the finished record of this run, if there is one."""
    folder = run_folder(state_dir, request["study"], request["run_id"])
    return folder if _answers(folder, request) and is_finished(read_record(folder)) else None


def _wait_for_runner(folder: Path) -> None:
    while (lock := try_lock(lock_path(folder))) is None:
        time.sleep(POLL_SECONDS)
    os.close(lock)


def _put_aside(folder: Path) -> None:
    """Keep an earlier attempt; one that left no record gets one that says so."""
    if folder.exists() and read_record(folder) is None and (folder / REQUEST).exists():
        write_json(folder / RECORD, aborted_record(folder))
    keep_earlier(folder)


def aborted_record(folder: Path) -> dict[str, Any]:
    """The record of an attempt whose runner died, from what it left behind."""
    request = json.loads((folder / REQUEST).read_text())
    record = new_record(request)
    names = sorted(path.name for path in folder.iterdir())
    started = (folder / REQUEST).stat().st_mtime
    finished = max((folder / name).stat().st_mtime for name in names)
    record["started"], record["finished"] = utc(started), utc(finished)
    record["duration_seconds"] = round(finished - started, 3)
    record["outcome"]["reason"] = (
        f"The runner of run {request['run_id']} died (it was killed, or the host went down); "
        "start the study again to repeat the run."
    )
    record["files"] = {
        "samples": "samples.csv" if "samples.csv" in names else None,
        "proof_samples": "proof.csv" if "proof.csv" in names else None,
        "consoles": [name for name in names if name.startswith("console-")],
        "host_log": None,
    }
    return record


def _start(work: Callable[[], None], log: Path, lock: int) -> None:
    """Run `work` in a process of its own that nothing ties to this one, but the lock."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    status = 1
    try:
        _let_go(log, lock)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _let_go(log: Path, lock: int) -> None:
    """Give up every descriptor but the lock: SSH waits for the last who holds its pipes."""
    os.chdir("/")
    os.umask(0o077)
    null, out = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.closerange(3, lock)
    os.closerange(lock + 1, os.sysconf("SC_OPEN_MAX"))


def _runner(request: dict[str, Any], folder: Path, lock: int, perform: Perform) -> None:
    # Who reads the process id may use it at once.
    signal.signal(signal.SIGTERM, _ask_to_stop)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    write_json(folder / RECORD, perform(request, folder))
    os.ftruncate(lock, 0)


def _ask_to_stop(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: what follows is tidying up
    raise StopRequest
