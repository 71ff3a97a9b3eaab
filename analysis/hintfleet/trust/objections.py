# SPDX-License-Identifier: GPL-2.0-or-later
"""Reasons not to believe a study: what the runs themselves say about how they were made.

How far few blocks or their spread can be believed is decided beside each figure
(figures/estimate.py); here are the doubts that no number of blocks removes.

Over many runs some always went wrong, and a doubt about one must not fall on all. Up to lost_share
of the runs of an arm under a workload, runs that may not be believed are left out of every
figure, and those that are merely in doubt stay; both are told. Beyond it what went wrong is no
accident: nothing is left out, and the doubt falls on all figures of these runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hintfleet.figures.figure import Objection, Thresholds, Verdict
from hintfleet.records.observations import (
    COMPARED,
    NO_MECHANISM,
    Mask,
    Observations,
    baseline_of,
    every_text,
)
from hintfleet.records.observed import Observed
from hintfleet.statistics.intervals import group_medians
from hintfleet.statistics.units import plural
from hintfleet.trust.parity import Disparity, weigh_parity

UNTRUSTED = Verdict.NOT_TO_BE_TRUSTED
UNSETTLED = Verdict.UNSETTLED


@dataclass(frozen=True)
class Finding:
    """What is wrong with some runs: which, how grave, why, and what to do."""

    runs: Mask
    verdict: Verdict
    reason: str
    next_step: str


@dataclass(frozen=True)
class SetAside:
    """A doubt about so few runs that it falls on no figure."""

    workload: str
    arm: str | None
    reason: str
    runs: int
    of: int
    left_out: bool
    """Whether no figure holds these runs."""


@dataclass(frozen=True)
class Weighed:
    """What may be believed of what was observed."""

    kept: dict[str, Observations]
    """By workload: the finished runs that figures are computed from."""
    objections: tuple[Objection, ...]
    disparities: tuple[Disparity, ...]
    set_aside: tuple[SetAside, ...]


def weigh(observed: Observed, limits: Thresholds) -> Weighed:
    """Every doubt about the runs, each once with the number of runs it was found in."""
    kept: dict[str, Observations] = {}
    of_parity: list[Objection] = []
    of_runs: list[Objection] = []
    of_ends: list[Objection] = []
    differing: list[Disparity] = []
    aside: list[SetAside] = []
    for workload, runs in observed.workloads.items():
        finished = runs.finished
        out, found, few = _disparate(workload, finished, limits)
        aside += few
        differing += found
        of_parity += map(_parity_objection, found if not few else ())
        findings = [one for check in CHECKS for one in check(workload, finished, limits)]
        for arm in finished.arms:
            mine = finished.texts[COMPARED].equal(arm)
            for verdict in (UNTRUSTED, UNSETTLED):
                own = [one for one in findings if one.verdict == verdict]
                objections, few = _by_number(workload, arm, mine, own, limits)
                of_runs += objections
                aside += few
                if few and verdict == UNTRUSTED:
                    out |= mine & _any(own, mine)
        unfinished = _unfinished(runs)
        for arm in runs.arms:
            mine = runs.texts[COMPARED].equal(arm)
            objections, few = _by_number(workload, arm, mine, [unfinished], limits)
            of_ends += objections
            aside += few
        kept[workload] = finished.where(~out)
    return Weighed(kept, (*of_parity, *of_runs, *of_ends), tuple(differing), tuple(aside))


def _by_number(
    workload: str, arm: str, mine: Mask, findings: Sequence[Finding], limits: Thresholds
) -> tuple[list[Objection], list[SetAside]]:
    """Findings about runs of an arm as objections, or as told only if they are about few."""
    total = int(np.count_nonzero(mine))
    counted = [(one, int(np.count_nonzero(one.runs & mine))) for one in findings]
    counted = [(one, count) for one, count in counted if count]
    if np.count_nonzero(_any(findings, mine) & mine) <= limits.lost_share * total:
        return [], [
            SetAside(workload, arm, one.reason, count, total, one.verdict == UNTRUSTED)
            for one, count in counted
        ]
    return [
        Objection(
            one.verdict,
            one.reason,
            one.next_step,
            arm,
            workload,
            f"{arm}, {workload} ({count} of {plural(total, 'run')})",
        )
        for one, count in counted
    ], []


def _any(findings: Sequence[Finding], like: Mask) -> Mask:
    """Runs that any of the findings is about."""
    found = np.zeros_like(like)
    for one in findings:
        found |= one.runs
    return found


def _disparate(
    workload: str, finished: Observations, limits: Thresholds
) -> tuple[Mask, list[Disparity], list[SetAside]]:
    """Runs to leave out for their block is not at parity, what differs, and that it was little."""
    differs, found = weigh_parity(workload, finished)
    count = int(np.count_nonzero(differs))
    if not count or count > limits.lost_share * len(finished):
        return np.zeros_like(differs), found, []
    names = ", ".join(one.name for one in found)
    reason = f"arms of a block differ in {names}"
    return differs, found, [SetAside(workload, None, reason, count, len(finished), True)]


def objections_to_the_whole(observed: Observed, limits: Thresholds) -> Iterator[Objection]:
    """Doubts about what can be answered at all, which fall on no figure by itself."""
    finished = [runs.finished for runs in observed.workloads.values()]
    measured = {name for runs in finished for name in runs.arms}
    baseline = baseline_of(observed.workloads)
    if measured and baseline not in measured:
        yield Objection(
            UNSETTLED,
            f"no run of the baseline ({baseline}): nothing can be called a gain",
            f"run the study with {baseline} among its arms",
        )
    elif measured == {baseline}:
        yield Objection(
            UNSETTLED,
            f"no arm but {baseline} was run: there is nothing to compare",
            f"run the study with an arm beside {baseline}",
        )
    asked = observed.asked.runs
    lost = asked - sum(map(len, finished))
    if lost > limits.lost_share * asked:
        yield Objection(
            UNSETTLED,
            f"{lost} of {plural(asked, 'planned run')} gave no result; the rest may be a selection",
            "mend the causes below, if any, and start the study again: it runs what is missing",
        )
    yield from _several_studies(observed)
    for what in observed.lacking:
        yield Objection(
            UNSETTLED,
            f"parts of the store that an older hintfleet wrote do not tell {what}",
            "export these studies again, into a new store",
        )


def _several_studies(observed: Observed) -> Iterator[Objection]:
    """Studies that measured the same cells are before and after, not one sample."""
    cell, study = (every_text(observed.workloads, column) for column in ("cell", "study"))
    # a pair of cell and study is a number, of which the cell is the larger part
    pairs = np.unique(cell.codes * len(study.texts) + study.codes)
    cells, studies = np.unique(pairs // len(study.texts), return_counts=True)
    mixed = sorted(str(cell.texts[one]) for one in cells[studies > 1])
    if mixed:
        yield Objection(
            UNSETTLED,
            f"studies {observed.name} measured the same cells ({mixed[0]}"
            + (f" and {len(mixed) - 1} more" if len(mixed) > 1 else "")
            + "): the figures mix them, and what changed between them is in none",
            "name one with --study, or hintfleet compare two of them",
        )


def _parity_objection(one: Disparity) -> Objection:
    values = ", ".join(f"{text} under {name}" for name, text in one.values.items())
    return Objection(
        UNTRUSTED,
        f"arms differ in {one.name}: {values}",
        f"make {one.name} the same for every arm and run these blocks again",
        None,
        one.workload,
        f"{one.workload} ({plural(one.blocks, 'block')})",
    )


def _unfinished(runs: Observations) -> Finding:
    return Finding(
        ~runs.texts["status"].equal("finished"),
        UNSETTLED,
        "runs did not finish; what finished may be the easier part",
        "read the reasons below, mend the cause and start the study again",
    )


def _proof(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    as_expected = runs.numbers["as_expected"]
    baseline = runs.texts["mechanism"].equal(NO_MECHANISM)
    yield Finding(
        np.isnan(as_expected) & ~_are_imported(runs),
        UNTRUSTED,
        "nobody saw whether freed memory went back to the host",
        "run again with the proof before the workload",
    )
    yield Finding(
        (as_expected == 0.0) & baseline,
        UNTRUSTED,
        "memory went back to the host although no mechanism was on",
        "look for another mechanism in the guest's command line and its balloon device",
    )
    yield Finding(
        (as_expected == 0.0) & ~baseline,
        UNTRUSTED,
        "the mechanism did not give freed memory back before the run",
        "check the negotiated feature bits and the guest's kernel parameter (hintfleet show)",
    )


def _are_imported(runs: Observations) -> Mask:
    imported: Mask = runs.numbers["imported"] > 0
    return imported


def _imported(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    imported = _are_imported(runs)
    yield Finding(
        imported & np.isnan(runs.numbers["as_expected"]),
        UNSETTLED,
        "imported, not measured by hintfleet: nobody proved that the mechanism acted",
        "repeat the measurement with hintfleet on a host of your own",
    )
    yield Finding(
        imported,
        UNSETTLED,
        "imported: that arms differ in nothing else is told, not recorded",
        "ask whose data they are, or repeat the measurement with hintfleet",
    )


def _shown(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    unshown = runs.texts["unshown"]
    for pieces in unshown.present:
        yield Finding(
            unshown.equal(pieces),
            UNTRUSTED,
            f"the arm states {pieces}, and the guest did not show it",
            "look at what the arm states and at the guest's console (hintfleet show)",
        )


def _debug_options(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    column = runs.texts["debug_options"]
    for text in column.present:
        options = text.split()
        named = ", ".join(options[:4]) + (", …" if len(options) > 4 else "")
        yield Finding(
            column.equal(text),
            UNTRUSTED,
            f"the guest kernel was built with debug options ({named})",
            "build the guest kernel without them: they once made a mechanism look 36 % slower",
        )


def _kernel(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    other, wanted = runs.texts["other_kernel"], runs.texts["kernel_release"]
    for ran in other.present:
        for built in wanted.where(other.equal(ran)).present:
            yield Finding(
                other.equal(ran) & wanted.equal(built),
                UNTRUSTED,
                f"a guest ran {ran} instead of {built}",
                "deliver the built kernel to the host again and repeat these runs",
            )


def _guests(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    warned = runs.numbers["guests_warned"]
    only_stalled = (runs.numbers["guests_stalled"] == warned) & _swapped(runs)
    yield Finding(
        (warned > 0) & only_stalled,
        UNSETTLED,
        "a guest stood still for long enough to warn of it, while its host swapped",
        "nothing, if the swap device is what you would use; else give a quicker one",
    )
    yield Finding(
        (warned > 0) & ~only_stalled,
        UNTRUSTED,
        "a guest's kernel printed warnings",
        "read them with hintfleet show and report or fix the cause",
    )
    yield Finding(
        runs.numbers["guests_died"] > 0,
        UNSETTLED,
        "a guest died during the run",
        "read its console with hintfleet show",
    )
    yield Finding(
        runs.numbers["remote_share"] > limits.remote_share,
        UNTRUSTED,
        "a guest's memory lay on another node than its cell",
        "bind guests to their node (cpuset) and free memory there before the study",
    )
    yield Finding(
        np.isnan(runs.numbers["remote_share"]) & ~_are_imported(runs),
        UNSETTLED,
        "nobody saw on which node the guests' memory lay",
        "look at their consoles for why they ended early (hintfleet show), and run again",
    )


def _watched(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    """Footprints, peaks and swap are what samples showed."""
    yield Finding(
        (runs.numbers["unsampled_share"] > limits.unsampled_share) & ~_are_imported(runs),
        UNSETTLED,
        "samples have a gap: what memory did meanwhile nobody saw",
        "look for what held up the host (its kernel log, hintfleet show), and run again",
    )
    yield Finding(
        runs.numbers["active_footprint_mib"] < runs.numbers["touched_mib"],
        UNSETTLED,
        "samples missed the moment at which guests held most, so footprints are too small",
        "sample more often (study_sample_hz), and look for what held up the host",
    )


def _late(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    program = "a program" if workload == "tile" else "memhog"
    yield Finding(
        runs.numbers["late_share"] > limits.late_share,
        UNSETTLED,
        f"a guest's agent told late that {program} had ended, so the time is known only roughly",
        f"give the guests more memory beside {program}, or the host a quicker swap device",
    )


def _swap_without_a_price(
    workload: str, runs: Observations, limits: Thresholds
) -> Iterator[Finding]:
    """memhog in the last guest swapped much of what the others hold, and took no longer."""
    if workload != "memhog":
        return
    seconds = runs.matrices["memhog_seconds"]
    if len(seconds.places) < 2:
        return
    first, last = seconds.at(seconds.places[0]), seconds.at(seconds.places[-1])
    much = runs.numbers["swap_peak_mib"] >= limits.much_swap_share * runs.numbers["memory_mib"]
    yield Finding(
        much & np.isfinite(last) & (last <= limits.priceless_swap_ratio * first),
        UNSETTLED,
        "memhog swapped out much of the node and took no longer: swapping cost nothing that shows",
        "give a swap device as slow as those you would use (numa_host_swap_device), or go by "
        "counts and by swap, not by these times",
    )


def _killers(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    killers = runs.texts["killers"]
    for named in filter(None, killers.present):
        yield Finding(
            killers.equal(named) & _swapped(runs),
            UNSETTLED,
            f"{named} ran on the host and may end guests before memory is used up",
            "stop it for the time of the study and repeat these runs",
        )


def _swapped(runs: Observations) -> Mask:
    swapped: Mask = runs.numbers["swap_end_mib"] > 0
    return swapped


def _quiet(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    if workload != "consolidation":
        yield Finding(
            runs.numbers["load_per_cpu_before"] > limits.quiet_load_per_cpu,
            UNSETTLED,
            "the host was not quiet when the run began",
            "stop what else runs on the host and repeat these runs",
        )


def _stopped(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    stopped = runs.texts["stopped_by"]
    yield Finding(
        stopped.equal("cpu_bound"),
        UNTRUSTED,
        "CPU ran out before memory did, so memory density is unknown",
        "give the cell more CPUs or the guests less work",
    )
    yield Finding(
        stopped.equal("launch_failed"),
        UNTRUSTED,
        "a guest failed to start before swap was used",
        "read the reason with hintfleet show",
    )
    in_time = runs.texts["stop_reason"].equal(None)
    yield Finding(
        stopped.equal("maximum") & ~in_time,
        UNSETTLED,
        "there was no time for one more tile, so more may fit",
        "raise study_deadline_seconds",
    )
    yield Finding(
        stopped.equal("maximum") & in_time,
        UNSETTLED,
        f"the run stopped at its maximum of {'tiles' if workload == 'tile' else 'guests'}, so more "
        "may fit",
        "raise the maximum",
    )
    yield Finding(
        stopped.equal("lost") & ~_swapped(runs),
        UNSETTLED,
        "a guest was lost while swap was unused, so memory may not have been what ended the count",
        "read the reason with hintfleet show",
    )


def _programs(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    """Programs of a tile whose times say nothing, or not what was asked."""
    yield Finding(
        runs.numbers["phases_without_work"] > 0,
        UNTRUSTED,
        "a program did no work in one of its phases, so its time says nothing",
        "look at what it said and at its guest's console (hintfleet show)",
    )
    yield Finding(
        runs.numbers["phases_censored"] > 0,
        UNSETTLED,
        "a program did not end one of its phases, so what it costs is known to be long only",
        "raise the deadline, or see with hintfleet show whether its guest died",
    )
    tiles = runs.texts["tile"]
    for text in tiles.present[1:]:
        yield Finding(
            tiles.equal(text),
            UNTRUSTED,
            "another tile was run, or of another quality, than in other runs: their counts are of "
            "different things",
            "report each study by itself (--study)",
        )


def _starved(workload: str, runs: Observations, limits: Thresholds) -> Iterator[Finding]:
    """page_fault keeps its CPUs busy for a fixed time, so every run of it costs the same CPU time,
    unless others take it away. (The other workloads do a fixed amount of work instead.)"""
    if workload == "page_fault" and len(runs):
        usual = group_medians(runs.cpu_seconds, runs.texts["cell"].codes)
        yield Finding(
            runs.cpu_seconds < (1.0 - limits.starved_share) * usual,
            UNSETTLED,
            "the cell got clearly less CPU time than in other runs, for something else used the "
            "CPUs",
            "stop what else runs on the host and repeat these runs",
        )


CHECKS: Sequence[Callable[[str, Observations, Thresholds], Iterator[Finding]]] = (
    _proof,
    _imported,
    _shown,
    _debug_options,
    _kernel,
    _guests,
    _killers,
    _quiet,
    _stopped,
    _programs,
    _starved,
    _watched,
    _late,
    _swap_without_a_price,
)
