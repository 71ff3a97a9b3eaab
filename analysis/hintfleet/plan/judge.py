# SPDX-License-Identifier: GPL-2.0-or-later
"""What a plan stands on, which nodes it speaks for, and how sure it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hintfleet.figures.figure import DEFAULTS, Judgement, Scope, Verdict
from hintfleet.plan.demand import NodeKind
from hintfleet.plan.model import Footprints
from hintfleet.plan.nodes import Question
from hintfleet.statistics.intervals import trials_for_share
from hintfleet.statistics.replication import HOSTS_AS_SAMPLE
from hintfleet.statistics.units import number, plural


@dataclass(frozen=True)
class Basis:
    """Where footprints are from. blocks: of the study with fewest; counted: mean guests without
    swap by memory of a node and arm, as the study counted them."""

    studies: tuple[str, ...] = ()
    cells: tuple[NodeKind, ...] = ()
    blocks: int = 0
    emulated: bool = False
    counted: Mapping[tuple[float, str], float] = field(default_factory=dict)

    def covers(self, kinds: Sequence[NodeKind]) -> bool:
        """Whether these nodes may all be nodes that were measured."""
        measured, asked = Counter[float](), Counter[float]()
        for counter, found in ((measured, self.cells), (asked, kinds)):
            for kind in found:
                counter[kind.memory_mib] += kind.count
        return all(measured[memory] >= count for memory, count in asked.items())


@dataclass(frozen=True)
class Open:
    """How many counts are left open: by how many nodes were simulated, by that and how well the
    footprints of the measured hosts are known, and by which hosts were measured."""

    by_chance: int
    by_boots: int
    by_hosts: int


def judge(question: Question, basis: Basis, footprints: Footprints, left: Open) -> Judgement:
    """The verdict on a count, by what speaks most against it."""
    needed = nodes_needed(question)
    fewest, hosts = footprints.fewest_boots, len(footprints.hosts)
    if question.nodes < needed:
        return Judgement(
            Verdict.NOT_TO_BE_TRUSTED,
            f"{question.nodes} simulated nodes cannot show a chance below {question.bound:g}",
            f"simulate at least {needed} (--nodes {needed})",
        )
    if footprints.by_hand:
        of = f" of {' and '.join(footprints.by_hand)}" if any(footprints.by_hand) else ""
        return Judgement(
            Verdict.UNSETTLED,
            f"the footprints{of} are stated by hand, so nothing says how boots and hosts differ",
            "measure them, then plan --from the study",
        )
    if fewest < 2 and hosts < HOSTS_AS_SAMPLE:
        return Judgement(
            Verdict.NOT_TO_BE_TRUSTED,
            f"the footprint is from one boot of {'one host' if hosts == 1 else 'a host'}",
            "run at least 2 blocks of the study",
        )
    doubt = _beyond_what_was_measured(question, basis, hosts)
    if doubt is not None:
        return doubt
    if fewest < DEFAULTS.fewest_blocks and hosts < HOSTS_AS_SAMPLE:
        return Judgement(
            Verdict.UNSETTLED,
            f"{plural(fewest, 'boot')} of a host hardly tell how boots differ",
            f"run at least {DEFAULTS.fewest_blocks} blocks of the study",
        )
    if left.by_hosts > 0:
        return Judgement(
            Verdict.UNSETTLED,
            f"the {hosts} measured hosts differ by more than one guest's memory",
            "measure more hosts",
        )
    if left.by_boots > left.by_chance:
        return Judgement(
            Verdict.UNSETTLED,
            f"{plural(fewest, 'boot')} of a host leave footprints uncertain by "
            f"{number(100.0 * footprints.error, 2)} %, which is {plural(left.by_boots, 'guest')}",
            "run more blocks of the study",
        )
    if left.by_chance > 0:
        return Judgement(
            Verdict.UNSETTLED,
            f"{question.nodes} simulated nodes leave {plural(left.by_chance, 'guest')} open",
            f"simulate more (--nodes {4 * question.nodes})",
        )
    return Judgement(
        Verdict.SOUND,
        f"{scope_of(basis, question, hosts)}, for guests like those measured and this demand",
    )


def scope_of(basis: Basis, question: Question, hosts: int) -> Scope:
    """What a sound count speaks for."""
    return Scope(hosts, like_these=not basis.covers(question.kinds))


def _beyond_what_was_measured(question: Question, basis: Basis, hosts: int) -> Judgement | None:
    """The doubt about nodes that were not measured, for what the measured hosts say of them."""
    if basis.covers(question.kinds):
        return None
    doubts, steps = [], []
    if hosts < HOSTS_AS_SAMPLE:
        nodes = sum(kind.count for kind in question.kinds)
        others = "another node" if nodes == 1 else f"{nodes:,} nodes"
        doubts.append(f"{plural(hosts, 'measured host')} cannot speak for {others}")
        steps.append(f"measure at least {HOSTS_AS_SAMPLE} hosts of that fleet")
    if basis.emulated:
        doubts.append("their guests were emulated" if hosts > 1 else "its guests were emulated")
        steps.append("with KVM" if steps else "measure with KVM")
    return Judgement(Verdict.UNSETTLED, " and ".join(doubts), " ".join(steps)) if doubts else None


def nodes_needed(question: Question) -> int:
    """Nodes that must all stay without swap to show the bound with an exact two-sided interval."""
    return trials_for_share(1.0 - question.bound, 0.5 + question.confidence / 2.0)
