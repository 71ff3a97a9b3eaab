# SPDX-License-Identifier: GPL-2.0-or-later
"""How quick a swap area is, measured on a file of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host import swap, swap_speed


def test_what_was_measured_is_kept_for_the_records(tmp_path: Path) -> None:
    area = tmp_path / "swap"
    swap.allocate(area, 4 * swap.MIB)
    found = swap_speed.measure(area, 4 * swap.MIB)
    assert found["swap_write_mib_per_second"] > 0
    assert found["swap_page_read_microseconds"] > 0
    swap_speed.keep(tmp_path, found)
    assert swap_speed.kept(tmp_path) == found


def test_what_is_read_back_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole that is read back costs no disk anything."""
    area, asked = tmp_path / "swap", []
    swap.allocate(area, 3 * swap.MIB)
    real = os.preadv

    def noted(descriptor: int, pages: list[memoryview], place: int) -> int:
        asked.append(place)
        return real(descriptor, pages, place)

    monkeypatch.setattr(os, "preadv", noted)
    swap_speed.measure(area, 2 * swap.MIB + 4096)
    assert max(asked) < 2 * swap.MIB
    content = area.read_bytes()
    assert all(any(content[place : place + 4096]) for place in asked)


def test_a_file_system_without_direct_transfers_is_measured_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area, real = tmp_path / "swap", os.open
    swap.allocate(area, swap.MIB)

    def refuse(path: Path, flags: int, *more: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError("not here")
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse)
    assert swap_speed.measure(area, swap.MIB)["swap_direct"] is False


@pytest.mark.parametrize("text", [None, "", "[1]", "{"])
def test_a_host_prepared_before_has_no_figure(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / swap_speed.FILE).write_text(text)
    assert swap_speed.kept(tmp_path) == {}
