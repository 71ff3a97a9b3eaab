# SPDX-License-Identifier: GPL-2.0-or-later
"""A real study, smaller than the laptop preset: killed in the middle, then started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from small_study import Playbooks, Study


@pytest.fixture(scope="session")
def playbooks(tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    if os.geteuid() != 0:
        pytest.fail("Tests that boot guests in cgroups with swap need root: run them as root.")
    return Playbooks(tmp_path_factory.mktemp("results"))


def kill_controller(process: subprocess.Popen[bytes]) -> None:
    """As if its machine lost power; Ansible's workers are sessions of their own."""
    workers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for worker in workers.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(worker), signal.SIGKILL)


@pytest.fixture(scope="session")
def study(playbooks: Playbooks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    log = tmp_path_factory.mktemp("log") / "killed.log"
    process = playbooks.start("site", log)
    # A kernel may have to be built first.
    deadline = time.monotonic() + 2700
    while len(playbooks.records) < 2:
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"The study ended before two runs had finished:\n{log.read_text()[-4000:]}")
        time.sleep(0.5)
    kill_controller(process)
    before = {name: path.stat().st_mtime for name, path in playbooks.records.items()}

    resumed = playbooks.run("site")
    repeated = playbooks.run("site")
    records = {name: json.loads(path.read_text()) for name, path in playbooks.records.items()}
    yield Study(playbooks.results / "small", records, before, resumed, repeated)
    playbooks.run("clean")
