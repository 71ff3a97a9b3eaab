# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of the session that a run was started from: they are nobody's idea of a cell."""

from __future__ import annotations

import resource

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


def lift() -> None:
    """Lift those of this process and of what it starts, as far as a container lets it."""
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
