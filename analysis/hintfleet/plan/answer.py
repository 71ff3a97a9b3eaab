# SPDX-License-Identifier: GPL-2.0-or-later
"""`hintfleet plan`: how many guests may be placed on each node of a fleet."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintfleet.figures.figure import Judgement, Verdict, worst
from hintfleet.plan.model import GIVEN_HOST, Demand, Footprints, NodeKind, Trace
from hintfleet.plan.simulation import (
    CHUNK_GUESTS,
    Indices,
    draw_schedule,
    peaks,
    trace_peaks,
)
from hintfleet.records.read import UnusableError
from hintfleet.statistics.intervals import Floats, Interval, share_interval, trials_for_share

MOST_GUESTS = 512
"""Guests on one node that a plan looks at; the work grows with the square of it."""

RESAMPLES = 999
PILOT_NODES = 200


@dataclass(frozen=True)
class Question:
    """What is asked of a plan: on which nodes, for which demand, at which risk.

    bound is the largest chance that a node swaps at some time within the horizon; nodes is how
    many are simulated, whatever the size of the fleet.
    """

    kinds: tuple[NodeKind, ...]
    demand: Demand | Trace
    bound: float = 0.01
    confidence: float = 0.95
    nodes: int = 4000
    reserve_mib: float = 0.0
    seed: int = 20190603

    def __post_init__(self) -> None:
        if not self.kinds:
            raise UnusableError("a plan needs a node: name its memory with --node MIB[xCOUNT]")
        if not 0.0 < self.bound < 1.0 or not 0.5 <= self.confidence < 1.0:
            raise UnusableError(
                "--bound must lie between 0 and 1 and --confidence in 0.5..1, found "
                f"{self.bound:g} and {self.confidence:g}"
            )
        if self.nodes < 1 or self.seed < 0:
            raise UnusableError("--nodes must be at least 1 and --seed at least 0")
        if not 0.0 <= self.reserve_mib < min(kind.memory_mib for kind in self.kinds):
            raise UnusableError(
                f"--reserve-mib must lie between 0 and the smallest node's memory, "
                f"found {self.reserve_mib:g}"
            )


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
    """Guests that one node of a kind may hold under one mechanism.

    guests is the count to use: the chance of swap is shown to be within the bound. low..high is
    where the true count lies, given how many nodes were simulated and which hosts were measured.
    at_once and in_turn bracket every demand: all guests peak together, and no two ever do.
    """

    kind: NodeKind
    mechanism: str
    guests: int
    low: int
    high: int
    at_once: int
    in_turn: int
    curve: tuple[Chance, ...]
    judgement: Judgement

    def at(self, guests: int) -> Chance | None:
        """The chance at this count, None beyond what was simulated."""
        return self.curve[guests - 1] if 1 <= guests <= len(self.curve) else None


@dataclass(frozen=True)
class Plan:
    """The answers for each kind of node and mechanism, and the question they answer."""

    question: Question
    hosts_measured: int
    answers: tuple[Answer, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the answers'."""
        return worst(answer.judgement.verdict for answer in self.answers)

    def fleet_guests(self, mechanism: str) -> int:
        """Guests on the whole fleet."""
        mine = [answer for answer in self.answers if answer.mechanism == mechanism]
        return sum(answer.guests * answer.kind.count for answer in mine)

    @property
    def mechanisms(self) -> list[str]:
        return list(dict.fromkeys(answer.mechanism for answer in self.answers))


