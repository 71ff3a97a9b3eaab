# SPDX-License-Identifier: GPL-2.0-or-later
"""What hintfleet did not put somewhere, hintfleet does not remove."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import folder as _folder

MADE = ["images", "runs", "swap*", "found.json"]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(BenchError, match=r"holds images, which hintfleet did not put there"):
        _folder.check(tmp_path, "found.json")
    assert _folder.ours(tmp_path, MADE) == []


@pytest.mark.parametrize("there", [True, False])
def test_an_empty_or_new_folder_becomes_ours_and_goes(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "state"
    if there:
        folder.mkdir()
    _folder.check(folder)
    _folder.claim(folder, 0o700)
    _folder.check(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert _folder.give_back(folder)
    assert not folder.exists()


def test_a_new_folder_can_be_reached_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        _folder.claim(tmp_path / "srv" / "state", 0o755)
    finally:
        os.umask(before)
    for path in (tmp_path / "srv", tmp_path / "srv" / "state"):
        assert path.stat().st_mode & 0o777 == 0o755


def test_a_folder_of_an_earlier_version_is_known(tmp_path: Path) -> None:
    (tmp_path / "found.json").touch()
    (tmp_path / "runs").mkdir()
    _folder.check(tmp_path, "found.json")
    assert [path.name for path in _folder.ours(tmp_path, MADE, "found.json")] == [
        "runs",
        "found.json",
    ]


def test_only_what_we_make_is_removed_and_what_was_found_goes_last(tmp_path: Path) -> None:
    _folder.claim(tmp_path, 0o755)
    outside = tmp_path.with_name("outside")
    outside.mkdir()
    (outside / "precious").touch()
    for name in ("found.json", "swap", "photographs"):
        (tmp_path / name).touch()
    (tmp_path / "runs").symlink_to(outside)
    going = _folder.ours(tmp_path, MADE)
    assert [path.name for path in going] == ["runs", "swap", "found.json"]
    _folder.remove(going)
    assert (outside / "precious").exists()
    assert not _folder.give_back(tmp_path)
    assert [path.name for path in _folder.entries(tmp_path)] == ["photographs"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to others")
def test_no_folder_that_others_could_exchange_is_used(tmp_path: Path) -> None:
    home, shared, group = (tmp_path / name for name in ("home", "shared", "group"))
    for folder in (home, shared, group):
        (folder / "made").mkdir(parents=True)
    os.chown(home, 1234, 1234)
    shared.chmod(0o777)
    os.chown(group, 0, 1234)
    group.chmod(0o775)
    (tmp_path / "link").symlink_to(home)
    for folder, place in (
        (home, home),
        (home / "made" / "state", home),
        (shared / "made", shared),
        (group / "state", group),
        (tmp_path / "link" / "state", home),
    ):
        with pytest.raises(BenchError, match=f"Others than root may write to {place},"):
            _folder.check(folder)
    # In a folder like /tmp only an owner exchanges a name.
    shared.chmod(0o1777)
    assert _folder.exchangeable(shared / "made" / "state") is None
    assert _folder.exchangeable(shared) == shared
    _folder.check(shared / "new")
    (shared / "new").mkdir()
    os.chown(shared / "new", 1234, 1234)
    with pytest.raises(BenchError, match="and could lead elsewhere"):
        _folder.claim(shared / "new", 0o755)
    assert list((shared / "new").iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "unfit", "for_programs"),
    [
        (0, None, None),
        (os.ST_NOEXEC | os.ST_NOSUID, None, "noexec"),
        (os.ST_RDONLY | os.ST_NOEXEC, "read-only", "read-only"),
    ],
)
def test_how_a_disk_is_mounted_is_asked_where_a_folder_will_lie(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: int,
    unfit: str | None,
    for_programs: str | None,
) -> None:
    asked = {tmp_path: SimpleNamespace(f_flag=flags)}
    monkeypatch.setattr(os, "statvfs", asked.__getitem__)
    folder = tmp_path / "not" / "there" / "yet"
    assert _folder.unfit_mount(folder) == unfit
    assert _folder.unfit_mount(folder, for_programs=True) == for_programs
