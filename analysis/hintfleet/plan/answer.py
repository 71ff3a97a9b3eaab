# SPDX-License-Identifier: GPL-2.0-or-later
"""`hintfleet plan`: how many guests may be placed on each node of a fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.figures.figure import Judgement, Verdict, worst
from hintfleet.plan.demand import NodeKind, placed
from hintfleet.plan.judge import Basis, Open, judge
from hintfleet.plan.model import Footprints
from hintfleet.plan.nodes import AS_MEASURED, LARGER, SMALLER, Question, simulate
from hintfleet.records.read import UnusableError
from hintfleet.statistics.intervals import Interval, share_interval
from hintfleet.statistics.replication import HOSTS_AS_SAMPLE, Codes

MOST_GUESTS = 512
"""Guests on one node that a plan looks at; the work grows with the square of it."""

RESAMPLES = 999
PILOT_NODES = 200


@dataclass(frozen=True)
class Chance:
    """How often a node with this many guests swaps within the horizon, as simulated."""

    guests: int
    nodes: int
    swapping: int
    interval: Interval

    @property
    def share(self) -> float:
        return self.swapping / self.nodes


@dataclass(frozen=True)
class Answer:
    """Guests that one node of a kind may hold under one arm.

    guests is the count to use: the chance of swap is shown to be within the bound even if the
    footprints are as much larger as their few boots leave open. of_type is how many of them are of
    each type. low..high is where the true count lies, given how many nodes were simulated, how well
    footprints are known and which hosts were measured; None where too few hosts were, to say
    so of the nodes that the plan is for. at_once and in_turn bracket every demand: all guests peak
    together, and no two ever do.
    """

    kind: NodeKind
    arm: str
    guests: int
    of_type: tuple[int, ...]
    low: int | None
    high: int | None
    at_once: int
    in_turn: int
    curve: tuple[Chance, ...]
    judgement: Judgement

    def at(self, guests: int) -> Chance | None:
        """The chance at this count, None beyond what was simulated."""
        return self.curve[guests - 1] if 1 <= guests <= len(self.curve) else None


@dataclass(frozen=True)
class Plan:
    """The answers for each kind of node and arm, the question they answer, and on what."""

    question: Question
    basis: Basis
    hosts_measured: int
    answers: tuple[Answer, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the answers'."""
        return worst(answer.judgement.verdict for answer in self.answers)

    def fleet_guests(self, arm: str) -> int:
        """Guests on the whole fleet."""
        mine = [answer for answer in self.answers if answer.arm == arm]
        return sum(answer.guests * answer.kind.count for answer in mine)

    def fleet_of_type(self, arm: str) -> tuple[int, ...]:
        """How many of them are of each type."""
        mine = [answer for answer in self.answers if answer.arm == arm]
        return tuple(
            sum(answer.of_type[index] * answer.kind.count for answer in mine)
            for index in range(len(self.question.types))
        )

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(answer.arm for answer in self.answers))


def make_plan(
    question: Question,
    footprints: Mapping[str, Footprints],
    basis: Basis | None = None,
    workers: int = 1,
) -> Plan:
    """Simulates the nodes and answers for each arm; the hosts of all must be the same.

    The answer depends on the question and its seed alone, not on the number of workers.
    """
    basis = basis or Basis()
    _require_room(question, footprints)
    guests = _guests_needed(question, footprints)
    hosts = next(iter(footprints.values())).hosts
    shape = (len(question.kinds), 3, len(hosts), guests)
    swapping = {name: np.zeros(shape, dtype=np.int64) for name in footprints}
    trials = np.zeros(len(hosts), dtype=np.int64)
    for host, over in simulate(question, footprints, guests, question.nodes, workers):
        np.add.at(trials, host, 1)
        for name, flags in over.items():
            for place in np.ndindex(flags.shape[:2]):
                np.add.at(swapping[name][place], host, flags[place])
    return Plan(
        question,
        basis,
        len(hosts),
        tuple(
            _answer(question, basis, kind, swapping[name][index], trials, footprints[name])
            for index, kind in enumerate(question.kinds)
            for name in footprints
        ),
    )


