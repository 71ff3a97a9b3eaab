# SPDX-License-Identifier: GPL-2.0-or-later
"""A shell script that starts a run's first guest again, from nothing but its record."""

from __future__ import annotations

import shlex

from hintfleet.records.read import Run


def as_text(run: Run) -> str:
    """The script; comments say what it cannot do by itself."""
    record = run.record
    cell, kernel = record["cell"], record["provenance"]["guest_kernel"]
    lines = [
        "#!/bin/sh",
        f"# {run.run_id} of study {record['study']}, {record['started']}",
        f"# guest kernel {kernel['release']} (sha256 {kernel['sha256']})",
        f"# guest image sha256 {record['provenance']['guest_image']['sha256']}",
        f"# QEMU {record['provenance']['qemu']['version']}; cell {cell['name']}: "
        f"{cell['memory_mib']:g} MiB memory, {cell['swap_mib']:g} MiB swap, node {cell['node']}",
        "# The cell itself (cgroup, swap) is made by the playbooks; to repeat the whole run, take",
        f"# away {run.folder.name}/record.json and start the study again. Paths of sockets and",
        "# logs may have to be changed.",
        "set -eu",
    ]
    if not record["guests"]:
        return "\n".join([*lines, "# The run ended before its first guest was started."])
    command = record["guests"][0]["command_line"]
    return "\n".join([*lines, _wrapped(command)])


def _wrapped(command: list[str]) -> str:
    """One option with its value a line, as people write it."""
    lines: list[str] = []
    for word in map(shlex.quote, command):
        if (
            lines
            and not word.startswith("-")
            and lines[-1].startswith("-")
            and " " not in (lines[-1])
        ):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return " \\\n    ".join(lines)
