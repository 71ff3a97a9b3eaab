# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a guest's memory the host holds, page by page."""

from __future__ import annotations

import json
from array import array
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import balance as _balance

PRESENT, SWAPPED = _balance.PRESENT, _balance.SWAPPED
NOTHING = _balance.Own(0.0, 0.0)
SMAPS = """5580a000-5580b000 rw-p 00000000 00:00 0                          [heap]
Rss:                 512 kB
Anonymous:           512 kB
Swap:                256 kB
7f00c000-7f00d000 rwxp 00000000 00:00 0
Anonymous:          2048 kB
Swap:               1024 kB
7f00e000-7f00f000 r-xp 00000000 08:01 1234                       /usr/bin/qemu-system-x86_64
Anonymous:             4 kB
Swap:                  0 kB
"""


def answer(**changed: Any) -> str:
    return json.dumps({"order": 9, "listed_pages": 3, "pages": "k256f512a3", **changed})


def test_an_honest_answer() -> None:
    said = _balance.parse_pages(answer())
    assert said == _balance.Uses([("k", 256), ("f", 512), ("a", 3)], 3, 9)
    assert _balance.parse_pages(answer(pages="")).runs == []


@pytest.mark.parametrize(
    "output",
    [
        "", "7", "[]", "{}", "null", "[" * 5000, answer(pages=7), answer(pages="x1"),
        answer(pages="f"), answer(pages="f0"), answer(pages="f12345678"), answer(pages="f1 "),
        answer(pages="f262144a1"), answer(listed_pages=-1), answer(listed_pages=True),
        answer(listed_pages="3"), answer(listed_pages=1e300), answer(order=-1), answer(order=99),
        answer(order=None), answer(pages="f\uff11"),
    ],
)  # fmt: skip
def test_nonsense_is_no_answer(output: str) -> None:
    with pytest.raises(ValueError, match="hf-pages"):
        _balance.parse_pages(output)


def test_a_page_is_held_if_it_is_there_or_swapped() -> None:
    entries = array("Q", [PRESENT | 7, 0, SWAPPED | 7, PRESENT | 8])
    assert list(_balance.held_pages(entries)) == [1, 0, 1, 1]


def test_the_page_of_zeros_is_nobodys() -> None:
    entries = array("Q", [PRESENT | 5, PRESENT | 5, PRESENT | 6])
    assert list(_balance.held_pages(entries)) == [0, 0, 1]


def test_without_frame_numbers_all_that_is_there_is_held() -> None:
    assert list(_balance.held_pages(array("Q", [PRESENT, PRESENT]))) == [1, 1]


def test_qemus_own_memory_and_its_translations() -> None:
    assert _balance.parse_own(SMAPS) == _balance.Own(3844 / 1024, 3.0)


def test_memory_beyond_four_gib_follows_in_qemu() -> None:
    hole = 2**20
    ram = _balance.Ram((_balance.Region(0, 0, 100), _balance.Region(hole, 0, 50)))
    spans = list(ram.spans([("k", 90), ("n", hole - 90), ("f", 40), ("n", 500)]))
    assert spans == [
        ("k", 0, 0, 90),
        ("n", 90, 90, 10),
        ("f", hole, 100, 40),
        ("n", hole + 40, 140, 10),
    ]


def test_pages_that_the_kernel_only_counts_are_left_out() -> None:
    ram = _balance.Ram((_balance.Region(0, 0, 100),))
    assert sum(span[3] for span in ram.spans([("a", 60), ("k", 16384)])) == 100


def parts(runs: list[tuple[str, int]], held: list[int], listed: int = 0, order: int = 2) -> Any:
    ram = _balance.Ram((_balance.Region(0, 0, len(held)),))
    uses = _balance.Uses(runs, listed, order)
    return _balance.balance(uses, ram, bytearray(held), NOTHING)


def pages_of(said: dict[str, Any], part: str) -> float:
    return said["held_mib"][part] * 256


def test_free_blocks_are_told_from_free_pieces() -> None:
    # Page 1 to 10 are free: two whole blocks of four, 4 to 7 and none other, and pieces beside it.
    said = parts([("a", 1), ("f", 10), ("a", 1)], [1] * 12)
    assert said["reportable_mib"] == pytest.approx(4 / 256, abs=1e-3)
    assert said["free_mib"] == pytest.approx(10 / 256, abs=1e-3)
    assert pages_of(said, "free_reportable") == pytest.approx(4, abs=0.2)
    assert pages_of(said, "free_small") == pytest.approx(6, abs=0.2)
    assert pages_of(said, "programs") == pytest.approx(2, abs=0.2)


