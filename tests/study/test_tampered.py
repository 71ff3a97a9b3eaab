# SPDX-License-Identifier: GPL-2.0-or-later
"""A setting that an arm states, and that somebody changes by hand in a guest while it works."""

from __future__ import annotations

import json
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.run.runner import perform
from ansible_collections.hintfleet.bench.plugins.module_utils.workloads import consolidation
from small_study import Study

pytestmark = pytest.mark.guest

RUNS = Path("/var/lib/hintfleet/runs")
SETTING = "/proc/sys/vm/swappiness"
STATED, CHANGED = "7", "33"


def run_under_hand(request: dict[str, Any], folder: Path, hand: Callable[[Any], None]) -> None:
    """Carries out a run of one guest; `hand` gets the guest when its work is done."""
    measured = consolidation.run

    def run(bench: Any, result: dict[str, Any]) -> None:
        measured(bench, result)
        hand(bench.guests[0])

    consolidation.run = run
    (folder / "record.json").write_text(json.dumps(perform(request, folder)))


def leave_alone(guest: Any) -> None:
    assert guest.run(["/bin/cat", SETTING], 30.0).output.strip() == STATED


def change(guest: Any) -> None:
    guest.run(["/bin/sh", "-c", f"echo {CHANGED} >{SETTING}"], 30.0)


def outcome(hand: Callable[[Any], None]) -> dict[str, Any]:
    """Of a run like one of the study's, under an arm that states the setting."""
    (asked, *_) = sorted(RUNS.glob("*/*.page_hinting.consolidation/request.json"))
    request = json.loads(asked.read_text())
    request["parameters"]["max_guests"] = 1
    states = {"guest_settings": {SETTING: STATED}}
    request["arm"] = {
        "name": "swappy",
        "mechanism": "page_hinting",
        "states": states,
        "differs": {},
    }
    request |= {"proof_of": "", "run_id": hand.__name__}
    folder = asked.parents[1] / hand.__name__
    folder.mkdir(exist_ok=True)
    process = get_context("fork").Process(target=run_under_hand, args=(request, folder, hand))
    process.start()
    process.join(300)
    found: dict[str, Any] = json.loads((folder / "record.json").read_text())["outcome"]
    return found


def test_who_changes_it_spoils_the_run(study: Study) -> None:
    assert outcome(leave_alone) == {"status": "finished", "reason": None}
    spoilt = outcome(change)
    assert spoilt["status"] == "failed"
    for words in (SETTING, STATED, f"it reads '{CHANGED}'", "who changed it in the guest"):
        assert words in spoilt["reason"]
