# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk of files: the same in every run, and it ends with the run."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.files import (
    files_disk,
    parse_read,
)

MIB = 2**20


def content(folder: Path) -> bytes:
    with files_disk(folder, 2) as files:
        assert files is not None
        assert files.descriptor >= 128
        return Path(f"/proc/self/fd/{files.descriptor}").read_bytes()


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_it_holds_the_same_each_time_and_nothing_that_can_be_made_smaller(tmp_path: Path) -> None:
    first, second = content(tmp_path), content(tmp_path)
    assert len(first) == 2 * MIB
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()
    assert len(zlib.compress(first)) > len(first)


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    before = open_files()
    with files_disk(tmp_path, 1):
        assert list(tmp_path.iterdir()) == []
    assert open_files() == before


def test_none_is_none(tmp_path: Path) -> None:
    with files_disk(tmp_path, 0) as files:
        assert files is None


@pytest.mark.parametrize("said", ["", "hf-read: cannot", "[]", '{"read_mib": 48, "seconds": "1"}'])
def test_what_is_no_answer_is_refused(said: str) -> None:
    with pytest.raises(ValueError):
        parse_read(said)


def test_an_honest_answer() -> None:
    assert parse_read('{"read_mib":48.000000,"seconds":0.512345}\n') == (48.0, 0.512345)
