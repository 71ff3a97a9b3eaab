# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest prints has an end, on disk and in memory, and its beginning and end are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.output import (
    HEAD_BYTES,
    PIPE_BYTES,
    TAIL_BYTES,
    Output,
)


def print_all(output: Output, said: bytes) -> None:
    while said:
        said = said[os.write(output.writing, said[:PIPE_BYTES]) :]
        output.drain()


def test_what_is_printed_is_on_disk_at_once(tmp_path: Path) -> None:
    output = Output(tmp_path / "console.log")
    print_all(output, b"first\n")
    assert output.path.read_text() == "first\n"
    assert output.last() == output.text() == "first\n"
    os.close(output.writing)
    output.close()
    output.close()
    assert output.text() == output.last() == "first\n"


def test_a_long_one_is_its_head_and_its_tail(tmp_path: Path) -> None:
    output = Output(tmp_path / "console.log")
    print_all(output, b"first" + b"x" * (20 * HEAD_BYTES) + b"last")
    assert output.path.stat().st_size == HEAD_BYTES
    assert output.last().endswith("last")
    os.close(output.writing)
    output.close()
    kept = output.path.read_text()
    assert output.lost_bytes == 9 + 20 * HEAD_BYTES - HEAD_BYTES - TAIL_BYTES
    assert f"[hintfleet: {output.lost_bytes} bytes left out]" in kept
    assert kept.startswith("first") and kept.endswith("last")
    assert len(kept) < HEAD_BYTES + TAIL_BYTES + 100
    assert len(output.last()) <= TAIL_BYTES


def test_who_prints_can_make_no_file_long(tmp_path: Path) -> None:
    output = Output(tmp_path / "console.log")
    with pytest.raises(OSError, match="Invalid argument"):
        os.ftruncate(output.writing, 2**40)
    os.close(output.writing)
    output.close()
    assert output.path.stat().st_size == 0
