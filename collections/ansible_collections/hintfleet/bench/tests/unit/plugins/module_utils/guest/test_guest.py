# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests say about themselves, from captures (guest kernel 6.1.192, 2026-11-22)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import guest as _guest

CAPTURES = Path(__file__).parents[1] / "captures"
OFF = "0100000000000000000000000000010010000000100000000000000000000000"
FACTS = f"""6.1.192+
console=ttyS0 panic=-1 loglevel=5 virtio_balloon.free_page_engine=off
{OFF}
always madvise [never]
"""


def test_facts() -> None:
    facts = _guest.parse_facts(FACTS)
    assert facts.kernel_release == "6.1.192+"
    assert facts.kernel_command_line.endswith("free_page_engine=off")
    assert facts.thp_enabled == "never"
    assert facts.features == {
        "must_tell_host": False,
        "stats_vq": True,
        "deflate_on_oom": False,
        "free_page_hint": False,
        "page_poison": False,
        "free_page_reporting": False,
    }


def test_bit_five_is_free_page_reporting() -> None:
    assert _guest.parse_features("010001" + OFF[6:])["free_page_reporting"]


def test_a_kernel_that_can_choose_says_what_finds_free_pages() -> None:
    assert _guest.parse_facts(FACTS).engine == ""
    assert _guest.parse_facts(f"{FACTS}bitmap\n").engine == "bitmap"


@pytest.mark.parametrize(
    ("mechanism", "engine", "is_wrong"),
    [
        ("none", "", False),
        ("none", "off", False),
        ("none", "list", True),
        ("free_page_reporting", "", False),
        ("free_page_reporting", "list", False),
        ("free_page_reporting", "bitmap", True),
        ("page_hinting", "bitmap", False),
        ("page_hinting", "list", True),
        ("page_hinting", "", True),  # a stock kernel: what it does is upstream's
        ("balloon", "off", False),
    ],
)
def test_the_engine_is_the_mechanisms(mechanism: str, engine: str, is_wrong: bool) -> None:
    sentence = _guest.wrong_engine("guest1", mechanism, engine)
    assert bool(sentence) == is_wrong
    if sentence:
        assert "guest1" in sentence and mechanism in sentence and "guest_kernel" in sentence


def test_a_guest_that_says_little_has_no_facts() -> None:
    facts = _guest.parse_facts("6.1.192+\n")
    assert facts.kernel_release == "6.1.192+"
    assert not any(facts.features.values())
    assert facts.thp_enabled == "absent"


def test_trouble_on_the_console_is_a_warning() -> None:
    text = (CAPTURES / "console-out-of-memory.log").read_text()
    warnings = _guest.console_warnings(text)
    assert any(line.startswith("Out of memory: Killed process") for line in warnings)
    assert "Call Trace:" in warnings
    assert not any(line.startswith("[") for line in warnings)


def test_a_quiet_console_has_no_warnings() -> None:
    text = "[    0.056000] tsc: Unable to calibrate against PIT\r\nhintfleet-guest: ready\r\n"
    assert _guest.console_warnings(text) == []


def test_warnings_are_told_once_and_not_without_end() -> None:
    text = "".join(f"[ {n}.0] BUG: number {n % 50}\n" for n in range(200))
    assert len(_guest.console_warnings(text)) == _guest.WARNINGS_KEPT


def test_why_a_program_failed() -> None:
    assert _guest.Completed(0, None, "", "", 1.0).failure is None
    assert _guest.Completed(None, 9, "", "", 1.0).failure == "signal 9"
    assert _guest.Completed(1, None, "", "no\nmemory\n", 1.0).failure == "exit code 1 (memory)"


@pytest.mark.parametrize(
    "answer",
    [
        None, [], "x", 7, {}, {"exited": "yes"}, {"exited": True, "exitcode": "0"},
        {"exited": True, "signal": [1]}, {"exited": True, "out-data": 7},
        {"exited": True, "out-data": "a"}, {"exited": True, "err-data": "\u00e9"},
    ],
)  # fmt: skip
def test_a_status_that_is_none_is_told(answer: Any) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        _guest.parse_status(answer, 1.0)


def test_a_status() -> None:
    assert _guest.parse_status({"exited": False}, 1.0) is None
    done = _guest.parse_status({"exited": True, "exitcode": 0, "out-data": "YQ=="}, 1.0)
    assert done == _guest.Completed(0, None, "a", "", 1.0)


def test_facts_and_warnings_act_on_no_terminal() -> None:
    facts = _guest.parse_facts("6.1\x1b[2J\nroot=\x07\n")
    assert facts.kernel_release == "6.1\ufffd[2J"
    assert facts.kernel_command_line == "root=\ufffd"
    assert _guest.console_warnings("BUG: \x1b]0;owned\x07\n") == ["BUG: \ufffd]0;owned\ufffd"]


class Stubborn:
    """A guest that cannot be asked, or not be closed."""

    def __init__(self, closed: list[str], name: str, fails: str = "") -> None:
        self.closed, self.name, self.fails = closed, name, fails

    def quit(self) -> None:
        if self.fails == "quit":
            raise RecursionError

    def close(self) -> None:
        self.closed.append(self.name)
        if self.fails == "close":
            raise RecursionError


@pytest.mark.parametrize("fails", ["quit", "close"])
def test_a_guest_that_cannot_be_ended_keeps_no_other_from_its_end(fails: str) -> None:
    closed: list[str] = []
    guests: Any = [Stubborn(closed, "a", fails), Stubborn(closed, "b"), Stubborn(closed, "c")]
    with pytest.raises(RecursionError):
        _guest.quit_all(guests, Stubborn.quit)  # type: ignore[arg-type]
    assert closed == ["a", "b", "c"]
