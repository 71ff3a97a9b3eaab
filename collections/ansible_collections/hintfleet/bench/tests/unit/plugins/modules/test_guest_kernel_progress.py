# SPDX-License-Identifier: GPL-2.0-or-later
"""When a build has ended, by what Ansible keeps of the job that it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.modules.guest_kernel_progress import finished


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
