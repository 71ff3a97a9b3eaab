# SPDX-License-Identifier: GPL-2.0-or-later
"""A run arrives whole or not at all, and nothing that was there is thrown away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    earlier_attempts,
    pack,
    read_record,
    write_json,
)
from ansible_collections.hintfleet.bench.plugins.plugin_utils import arrival
from host_answer import ASKED, files, packed, record

STARTED = record()["started"]


def keep(second: int, folder: Path) -> None:
    arrival.keep(files(record(second=second)), record(second=second)["started"], folder)


def test_a_run_travels_whole(tmp_path: Path) -> None:
    here, there = tmp_path / "host", tmp_path / "controller"
    here.mkdir()
    write_json(here / "record.json", record())
    (here / "samples.csv").write_text("samples\n")
    (here / "stray").write_text("not part of the record\n")
    sent = pack(here)
    arrival.keep(sent, arrival.record_of(sent, ASKED)["started"], there)
    for name in ("record.json", "samples.csv"):
        assert (there / name).read_bytes() == (here / name).read_bytes()
    assert sorted(path.name for path in there.iterdir()) == ["record.json", "samples.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["controller", "host"]
    # Kernel messages of a host are among what may be in it.
    assert there.stat().st_mode & 0o077 == 0


def test_what_was_there_is_kept_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    for second in (1, 2, 3):
        keep(second, folder)
    kept = {
        path.name: json.loads((path / "record.json").read_text())["started"][17:19]
        for path in [folder, *earlier_attempts(folder)]
    }
    assert kept == {"r": "03", "r.1": "01", "r.2": "02"}


def test_the_same_attempt_is_kept_once(tmp_path: Path) -> None:
    keep(1, tmp_path / "r")
    keep(1, tmp_path / "r")
    arrival.keep_missing(files(record()), STARTED, tmp_path / "r")
    assert earlier_attempts(tmp_path / "r") == []


def test_an_attempt_that_was_never_fetched_is_kept_aside(tmp_path: Path) -> None:
    keep(2, tmp_path / "r")
    for _ in range(2):
        arrival.keep_missing(files(record("failed", 1)), STARTED, tmp_path / "r")
    (attempt,) = earlier_attempts(tmp_path / "r")
    assert read_record(attempt)["outcome"]["status"] == "failed"
    assert read_record(tmp_path / "r")["started"] == record(second=2)["started"]


def test_what_cannot_be_kept_leaves_nothing(tmp_path: Path) -> None:
    for content in ("*", packed(bytes(129 * 2**20))):
        with pytest.raises(arrival.BenchError):
            arrival.keep({**files(), "samples.csv": content}, STARTED, tmp_path / "runs" / "r")
        assert list((tmp_path / "runs").iterdir()) == []


def test_all_files_together_are_bounded(tmp_path: Path) -> None:
    half = packed(bytes(70 * 2**20))
    with pytest.raises(arrival.BenchError, match="b is too large"):
        arrival.keep({"a": half, "b": half}, STARTED, tmp_path / "r")


def test_a_file_of_many_pieces_comes_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * 2**16 * 2
    arrival.keep({**files(), "samples.csv": packed(content)}, STARTED, tmp_path / "r")
    assert (tmp_path / "r" / "samples.csv").read_bytes() == content
