# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said about input that cannot be used: always object, cause and what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hintfleet.records.text import clean, harmless

LONGEST = 80


@dataclass(frozen=True)
class Damage:
    """One file that could not be used, and why. Its texts are harmless and short: they may
    quote what was found."""

    file: Path
    field: str
    expected: str
    found: str

    def __post_init__(self) -> None:
        for name, most in (("field", LONGEST), ("expected", 2 * LONGEST), ("found", LONGEST)):
            text = harmless(getattr(self, name))
            shown = text if len(text) <= most else text[: most - 1] + "…"
            object.__setattr__(self, name, shown)

    @property
    def place(self) -> str:
        """The file's name, clean: a folder of results may be somebody else's."""
        return clean(str(self.file))

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: expected {self.expected}, found {self.found}"


class UnusableError(Exception):
    """What was asked for cannot be read; the message names object, cause and remedy."""

    def __init__(self, sentence: str) -> None:
        super().__init__(clean(sentence))


class DamagedError(Exception):
    """A file cannot be used; carries the Damage."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(str(damage))
        self.damage = damage