def make_plan(question: Question, footprints: Mapping[str, Footprints], workers: int = 1) -> Plan:
    """Simulates the nodes and answers for each mechanism; the hosts of all must be the same.

    The answer depends on the question and its seed alone, not on the number of workers.
    """
    guests = _guests_needed(question, footprints)
    hosts = next(iter(footprints.values())).hosts
    shape = (len(question.kinds), len(hosts), guests)
    swapping = {name: np.zeros(shape, dtype=np.int64) for name in footprints}
    trials = np.zeros(len(hosts), dtype=np.int64)
    for host, over in simulate(question, footprints, guests, question.nodes, workers):
        np.add.at(trials, host, 1)
        for name, of_kind in over.items():
            for index, flags in enumerate(of_kind):
                np.add.at(swapping[name][index], host, flags)
    return Plan(
        question,
        len(hosts),
        tuple(
            _answer(question, kind, name, swapping[name][index], trials, footprints[name])
            for index, kind in enumerate(question.kinds)
            for name in footprints
        ),
    )


Swapping = dict[str, NDArray[np.bool_]]
"""By mechanism: whether a node swaps, of shape (kinds of node, nodes, guests)."""


@dataclass(frozen=True)
class Chunk:
    """A job small enough for a processor's cache, with a random stream of its own."""

    nodes: int
    guests: int
    stream: np.random.SeedSequence


