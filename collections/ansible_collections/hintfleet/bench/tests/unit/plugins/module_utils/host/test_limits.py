# SPDX-License-Identifier: GPL-2.0-or-later
"""A session's limits do not reach guests."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host import limits

LOW = {resource.RLIMIT_NOFILE: (64, 256), resource.RLIMIT_CPU: (900, 1800),
       resource.RLIMIT_FSIZE: (2**20, 2**21), resource.RLIMIT_NPROC: (99, 999),
       resource.RLIMIT_DATA: (2**30, 2**31), resource.RLIMIT_AS: (2**33, 2**34)}  # fmt: skip
LIFT = """\
from ansible_collections.hintfleet.bench.plugins.module_utils.host import limits
limits.lift()
"""
TELL = f"import resource; print(*[resource.getrlimit(kind) for kind in {list(LOW)}])"


def left(rights: list[str]) -> list[tuple[int, int]]:
    """Limits of what a session with low ones starts, once they were lifted."""

    def lower() -> None:
        for kind, values in LOW.items():
            resource.setrlimit(kind, values)

    script = f"{LIFT}import subprocess, sys; subprocess.run([sys.executable, '-c', {TELL!r}])"
    done = subprocess.run(
        [*rights, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lower,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    numbers = done.stdout.replace("(", "").replace(")", "").replace(",", "").split()
    return list(zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True))


def test_guests_have_what_their_cell_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root of a machine, who may raise a hard limit."""
    now = dict(LOW)
    monkeypatch.setattr(resource, "getrlimit", now.__getitem__)
    monkeypatch.setattr(resource, "setrlimit", now.__setitem__)
    limits.lift()
    assert now.pop(resource.RLIMIT_NOFILE) == (limits.MOST_FILES, limits.MOST_FILES)
    assert set(now.values()) == {(resource.RLIM_INFINITY, resource.RLIM_INFINITY)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give that right up")
def test_without_that_right_they_have_what_may_be() -> None:
    rights = ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"]
    assert left(rights) == [(hard, hard) for _, hard in LOW.values()]


def test_what_is_enough_already_stays() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits.lift()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft >= before[0] and hard >= before[1]


def test_guests_may_use_all_cpus_of_their_cell_and_be_killed_in_it() -> None:
    """As in a service that systemd keeps to a CPU, or from being killed."""
    script = (
        "import os, pathlib\n"
        "before, adjusted = os.sched_getaffinity(0), pathlib.Path('/proc/self/oom_score_adj')\n"
        "os.sched_setaffinity(0, {min(before)})\n"
        "adjusted.write_text('500')\n"
        f"{LIFT}"
        "print(before <= os.sched_getaffinity(0), adjusted.read_text().strip())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == "True 0\n"
