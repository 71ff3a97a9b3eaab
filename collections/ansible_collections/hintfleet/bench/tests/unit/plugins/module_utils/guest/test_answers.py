# SPDX-License-Identifier: GPL-2.0-or-later
"""Text of strangers becomes text that can be shown, and numbers that can be measured."""

from __future__ import annotations

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import (
    number,
    parse_numbers,
    plain,
)


def test_text_acts_on_no_terminal() -> None:
    assert plain("\x1b]0;owned\x07 a\tb \u202e\ud800é") == "\ufffd]0;owned\ufffd a b \ufffd\ufffdé"
    assert len(plain("x" * 10_000)) == 300


@pytest.mark.parametrize("value", [0, 1, 0.5, 10**18])
def test_numbers(value: float) -> None:
    assert number(value) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "abc"}', '{"a": true}', '{"a": null}', '{"a": NaN}', '{"a": Infinity}', '{"a": -1}',
        '{"a": 1e400}', '{"a": 1' + "0" * 400 + "}", "{}", "[]", "7", "", "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
    ],
)  # fmt: skip
def test_what_is_no_number_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        parse_numbers(text, "a")
