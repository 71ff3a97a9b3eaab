# SPDX-License-Identifier: GPL-2.0-or-later
"""What a build is at and when it has ended, by its log and what Ansible keeps of its job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.modules.guest_kernel_progress import (
    finished,
    said,
)


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        (None, False),
        ("", False),
        ('{"started": true, "fini', False),
        ('{"started": true, "finished": false, "ansible_job_id": "j1.2"}', False),
        ('{"started": 1, "finished": 0, "ansible_job_id": "j1.2"}', False),
        ('{"changed": true, "key": "6b", "invocation": {}}', True),
        ('{"failed": true, "msg": "make ended with 2"}', True),
        ('{"started": true, "finished": true, "failed": true, "msg": "timed out"}', True),
    ],
)
def test_a_job_has_ended_when_its_answer_is_there(
    tmp_path: Path, state: str | None, ended: bool
) -> None:
    job = tmp_path / "j1.2"
    if state is not None:
        job.write_text(state)
    assert finished(job) is ended


@pytest.mark.parametrize(("seconds_later", "heard"), [(-60, ""), (0, "$ make\n"), (60, "$ make\n")])
def test_what_an_earlier_build_said_is_not_what_this_one_is_at(
    tmp_path: Path, seconds_later: int, heard: str
) -> None:
    job, log = tmp_path / "j1.2", tmp_path / "build.log"
    job.write_text('{"started": 1, "finished": 0, "ansible_job_id": "j1.2"}')
    log.write_text("$ make\n")
    began = job.stat().st_mtime_ns
    os.utime(log, ns=(began, began + seconds_later * 10**9))
    assert said(job, log) == heard


def test_a_build_that_has_said_nothing_yet_has_no_log(tmp_path: Path) -> None:
    (tmp_path / "j1.2").write_text("{}")
    assert said(tmp_path / "j1.2", tmp_path / "build.log") == ""
