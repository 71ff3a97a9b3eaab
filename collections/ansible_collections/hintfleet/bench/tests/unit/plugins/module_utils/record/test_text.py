# SPDX-License-Identifier: GPL-2.0-or-later
"""What may name a file, and what may be shown."""

from __future__ import annotations

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import facts
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import (
    checked_name,
    cleaned,
    one_line,
    without_secrets,
)


@pytest.mark.parametrize("name", ["a", "0", "box-node0.b1.none.memhog", "a..b", "x" * 200])
def test_a_plain_name_is_a_name(name: str) -> None:
    assert checked_name(name, "A run") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "/a", ".a", "-a", "a\n", "a b", "ä", "x" * 201, None, 7]
)
def test_anything_else_is_not(name: object) -> None:
    with pytest.raises(BenchError, match=r"A run is named .*, which cannot name a file"):
        checked_name(name, "A run")


def test_what_is_nested_without_end_is_refused() -> None:
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(BenchError, match="nested deeper"):
        cleaned(deep)


def test_what_acts_on_a_terminal_is_replaced() -> None:
    assert cleaned("a\tb\nc é 漢") == "a\tb\nc é 漢"
    assert (
        cleaned("\x1b]0;x\x07\x9b2J\r\u202e\ud800\x7f") == "\ufffd]0;x\ufffd\ufffd2J" + "\ufffd" * 4
    )
    assert cleaned({"\x1b": ["\x1b", ("\x1b",), 1, None]}) == {
        "\ufffd": ["\ufffd", ["\ufffd"], 1, None]
    }


def test_a_line_is_one_line_and_short() -> None:
    said = "\x1b]0;owned\x07 a\tb\nc \u202e\ud800é"
    assert one_line(said) == "\ufffd]0;owned\ufffd a b c \ufffd\ufffdé"
    assert len(one_line("x" * 10_000)) == 300


@pytest.mark.parametrize("key", ["rd.iscsi.password", "luks.KEY", "a_token", "my-secret", "creds"])
def test_a_value_that_may_be_a_secret_is_masked(key: str) -> None:
    line = f'root=/dev/sda {key}=hunter2 quiet {key}="two words" ro'
    assert without_secrets(line) == f"root=/dev/sda {key}=*** quiet {key}=*** ro"


def test_nothing_after_a_name_of_a_secret_is_told() -> None:
    line = 'password=hunter2,key=b a=b,token=c,d=e o="x secret=y z" ro "key=v w'
    assert without_secrets(line) == 'password=*** a=b,token=*** o="x secret=*** ro "key=***'


def test_a_long_line_takes_no_longer_than_its_length() -> None:
    """Two million characters: a search that goes back and forth over them does not end."""
    for line in ("=" + "key" * 700_000, "key" * 700_000 + "=", '"' * 2_000_000, "a=" * 10**6):
        assert len(without_secrets(line)) <= len(line) + 3


def test_the_record_of_a_host_holds_no_secret_of_its_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = facts._text

    def text(path: str) -> str | None:
        return "ro rd.iscsi.password=hunter2" if path == "/proc/cmdline" else read(path)

    monkeypatch.setattr(facts, "_text", text)
    assert facts.host_facts()["kernel_command_line"] == "ro rd.iscsi.password=***"
