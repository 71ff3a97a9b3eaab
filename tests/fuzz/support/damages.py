# SPDX-License-Identifier: GPL-2.0-or-later
"""Damages documents and files, by structure and by value."""

from __future__ import annotations

import copy
import os
import random
from pathlib import Path
from typing import Any

CONTROLS = "\x1b]0;x\x07\x1b[2J\x9b\u202e\u2066\u200b\ud800\x00\r"

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 59, 10**6, 2**31, 2**53, 2**53 + 1, 2**63, 10**30, 10**400,
    0.0, -0.0, 0.5, 1e-9, 1e-30, 1e-31, 5e-324, 1e15, 9e15, 1e16, 1.7e308, -1e15, float("nan"),
    float("inf"), "", " ", "none", "page_hinting", "memhog", "consolidation", "page_fault",
    "finished", "failed", "stopped", "died", "swap", "maximum", "cpu_bound", "tcg", "kvm",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0000-00-00T00:00:00Z",
    "hintfleet.run/1", "hintfleet.run/2", "hintfleet.run/3", "hintfleet.run/²",
    "../../../etc/passwd", "samples.csv",
    "=1+1", "<script>", "![](x)", "| a |\n# b", "$x^2$ {0} %s [b]x[/b]", CONTROLS, "x" * 70_000,
    [], {}, [[]], {"": {}}, [None] * 3, [0] * 100, {"a\x1b": CONTROLS},
)  # fmt: skip

Document = Any
Place = tuple[Any, Any]
"""A container and a key or index in it."""


def places(document: Document) -> list[Place]:
    """Every place of a document; of long lists (a histogram's) the first few."""
    found: list[Place] = []
    stack = [document]
    while stack:
        node = stack.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node[:10])
        for key, value in items:
            found.append((node, key))
            if isinstance(value, dict | list):
                stack.append(value)
    return found


MOST = 1e200
"""Times any size that is drawn it is still finite."""


def by_value(document: Document, draw: random.Random) -> None:
    """Another value of any kind at any place."""
    node, key = draw.choice(places(document))
    node[key] = copy.deepcopy(draw.choice(VALUES))


def by_number(document: Document, draw: random.Random) -> None:
    """A number that is still one, but of another size: what a schema lets through."""
    numbers = [
        (node, key)
        for node, key in places(document)
        if isinstance(node[key], int | float) and not isinstance(node[key], bool)
    ]
    for node, key in draw.sample(numbers, min(draw.randint(1, 5), len(numbers))):
        other = another_size(node[key], draw)
        node[key] = int(other) if isinstance(node[key], int) else other


def another_size(number: float, draw: random.Random) -> float:
    """A finite number unlike the one given."""
    size = 10 ** draw.choice([draw.uniform(-30, 15.9), draw.uniform(-3, 3)])
    # What stands there may be of an earlier change: an integer that is no float, or no number.
    times = number * size if -MOST < number < MOST else size
    return float(draw.choice([size, size, 0.0, -size, times]))


def by_structure(document: Document, draw: random.Random) -> None:
    """Something taken away, told twice, put elsewhere, or wrapped."""
    node, key = draw.choice(places(document))
    kind = draw.randrange(5)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.extend(copy.deepcopy(node) * draw.choice([1, 1, 30]))
    elif kind == 2:
        other, place = draw.choice(places(document))
        node[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(node[key])
    elif kind == 3:
        for _ in range(draw.choice([1, 40, 300])):
            node[key] = [node[key]]
    elif isinstance(node, dict):
        node[draw.choice(["", "extra", "a\x1b[2J", "x" * 300])] = copy.deepcopy(draw.choice(VALUES))


CHANGES = (by_value, by_number, by_number, by_structure)


def damage_document(document: Document, draw: random.Random) -> None:
    """Some changes to parsed JSON or YAML."""
    for _ in range(draw.choice([1, 1, 2, 5])):
        if document:
            draw.choice(CHANGES)(document, draw)


def damage_bytes(file: Path, draw: random.Random) -> None:
    """A file cut short, changed in some places, or with bytes put in."""
    content = bytearray(file.read_bytes())
    kind = draw.randrange(3)
    if kind == 0:
        del content[draw.randrange(len(content)) :]
    elif kind == 1:
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
    else:
        at = draw.randrange(len(content))
        content[at:at] = draw.randbytes(draw.choice([1, 8, 1000]))
    file.write_bytes(content)


def damage_lines(file: Path, draw: random.Random, delimiter: str = ",") -> None:
    """Other cells in a CSV, and lines in another order."""
    lines = file.read_text().split("\n")
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(lines))
        row = lines[at].split(delimiter)
        row[draw.randrange(len(row))] = str(draw.choice([*VALUES[:32], "", "1_0", "١", CONTROLS]))
        lines[at] = delimiter.join(row).encode("utf-8", "replace").decode()
        if draw.random() < 0.2:
            draw.shuffle(lines)
    file.write_text("\n".join(lines))


def damage_kind(file: Path, draw: random.Random) -> None:
    """Something else where a regular file should be."""
    file.unlink()
    draw.choice(
        [
            lambda: os.mkfifo(file),
            lambda: file.symlink_to("/dev/zero"),
            lambda: file.symlink_to(file.name),
            file.mkdir,
            lambda: None,
        ]
    )()
