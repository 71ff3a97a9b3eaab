# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and texts that others gave: what may become a path, and what may be shown."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
LONGEST_NAME = 200  # a file system takes 255, and names get endings
SHOWN = 80
LINE_CHARACTERS = 300
WORD = re.compile(r"""(?:"[^"]*"?|[^\s"])+""")
SECRET = re.compile(r"pass|key|cred|secret|token", re.IGNORECASE)
DEEPEST = 50


def checked_name(name: object, what: str) -> str:
    """`name`, if it is one plain name: no path, and nothing hidden. Raises BenchError.

    Whatever names a file, a folder or a cgroup comes through here before it does. `what` says what
    is named.
    """
    if isinstance(name, str) and len(name) <= LONGEST_NAME and NAME.fullmatch(name):
        return name
    raise BenchError(
        f"{what} is named {cleaned(repr(name))[:SHOWN]}, which cannot name a file; use at most "
        f"{LONGEST_NAME} letters, digits, '.', '_' and '-', beginning with a letter or digit."
    )


def cleaned(value: Any, depth: int = 0) -> Any:
    """The same, in depth, with U+FFFD for characters that act on a terminal instead of showing.

    New lines and tabs stay; controls, marks of direction and halves of characters go. Raises
    BenchError for what is nested deeper than anything of ours.
    """
    if depth > DEEPEST:
        raise BenchError(f"what was answered is nested deeper than {DEEPEST} levels")
    if isinstance(value, str):
        return value if value.isprintable() else "".join(map(_visible, value))
    if isinstance(value, dict):
        return {cleaned(key): cleaned(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(inner, depth + 1) for inner in value]
    return value


def one_line(text: str, most: int = LINE_CHARACTERS) -> str:
    """At most that many characters, on one line, all of which can be shown."""
    return str(cleaned(text[:most])).translate({ord("\n"): " ", ord("\t"): " "})


def without_secrets(text: str) -> str:
    """A command line with `***` for each value whose name says that it may be a secret."""
    return WORD.sub(lambda word: _masked(word[0]), text) if "=" in text else text


def _masked(word: str) -> str:
    """A word of a command line, from the first value on that may be a secret."""
    parts = word.split("=")
    for place, name in enumerate(parts[:-1], 1):
        if SECRET.search(name):
            return "=".join([*parts[:place], "***"])
    return word


def _visible(character: str) -> str:
    return character if character in "\n\t" or character.isprintable() else "\ufffd"
