# SPDX-License-Identifier: GPL-2.0-or-later
"""Some cases of the fuzzer of what hosts answer; `tests/fuzz/host_answers.py` runs longer."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[1] / "fuzz" / "host_answers.py"
SPEC = importlib.util.spec_from_file_location("host_answers", PATH)
host_answers = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(host_answers)


@pytest.mark.parametrize("case", range(60))
def test_any_answer_is_taken_or_refused(case: int) -> None:
    host_answers.check(random.Random(case))
