# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests say about themselves, from captures (guest kernel 6.1.192, 2026-11-22)."""

from __future__ import annotations

from pathlib import Path

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
