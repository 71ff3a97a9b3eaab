# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs in guests print is the text of strangers: here it becomes numbers of ours."""

from __future__ import annotations

import json
from typing import Any

MOST = 1e18  # any count, rate or time that a program in a guest may honestly report is below it


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
