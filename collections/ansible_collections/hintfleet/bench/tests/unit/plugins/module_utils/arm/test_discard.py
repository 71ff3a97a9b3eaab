# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that is freed lazily: who has the library loaded, and who is refused."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import arm_of
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError, GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import qemu as _qemu

DISCARD = PIECES["discard"]
MACHINE = _qemu.Machine(
    name="guest1", logs=Path("/logs"), memory_mib=256, vcpus=1, accelerator="tcg",
    mechanism="page_hinting", kernel=Path("/k"), image=Path("/images/abc/initramfs.img"),
)  # fmt: skip
LOADED = "7f00c000-7f00d000 r-xp 00000000 08:01 12   /images/abc/hf-discard.so\n"


def guest_of(monkeypatch: pytest.MonkeyPatch, maps: str, said: str = "") -> Any:
    monkeypatch.setattr(Path, "read_text", lambda _: maps)
    qemu = SimpleNamespace(process_id=7, last_words=lambda: said)
    return SimpleNamespace(name="guest1", qemu=qemu, lazy_mib=lambda: 12.3)


def test_the_library_lies_beside_the_image_and_changes_no_word_of_qemus() -> None:
    machine = DISCARD.machine("free", MACHINE)
    assert machine.preload == Path("/images/abc/hf-discard.so")
    assert _qemu.command_line(machine) == _qemu.command_line(MACHINE)


def test_only_qemu_itself_loads_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[list[str]] = []

    def popen(command: list[str], **options: Any) -> Any:
        assert "LD_PRELOAD" not in options["env"]
        started.append(command)
        return SimpleNamespace(pid=7)

    monkeypatch.setattr(_qemu.subprocess, "Popen", popen)
    monkeypatch.setattr(_qemu, "Output", lambda _: SimpleNamespace(writing=_open(tmp_path)))
    for machine in (MACHINE, DISCARD.machine("free", MACHINE)):
        qemu = _qemu.Qemu(machine, "nobody", [])
        for end in (qemu.qmp, qemu.agent):
            end.close()
    plain, preloaded = started
    place = preloaded.index("LD_PRELOAD=/images/abc/hf-discard.so")
    assert preloaded[place - 2 : place] == ["--", "env"]
    assert [*preloaded[: place - 1], *preloaded[place + 1 :]] == plain


def _open(folder: Path) -> int:
    return os.open(folder / "said", os.O_CREAT | os.O_WRONLY)


def test_that_it_is_loaded_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = DISCARD.shown("free", guest_of(monkeypatch, LOADED))
    assert shown == "hf-discard.so is in its QEMU, 12 MiB are free lazily"


@pytest.mark.parametrize(
    ("maps", "said", "words"),
    [
        ("", "ERROR: ld.so: object cannot be preloaded", "has not loaded.*ld.so: object"),
        (LOADED, "ram_block_discard_range: Failed to discard range ram:1: -22", "Failed to disc"),
    ],
)
def test_a_qemu_without_it_is_no_guest_of_the_arm(
    monkeypatch: pytest.MonkeyPatch, maps: str, said: str, words: str
) -> None:
    with pytest.raises(GuestError, match=f"discard free, and guest guest1 does not.*{words}"):
        DISCARD.shown("free", guest_of(monkeypatch, maps, said))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"discard": "dontneed"}, "choose free"),
        ({"mechanism": "none"}, "nothing is discarded under none"),
        ({"backing": "hugetlbfs"}, "choose from 4k, thp"),
    ],
)
def test_what_cannot_be_freed_lazily_is_refused(changes: dict[str, str], words: str) -> None:
    given = {"name": "lazy", "mechanism": "free_page_reporting", "discard": "free"}
    with pytest.raises(BenchError, match=words):
        arm_of({**given, **changes})
