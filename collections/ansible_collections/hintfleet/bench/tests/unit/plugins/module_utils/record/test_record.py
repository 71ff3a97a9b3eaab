# SPDX-License-Identifier: GPL-2.0-or-later
"""A run's folder is there whole or not at all, and nothing in it is thrown away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.record import record as _record


def run(folder: Path, started: str, status: str = "finished") -> Path:
    """A run's folder with a record and its samples."""
    folder.mkdir(parents=True)
    record: dict[str, Any] = {
        "started": started,
        "outcome": {"status": status, "reason": None},
        "files": {"samples": "samples.csv", "consoles": [], "host_log": None},
    }
    _record.write_json(folder / "record.json", record)
    (folder / "samples.csv").write_text(f"samples of {started}\n")
    (folder / "stray").write_text("not part of the record\n")
    return folder


def test_a_run_travels_whole(tmp_path: Path) -> None:
    here = run(tmp_path / "host", "1")
    _record.unpack(_record.pack(here), tmp_path / "controller")
    names = sorted(path.name for path in (tmp_path / "controller").iterdir())
    assert names == ["record.json", "samples.csv"]
    assert (tmp_path / "controller/samples.csv").read_text() == "samples of 1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["controller", "host"]


def test_what_was_there_is_kept_beside_it(tmp_path: Path) -> None:
    for number in ("1", "2", "3"):
        files = _record.pack(run(tmp_path / "host" / number, number))
        _record.unpack(files, tmp_path / "r")
    kept = {p.name: json.loads((p / "record.json").read_text())["started"]
            for p in [tmp_path / "r", *_record.earlier_attempts(tmp_path / "r")]}  # fmt: skip
    assert kept == {"r": "3", "r.1": "1", "r.2": "2"}


def test_the_same_attempt_is_kept_once(tmp_path: Path) -> None:
    files = _record.pack(run(tmp_path / "host", "1"))
    _record.unpack(files, tmp_path / "r")
    _record.unpack(files, tmp_path / "r")
    _record.unpack_missing(files, tmp_path / "r")
    assert _record.earlier_attempts(tmp_path / "r") == []


def test_an_attempt_that_was_never_fetched_is_kept_aside(tmp_path: Path) -> None:
    _record.unpack(_record.pack(run(tmp_path / "host", "2")), tmp_path / "r")
    lost = _record.pack(run(tmp_path / "lost", "1", "failed"))
    _record.unpack_missing(lost, tmp_path / "r")
    _record.unpack_missing(lost, tmp_path / "r")
    (attempt,) = _record.earlier_attempts(tmp_path / "r")
    assert _record.read_record(attempt)["started"] == "1"
    assert _record.read_record(tmp_path / "r")["started"] == "2"


def test_a_file_cannot_lie_elsewhere(tmp_path: Path) -> None:
    files = _record.pack(run(tmp_path / "host", "1"))
    with pytest.raises(ValueError, match="no plain name"):
        _record.unpack({**files, "../evil": files["samples.csv"]}, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_times_are_the_schemas() -> None:
    assert _record.utc(0) == "1970-01-01T00:00:00.000Z"
    assert _record.utc(1.9996) == "1970-01-01T00:00:01.999Z"


def test_a_record_that_is_written_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    _record.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        _record.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
