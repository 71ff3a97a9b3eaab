# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs at work on a host that kill for want of memory, or set what a study has set."""

from __future__ import annotations

from pathlib import Path

KILL = ("earlyoom", "nohang", "oomd", "systemd-oomd")
# ksmtuned switches KSM on again, numad moves memory between nodes.
MEDDLE = ("ksmtuned", "numad")
TUNE = ("irqbalance", "power-profiles-daemon", "tuned")


def at_work(proc: Path = Path("/proc")) -> list[str]:
    """Those of the programs that run, in order; some are scripts, named by their first argument."""
    found = set()
    for file in proc.glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")[:2]
        except OSError:  # it has just ended
            continue
        found.update(word.decode(errors="replace").rpartition("/")[2] for word in words)
    return [name for name in (*KILL, *MEDDLE, *TUNE) if name in found]
