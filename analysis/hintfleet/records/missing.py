# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a run that was planned has no record, as the controller noted it."""

from __future__ import annotations

import os
from pathlib import Path

from hintfleet.records.damage import DamagedError
from hintfleet.records.files import read_regular
from hintfleet.records.text import clean, without_secrets
from hintfleet.records.types import PlannedRun

MISSING = "missing"
LARGEST_NOTE_BYTES = 1 << 16


def why_not_run(study: Path, planned: PlannedRun) -> str:
    """What was noted of the run, or of its host, when it was asked for: one line of clean text."""
    folder = study / MISSING
    for name in filter(None, (planned["run_id"], planned.get("host"))):
        note = folder / f"{name}.txt"
        if folder.is_symlink() or not os.path.lexists(note):
            continue
        try:
            text = read_regular(note, LARGEST_NOTE_BYTES).decode("utf-8", errors="replace")
        except DamagedError as error:
            return f"why cannot be told: {error}"
        return without_secrets(clean(text.strip()))
    return "start the study again to run it"
