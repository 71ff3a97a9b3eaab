# SPDX-License-Identifier: GPL-2.0-or-later
"""Reasons not to believe a study: what the runs themselves say about how they were made.

How far few blocks or their spread can be believed is decided beside each figure
(figures/estimate.py); here are the doubts that no number of blocks removes.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from hintfleet.figures.figure import Objection, Thresholds, Verdict
from hintfleet.records.observations import BASELINE
from hintfleet.records.read import Run, Study
from hintfleet.statistics.units import plural
from hintfleet.trust.parity import Disparity

UNTRUSTED = Verdict.NOT_TO_BE_TRUSTED
UNSETTLED = Verdict.UNSETTLED

Finding = tuple[Verdict, str, str]
"""Verdict, reason (with {runs} for how many), next step."""


def objections_to(
    study: Study, differing: Sequence[Disparity], limits: Thresholds
) -> list[Objection]:
    """Every doubt about a study, each once with the number of runs it was found in."""
    found: dict[tuple[str, str, Finding], int] = defaultdict(int)
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for run in study.finished():
        key = run.mechanism, run.workload
        totals[key] += 1
        for check in CHECKS:
            for finding in check(run, limits):
                found[(*key, finding)] += 1
    for run in starved(study, limits):
        found[run.mechanism, run.workload, STARVED] += 1
    objections = [
        Objection(
            verdict,
            reason,
            step,
            mechanism,
            workload,
            f"{mechanism}, {workload} ({count} of {totals[mechanism, workload]} runs)",
        )
        for (mechanism, workload, (verdict, reason, step)), count in found.items()
    ]
    return [*_parity_objections(differing), *objections, *_completeness_objections(study)]


STARVED: Finding = (
    UNSETTLED,
    "the cell got clearly less CPU time than in other runs, for something else used the CPUs",
    "stop what else runs on the host and repeat these runs",
)


def starved(study: Study, limits: Thresholds) -> Iterator[Run]:
    """Runs of page_fault that got clearly less CPU time than the median run of their cell.

    page_fault keeps its CPUs busy for a fixed time, so every run of it costs the same CPU time,
    unless others take it away. (The other workloads do a fixed amount of work instead.)
    """
    cells: dict[str, list[Run]] = defaultdict(list)
    for run in study.finished("page_fault"):
        cells[run.cell].append(run)
    for runs in cells.values():
        enough = (1.0 - limits.starved_share) * statistics.median(map(cpu_seconds, runs))
        yield from (run for run in runs if cpu_seconds(run) < enough)


def objections_to_the_whole(study: Study, limits: Thresholds) -> Iterator[Objection]:
    """Doubts about what the study can answer, which fall on no figure by itself."""
    measured = {run.mechanism for run in study.finished()}
    if measured and BASELINE not in measured:
        yield Objection(
            UNSETTLED,
            f"no run without a mechanism ({BASELINE}): nothing can be called a gain",
            f"run the study with {BASELINE} among its mechanisms",
        )
    elif measured == {BASELINE}:
        yield Objection(
            UNSETTLED,
            "no mechanism was run: there is nothing to compare",
            "run the study with a mechanism beside none",
        )
    planned = {run["run_id"] for run in study.planned or ()} | {run.run_id for run in study.runs}
    lost = len(planned) - len(study.finished())
    if lost > limits.lost_share * len(planned):
        yield Objection(
            UNSETTLED,
            f"{lost} of {plural(len(planned), 'planned run')} gave no result; the rest may be a "
            "selection",
            "mend the causes below, if any, and start the study again: it runs what is missing",
        )


def _parity_objections(differing: Sequence[Disparity]) -> Iterator[Objection]:
    for one in differing:
        values = ", ".join(f"{text} under {name}" for name, text in one.values.items())
        yield Objection(
            UNTRUSTED,
            f"mechanisms differ in {one.name}: {values}",
            f"make {one.name} the same for every mechanism and run these blocks again",
            None,
            one.workload,
            f"{one.workload} ({one.blocks} block{'s' if one.blocks > 1 else ''})",
        )


def _completeness_objections(study: Study) -> Iterator[Objection]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for run in study.runs:
        if not run.finished:
            counts[run.mechanism, run.workload] += 1
    for (mechanism, workload), count in sorted(counts.items()):
        yield Objection(
            UNSETTLED,
            "runs did not finish; what finished may be the easier part",
            "read the reasons below, mend the cause and start the study again",
            mechanism,
            workload,
            f"{mechanism}, {workload} ({count} run{'s' if count > 1 else ''})",
        )


def _proof(run: Run, limits: Thresholds) -> Iterator[Finding]:
    proof = run.record["proof"]
    if proof is None:
        yield (
            UNTRUSTED,
            "nobody saw whether freed memory went back to the host",
            ("run again with the proof before the workload"),
        )
    elif not proof["as_expected"] and run.mechanism == "none":
        yield (
            UNTRUSTED,
            "memory went back to the host although no mechanism was on",
            ("look for another mechanism in the guest's command line and its balloon device"),
        )
    elif not proof["as_expected"]:
        yield (
            UNTRUSTED,
            "the mechanism did not give freed memory back before the run",
            ("check the negotiated feature bits and the guest's kernel parameter (hintfleet show)"),
        )


def _debug_options(run: Run, limits: Thresholds) -> Iterator[Finding]:
    options = run.record["provenance"]["guest_kernel"]["debug_options"]
    if options:
        named = ", ".join(options[:4]) + (", …" if len(options) > 4 else "")
        yield (
            UNTRUSTED,
            f"the guest kernel was built with debug options ({named})",
            ("build the guest kernel without them: they once made a mechanism look 36 % slower"),
        )


def _kernel(run: Run, limits: Thresholds) -> Iterator[Finding]:
    wanted = run.record["provenance"]["guest_kernel"]["release"]
    for guest in run.record["guests"]:
        if guest["kernel_release"] not in (None, wanted):
            yield (
                UNTRUSTED,
                f"a guest ran {guest['kernel_release']} instead of {wanted}",
                ("deliver the built kernel to the host again and repeat these runs"),
            )
            return


def _console(run: Run, limits: Thresholds) -> Iterator[Finding]:
    if any(guest["warnings"] for guest in run.record["guests"]):
        yield (
            UNTRUSTED,
            "a guest's kernel printed warnings",
            ("read them with hintfleet show and report or fix the cause"),
        )


def _guests_died(run: Run, limits: Thresholds) -> Iterator[Finding]:
    if any(guest["end"] == "died" for guest in run.record["guests"]):
        yield UNSETTLED, "a guest died during the run", "read its console with hintfleet show"


def _placement(run: Run, limits: Thresholds) -> Iterator[Finding]:
    shares = [guest["remote_share"] or 0.0 for guest in run.record["guests"]]
    if shares and max(shares) > limits.remote_share:
        yield (
            UNTRUSTED,
            "a guest's memory lay on another node than its cell",
            ("bind guests to their node (cpuset) and free memory there before the study"),
        )


def _quiet(run: Run, limits: Thresholds) -> Iterator[Finding]:
    host = run.record["provenance"]["host"]
    load, cpus = host.get("load_1min_before"), host.get("cpus")
    if not isinstance(load, int | float) or not isinstance(cpus, int) or cpus < 1:
        return
    if load > limits.quiet_load_per_cpu * cpus and run.workload != "consolidation":
        yield (
            UNSETTLED,
            "the host was not quiet when the run began",
            ("stop what else runs on the host and repeat these runs"),
        )


def _stopped(run: Run, limits: Thresholds) -> Iterator[Finding]:
    result = run.consolidation
    if result is None:
        return
    if result["stopped_by"] == "cpu_bound":
        yield (
            UNTRUSTED,
            "CPU ran out before memory did, so memory density is unknown",
            ("give the cell more CPUs or the guests less work"),
        )
    elif result["stopped_by"] == "launch_failed":
        yield (
            UNTRUSTED,
            "a guest failed to start before swap was used",
            ("read the reason with hintfleet show"),
        )
    elif result["stopped_by"] == "maximum":
        yield (
            UNSETTLED,
            "the run stopped at its maximum of guests, so more may fit",
            ("raise the maximum"),
        )


def cpu_seconds(run: Run) -> float:
    """CPU time of everything in the cell during the workload."""
    spent = run.record["host_cpu_seconds"]
    return spent["user"] + spent["system"]


CHECKS: Sequence[Callable[[Run, Thresholds], Iterator[Finding]]] = (
    _proof,
    _debug_options,
    _kernel,
    _console,
    _guests_died,
    _placement,
    _quiet,
    _stopped,
)