def simulate(
    question: Question,
    footprints: Mapping[str, Footprints],
    guests: int,
    nodes: int,
    workers: int = 1,
) -> Iterator[tuple[Indices, Swapping]]:
    """Chunks of nodes: (index of the host that each node behaves like, whether it swaps).

    All mechanisms meet the same demand on the same hosts. Memory does not grow with nodes.
    """
    rows = max(CHUNK_GUESTS // guests, 1)
    counts = [min(rows, nodes - start) for start in range(0, nodes, rows)]
    streams = np.random.SeedSequence(question.seed).spawn(len(counts))
    chunks = [Chunk(n, guests, stream) for n, stream in zip(counts, streams, strict=True)]
    if workers == 1 or len(chunks) == 1:
        yield from (_simulate_chunk(question, footprints, chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(
        workers,
        # A fork would copy the locks of threads that reading Parquet has started.
        multiprocessing.get_context("spawn"),
        initializer=_share,
        initargs=(question, footprints),
    ) as pool:
        yield from pool.map(_simulate_shared, chunks)


_shared: dict[str, Any] = {}
"""What every chunk of a worker process needs; sent once to each process, not with each chunk."""


def _share(question: Question, footprints: Mapping[str, Footprints]) -> None:
    _shared.update(question=question, footprints=footprints)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for the next chunk for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _simulate_shared(chunk: Chunk) -> tuple[Indices, Swapping]:
    return _simulate_chunk(_shared["question"], _shared["footprints"], chunk)


def _simulate_chunk(
    question: Question, footprints: Mapping[str, Footprints], chunk: Chunk
) -> tuple[Indices, Swapping]:
    host_stream, demand_stream = chunk.stream.spawn(2)
    random = np.random.default_rng(host_stream)
    first = next(iter(footprints.values()))
    host = random.integers(0, len(first.hosts), chunk.nodes)
    pick = random.random((chunk.nodes, chunk.guests))
    runs = {
        name: f.first[host][:, None] + (pick * f.runs[host][:, None]).astype(np.int64)
        for name, f in footprints.items()
    }
    largest = _largest(question.demand, footprints, runs, demand_stream)
    room = np.array([kind.memory_mib for kind in question.kinds]) - question.reserve_mib
    return host, {name: values > room[:, None, None] for name, values in largest.items()}


def _largest(
    demand: Demand | Trace,
    footprints: Mapping[str, Footprints],
    runs: Mapping[str, Indices],
    stream: np.random.SeedSequence,
) -> dict[str, Floats]:
    """Largest memory by mechanism, of shape (nodes, guests)."""
    if isinstance(demand, Trace):
        return {
            name: trace_peaks(f, runs[name], demand, np.random.default_rng(stream))
            for name, f in footprints.items()
        }
    shape = next(iter(runs.values())).shape
    schedule = draw_schedule(demand, np.random.default_rng(stream), *shape)
    return {
        name: peaks(f, runs[name], schedule, demand.horizon_seconds)
        for name, f in footprints.items()
    }


def _guests_needed(question: Question, footprints: Mapping[str, Footprints]) -> int:
    """Enough guests that clearly more nodes than the bound allows swap, by a small pilot."""
    memory = max(kind.memory_mib for kind in question.kinds)
    most_each = min((f.base_mib + f.span_mib).max() for f in footprints.values())
    wanted = min(1.0, 4.0 * question.bound + 0.1)
    guests = 8
    while memory < MOST_GUESTS * most_each:
        over = np.zeros(guests)
        for _, flags in simulate(question, footprints, guests, PILOT_NODES):
            # The largest kind under the mechanism that needs least decides how far to look.
            over += np.min([f.sum(axis=1).min(axis=0) for f in flags.values()], axis=0)
        reached = np.flatnonzero(over >= wanted * PILOT_NODES)
        if reached.size:
            return int(reached[0]) + 1
        if guests >= MOST_GUESTS:
            break
        guests *= 2
    raise UnusableError(
        f"more than {MOST_GUESTS} guests fit on a node of {memory:g} MiB; plan for a part of the "
        "node (--node with less memory) and multiply"
    )


def _answer(
    question: Question,
    kind: NodeKind,
    mechanism: str,
    swapping: Indices,
    trials: Indices,
    footprints: Footprints,
) -> Answer:
    """swapping[host, n - 1] of trials[host] nodes swapped with n guests."""
    nodes = int(trials.sum())
    curve = tuple(
        Chance(n, nodes, int(hits), share_interval(int(hits), nodes, question.confidence))
        for n, hits in enumerate(swapping.sum(axis=0), 1)
    )
    guests = _leading([chance.interval.high <= question.bound for chance in curve])
    high = _leading([chance.interval.low <= question.bound for chance in curve])
    low, most = _over_hosts(question, swapping, trials)
    judgement = _judge(question, footprints, high - guests, most - low)
    room = kind.memory_mib - question.reserve_mib
    return Answer(
        kind,
        mechanism,
        guests,
        min(guests, low),
        max(high, most),
        footprints.guests_at_once(room),
        footprints.guests_in_turn(room),
        curve,
        judgement,
    )


def _leading(flags: Sequence[bool]) -> int:
    """How many of the first flags hold without a gap."""
    return next((index for index, flag in enumerate(flags) if not flag), len(flags))


def _over_hosts(question: Question, swapping: Indices, trials: Indices) -> tuple[int, int]:
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


def _judge(question: Question, footprints: Footprints, by_chance: int, by_hosts: int) -> Judgement:
    """by_chance, by_hosts: how many counts the simulation and the measured hosts leave open."""
    needed = nodes_needed(question)
    runs, hosts = int(footprints.runs.sum()), len(footprints.hosts)
    if question.nodes < needed:
        return Judgement(
            Verdict.NOT_TO_BE_TRUSTED,
            f"{question.nodes} simulated nodes cannot show a chance below {question.bound:g}",
            f"simulate at least {needed} (--nodes {needed})",
        )
    if footprints.hosts != (GIVEN_HOST,) and runs < 2:
        return Judgement(
            Verdict.NOT_TO_BE_TRUSTED,
            "the footprint is from one boot of one host",
            "run at least 2 blocks of the study",
        )
    if by_hosts > 0:
        return Judgement(
            Verdict.UNSETTLED,
            f"the {hosts} measured hosts differ by more than one guest's memory",
            "measure more hosts",
        )
    if by_chance > 0:
        return Judgement(
            Verdict.UNSETTLED,
            f"{question.nodes} simulated nodes leave {by_chance} guest(s) open",
            f"simulate more (--nodes {4 * question.nodes})",
        )
    return Judgement(
        Verdict.SOUND, f"the same for all {hosts} measured host(s) and {question.nodes} nodes"
    )


def nodes_needed(question: Question) -> int:
    """Nodes that must all stay without swap to show the bound with an exact two-sided interval."""
    return trials_for_share(1.0 - question.bound, 0.5 + question.confidence / 2.0)
