# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers to text; the only place that rounds."""

from __future__ import annotations

import math

UNKNOWN = "-"


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, never in powers of ten, whole if it is large."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "never" if value > 0 else str(value)
    if value == 0:
        return "0"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float | None, unit: str) -> str:
    """A number with its unit; times in the unit that reads best."""
    if value is None:
        return UNKNOWN
    if unit == "ns":
        for size, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
            if value >= size:
                return f"{number(value / size)} {name}"
    if unit == "ratio":
        return change(value)
    if unit == "share":
        return percent(value)
    if unit == "s" and value >= 120:
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return f"{number(value)} {unit}"


def percent(share: float) -> str:
    """A share in whole percent, with the space that SI asks for."""
    return f"{share * 100.0:.0f} %"


def change(ratio: float | None) -> str:
    """A ratio as a change in percent: 0.973 is -2.7 %; from 3 on as a factor."""
    if ratio is None:
        return UNKNOWN
    if ratio >= 3.0:
        return f"{number(ratio)}x"
    percent = (ratio - 1.0) * 100.0
    text = f"{percent:+.1f}" if abs(percent) < 9.95 else f"{percent:+.0f}"
    return ("0.0" if text in ("-0.0", "+0.0") else text) + " %"


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 block, 3 blocks."""
    return f"{count} {noun}{'s' if count != 1 else ''}"


def spread(low: float | None, high: float | None) -> str:
    """The extremes of some values, once if they are equal."""
    if low is None or high is None:
        return UNKNOWN
    left, right = number(low), number(high)
    return left if left == right else f"{left}-{right}"