def _require_room(question: Question, footprints: Mapping[str, Footprints]) -> None:
    """UnusableError if not even the guests that every node must hold fit the largest node."""
    room = max(kind.memory_mib for kind in question.kinds) - question.reserve_mib
    order = placed(question.types, MOST_GUESTS)
    fixed = sum(one.count for one in question.types)
    fit = max(f.guests_in_turn(room, order) for f in footprints.values())
    if fit >= max(fixed, 1):
        return
    needs = min(footprints.values(), key=lambda f: float(f.active_mib.min()))
    what = (
        f"the {fixed} guests that every node is to hold (count=) do not fit"
        if fixed > 1
        else f"no guest fits, for one in use needs {needs.active_mib.min():g} MiB with {needs.arm}"
    )
    of = f"a node of {room + question.reserve_mib:g} MiB"
    kept = f" of which {question.reserve_mib:g} are kept (--reserve-mib)"
    raise UnusableError(
        f"{of}{kept if question.reserve_mib else ''}: {what}; plan for larger nodes (--node) or "
        "smaller guests"
    )


def _guests_needed(question: Question, footprints: Mapping[str, Footprints]) -> int:
    """Enough guests that clearly more nodes than the bound allows swap, by a small pilot."""
    room = max(kind.memory_mib for kind in question.kinds)
    wanted = min(1.0, 4.0 * question.bound + 0.1)
    every = placed(question.types, MOST_GUESTS).size  # fewer if each type has a count
    guests = min(8, every)
    at_once = max(
        f.guests_at_once(room, placed(question.types, MOST_GUESTS)) for f in footprints.values()
    )
    while at_once < MOST_GUESTS:
        over = np.zeros(guests)
        for _, flags in simulate(question, footprints, guests, PILOT_NODES):
            # The largest kind under the arm that needs least decides how far to look.
            over += np.min([f[:, LARGER].sum(axis=1).min(axis=0) for f in flags.values()], axis=0)
        reached = np.flatnonzero(over >= wanted * PILOT_NODES)
        if reached.size:
            return int(reached[0]) + 1
        if guests == every < MOST_GUESTS:
            return guests
        if guests >= MOST_GUESTS:
            break
        guests = min(2 * guests, every)
    raise UnusableError(
        f"more than {MOST_GUESTS} guests fit on a node of {room:g} MiB; plan for a part of the "
        "node (--node with less memory) and multiply, or for guests that use memory more often"
    )


def _answer(
    question: Question,
    basis: Basis,
    kind: NodeKind,
    swapping: Codes,
    trials: Codes,
    footprints: Footprints,
) -> Answer:
    """swapping[room, host, n - 1] of trials[host] nodes swapped with n guests; room: nodes.py."""
    nodes = int(trials.sum())

    def curve_of(room: int) -> tuple[Chance, ...]:
        return tuple(
            Chance(n, nodes, int(hits), share_interval(int(hits), nodes, question.confidence))
            for n, hits in enumerate(swapping[room].sum(axis=0), 1)
        )

    smaller, curve, larger = (curve_of(room) for room in (SMALLER, AS_MEASURED, LARGER))
    guests = _leading([chance.interval.high <= question.bound for chance in smaller])
    shown = _leading([chance.interval.high <= question.bound for chance in curve])
    perhaps = _leading([chance.interval.low <= question.bound for chance in curve])
    high = _leading([chance.interval.low <= question.bound for chance in larger])
    least, most = _over_hosts(question, swapping[AS_MEASURED], trials)
    left_open = Open(perhaps - shown, max(high, perhaps) - guests, most - least)
    judgement = judge(question, basis, footprints, left_open)
    known = basis.covers(question.kinds) or len(footprints.hosts) >= HOSTS_AS_SAMPLE
    known = known and not footprints.by_hand
    room = kind.memory_mib - question.reserve_mib
    order = placed(question.types, MOST_GUESTS)
    return Answer(
        kind,
        footprints.arm,
        guests,
        tuple(np.bincount(order[:guests], minlength=len(question.types)).tolist()),
        min(guests, least) if known else None,
        max(high, perhaps, most) if known else None,
        footprints.guests_at_once(room, order),
        footprints.guests_in_turn(room, order),
        curve,
        judgement,
    )


def _leading(flags: Sequence[bool]) -> int:
    """How many of the first flags hold without a gap."""
    return next((index for index, flag in enumerate(flags) if not flag), len(flags))


def _over_hosts(question: Question, swapping: Codes, trials: Codes) -> tuple[int, int]:
    """Interval of the count had other hosts been measured: percentile bootstrap over hosts."""
    random = np.random.default_rng(question.seed)
    hosts = trials.size
    counts = np.empty(RESAMPLES, dtype=np.int64)
    for index in range(RESAMPLES):
        weight = np.bincount(random.integers(0, hosts, hosts), minlength=hosts)
        total = int(weight @ trials)
        over = (weight @ swapping) / max(total, 1)
        counts[index] = _leading((over <= question.bound).tolist())
    tail = (1.0 - question.confidence) / 2.0
    low, high = np.quantile(counts, [tail, 1.0 - tail], method="nearest")
    return int(low), int(high)
