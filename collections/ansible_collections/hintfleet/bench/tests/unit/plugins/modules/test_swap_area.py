# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps towards a swap area, and away from one, whatever path the kernel lists it by."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.modules import swap_area

MKSWAP = shutil.which("mkswap") or "/usr/sbin/mkswap"


def area_at(path: Path, monkeypatch: pytest.MonkeyPatch, *, in_use: bool) -> swap_area.SwapArea:
    """An area of 1 MiB with priority 7, wanted or not any more."""
    monkeypatch.setattr(swap_area._swap, "in_use", lambda _: in_use)
    monkeypatch.setattr(swap_area._swap, "file_system", lambda *_: "ext4")
    params = {"path": str(path), "size_mib": 1, "priority": 7, "speed_dir": str(path.parent)}
    return swap_area.SwapArea(SimpleNamespace(params=params))


def formatted(path: Path, label: str = swap_area._swap.LABEL) -> Path:
    swap_area._swap.allocate(path, swap_area._swap.MIB)
    subprocess.run([MKSWAP, "--label", label, str(path)], check=True, capture_output=True)
    return path


def names(steps: list[swap_area.Step]) -> list[str]:
    return [name for name, _action in steps]


def test_an_area_in_use_is_stopped_first_though_no_listed_path_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_at(formatted(tmp_path / "swap"), monkeypatch, in_use=True)
    assert names(area.absent()) == ["stop", "blank", "remove"]
    assert names(area.present()) == ["stop", "use"], "its priority is not known"


def test_an_area_with_the_wanted_priority_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_at(formatted(tmp_path / "swap"), monkeypatch, in_use=True)
    listed = {str(tmp_path / "swap"): swap_area._swap.Active(1020, 0, 7)}
    monkeypatch.setattr(swap_area._swap, "parse_swaps", lambda _: listed)
    assert area.present() == []
    area.module.params["priority"] = 8
    assert names(area.present()) == ["stop", "use"]


def test_a_new_area_is_measured_before_it_has_a_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = area_at(tmp_path / "swap", monkeypatch, in_use=False)
    steps = area.present()
    assert names(steps) == ["allocate", "measure", "format", "use"]
    for _name, action in steps[:2]:
        action()
    assert swap_area._swap_speed.kept(tmp_path)["swap_page_read_microseconds"] > 0
    assert swap_area._swap.read_header(tmp_path / "swap") is None
    area.module.params["speed_dir"] = None
    assert "measure" not in names(area.present())


@pytest.mark.parametrize(("theirs", "refused"), [(8, True), (7, True), (6, False), (-2, False)])
def test_an_area_of_others_that_is_filled_first_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: int, refused: bool
) -> None:
    """As zram is, whose priority some give as the highest there is."""
    other, own = formatted(tmp_path / "zram0", "zram0"), formatted(tmp_path / "own")
    listed = {
        str(other): swap_area._swap.Active(1020, 0, theirs),
        str(own): swap_area._swap.Active(1020, 0, 9),  # of another tree
        "/nowhere/swap": swap_area._swap.Active(1020, 0, 9),  # of another root
    }
    monkeypatch.setattr(swap_area._swap, "parse_swaps", lambda _: listed)
    area = area_at(tmp_path / "swap", monkeypatch, in_use=False)
    if not refused:
        assert names(area.present()) == ["allocate", "measure", "format", "use"]
        return
    with pytest.raises(BenchError, match=f"zram0 of this host has priority {theirs}, and .* 7, so"):
        area.present()


def test_what_is_not_in_use_is_not_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "swap"
    assert names(area_at(path, monkeypatch, in_use=False).present()) == [
        "allocate",
        "measure",
        "format",
        "use",
    ]
    assert area_at(path, monkeypatch, in_use=False).absent() == []
    formatted(path)
    assert names(area_at(path, monkeypatch, in_use=False).present()) == ["use"]
    assert names(area_at(path, monkeypatch, in_use=False).absent()) == ["blank", "remove"]


def test_others_areas_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = formatted(tmp_path / "swap", "theirs")
    assert area_at(path, monkeypatch, in_use=True).absent() == []
    path.write_bytes(b"no header of a kind that is known")
    assert area_at(path, monkeypatch, in_use=True).absent() == []


def test_a_disk_that_root_may_not_read_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that was given a disk's name and not its use."""

    class Told(Exception):  # noqa: N818 - not an error
        pass

    def fail_json(msg: str) -> None:
        raise Told(msg)

    def refuse(*_: object) -> bool:
        raise PermissionError(1, "Operation not permitted", "/dev/vda")

    monkeypatch.setattr(swap_area._swap, "in_use", refuse)
    params = {"path": str(tmp_path), "size_mib": 1, "priority": 7, "state": "absent"}
    module = SimpleNamespace(params=params, fail_json=fail_json, check_mode=True)
    monkeypatch.setattr(swap_area, "AnsibleModule", lambda **_: module)
    with pytest.raises(Told, match=r"cannot be used \(.*not permitted.*see that its disk has no"):
        swap_area.main()
