# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that guests run in phases: what each says of itself, and what it answers.

A program is a folder with `program.yml` and an executable `run`, which lies at /programs/<name>/run
in the guest: docs/programs.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.answers import (
    number,
    parse_object,
)

FOLDER = "programs"
"""In the guest's root, and in its image."""

DEFINITION, RUN = "program.yml", "run"
TOLD = (
    "description",
    "packages",
    "phases",
    "measures",
    "smallest_guest_mib",
    "needs_files",
    "sizes",
)
"""All that a definition may say; `sizes` is for people who read it."""

NEEDED = ("description", "phases", "measures", "smallest_guest_mib")
OF_A_RUN = ("phases", "measures", "smallest_guest_mib", "needs_files")
"""What decides how a program is run; the rest may change without a study becoming another."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,63}")
LONGEST_TEXT = 200
LONGEST_ANSWER = 4096
PERCENTILES = ("p50_ms", "p99_ms", "p999_ms")


@dataclass(frozen=True)
class Program:
    """`measures`: the unit of its work. `packages`: of Debian; without any it needs none but what
    every image has."""

    name: str
    phases: tuple[str, ...]
    measures: str
    smallest_guest_mib: int
    packages: tuple[str, ...] = ()
    needs_files: bool = False

    @property
    def path(self) -> str:
        """Of its `run` in the guest."""
        return f"/{FOLDER}/{self.name}/{RUN}"

    def command(self, phase: str, mib: int, seed: int) -> list[str]:
        return [self.path, phase, str(mib), str(seed)]

    def told(self) -> dict[str, Any]:
        """What a run is asked with, as OF_A_RUN names it."""
        return {
            "phases": list(self.phases),
            "measures": self.measures,
            "smallest_guest_mib": self.smallest_guest_mib,
            "needs_files": self.needs_files,
        }


@dataclass(frozen=True)
class Answer:
    """What a phase came to: `work` in what the program measures, seconds of the guest's clock,
    and percentiles of its operations where it has any to time."""

    work: float
    seconds: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None


def program_of(name: str, told: Any) -> Program:
    """The program that a definition speaks of; raises BenchError with what to write instead."""
    if not NAME.fullmatch(name):
        raise _wrong(name, "its folder's name must be 1 to 32 letters, digits, '-' and '_'")
    if not isinstance(told, dict):
        raise _wrong(name, "it is no mapping")
    for key in told:
        if key not in TOLD:
            meant = get_close_matches(str(key), TOLD, n=1)
            instead = f"did you mean {meant[0]}?" if meant else f"it may say {', '.join(TOLD)}"
            raise _wrong(name, f"it says {key!r}: {instead}")
    if missing := [key for key in NEEDED if key not in told]:
        raise _wrong(name, f"it lacks {', '.join(missing)}")
    phases, packages = _words(name, told, "phases", NAME), _words(name, told, "packages", PACKAGE)
    if not phases or len(set(phases)) < len(phases):
        raise _wrong(name, "phases must name at least one, each once")
    for key in ("description", "measures"):
        text = told[key]
        if not isinstance(text, str) or not text.isprintable() or not 0 < len(text) <= LONGEST_TEXT:
            raise _wrong(name, f"{key} must be a line of text of at most {LONGEST_TEXT} letters")
    smallest, needs_files = told["smallest_guest_mib"], told.get("needs_files", False)
    if not isinstance(smallest, int) or isinstance(smallest, bool) or smallest < 1:
        raise _wrong(name, "smallest_guest_mib must be a whole number of MiB, 1 or more")
    if not isinstance(needs_files, bool):
        raise _wrong(name, "needs_files must be true or false")
    return Program(name, phases, told["measures"], int(smallest), packages, needs_files)


def program_of_run(name: str, told: Any) -> Program:
    """The program that a run is asked to use, from what `told` of it says; raises BenchError."""
    found = told if isinstance(told, dict) else {}
    return program_of(name, {"description": name, **found})


def _words(name: str, told: dict[str, Any], key: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
    words = told.get(key, [])
    if not isinstance(words, list) or not all(
        isinstance(word, str) and pattern.fullmatch(word) for word in words
    ):
        raise _wrong(name, f"{key} must be a list of plain words")
    return tuple(words)


def _wrong(name: str, cause: str) -> BenchError:
    return BenchError(f"Program {name}: {cause}; correct {FOLDER}/{name}/{DEFINITION}.")


def programs_in(folder: Path, read: Any) -> dict[str, dict[str, Any]]:
    """Every program of a folder of programs by name: what it says of itself, and `files`, the
    texts of its files by their paths in an image.

    read: makes a mapping of a file's path (YAML). Raises BenchError.
    """
    found: dict[str, dict[str, Any]] = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        name = place.name
        if not (place / DEFINITION).is_file() or not (place / RUN).is_file():
            raise _wrong(name, f"its folder must hold {DEFINITION} and {RUN}")
        told = read(place / DEFINITION)
        program = program_of(name, told)
        files = {}
        for path in sorted(place.rglob("*")):
            if path.is_file() and path != place / DEFINITION:
                inside = f"{FOLDER}/{name}/{path.relative_to(place)}"
                try:
                    files[inside] = path.read_text(encoding="utf-8")
                except ValueError:
                    raise _wrong(name, f"{path.name} is no text, and its files must be") from None
        packages = list(program.packages)
        found[name] = {**told, **program.told(), "packages": packages, "files": files}
    return found


def parse_answer(output: str) -> Answer:
    """From what a phase printed; raises ValueError.

    It is the text of a stranger: one line of bounded length, whose numbers can be measured.
    """
    lines = [line for line in output[: LONGEST_ANSWER + 1].splitlines() if line.strip()]
    if len(lines) != 1 or len(output) > LONGEST_ANSWER:
        raise ValueError(f"it printed {'nothing' if not lines else 'more than one line'}")
    found = parse_object(lines[0])
    shares = [None if found.get(name) is None else float(number(found[name]))
              for name in PERCENTILES]  # fmt: skip
    known = [share for share in shares if share is not None]
    if known != sorted(known):
        raise ValueError("its percentiles do not rise")
    work, seconds = float(number(found.get("work"))), float(number(found.get("seconds")))
    return Answer(work, seconds, *shares)