def test_what_was_returned_is_not_held() -> None:
    said = parts([("f", 8)], [0] * 4 + [1] * 4)
    assert said["reportable_mib"] == pytest.approx(8 / 256, abs=1e-3)
    assert pages_of(said, "free_reportable") == pytest.approx(4, abs=0.2)


def test_pages_without_a_mark_are_listed_ones_first() -> None:
    said = parts([("u", 12)], [1] * 10 + [0] * 2, listed=4)
    assert pages_of(said, "free_listed") == pytest.approx(4, abs=0.2)
    assert pages_of(said, "kernel") == pytest.approx(6, abs=0.2)


def test_parts_add_up_to_the_footprint() -> None:
    ram = _balance.Ram((_balance.Region(0, 0, 512),))
    uses = _balance.Uses([("k", 100), ("f", 300), ("c", 50), ("d", 12), ("u", 50)], 7, 9)
    own = _balance.Own(total_mib=5.0, translation_mib=1.5)
    said = _balance.balance(uses, ram, bytearray([1, 0] * 256), own)
    assert sum(said["held_mib"].values()) == pytest.approx(said["footprint_mib"], abs=0.01)
    assert said["held_mib"]["qemu_other"] == pytest.approx(5.0 - 1.5 - 1.0, abs=0.01)


class FakeGuest:
    """Of 320 MiB, of which `plug_mib` are plugged at 4 GiB; QEMU has it at other places."""

    def __init__(self, plug_mib: int, devices: Any) -> None:
        self.machine = SimpleNamespace(memory_mib=320, plug_mib=plug_mib)
        self.devices = devices

    def ask_monitor(self, command: str) -> str:
        place = {"0x0": "0x7f0000000000", "0x100000000": "0x7e0000000000"}[command.split()[1]]
        if place.startswith("0x7e") and not self.machine.plug_mib:
            return "No memory is mapped at address 0x100000000"
        name = "plugged" if place.startswith("0x7e") else "ram"
        return f"Host virtual address for {command.split()[1]} ({name}) is {place}\r\n"

    def ask_qemu(self, _command: str) -> Any:
        return self.devices


def test_memory_that_is_plugged_is_a_region_of_its_own() -> None:
    whole: Any = FakeGuest(0, None)
    assert _balance.find_ram(whole).regions == (_balance.Region(0, 0x7F0000000000, 320 * 256),)
    guest: Any = FakeGuest(128, [{"type": "virtio-mem", "data": {"memaddr": 1 << 32}}])
    assert _balance.find_ram(guest).regions == (
        _balance.Region(0, 0x7F0000000000, 192 * 256),
        _balance.Region(1 << 20, 0x7E0000000000, 128 * 256),
    )


@pytest.mark.parametrize("devices", [None, [], [{}], [{"data": {"memaddr": "4G"}}]])
def test_a_qemu_that_does_not_say_where_is_refused(devices: Any) -> None:
    guest: Any = FakeGuest(128, devices)
    with pytest.raises(ValueError, match="does not say where the memory is that is plugged"):
        _balance.find_ram(guest)


def test_what_was_freed_lazily_is_set_apart_from_what_could_come_back() -> None:
    ram = _balance.Ram((_balance.Region(0, 0, 1536),))
    uses = _balance.Uses([("a", 512), ("f", 1024)], 0, 9)
    held = bytearray([1] * 1536)
    own = _balance.parse_own("7f00c000-7f00d000 rw-p 00000000 00:00 0\nAnonymous: 6144 kB\n")
    whole = _balance.balance(uses, ram, held, own)
    assert "freed_lazily" not in whole["held_mib"]
    lazy = _balance.balance(uses, ram, held, _balance.Own(6.0, 0.0, lazy_mib=3.0))
    assert lazy["held_mib"]["freed_lazily"] == 3.0
    assert lazy["held_mib"]["free_reportable"] == 1.0 and lazy["held_mib"]["programs"] == 2.0
    assert sum(lazy["held_mib"].values()) == sum(whole["held_mib"].values()) == 6.0
