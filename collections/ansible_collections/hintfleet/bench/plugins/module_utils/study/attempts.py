# SPDX-License-Identifier: GPL-2.0-or-later
"""Which attempts at a run a study has had: kept beside the runs, so that a run can be repeated.

A host keeps the record of a run, too, and hands it back to whoever asks for that run. So a run that
is to be measured again is asked for as another attempt, counted by the finished records that were
kept here before, whether they are still here or not.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    is_finished,
    keep_earlier,
    read_record,
)

KEPT = "kept"  # a study's folder: when each finished record of a run was started, one a line


def times_kept(results_dir: Path, run_id: str) -> int:
    """How many finished records of the run were kept here."""
    path = results_dir / KEPT / f"{run_id}.txt"
    return len(path.read_text().split()) if path.exists() else 0


def note_kept(results_dir: Path, run_id: str) -> None:
    """Count the finished record of the run that is here, once."""
    record = read_record(results_dir / "runs" / run_id)
    if record is None or not is_finished(record):
        return
    path = results_dir / KEPT / f"{run_id}.txt"
    kept = path.read_text().split() if path.exists() else []
    if record["started"] not in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{started}\n" for started in [*kept, record["started"]]))


def chosen(patterns: list[str], run_ids: list[str]) -> list[str]:
    """Runs that names or patterns (`numa1-*.b2.*`) stand for; BenchError if one stands for none."""
    for pattern in patterns:
        if not any(fnmatchcase(run_id, pattern) for run_id in run_ids):
            raise BenchError(
                f"study_repeat names {pattern}, and no run of this study is named like that; its "
                f"runs are named like {run_ids[0]}."
            )
    return [run for run in run_ids if any(fnmatchcase(run, pattern) for pattern in patterns)]


def put_aside(results_dir: Path, run_ids: list[str]) -> None:
    """Make these runs pending again; their records stay as earlier attempts."""
    for run_id in run_ids:
        note_kept(results_dir, run_id)
        keep_earlier(results_dir / "runs" / run_id)
