# SPDX-License-Identifier: GPL-2.0-or-later
"""A parsed JSON document that is fit to be computed with and shown, or a Damage that says why not.

Limits that hold for every value, whatever a schema says of it: figures are floats, so a number
beyond what a float counts exactly is none that was measured, and one that is all but 0 makes ratios
that are none either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hintfleet.records.damage import Damage, DamagedError
from hintfleet.records.text import harmless

LARGEST = 2**53
"""The largest integer up to which a float holds every one."""

LEAST = 1e-30
DEEPEST = 32
LONGEST_TEXT = 1 << 16


def countable(value: float) -> bool:
    """Whether sums, ratios and squares of such numbers stay finite; false for NaN."""
    return value == 0 or LEAST <= abs(value) <= LARGEST


def checked(file: Path, document: Any) -> Any:
    """The document with texts and keys made harmless; DamagedError names the first place that
    breaks a limit. Changes the document."""
    stack: list[tuple[str, Any, int]] = [("", document, 0)]
    while stack and isinstance(document, dict | list):
        where, node, depth = stack.pop()
        if depth > DEEPEST:
            raise _damaged(file, where[:60], f"at most {DEEPEST} levels", "more within each other")
        if type(node) is dict and ("=" in (names := "".join(node)) or not names.isprintable()):
            items = [(harmless(key), value) for key, value in node.items()]
            node.clear()
            node.update(items)
        for key, value in node.items() if type(node) is dict else enumerate(node):
            kind = type(value)
            if kind is str:
                if len(value) > LONGEST_TEXT:
                    expected = f"at most {LONGEST_TEXT} characters"
                    raise _damaged(file, f"{where}{key}", expected, f"{len(value)}")
                if "=" in value or not value.isprintable():  # few texts of a record
                    node[key] = harmless(value)
            elif kind is dict or kind is list:
                stack.append((f"{where}{key}.", value, depth + 1))
            elif (kind is float or kind is int) and not (
                LEAST <= value <= LARGEST or countable(value)  # nearly all: without a call
            ):
                raise _damaged(file, f"{where}{key}", *_limits(value))
    return document


def _limits(value: float) -> tuple[str, str]:
    """What was expected of a number, and what it is; an integer may have thousands of digits."""
    if isinstance(value, int):
        return f"a number within {LARGEST}", f"one of {value.bit_length()} bits"
    if abs(value) < LEAST:
        return f"0 or a number of at least {LEAST}", str(value)
    return f"a finite number within {LARGEST}", str(value)


def _damaged(file: Path, field: str, expected: str, found: str) -> DamagedError:
    return DamagedError(Damage(file, field, expected, found))
