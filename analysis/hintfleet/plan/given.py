# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command line and a trace file state: footprints, nodes, types of guest, recorded use."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hintfleet.plan.demand import Demand, GuestType, NodeKind, Trace
from hintfleet.plan.model import GIVEN_HOST, Footprint
from hintfleet.records.files import read_given
from hintfleet.records.read import UnusableError
from hintfleet.records.text import clean
from hintfleet.statistics.intervals import Floats

TRACE_HEADER = ["seconds", "guest", "used_mib"]
TYPED_TRACE_HEADER = [*TRACE_HEADER, "type"]
LONGEST_TRACE_STEPS = 100_000
LARGEST_TRACE_BYTES = 256 << 20

FOOTPRINT_KEYS = ("active", "idle", "touched", "freed", "s50", "s90", "s99")
DEMAND_KEYS = {
    "active-minutes": ("active_seconds", 60.0),
    "idle-minutes": ("idle_seconds", 60.0),
    "spread": ("spread", 1.0),
    "least-level": ("least_level", 1.0),
}
"""What a type of guest may have of its own: the field of its demand, and the unit of the key."""


@dataclass(frozen=True)
class GivenType:
    """A type of guest as the command line names it, and where its footprints are from."""

    name: str
    share: float = 1.0
    count: int = 0
    source: Path | None = None
    study: str | None = None
    demand: Mapping[str, float] | None = None

    def as_type(self, demand: Demand | Trace) -> GuestType:
        """Of a plan whose guests have this demand unless they have their own."""
        own = None
        if self.demand:
            if isinstance(demand, Trace):
                raise UnusableError(
                    f"--guest {self.name}: with --trace the phases of a type are those of its "
                    "curves (column type); leave its minutes, spread and level away"
                )
            own = replace(demand, **self.demand)
        return GuestType(self.name, self.share, self.count, own)


def parse_guest(text: str) -> GivenType:
    """NAME[,share=N|,count=N][,from=RESULTS[,study=NAME]][,active-minutes=M][,idle-minutes=M]
    [,spread=C][,least-level=L]."""
    name, *parts = text.split(",")
    texts = ("from", "study")
    allowed = ("share", "count", *texts, *DEMAND_KEYS)
    values = dict(part.partition("=")[::2] for part in parts)
    unknown = [part for part in parts if part.partition("=")[0] not in allowed]
    if not name or "=" in name or unknown or len(values) < len(parts):
        wrong = f", found {unknown[0]!r}" if unknown else ""
        raise UnusableError(
            f"--guest {text}: name the type first, then each at most once {', '.join(allowed)} "
            f"with a value{wrong}"
        )
    if {"share", "count"} <= values.keys():
        raise UnusableError(
            f"--guest {text}: either count= guests on every node, or as many as fit by share="
        )
    numbers = {key: _number(value) for key, value in values.items() if key not in texts}
    infinite = [key for key, value in numbers.items() if not math.isfinite(value)]
    count = numbers.get("count", 1.0)
    if infinite or count != int(count) or count < 1.0:
        key = infinite[0] if infinite else "count"
        kind = "a whole number from 1 on" if key == "count" else "a number"
        raise UnusableError(f"--guest {text}: {key} must be {kind}, found {values[key]!r}")
    return GivenType(
        name,
        numbers.get("share", 1.0),
        int(numbers.get("count", 0.0)),
        Path(values["from"]) if "from" in values else None,
        values.get("study"),
        {DEMAND_KEYS[k][0]: v * DEMAND_KEYS[k][1] for k, v in numbers.items() if k in DEMAND_KEYS},
    )


def parse_guests(texts: Sequence[str]) -> list[GivenType]:
    """The types of guest of the command line; one without a name if it names none."""
    found = [parse_guest(text) for text in texts]
    twice = [
        one.name for index, one in enumerate(found) if one.name in {o.name for o in found[:index]}
    ]
    if twice:
        raise UnusableError(f"--guest {twice[0]} is named twice: a type of guest has one name")
    return found or [GivenType("")]


def parse_mechanism(text: str) -> Footprint:
    """NAME,active=MIB,idle=MIB[,touched=MIB][,freed=MIB][,s50=S][,s90=S][,s99=S][,guest=TYPE].

    touched is active - idle unless given, freed is touched; without s50 nothing is returned.
    """
    name, *parts = text.split(",")
    values: dict[str, float] = {}
    guest = ""
    for part in parts:
        key, _, value = part.partition("=")
        if key == "guest":
            guest = value
            continue
        values[key] = _number(value)
        if key not in FOOTPRINT_KEYS or not math.isfinite(values[key]):
            raise UnusableError(
                f"--mechanism {text}: expected {', '.join(FOOTPRINT_KEYS)} with a number each, "
                f"or guest= with a type, found {part!r}"
            )
    if not name or not {"active", "idle"} <= values.keys():
        raise UnusableError(
            f"--mechanism {text}: name the mechanism and give at least active= and idle= in MiB"
        )
    span = values["active"] - values["idle"]
    touched = values.get("touched", span if span > 0.0 else values["active"])
    return Footprint(
        arm=name,
        host=GIVEN_HOST,
        active_mib=values["active"],
        idle_mib=values["idle"],
        touched_mib=touched,
        freed_mib=values.get("freed", touched),
        seconds_to=(values.get("s50"), values.get("s90"), values.get("s99")),
        type=guest,
        by_hand=True,
    )


