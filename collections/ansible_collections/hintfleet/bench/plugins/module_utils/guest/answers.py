# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests and QEMUs say is the text of strangers: here it becomes text and numbers of ours."""

from __future__ import annotations

import json
from typing import Any

LINE_CHARACTERS = 300
MOST = 1e18  # any count, rate or time that a program in a guest may honestly report is below it


def plain(text: str, most: int = LINE_CHARACTERS) -> str:
    """At most that many characters, all of which can be shown: controls become U+FFFD."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text[:most].expandtabs(1))


def number(value: Any) -> float:
    """A finite number from 0 on, as it is; raises ValueError."""
    if type(value) not in (int, float) or not 0 <= value <= MOST:  # neither is NaN between them
        raise ValueError(f"a {type(value).__name__} is no number, or none that can be measured")
    return value  # type: ignore[no-any-return]


def parse_object(text: str) -> dict[str, Any]:
    """A JSON object that a program printed; raises ValueError."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is too deep") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def parse_numbers(text: str, *names: str) -> list[float]:
    """These entries of a JSON object that a program printed; raises ValueError."""
    found = parse_object(text)
    return [number(found.get(name)) for name in names]
