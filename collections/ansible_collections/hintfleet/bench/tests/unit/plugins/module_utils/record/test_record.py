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


def test_only_what_belongs_to_the_record_travels(tmp_path: Path) -> None:
    assert sorted(_record.pack(run(tmp_path / "host", "1"))) == ["record.json", "samples.csv"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", "7", '{"outcome": {}}', "[" * 10**6])
def test_what_does_not_say_how_it_ended_is_no_record(tmp_path: Path, text: str) -> None:
    assert _record.read_record(tmp_path) is None
    (tmp_path / "record.json").write_text(text)
    assert _record.read_record(tmp_path) is None


def test_times_are_the_schemas() -> None:
    assert _record.utc(0) == "1970-01-01T00:00:00.000Z"
    assert _record.utc(1.9996) == "1970-01-01T00:00:01.999Z"


def test_a_record_that_is_written_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    _record.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        _record.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
