# SPDX-License-Identifier: GPL-2.0-or-later
"""An arm: what a run is measured under, a mechanism and whatever else is meant to differ.

What an arm does not state is the same for all arms of a study.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.mechanisms import MECHANISMS
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import SHOWN, cleaned

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=,:/+-]*", re.ASCII)
LONGEST_NAME = 100
NOT_OF_A_FILE = re.compile(r"[^A-Za-z0-9._-]")
USUAL_BASELINE = "none"
USUAL_VARIABLE = "study_arms"


@dataclass(frozen=True)
class Arm:
    """`states`: by name of a piece (pieces.py) what it says, beside the mechanism."""

    name: str
    mechanism: str
    states: dict[str, Any] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The name as it stands in names of files."""
        return NOT_OF_A_FILE.sub("-", self.name)

    @property
    def policy(self) -> dict[str, Any]:
        """What it states about a mechanism that the host drives: the piece of its name."""
        return dict(self.states.get(self.mechanism, {}))

    @property
    def differs(self) -> dict[str, str]:
        """Entries of parity that may differ for what is stated, and the piece that says so."""
        return {entry: piece for piece in self.states for entry in PIECES[piece].differs}

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "mechanism": self.mechanism, "states": self.states}


def arm_of(given: Any, variable: str = USUAL_VARIABLE) -> Arm:
    """An arm from its name, or from a mapping with `name`, `mechanism` and pieces.

    variable: where somebody wrote it. Raises BenchError with a sentence that says what is wrong,
    and how to write it.
    """
    if isinstance(given, str):
        given = {"name": given, "mechanism": given}
        if given["name"] not in MECHANISMS:
            raise BenchError(
                f"{variable} names {_shown(given['name'])}, which is no mechanism"
                f"{_nearest(given['name'], MECHANISMS)}: choose from {', '.join(MECHANISMS)}, or "
                "write a mapping with name and mechanism."
            )
    if not isinstance(given, dict):
        raise BenchError(
            f"{variable} holds {_shown(given)}: write a mechanism, or a mapping such as {{name: "
            "hinting-now, mechanism: page_hinting, kernel_arguments: page_hinting.age_ms=0}."
        )
    given = dict(given)
    name, mechanism = given.pop("name", None), given.pop("mechanism", None)
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        raise BenchError(
            f"An arm is named {_shown(name)}: give each a name of at most {LONGEST_NAME} letters, "
            "digits and ._=,:/+- that begins with a letter or digit."
        )
    if mechanism not in MECHANISMS:
        raise BenchError(
            f"Arm {name} has the mechanism {_shown(mechanism)}{_nearest(mechanism, MECHANISMS)}: "
            f"choose from {', '.join(MECHANISMS)}."
        )
    states = {}
    for key, value in given.items():
        if key not in PIECES:
            raise BenchError(
                f"Arm {name} states {_shown(key)}, which hintfleet does not know"
                f"{_nearest(key, PIECES)}: an arm may state {', '.join(PIECES)}."
            )
        try:
            states[key] = PIECES[key].checked(value)
        except ValueError as error:
            raise BenchError(f"Arm {name} states {key} {_shown(value)}: {error}.") from None
        if why := PIECES[key].misplaced(states[key], mechanism):
            raise BenchError(f"Arm {name} states {key}: {why}; leave one of them out.")
    return Arm(name, mechanism, states)


def arms_of(given: Sequence[Any], variable: str = USUAL_VARIABLE) -> list[Arm]:
    """The arms of a study, as they were written in `variable`; raises BenchError if two of them
    cannot be told apart."""
    arms = [arm_of(one, variable) for one in given]
    if not arms:
        raise BenchError(f"The study has no arm: name at least one in {variable}.")
    for place, arm in enumerate(arms):
        for other in arms[:place]:
            if arm.name == other.name:
                raise BenchError(f"Two arms are named {arm.name}: give each a name of its own.")
            if arm.file_name.lower() == other.file_name.lower():
                raise BenchError(
                    f"Arms {other.name} and {arm.name} have the same name in names of files "
                    f"({arm.file_name}): rename one."
                )
            if (arm.mechanism, _text(arm.states)) == (other.mechanism, _text(other.states)):
                raise BenchError(
                    f"Arms {other.name} and {arm.name} differ in their names only: leave one out, "
                    "or state in what they differ."
                )
    return arms


def baseline_of(asked: str, arms: Sequence[Arm]) -> str:
    """The arm that others are compared with: the one that is asked for, else the usual one, else
    the first. Raises BenchError if the one that is asked for is none of them."""
    names = [arm.name for arm in arms]
    if not asked:
        return USUAL_BASELINE if USUAL_BASELINE in names else names[0]
    if asked not in names:
        raise BenchError(
            f"study_baseline is {_shown(asked)}, which is no arm{_nearest(asked, names)}: name one "
            f"of {', '.join(names)}."
        )
    return asked


def from_plan(planned: dict[str, Any]) -> Arm:
    """An arm as a plan or a request has it (`as_dict`)."""
    return Arm(planned["name"], planned["mechanism"], dict(planned.get("states") or {}))


def _text(states: dict[str, Any]) -> str:
    return json.dumps(states, sort_keys=True)


def _nearest(word: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _shown(value: object) -> str:
    return str(cleaned(repr(value)))[:SHOWN]
