# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from guests, hosts and other people's records, made harmless once, where it enters.

What comes out is one line of visible characters. What it is put into (Markdown, HTML, CSV, a
shell) has its own escapes, which stand beside what writes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
WORD = re.compile(r"""(?:"[^"]*"?|[^\s"])+""")
SECRET = re.compile(r"pass|key|cred|secret|token", re.IGNORECASE)
"""In the name of a setting of a command line: its value is nobody's business."""


def file_name(text: str) -> str:
    """The text as it stands in names of files: an arm in the name of its runs."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)


def clean(text: str) -> str:
    """One line: white space of any kind is a blank, every other character that is not printed
    (escape sequences, C1, marks that turn the direction of writing, lone surrogates) U+FFFD."""
    if text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else REPLACEMENT


def harmless(text: str) -> str:
    """The text as it may be shown to anybody: one clean line, secrets masked."""
    return without_secrets(clean(text))


def are_harmless(texts: Sequence[str]) -> bool:
    """Whether harmless() leaves each of them as it is, as far as all at once can be told."""
    every = "".join(texts)
    return every.isprintable() and "=" not in every


def without_secrets(text: str) -> str:
    """A command line with `***` for the value of every setting that may be a secret."""
    if "=" not in text or not SECRET.search(text):  # nearly every text
        return text
    return WORD.sub(lambda word: _masked(word[0]), text)


def _masked(word: str) -> str:
    """A word of a command line, from the first value on that may be a secret."""
    parts = word.split("=")
    for place, name in enumerate(parts[:-1], 1):
        if SECRET.search(name):
            return "=".join([*parts[:place], "***"])
    return word
