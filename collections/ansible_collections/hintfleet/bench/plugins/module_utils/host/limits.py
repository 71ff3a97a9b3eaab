# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of the session that a run was started from: they are nobody's idea of a cell."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.host.nodes import isolated_cpus

MOST_FILES = 65536
"""A guest takes some ten descriptors of whoever runs it, and a large cell has hundreds of them."""
LIFTED = (
    resource.RLIMIT_AS,
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NPROC,
)
"""Of memory, time, sizes of files and processes: what a guest may have, its cell says."""
ALL_CPUS = range(8192)  # more than Linux takes; those that there are not count for nothing


def lift() -> None:
    """Lift those of this process and of what it starts, as far as a container lets it.

    Where systemd keeps its services to some CPUs (CPUAffinity=), a guest would stay on those of
    them that its cell has; where it keeps a service from being killed, no cell could be used up.
    """
    os.sched_setaffinity(0, set(ALL_CPUS) - set(isolated_cpus()))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("0")
    for kind in LIFTED:
        _set(kind, resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MOST_FILES:
        _set(resource.RLIMIT_NOFILE, MOST_FILES, max(hard, MOST_FILES))


def _set(kind: int, soft: int, hard: int) -> None:
    """As much of it as may be: without the right to raise the hard limit, up to that."""
    try:
        resource.setrlimit(kind, (soft, hard))
    except (OSError, ValueError):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (hard, hard))
