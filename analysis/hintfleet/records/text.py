# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from guests, hosts and other people's records, made harmless once, where it enters.

What comes out is one line of visible characters. What it is put into (Markdown, HTML, CSV, a
shell) has its own escapes, which stand beside what writes it.
"""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
NAMES = re.compile("pass|key|cred|secret|token", re.IGNORECASE)
SECRET = re.compile(r"""(\S*(?:pass|key|cred|secret|token)[^\s=]*=)("[^"]*"|\S+)""", re.IGNORECASE)
"""A setting of a command line whose name says that its value is nobody's business."""


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


def without_secrets(text: str) -> str:
    """A command line with `***` for the value of every setting that may be a secret."""
    return SECRET.sub(r"\1***", text) if "=" in text and NAMES.search(text) else text