def parse_mechanisms(texts: Sequence[str], types: Sequence[GivenType]) -> list[Footprint]:
    """The footprints of the command line, of types that it names, each stated once."""
    names = [one.name for one in types]
    found: dict[tuple[str, str], str] = {}
    footprints = []
    for text in texts:
        one = parse_mechanism(text)
        if one.type not in names:
            known = f"its types are {', '.join(names)}" if names != [""] else "it names no type"
            raise UnusableError(
                f"--mechanism {text}: the command has no type of guest "
                f"{one.type or '(none named)'}; {known} (--guest NAME)"
            )
        if (one.arm, one.type) in found:
            raise UnusableError(
                f"--mechanism {text}: {one.arm} was stated before ({found[one.arm, one.type]}); "
                "guests of another size are another type: --guest NAME, and guest=NAME in both"
            )
        found[one.arm, one.type] = text
        footprints.append(one)
    return footprints


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def parse_node(text: str) -> NodeKind:
    """MEMORY_MIB or MEMORY_MIBxCOUNT."""
    memory, _, count = text.partition("x")
    try:
        return NodeKind(float(memory), int(count or "1"))
    except ValueError:
        raise UnusableError(
            f"--node {text}: expected MiB of memory and how many such nodes, as in 15360x200"
        ) from None


def load_trace(file: Path) -> Trace:
    """A CSV of seconds,guest,used_mib[,type], on the smallest common step; gaps hold the last
    value."""
    curves: dict[tuple[str, str | None], list[tuple[float, float]]] = {}
    for number, (seconds, guest, used, of_type) in _trace_lines(file):
        curve = curves.setdefault((guest, of_type), [])
        if curve and seconds <= curve[-1][0]:
            raise UnusableError(
                f"{file}: line {number}: seconds of guest {guest} must rise, found {seconds:g} "
                f"after {curve[-1][0]:g}"
            )
        curve.append((seconds, used))
    known = {key: np.array(curve) for key, curve in curves.items() if len(curve) > 1}
    arrays = list(known.values())
    if not arrays:
        raise UnusableError(f"{file}: expected at least two lines for a guest, found none")
    start = min(float(array[0, 0]) for array in arrays)
    end = max(float(array[-1, 0]) for array in arrays)
    step = min(float(np.median(np.diff(array[:, 0]))) for array in arrays)
    if not (end - start) / step < LONGEST_TRACE_STEPS:
        raise UnusableError(
            f"{file}: {end - start:g} s in steps of {step:g} s are more than "
            f"{LONGEST_TRACE_STEPS:,} steps; sample the trace less often or cut it"
        )
    steps = int((end - start) / step + 1e-9) + 1
    used_mib = np.array([_on_grid(array, start, step, steps) for array in arrays])
    return Trace(step, used_mib, of_type=tuple(name for _, name in known if name is not None))


def _trace_lines(file: Path) -> Iterable[tuple[int, tuple[float, str, float, str | None]]]:
    reader = csv.reader(read_given(file, LARGEST_TRACE_BYTES).splitlines())
    try:
        lines = list(reader)
    except csv.Error as error:
        raise UnusableError(f"{file}: line {reader.line_num}: {error}") from error
    if not lines or lines[0] not in (TRACE_HEADER, TYPED_TRACE_HEADER):
        raise UnusableError(
            f"{file}: line 1: expected {','.join(TRACE_HEADER)} and perhaps type, "
            f"found {','.join(lines[0])[:60] if lines else 'nothing'!r}"
        )
    for number, line in enumerate(lines[1:], 2):
        try:
            seconds, guest, used, *of_type = line
            if len(line) != len(lines[0]):
                raise ValueError
            typed = clean(of_type[0]) if of_type else None
            values = float(seconds), clean(guest), float(used), typed
        except ValueError:
            values = math.nan, "", math.nan, None
        if not (math.isfinite(values[0]) and math.isfinite(values[2]) and values[2] >= 0.0):
            raise UnusableError(
                f"{file}: line {number}: expected seconds, a guest and MiB of at least 0, "
                f"found {','.join(line)[:60]!r}"
            )
        yield number, values


def _on_grid(curve: Floats, start: float, step: float, steps: int) -> Floats:
    """Largest value in each step; a step without a sample holds the last one, 0 before any."""
    slot = np.minimum(((curve[:, 0] - start) / step + 1e-9).astype(np.int64), steps - 1)
    values = np.full(steps, -np.inf)
    np.maximum.at(values, slot, curve[:, 1])
    seen = np.maximum.accumulate(np.where(values > -np.inf, np.arange(steps), -1))
    return np.where(seen >= 0, values[np.maximum(seen, 0)], 0.0)
