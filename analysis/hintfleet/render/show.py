# SPDX-License-Identifier: GPL-2.0-or-later
"""One run in a terminal: outcome, timeline, result, guests, what their consoles said last."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hintfleet.records.curves import timeline_of
from hintfleet.records.files import read_end
from hintfleet.records.provenance import fact_text
from hintfleet.records.read import DamagedError, Run
from hintfleet.records.reproduce import as_text
from hintfleet.records.samples import Samples, load_samples
from hintfleet.records.text import harmless
from hintfleet.records.types import Guest, Tile
from hintfleet.render.charts import columns, stretch
from hintfleet.render.console import chart_line, heading_line, table
from hintfleet.render.handed import cache_words, handed_words
from hintfleet.render.tables import Cell, ReportTable, Row
from hintfleet.statistics.units import UNKNOWN, number, plural, quantity

CONSOLE_LINES = 15
CONSOLE_BYTES = 1 << 18
LONGEST_LINE = 1000
CURVE_HEIGHT = 6
MARGIN = 9
LONGEST_FACT = 400


def render(run: Run, width: int, ascii_only: bool = False) -> RenderableType:
    """Everything about a run that a person looks for when its figures surprise."""
    parts: list[RenderableType] = [
        heading(run),
        heading_line("Timeline"),
        _timeline(run, width, ascii_only),
    ]
    result = result_table(run)
    if result is not None:
        parts += [heading_line(result.heading), table(result, ascii_only)]
    if run.record["guests"] or "imported" not in run.record:
        parts += [heading_line("Guests"), table(_guests(run), ascii_only)]
    parts += [Text(f"• {warning}") for warning in _warnings(run)]
    for name, lines in console_tails(run).items():
        parts += [heading_line(f"Last lines of {name}"), Text("\n".join(lines))]
    parts += [heading_line("Provenance"), _facts(run)]
    parts += [heading_line("Reproduce its first guest by hand"), Text(as_text(run))]
    return Group(*parts)


def heading(run: Run) -> RenderableType:
    """What the run was and how it ended."""
    record = run.record
    status, reason = record["outcome"]["status"], record["outcome"]["reason"]
    lines = [
        Text(f"{run.run_id} · {record['study']}", style="report.heading"),
        Text(
            f"{run.workload} under {run.arm}, block {run.block}, {_nth(record['order'])} in "
            f"it, on {run.cell} ({record['cell']['memory_mib']:g} MiB, "
            f"{record['cell']['swap_mib']:g} MiB swap)"
        ),
        Text(
            f"{record['started']}, {quantity(record['duration_seconds'], 's')}: {status}"
            + (f": {reason}" if reason else ""),
            style="verdict.sound" if run.finished else "verdict.untrusted",
        ),
        *([Text(arm_words(run))] if record["arm"]["states"] else []),
        Text(proof_words(run)),
        *(Text(words) for words in (cache_words(run), *handed_words(run)) if words),
    ]
    return Group(*lines)


def arm_words(run: Run) -> str:
    """What the arm states beside its mechanism, and as what that was seen."""
    arm = run.record["arm"]
    told = [
        f"{piece} {_stated(value)} ({arm['shows'].get(piece, 'not seen')})"
        for piece, value in arm["states"].items()
    ]
    return f"Arm: {run.mechanism} with {'; '.join(told)}."


def _stated(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    return str(value)


def proof_words(run: Run) -> str:
    """What was seen of the mechanism before the workload."""
    proof = run.record["proof"]
    if proof is None and "imported" in run.record:
        return f"Proof: none, the run was imported from {run.record['imported']['source']}."
    if proof is None:
        return "Proof: the run ended before it."
    times = [proof["seconds_to_50"], proof["seconds_to_90"], proof["seconds_to_99"]]
    told = ", ".join(
        f"{share} % after {quantity(seconds, 's')}"
        for share, seconds in zip((50, 90, 99), times, strict=True)
        if seconds is not None
    )
    expected = "as expected" if proof["as_expected"] else "NOT as expected"
    asked = f" (asked for: {number(proof['asked_mib'])})" if "asked_mib" in proof else ""
    return (
        f"Proof: the guest freed {number(proof['freed_mib'])} MiB, {number(proof['dropped_mib'])} "
        f"MiB{asked} went back within {quantity(proof['watched_seconds'], 's')}"
        + (f" ({told})" if told else "")
        + f": {expected}."
    )


def result_table(run: Run) -> ReportTable | None:
    """The result in rows; None if the run has none."""
    if (consolidation := run.consolidation) is not None:
        columns_ = ("start s", "boot s", "program s", "cell MiB", "swap MiB", "own MiB")
        rows = [
            Row(
                f"guest {step['guest']}",
                tuple(
                    Cell(number(value))
                    for value in (
                        step["started_seconds"],
                        step["boot_seconds"],
                        step["program_seconds"],
                        step["cell_memory_mib"],
                        step["cell_swap_mib"],
                        step["guest_resident_mib"][-1] if step["guest_resident_mib"] else None,
                    )
                ),
            )
            for step in consolidation["steps"]
        ]
        stopped = (consolidation["stopped_by"] or "what, nobody told").replace("_", " ")
        fitted = consolidation["guests_without_swap"]
        heading_ = f"{fitted} guests without swap (stopped by {stopped})"
        return ReportTable(heading_, columns_, tuple(rows))
    if (memhog := run.memhog) is not None:
        rows = [
            Row(
                f"guest {guest['guest']}",
                (
                    Cell(number(guest["seconds"])),
                    Cell(number(guest["swap_after_mib"])),
                    Cell(guest.get("censored") or UNKNOWN),
                ),
            )
            for guest in memhog["guests"]
        ]
        return ReportTable("memhog", ("seconds", "swap after, MiB", "did not end"), tuple(rows))
    if (fault := run.page_fault) is not None:
        rows = [
            Row(
                f"{row['tasks']} tasks",
                tuple(
                    Cell(number(value))
                    for value in (
                        row["processes"],
                        row["processes_idle"],
                        row["threads"],
                        row["threads_idle"],
                    )
                ),
            )
            for row in fault["rows"]
        ]
        columns_4 = ("processes /s", "idle %", "threads /s", "idle %")
        latency = fault["latency"]
        told = ", ".join(
            f"{name} {quantity(value, 'ns')}"
            for name, value in (
                ("p50", latency["p50_ns"]),
                ("p99", latency["p99_ns"]),
                ("p99.9", latency["p999_ns"]),
            )
        )
        return ReportTable(f"page_fault: single faults {told}", columns_4, tuple(rows))
    if (tile := run.tile) is not None:
        return _tile_table(tile)
    if (recorded := run.recorded) is not None:
        values = {
            "seconds": recorded["seconds"],
            "a second": recorded["rate"],
            "GiB·min": recorded["footprint_gib_min"],
            "peak, MiB": recorded["peak_mib"],
        }
        found = tuple(Row(what, (Cell(number(value)),)) for what, value in values.items() if value)
        return ReportTable("Recorded work, as it was told", ("",), found) if found else None
    return None


def _tile_table(tile: Tile) -> ReportTable:
    """A row for each round, and below it what each program of it took."""
    rows = []
    for one in tile["tiles"]:
        values = one["seconds"], one["mean_memory_mib"], one["peak_swap_mib"], one["worst_factor"]
        texts = (*map(number, values), "")
        rows.append(Row(plural(one["tiles"], "tile"), tuple(map(Cell, texts))))
        for program in one["programs"]:
            what = f"  {program['guest']}, {program['phase']}"
            told = program["seconds"], program["work"], program["p99_ms"]
            ended = program["censored"] or ""
            texts = (number(told[0]), f"work {number(told[1])}", f"p99 {number(told[2])} ms")
            rows.append(Row(what, tuple(map(Cell, (*texts, "", ended)))))
    by = tile["stopped_by"]
    if (broken := tile["broken_by"]) is not None:
        by = f"{broken['name']} ({broken['phase']}), {number(broken['factor'])} times its "
        by += "p99" if broken["measure"] == "p99_ms" else "time"
    heading_ = f"{plural(tile['tiles_at_quality'], 'tile')} at quality (ended by {by})"
    columns_ = ("s", "mean MiB", "swap MiB", "factor", "did not end")
    return ReportTable(heading_, columns_, tuple(rows))


def console_tails(run: Run, most: int = CONSOLE_LINES) -> dict[str, list[str]]:
    """The last lines of each guest's console and of the host's log, or why they cannot be read."""
    files = run.record["files"]
    names = [*files.get("consoles", []), *([log] if (log := files.get("host_log")) else [])]
    return {name: lines for name in names if (lines := _tail(run.folder / name, most))}


def _tail(file: Path, most: int) -> list[str]:
    try:
        text = read_end(file, CONSOLE_BYTES).decode("utf-8", errors="replace")
    except DamagedError as error:
        return [f"not shown: {error}"]
    return [harmless(line.rstrip())[:LONGEST_LINE] for line in text.splitlines()[-most:]]


def _timeline(run: Run, width: int, ascii_only: bool) -> RenderableType:
    samples = _samples(run)
    if isinstance(samples, str):
        return Text(samples)
    curve = timeline_of(run, samples)
    if curve is None:
        return Text("The cell was not sampled.")
    room = max(min(width, 160) - MARGIN - 1, 20)
    parts: list[RenderableType] = []
    rows = columns(stretch(curve.memory_mib, room), CURVE_HEIGHT, curve.cell_memory_mib, ascii_only)
    for index, row in enumerate(rows):
        scale = {0: f"{number(curve.cell_memory_mib)} MiB", CURVE_HEIGHT - 1: "0"}.get(index, "")
        parts.append(chart_line(scale, row, MARGIN, "chart.memory"))
    limit = max(curve.cell_swap_mib, 1.0)
    swap = columns(stretch(curve.swap_mib, room), 1, limit, ascii_only)[0]
    parts.append(chart_line("swap", swap, MARGIN, "chart.swap"))
    end = quantity(curve.end_seconds, "s")
    parts.append(Text(f"{' ' * MARGIN}0 s{end.rjust(room - 3)}", style="report.dim"))
    return Group(*parts)


def _samples(run: Run) -> Samples | str:
    if run.samples_file is None:
        return "The run kept no samples."
    try:
        return load_samples(run.samples_file)
    except DamagedError as error:
        return f"No timeline: {error}"


def _guests(run: Run) -> ReportTable:
    rows = tuple(
        Row(
            guest["name"],
            (
                Cell(f"{guest['memory_mib']} MiB, {guest['vcpus']} vCPU"),
                Cell(quantity(guest["boot_seconds"], "s")),
                Cell(guest["kernel_release"] or UNKNOWN),
                Cell(_placement(guest)),
                Cell(guest["end"]),
            ),
        )
        for guest in run.record["guests"]
    )
    return ReportTable("", ("size", "boot", "kernel", "MiB on node", "end"), rows)


def _placement(guest: Guest) -> str:
    return ", ".join(f"{node}: {number(mib)}" for node, mib in guest["placement_mib"].items())


def _warnings(run: Run) -> list[str]:
    return [
        f"{guest['name']} warned: {warning}"
        for guest in run.record["guests"]
        for warning in guest["warnings"]
    ]


def _facts(run: Run) -> RenderableType:
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="report.dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for topic, values in run.record["provenance"].items():
        if isinstance(values, dict):
            for name, value in values.items():
                if value is None:  # nobody told it of an imported run
                    continue
                facts.add_row(f"{topic} {name}".replace("_", " "), _brief(fact_text(value)))
    if run.record["guests"]:
        features = run.record["guests"][0]["features"]
        negotiated = ", ".join(name for name, on in features.items() if on)
        facts.add_row("negotiated features", negotiated or "none")
    for name, value in run.record["parity"].items():
        facts.add_row(f"parity {name}".replace("_", " "), _brief(str(value)))
    return facts


def _brief(text: str) -> str:
    return text if len(text) <= LONGEST_FACT else f"{text[:LONGEST_FACT]} … (record.json has all)"


def _nth(number_: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number_, f"number {number_}")
