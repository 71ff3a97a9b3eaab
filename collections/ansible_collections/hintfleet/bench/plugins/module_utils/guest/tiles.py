# SPDX-License-Identifier: GPL-2.0-or-later
"""A tile: a stated list of guests, each with the program that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.programs import NAME, Program

LIVING_MIB = 64  # a guest's kernel, its root and its agent, beside the data of a program
MOST_GUESTS = 100


@dataclass(frozen=True)
class Member:
    """One guest of a tile. `mib`: how large the data of its program is."""

    name: str
    program: str
    guest_mib: int
    vcpus: int
    mib: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


SIZES = ("guest_mib", "vcpus", "mib")


def tile_of(told: list[Any], programs: Mapping[str, Program], files_mib: int = 0) -> list[Member]:
    """The guests of a tile as it was written: with `name` and `program`, one of which says the
    other; `vcpus` is 1 where it is left out.

    files_mib: of the disk of files that each guest has. Raises BenchError with a sentence.
    """
    if not told or len(told) > MOST_GUESTS:
        raise BenchError(f"A tile has {len(told)} guests: name 1 to {MOST_GUESTS}.")
    tile = [_member(place, one, programs) for place, one in enumerate(told, start=1)]
    names = [one.name for one in tile]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BenchError(
            f"Two guests of the tile are named {twice[0]}: give each a name of its own, such as "
            f"{{name: {twice[0]}2, program: {twice[0]}}}."
        )
    for one in tile:
        _check(one, programs[one.program], files_mib)
    return tile


def _member(place: int, told: Any, programs: Mapping[str, Program]) -> Member:
    if isinstance(told, str):
        told = {"program": told}
    if not isinstance(told, dict):
        raise BenchError(
            f"Guest {place} of the tile is no mapping: write it as {{program: idle, "
            "guest_mib: 128, mib: 16}."
        )
    known = ("name", "program", *SIZES)
    if strange := [str(key) for key in told if key not in known]:
        raise BenchError(
            f"Guest {place} of the tile says {strange[0]!r}: it may say {', '.join(known)}."
        )
    program = told.get("program", told.get("name"))
    name = told.get("name", program)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise BenchError(
            f"Guest {place} of the tile is named {str(name)[:80]!r}: give it a name of 1 to 32 "
            "letters, digits, '-' and '_', beginning with a letter or digit."
        )
    if program not in programs:
        raise BenchError(
            f"Guest {name} of the tile is to run {str(program)[:80]!r}, and there is no such "
            f"program: choose from {', '.join(sorted(programs)) or 'none'}, or add one "
            "(docs/programs.md)."
        )
    sizes = {key: _whole(name, key, told.get(key, 1 if key == "vcpus" else None)) for key in SIZES}
    return Member(str(name), str(program), **sizes)


def _whole(name: str, key: str, value: Any) -> int:
    """A size as people write it, on a command line as text."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 16:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 32:
        said = "does not say" if value is None else f"has {str(value)[:80]!r} for"
        raise BenchError(f"Guest {name} of the tile {said} {key}: give a whole number, 1 or more.")
    return int(value)


def _check(one: Member, program: Program, files_mib: int) -> None:
    if one.guest_mib < program.smallest_guest_mib:
        raise BenchError(
            f"Guest {one.name} of the tile has {one.guest_mib} MiB, and program {program.name} "
            f"needs a guest of {program.smallest_guest_mib} MiB: raise its guest_mib."
        )
    if one.mib + LIVING_MIB > one.guest_mib:
        raise BenchError(
            f"Guest {one.name} of the tile has {one.guest_mib} MiB and data of {one.mib} MiB, "
            f"which leaves it less than {LIVING_MIB} MiB to live: lower its mib, or raise its "
            "guest_mib."
        )
    if program.needs_files and not files_mib:
        raise BenchError(
            f"Guest {one.name} of the tile runs {program.name}, which reads files, and guests have "
            "none: give them a disk of files (study_guest_files_mib)."
        )
