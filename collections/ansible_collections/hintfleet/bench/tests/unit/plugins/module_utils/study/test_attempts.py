# SPDX-License-Identifier: GPL-2.0-or-later
"""A run is measured again when it is asked for, or when its folder is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.study import attempts

RUN = "a-node0.b1.none.memhog"
OTHER = "a-node0.b2.none.memhog"


def finish(results: Path, run_id: str, started: str) -> None:
    folder = results / "runs" / run_id
    folder.mkdir(parents=True)
    record = {"started": started, "outcome": {"status": "finished"}}
    (folder / "record.json").write_text(json.dumps(record))


def test_a_record_counts_once_whether_it_is_still_here_or_not(tmp_path: Path) -> None:
    assert attempts.times_kept(tmp_path, RUN) == 0
    attempts.note_kept(tmp_path, RUN)
    assert attempts.times_kept(tmp_path, RUN) == 0
    finish(tmp_path, RUN, "2026-11-01T00:00:00.000Z")
    attempts.note_kept(tmp_path, RUN)
    attempts.note_kept(tmp_path, RUN)
    assert attempts.times_kept(tmp_path, RUN) == 1
    shutil.rmtree(tmp_path / "runs" / RUN)
    assert attempts.times_kept(tmp_path, RUN) == 1
    finish(tmp_path, RUN, "2026-11-02T00:00:00.000Z")
    attempts.note_kept(tmp_path, RUN)
    assert attempts.times_kept(tmp_path, RUN) == 2


def test_a_run_put_aside_is_pending_and_kept(tmp_path: Path) -> None:
    finish(tmp_path, RUN, "2026-11-01T00:00:00.000Z")
    attempts.put_aside(tmp_path, [RUN, OTHER])
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [f"{RUN}.1"]
    assert attempts.times_kept(tmp_path, RUN) == 1
    assert attempts.times_kept(tmp_path, OTHER) == 0


def test_names_and_patterns_stand_for_runs() -> None:
    assert attempts.chosen([], [RUN, OTHER]) == []
    assert attempts.chosen([OTHER], [RUN, OTHER]) == [OTHER]
    assert attempts.chosen(["*.b1.*", RUN], [RUN, OTHER]) == [RUN]
    with pytest.raises(BenchError, match=f"no run of this study is named like .* like {RUN}"):
        attempts.chosen(["b1"], [RUN, OTHER])
