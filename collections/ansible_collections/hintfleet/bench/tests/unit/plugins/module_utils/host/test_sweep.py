# SPDX-License-Identifier: GPL-2.0-or-later
"""Only processes of ours are found, and what is ended has ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host import sweep as _sweep

# Captured 2026-11-22; the name in parentheses was made awkward for it.
STAT = (
    "3528 (a (b) c) S 3527 3528 3528 0 -1 4194560 11196 2683926 1 368 5 10 13055 1771 "
    "20 0 1 0 74488 5513216 1057"
)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python program with these arguments; it is gone after the test."""
    processes = []

    def run(program: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


WAITS = "import time; print('up', flush=True); time.sleep(600)"
TIDIES_UP = """
import pathlib, signal, sys, time
def tidy(*_):
    pathlib.Path(sys.argv[1], "record.json").write_text("aborted")
    sys.exit()
signal.signal(signal.SIGTERM, tidy)
print('up', flush=True)
time.sleep(600)
"""


def test_start_time_and_zombies() -> None:
    assert _sweep.parse_stat(STAT) == 74488
    assert _sweep.parse_stat(STAT.replace(") S ", ") Z ")) is None


def test_processes_of_a_user() -> None:
    assert os.getpid() in _sweep.of_users({os.getuid()})
    assert os.getpid() not in _sweep.of_users({os.getuid() + 1})


NAMELESS = """\
import ctypes, time
ctypes.CDLL(None).prctl(15, bytes([0xff, 0xfe, 0xe4, 10]))  # PR_SET_NAME, and no text of any kind
print("up", flush=True)
time.sleep(600)
"""


def test_whatever_a_process_calls_itself_it_is_found_and_ended() -> None:
    """Anybody may start one that has such a name, and cleaning looks at all there are."""
    with subprocess.Popen([sys.executable, "-c", NAMELESS], stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"up\n"
        assert process.pid in _sweep.of_users({os.getuid()})
        started = _sweep.start_time(process.pid)
        assert started is not None
        _sweep.end([_sweep.Process(process.pid, "", started, False)], 1.0)
        assert process.wait(10) == -signal.SIGKILL


def test_processes_in_a_cgroup_and_below_it(tmp_path: Path) -> None:
    cell = tmp_path / "hintfleet" / "cell"
    cell.mkdir(parents=True)
    (cell / "cgroup.procs").write_text("11\n12\n")
    (cell.parent / "cgroup.procs").write_text("13\n")
    assert sorted(_sweep.in_cgroups([tmp_path / "hintfleet", tmp_path / "none"])) == [11, 12, 13]


def test_runner_ends_first_and_writes_its_record(tmp_path: Path, start: Start) -> None:
    runner = start(TIDIES_UP, str(tmp_path))
    found = _sweep.find([], [runner.pid], ())
    assert [(process.pid, process.runner) for process in found] == [(runner.pid, True)]
    _sweep.end(found, grace_seconds=30)
    assert (tmp_path / "record.json").read_text() == "aborted"
    assert not found[0].alive()


def test_what_does_not_end_kindly_is_killed(start: Start) -> None:
    deaf = start("import signal; signal.signal(15, signal.SIG_IGN); " + WAITS)
    _sweep.end(_sweep.find([], [deaf.pid], ()), grace_seconds=0.1)
    assert deaf.wait(timeout=30) == -9


def test_a_guest_in_a_cell_is_ended_at_once(tmp_path: Path, start: Start) -> None:
    guest = start(WAITS)
    (tmp_path / "cgroup.procs").write_text(f"{guest.pid}\n")
    found = _sweep.find([tmp_path], [], ())
    assert [(process.pid, process.runner) for process in found] == [(guest.pid, False)]
    _sweep.end(found, grace_seconds=30)
    assert guest.wait(timeout=30) == -9


def test_a_process_of_another_time_gets_no_signal(start: Start) -> None:
    process = start(WAITS)
    started = _sweep.start_time(process.pid)
    assert started is not None
    _sweep.Process(process.pid, "", started - 1, runner=False).signal(9)
    time.sleep(0.2)
    assert process.poll() is None


def test_cgroups_go_from_the_deepest_up(tmp_path: Path) -> None:
    (tmp_path / "hintfleet" / "cell" / "deeper").mkdir(parents=True)
    folders = _sweep.cgroup_folders([tmp_path / "hintfleet", tmp_path / "none"])
    assert [folder.name for folder in folders] == ["deeper", "cell", "hintfleet"]
    _sweep.remove_cgroups(folders)
    assert list(tmp_path.iterdir()) == []


def test_only_finished_runs_are_listed(tmp_path: Path) -> None:
    for run, status in (("b", "finished"), ("a", "finished"), ("c", "failed"), ("d", None)):
        folder = tmp_path / "runs" / "laptop" / run
        folder.mkdir(parents=True)
        if status:
            (folder / "record.json").write_text(json.dumps({"outcome": {"status": status}}))
    assert _sweep.finished_runs(tmp_path) == ["laptop/a", "laptop/b"]
    assert _sweep.finished_runs(tmp_path / "none") == []
