# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs in guests print becomes numbers that can be measured."""

from __future__ import annotations

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import (
    number,
    parse_numbers,
)


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
