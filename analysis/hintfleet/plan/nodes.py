# SPDX-License-Identifier: GPL-2.0-or-later
"""The question of a plan, and many simulated nodes that answer it, on several processors."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hintfleet.plan.demand import ONE_TYPE, Demand, GuestType, NodeKind, Trace, placed
from hintfleet.plan.model import Footprints
from hintfleet.plan.schedule import draw_schedules
from hintfleet.plan.simulation import CHUNK_GUESTS, NodeMemory, trace_peaks
from hintfleet.records.read import UnusableError
from hintfleet.statistics.intervals import Floats
from hintfleet.statistics.replication import Codes

MOST_NODES = 100_000_000

SMALLER, AS_MEASURED, LARGER = range(3)
"""Rooms in which the same guests are looked at: a node that is smaller than it is by what is not
known of the footprints, the node as it is, and one that is larger by as much."""


@dataclass(frozen=True)
class Question:
    """What is asked of a plan: on which nodes, with which guests and demand, at which risk.

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
    types: tuple[GuestType, ...] = ONE_TYPE

    def __post_init__(self) -> None:
        if not self.kinds:
            raise UnusableError("a plan needs a node: name its memory with --node MIB[xCOUNT]")
        if not 0.0 < self.bound < 1.0 or not 0.5 <= self.confidence < 1.0:
            raise UnusableError(
                "--bound must lie between 0 and 1 and --confidence in 0.5..1, found "
                f"{self.bound:g} and {self.confidence:g}"
            )
        if not 1 <= self.nodes <= MOST_NODES or self.seed < 0:
            raise UnusableError(
                f"--nodes must be at least 1 and at most {MOST_NODES:,}, and --seed at least 0; "
                f"found {self.nodes} and {self.seed}"
            )
        if not 0.0 <= self.reserve_mib < min(kind.memory_mib for kind in self.kinds):
            raise UnusableError(
                f"--reserve-mib must lie between 0 and the smallest node's memory, "
                f"found {self.reserve_mib:g}"
            )
        if isinstance(self.demand, Trace):
            for one in self.types:
                self.demand.curves_of(one.name)


Swapping = dict[str, NDArray[np.bool_]]
"""By arm: whether a node swaps, of shape (kinds of node, rooms, nodes, guests)."""


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
) -> Iterator[tuple[Codes, Swapping]]:
    """Chunks of nodes: (index of the host that each node behaves like, whether it swaps).

    All arms meet the same demand on the same hosts. Memory does not grow with nodes or hours.
    """
    rows = max(CHUNK_GUESTS // guests, 1)
    counts = [min(rows, nodes - start) for start in range(0, nodes, rows)]
    streams = np.random.SeedSequence(question.seed).spawn(len(counts))
    chunks = [Chunk(n, guests, stream) for n, stream in zip(counts, streams, strict=True)]
    if workers == 1 or len(chunks) == 1:
        yield from (_simulate_chunk(question, footprints, chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(
        min(workers, len(chunks)),
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


def _simulate_shared(chunk: Chunk) -> tuple[Codes, Swapping]:
    return _simulate_chunk(_shared["question"], _shared["footprints"], chunk)


def _simulate_chunk(
    question: Question, footprints: Mapping[str, Footprints], chunk: Chunk
) -> tuple[Codes, Swapping]:
    host_stream, demand_stream = chunk.stream.spawn(2)
    random = np.random.default_rng(host_stream)
    first = next(iter(footprints.values()))
    host = random.integers(0, len(first.hosts), chunk.nodes)
    pick = random.random((chunk.nodes, chunk.guests))
    kind = placed(question.types, chunk.guests)
    runs = {
        name: f.first[kind, host[:, None]] + (pick * f.runs[kind, host[:, None]]).astype(np.int64)
        for name, f in footprints.items()
    }
    largest = _largest(question, footprints, runs, kind, demand_stream)
    return host, {
        name: values > _rooms(question, footprints[name].error)[:, :, None, None]
        for name, values in largest.items()
    }


def _rooms(question: Question, error: float) -> Floats:
    """MiB for guests, by kind of node and room."""
    room = np.array([kind.memory_mib for kind in question.kinds]) - question.reserve_mib
    rooms: Floats = room[:, None] * np.array([1.0 / (1.0 + error), 1.0, 1.0 + error])
    return rooms


def _largest(
    question: Question,
    footprints: Mapping[str, Footprints],
    runs: Mapping[str, Codes],
    kind: Codes,
    stream: np.random.SeedSequence,
) -> dict[str, Floats]:
    """Largest memory by arm, of shape (nodes, guests)."""
    demand = question.demand
    if isinstance(demand, Trace):
        names = [question.types[index].name for index in kind]
        return {
            name: trace_peaks(f, runs[name], demand, np.random.default_rng(stream), names)
            for name, f in footprints.items()
        }
    memory = {
        name: NodeMemory(f, runs[name], demand.horizon_seconds) for name, f in footprints.items()
    }
    of_type = [one.demand or demand for one in question.types]
    random = np.random.default_rng(stream)
    nodes = next(iter(runs.values())).shape[0]
    for schedule in draw_schedules(demand, of_type, kind, random, nodes):
        for one in memory.values():
            one.follow(schedule)
    return {name: one.largest_mib for name, one in memory.items()}
