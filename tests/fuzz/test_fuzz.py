# SPDX-License-Identifier: GPL-2.0-or-later
"""A short run of every fuzzer beside this file; `make fuzz SECONDS=3600` is a long one.

The cases are the same in every run: what passes once passes again. New ones are for the long run,
where somebody reads what was found.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZERS = sorted(
    path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_")
)
SECONDS = 5
SEED = 1


@pytest.mark.parametrize("fuzzer", FUZZERS, ids=lambda path: path.stem)
def test_a_short_run_finds_nothing(fuzzer: Path) -> None:
    command = [sys.executable, str(fuzzer), "--seconds", str(SECONDS), "--seed", str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
