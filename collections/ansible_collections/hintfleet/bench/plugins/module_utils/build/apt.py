# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt on this machine could install: decides by looking, not by a distribution's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.hintfleet.bench.plugins.module_utils.build.artifact import (
    ArtifactError,
    run,
)

KERNEL_SOURCE = "linux-source"


def parse_policy(text: str) -> set[str]:
    """Read the output of ``apt-cache policy``: names that have a candidate."""
    return set(
        re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (?!\(none\))", text, re.MULTILINE)
    )


def parse_kernel_series(text: str) -> str | None:
    """Read ``apt-cache depends linux-source``: the series that the release itself has."""
    depends = re.search(rf"Depends: {KERNEL_SOURCE}-(\d+\.\d+)$", text, re.MULTILINE)
    return depends[1] if depends else None


def unknown(names: Iterable[str]) -> list[str]:
    """Return those of the packages that are neither installed nor to be had from apt."""
    wanted = sorted(names)
    return sorted(set(wanted) - parse_policy(run(["apt-cache", "policy", *wanted], "ask apt")))


def release_kernel_series() -> str | None:
    """Return the kernel series that the release's own linux-source stands for, if there is one."""
    try:
        return parse_kernel_series(run(["apt-cache", "depends", KERNEL_SOURCE], "ask apt"))
    except ArtifactError:
        # apt-cache fails if it does not know the name.
        return None


def choose_kernel_series(
    ours: Iterable[str], release: str | None, missing: Iterable[str]
) -> str | None:
    """Return the series to build, None if there is none.

    ours: series that can be built; release: the one that is the release's own, wins if it is one
    of them (backports and security may have newer ones beside it); missing: packages that apt does
    not have. Otherwise the newest.
    """
    lacking = set(missing)
    usable = [series for series in ours if f"{KERNEL_SOURCE}-{series}" not in lacking]
    if release in usable:
        return release
    return max(usable, key=lambda series: [int(part) for part in series.split(".")], default=None)
