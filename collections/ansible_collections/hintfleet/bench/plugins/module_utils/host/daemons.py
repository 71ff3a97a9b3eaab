# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs at work on a host that kill for want of memory, or set what a study has set."""

from __future__ import annotations

import re
from pathlib import Path

KILL = ("bustd", "earlyoom", "nohang", "oomd", "systemd-oomd")
# ksmtuned switches KSM on again, numad moves memory between nodes.
MEDDLE = ("ksmtuned", "numad")
TUNE = (
    "ananicy",
    "ananicy-cpp",
    "auto-cpufreq",
    "irqbalance",
    "power-profiles-daemon",
    "thermald",
    "tuned",
)
INTERPRETER = re.compile(rb"(?:.*/)?(?:python[0-9.]*|perl|(?:ba|da)?sh)")


def at_work(proc: Path = Path("/proc")) -> list[str]:
    """Those of the programs that run, in order."""
    found = set()
    for file in proc.glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        found.add(_program(words).decode(errors="replace").rpartition("/")[2])
    return [name for name in (*KILL, *MEDDLE, *TUNE) if name in found]


def _program(words: list[bytes]) -> bytes:
    """What a command line runs: its first word, or the script that an interpreter was given."""
    if not INTERPRETER.fullmatch(words[0]):
        return words[0]
    return next((word for word in words[1:] if not word.startswith(b"-")), words[0])
