# SPDX-License-Identifier: GPL-2.0-or-later
"""Sweeps: arms that state the same parameters with other values, and which of them to take.

A sweep is known by what its arms state, not by how they came to be written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hintfleet.figures.figure import Figure, Verdict
from hintfleet.figures.gain import CRITERIA, Pairs, Standing, Topics, front, gain_of, sound_gain
from hintfleet.records.observations import COMPARED, Workloads
from hintfleet.statistics.units import change, number, plural

ARGUMENTS = "kernel_arguments"
"""The piece that holds several parameters in one text."""

WORDS = {
    "more_guests_than_none": "guests",
    "memhog_footprint_vs_none": "memory held by memhog",
    "last_guest_vs_none": "memhog's time",
    "processes_vs_none": "page faults a second",
    "fault_p99_ns_vs_none": "the slowest percent of page faults",
    "host_cpu_per_guest_vs_none": "host CPU time a guest",
    "more_tiles_than_none": "tiles",
    "tile_held_vs_none": "memory held by as many tiles",
    "tile_seconds_vs_none": "time of a tile's programs",
    "tile_p99_ms_vs_none": "p99 of their operations",
    "recorded_footprint_vs_none": "memory held by the recorded work",
    "recorded_peak_vs_none": "its peak",
    "recorded_seconds_vs_none": "its time",
    "recorded_rate_vs_none": "its rate",
}
"""Criteria of gain.py as the sentence of a sweep calls them."""


@dataclass(frozen=True)
class Sweep:
    """Arms of one mechanism that differ in the values of some parameters only."""

    mechanism: str
    parameters: tuple[str, ...]
    """What is swept, as the arms state it."""
    settings: dict[str, tuple[str, ...]]
    """By arm, in the order of its values: the value of each parameter."""
    default: str | None
    """The arm that is the same without stating any of them, if it was measured."""
    taken: str | None = None
    """The arm to take, if that can be said."""
    advice: str = ""
    """Which setting to take, how sure that is, and what it costs against the default."""

    @property
    def short_parameters(self) -> tuple[str, ...]:
        """What people call them: the last part of each name."""
        return tuple(name.rpartition("/")[2].rpartition(".")[2] for name in self.parameters)

    def setting(self, arm: str) -> str:
        """An arm by what it sets, such as "age_ms=0, batch=8"; the default by that word."""
        if arm not in self.settings:
            return "the default"
        pairs = zip(self.short_parameters, self.settings[arm], strict=True)
        return ", ".join(f"{name}={value}" for name, value in pairs)

    def values(self, parameter: int) -> list[str]:
        """The values of a parameter in order."""
        return sorted({values[parameter] for values in self.settings.values()}, key=in_order)


def in_order(value: str) -> tuple[float, str]:
    """Numbers by size, then everything else by name."""
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value


@dataclass(frozen=True)
class Stated:
    """What an arm is: its mechanism, and by piece what else it states."""

    mechanism: str
    states: dict[str, object]


def stated_by(workloads: Workloads) -> dict[str, Stated]:
    """By arm, as records have it."""
    found = {}
    for runs in workloads.values():
        _, places = np.unique(runs.texts[COMPARED].codes, return_index=True)
        columns = (runs.texts[name].where(places) for name in (COMPARED, "mechanism", "states"))
        for name, mechanism, states in zip(*columns, strict=True):
            found[str(name)] = Stated(str(mechanism), json.loads(states or "{}"))
    return dict(sorted(found.items()))


def sweeps_of(arms: Mapping[str, Stated]) -> list[Sweep]:
    """The sweeps among these arms, without advice."""
    stated = {name: (arm.mechanism, single(arm.states)) for name, arm in arms.items()}
    groups: dict[tuple[str, frozenset[str]], list[str]] = {}
    for name, (mechanism, states) in stated.items():
        if states:
            groups.setdefault((mechanism, frozenset(states)), []).append(name)
    return [
        _sweep(mechanism, names, stated) for (mechanism, _), names in groups.items() if names[1:]
    ]


def _sweep(
    mechanism: str, names: Sequence[str], stated: Mapping[str, tuple[str, dict[str, str]]]
) -> Sweep:
    states = {name: stated[name][1] for name in names}
    first = states[names[0]]
    swept = tuple(key for key in first if len({one[key] for one in states.values()}) > 1)
    settings = {name: tuple(one[key] for key in swept) for name, one in states.items()}
    ordered = sorted(settings.items(), key=lambda item: [in_order(value) for value in item[1]])
    held = {key: value for key, value in first.items() if key not in swept}
    default = next((n for n, told in stated.items() if told == (mechanism, held)), None)
    return Sweep(mechanism, swept, dict(ordered), default)


def single(states: Mapping[str, object]) -> dict[str, str]:
    """What is stated, one parameter each: words of a command line and files by themselves."""
    told: dict[str, str] = {}
    for piece, value in states.items():
        if isinstance(value, Mapping):
            told.update({str(path): str(text) for path, text in value.items()})
        elif piece == ARGUMENTS:
            words = (word.partition("=") for word in str(value).split())
            told.update((name, text) for name, _, text in words)
        else:
            told[piece] = str(value)
    return told


AS_GOOD, OPEN, TRADES = "as good", "not told apart", "better at one thing and worse at another"


def advised(sweep: Sweep, pairs: Pairs) -> Sweep:
    """The sweep with the setting to take and the sentence about it; what is called better or worse
    is soundly so."""
    members = [*([sweep.default] if sweep.default else []), *sweep.settings]
    what = f"{plural(len(sweep.settings), 'setting')} of {sweep.mechanism} "
    what += f"({', '.join(sweep.short_parameters)})"
    if doubt := _doubt(members, pairs.topics):
        return replace(sweep, advice=f"Do not choose among the {what} by these figures: {doubt}.")
    standing = front(pairs.topics, pairs.against, members, pairs.baseline)
    left = [name for name in members if standing[name] != Standing.BEATEN]
    taken = _best(left, sweep.default, pairs)
    relations = {name: _relation(taken, name, pairs) for name in left if name != taken}
    beaten = len(members) - len(left)
    if not beaten and set(relations.values()) <= {OPEN}:
        return replace(sweep, advice=f"Which of the {what} to take is not settled.")
    counts = Counter(relations.values())
    parts = [("soundly beaten", beaten), *((one, counts[one]) for one in (AS_GOOD, OPEN, TRADES))]
    told = [f"{count} {'is' if count == 1 else 'are'} {words}" for words, count in parts if count]
    does = "keep the default" if taken == sweep.default else f"take {sweep.setting(taken)}"
    said = f"Of {what} {does}: of the others {', '.join(told)}."
    if sweep.default is None:
        said += f" {sweep.mechanism} as it is was not measured beside them."
    elif taken != sweep.default:
        said += f" {_cost(taken, sweep.default, pairs)}"
    return replace(sweep, taken=taken, advice=said)


def _doubt(members: Sequence[str], topics: Topics) -> str:
    """Why no figure that the members are compared by may be believed, "" if one may."""
    figures = [
        figure
        for criterion in CRITERIA
        for name in members
        if (figure := topics.get(criterion.topic, {}).get(name, {}).get(criterion.vs_none))
    ]
    if not figures:
        return "none of them was compared with another"
    if all(figure.verdict == Verdict.NOT_TO_BE_TRUSTED for figure in figures):
        return figures[0].judgement.reason
    return ""


def _best(left: Sequence[str], default: str | None, pairs: Pairs) -> str:
    """The default, unless another is better at something; of those the one that is better than most
    others at something, then the one with most guests."""
    better = [n for n in left if default in left and pairs.is_better(n, str(default))]
    if default in left and not better:
        return str(default)

    def wins(name: str) -> tuple[int, float]:
        beats = sum(pairs.is_better(name, other) for other in left if other != name)
        return beats, gain_of(pairs.topics, name)

    return max(better or left, key=wins)


def _relation(taken: str, other: str, pairs: Pairs) -> str:
    """How another stands to the one that is taken, if no arm beats it."""
    found = [pairs.figure(criterion, taken, other) for criterion in CRITERIA]
    if pairs.is_better(taken, other) or pairs.is_better(other, taken):
        return TRADES
    settled = all(figure is None or figure.verdict == Verdict.SOUND for figure in found)
    return AS_GOOD if settled else OPEN


def _cost(taken: str, default: str, pairs: Pairs) -> str:
    """What the setting changes against the default: what is sound with its interval, and what is
    not settled."""
    sound: list[str] = []
    still_open: list[str] = []
    for criterion in CRITERIA:
        figure = pairs.figure(criterion, taken, default)
        if figure is None or figure.estimate is None:
            continue
        what = WORDS[criterion.vs_none]
        if sound_gain(figure, criterion) is not None:
            sound.append(f"{_change(figure)} {what}{_within(figure)}")
        elif figure.verdict != Verdict.SOUND:
            still_open.append(f"{_change(figure)} {what}")
    said = ", ".join(sound) or "nothing differs soundly"
    said += f"; not settled: {', '.join(still_open)}" if still_open else ""
    return f"Against the default: {said}."


def _change(figure: Figure) -> str:
    return change(figure.estimate) if figure.unit == "ratio" else _signed(figure.estimate)


def _within(figure: Figure) -> str:
    """The interval of a difference, in brackets."""
    text = change if figure.unit == "ratio" else _signed
    ends = figure.interval
    return f" ({text(ends.low)} to {text(ends.high)})" if ends is not None else ""


def _signed(value: float | None) -> str:
    return f"{'+' if value and value > 0 else ''}{number(value)}"
