# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of a report as plain data: the terminal, HTML and Markdown show the same cells.

Rows are figures and columns are arms, so that long names of arms fit 80 columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hintfleet.figures.figure import Figure, Figures, Verdict
from hintfleet.figures.gain import Standing
from hintfleet.figures.handback import OF_PROOFS, OF_RUNS
from hintfleet.figures.recorded import MEASURES
from hintfleet.figures.tiles import TileResult, program_of
from hintfleet.records.columns import HELD
from hintfleet.render.names import label, versus
from hintfleet.render.runs import known, memhog_seconds, places, shown
from hintfleet.render.words import (
    arms,
    exact,
    extremes,
    interval_text,
    short,
    with_spread,
)
from hintfleet.report.build import Report, all_figures
from hintfleet.statistics.units import UNKNOWN, number, percent, plural, spread

INTERVAL = "95 % interval"
"""Heading of a column of intervals; the confidence is the default one of Thresholds."""

FIGURE = Callable[[Figure | None], str]


@dataclass(frozen=True)
class Cell:
    """One text and how far to believe it; None where nothing is claimed."""

    text: str
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Row:
    """One figure under every arm."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ReportTable:
    """A table with its heading; columns are arms unless said otherwise. corner stands above the
    labels of the rows: what holds for all of them."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    corner: str = ""


MOST_COLUMNS = 4
"""Arms beside each other on a screen; of more each has a row."""

MOST_ROWS = 9

P99 = {"p99_ms": ", p99"}
"""What is said of a measure that is not time."""

MOST_BROKEN = 2
"""Programs that broke first, of an arm."""

IN_TURN = "memory used in turn"
"""What every count of guests of a study assumes; a plan is made for other demands."""


def summary_table(report: Report, most_rows: int = MOST_ROWS) -> ReportTable:
    """Gain and cost of each arm, few enough rows for one screen; of many arms so many rows."""
    if len(arms(report)) > MOST_COLUMNS:
        return _summary_of_many(report, most_rows)
    last = guests_in_turn(report)
    density, memhog, memory, fault, tile, recorded = _groups(report)
    tiles = _tiles(report)
    rows = [
        *_counted_rows(report, "Guests", "without swap", density, "guests_without_swap"),
        _row(report, "Guests when swap began", density, "guests_at_first_swap", _bare),
        *_counted_rows(report, "Tiles", "at quality", tile, "tiles_at_quality"),
        _row(report, f"  GiB·min, {tiles}", tile, "tile_held_gib_min", _bare_short),
        _row(report, f"  time vs none, {tiles}", tile, "tile_seconds_vs_none", short),
        _row(report, f"  p99 vs none, {tiles}", tile, "tile_p99_ms_vs_none", short),
        _row(report, f"memhog in guest {last}", memhog, f"guest{last}_seconds", short),
        _row(report, "  swap at its end", memhog, "swap_end_mib", short),
        _row(report, "  memory held, GiB·min", memory, "memhog_footprint_gib_min", _bare_short),
        _row(report, "Freed memory 90 % back", memory, "seconds_to_return_90", short),
        _row(report, "Page faults vs none", fault, "processes_vs_none", short),
        _row(report, "Single fault, p99", fault, "fault_p99_ns", short),
        _row(report, "Host CPU a guest", density, "host_cpu_seconds_per_guest", short),
        _row(report, "Recorded work, GiB·min", recorded, "recorded_footprint_gib_min", exact(1)),
        _row(report, "  peak, GiB", recorded, "recorded_peak_gib", exact(2)),
        _row(report, "  time", recorded, "recorded_seconds", short),
        _row(report, "  rate, 1/s", recorded, "recorded_rate_per_second", _bare_short),
    ]
    if len(arms(report)) > 1:
        rows.append(Row("Unbeaten on all counts", tuple(_front(report))))
    corner = IN_TURN if report.density else ""
    return ReportTable("Gain and cost", tuple(arms(report)), _filled(rows), corner)


def _summary_of_many(report: Report, most_rows: int) -> ReportTable:
    """A row for each arm, best first, and of those that another soundly beats their number only."""
    last = guests_in_turn(report)
    density, memhog, memory, fault, tile, recorded = _groups(report)
    columns: list[tuple[str, Group, str, FIGURE]] = [
        ("guests", density, "guests_without_swap", _bare_short),
        ("memhog, s", memhog, f"guest{last}_seconds", _bare_short),
        ("back, s", memory, "seconds_to_return_90", _bare_short),
        ("faults", fault, "processes_vs_none", short),
        ("CPU, s", density, "host_cpu_seconds_per_guest", _bare_short),
        ("tiles", tile, "tiles_at_quality", _bare_short),
        ("tile time", tile, "tile_seconds_vs_none", short),
        ("tile GiB·min", tile, "tile_held_gib_min", _bare_short),
        ("held", recorded, "recorded_footprint_gib_min", exact(1)),
        ("time, s", recorded, "recorded_seconds", _bare_short),
    ]
    columns = [one for one in columns if any(g.get(one[2]) for g in one[1].values())]
    ranked = ranked_arms(report)
    beaten = [name for name in ranked if report.front.get(name) == Standing.BEATEN]
    baseline = report.study.baseline
    told = [name for name in ranked if name not in beaten or name == baseline]
    if len(told) > most_rows:
        told = [*told[: most_rows - 1], *([baseline] if baseline in told[most_rows - 1 :] else [])]
    rows = [
        Row(
            f"{name} (baseline)" if name == baseline else name,
            tuple(_cell(group.get(name, {}).get(key), text) for _, group, key, text in columns),
        )
        for name in told
    ]
    folded = [name for name in ranked if name not in told]
    if folded:
        soundly = sum(name in beaten for name in folded)
        label = f"{len(folded)} more, {soundly} soundly beaten"
        rows.append(Row(label, tuple(Cell("") for _ in columns)))
    corner = IN_TURN if report.density else ""
    return ReportTable("Gain and cost", tuple(name for name, *_ in columns), tuple(rows), corner)


def ranked_arms(report: Report) -> list[str]:
    """Arms with most tiles or guests first, of equal ones those that hold least over time."""

    def key(name: str) -> tuple[float, float, float, str]:
        density, memory = report.density.get(name), report.memory.get(name)
        guests = density.figures.get("guests_without_swap") if density else None
        held = memory.figures.get("memhog_footprint_gib_min") if memory else None
        tile = report.tile.get(name)
        tiles = tile.figures.get("tiles_at_quality") if tile else None
        return (
            -(tiles.estimate or 0.0) if tiles else 0.0,
            -(guests.estimate or 0.0) if guests else 0.0,
            (held.estimate or 0.0) if held else 0.0,
            name,
        )

    return sorted(arms(report), key=key)


def in_columns_that_fit(data: ReportTable, first: Sequence[str]) -> list[ReportTable]:
    """The table as several, each with the first column and at most so many others that a screen
    holds them; as it is where its columns are no arms or few."""
    if len(data.columns) <= MOST_COLUMNS or not set(data.columns) <= set(first):
        return [data]
    size = MOST_COLUMNS - 1
    rest = range(1, len(data.columns))
    parts = [rest[start : start + size] for start in range(0, len(rest), size)]
    return [
        ReportTable(
            f"{data.heading} ({number} of {len(parts)})",
            tuple(data.columns[k] for k in (0, *part)),
            tuple(Row(row.label, tuple(row.cells[k] for k in (0, *part))) for row in data.rows),
            data.corner,
        )
        for number, part in enumerate(parts, 1)
    ]


def _counted_rows(report: Report, what: str, how: str, counts: Group, name: str) -> list[Row]:
    """One row, or one for each kind of node."""
    if not report.kinds:
        return [_row(report, f"{what} {how}", counts, name, _bare)]
    return [
        _row(report, f"{what}, {kind}", group, name, _bare) for kind, group in report.kinds.items()
    ]


def _tiles(report: Report) -> str:
    """At how many tiles arms are compared."""
    return plural(max((found.equal_tiles for found in report.tile.values()), default=0), "tile")


def _front(report: Report) -> list[Cell]:
    return [Cell(report.front[name]) for name in arms(report)]


def tables(report: Report) -> list[ReportTable]:
    """Every table of the report that has rows."""
    found = [
        *density_tables(report),
        memhog_table(report),
        page_fault_table(report),
        *tile_tables(report),
        memory_table(report),
        balance_table(report),
        handback_table(report),
        recorded_table(report),
        against_table(report),
        places_table(report),
        spent_table(report),
    ]
    return [table for table in found if table.rows]


def density_tables(report: Report) -> list[ReportTable]:
    """One, or one for each kind of node and one of what does not depend on it."""
    counts = _counts(report, {n: len(r.observations) for n, r in report.density.items()})
    found = [_density_table(report, "guests that fit", _groups(report)[0], [counts])]
    for kind, group in report.kinds.items():
        found.append(_density_table(report, kind, group, []))
    return found


def _density_table(report: Report, about: str, density: Group, first: Sequence[Row]) -> ReportTable:
    """Both counting rules, so that no reader mistakes one for the other."""
    rows = [
        *first,
        _row(report, "guests without swap", density, "guests_without_swap", _bare),
        _row(report, "  by footprints", density, "guests_by_footprint", _bare),
        _row(report, "guests when swap began", density, "guests_at_first_swap", _bare),
        _row(report, "more than none", density, "more_guests_than_none", _bare),
        _row(report, "  95 % interval", density, "more_guests_than_none", interval_text),
        _row(report, "  by footprints", density, "more_room_than_none", _bare),
        _row(report, "  95 % interval", density, "more_room_than_none", interval_text),
        _row(report, "fits in 95 % of blocks", density, "reliable_guests", _reliable),
        _row(report, "swap at the end, MiB", density, "swap_end_mib", _bare),
        _row(report, "idle guest, MiB", density, "idle_footprint_mib", _bare),
        _row(report, "  freed lazily beside, MiB", density, "idle_lazy_mib", _bare),
        _row(report, "physical limit, guests", density, "physical_limit_guests", _bare),
        _row(report, "share of limit reached", density, "share_of_physical_limit", with_spread),
        _row(report, "host CPU a guest, s", density, "host_cpu_seconds_per_guest", _bare),
    ]
    return ReportTable(f"Density: {about}", tuple(arms(report)), _filled(rows))


def memhog_table(report: Report) -> ReportTable:
    """Seconds by guest position; the last guest meets a node the others have filled."""
    memhog = _groups(report)[1]
    last = guests_in_turn(report)
    rows = [_counts(report, {n: len(r.observations) for n, r in report.memhog.items()})]
    for k in _positions(report):
        rows.append(_row(report, f"guest {k}, s", memhog, f"guest{k}_seconds", _bare))
    rows += [
        _row(report, f"guest {last} vs none", memhog, "last_guest_vs_none", short),
        _row(report, "  95 % interval", memhog, "last_guest_vs_none", interval_text),
        _row(report, "swap at the end, MiB", memhog, "swap_end_mib", _bare),
    ]
    heading = "memhog: one guest after the other"
    return ReportTable(heading, tuple(arms(report)), _filled(rows))


def page_fault_table(report: Report) -> ReportTable:
    """Rates relative to none over all task counts, and the latency of single faults."""
    fault = _groups(report)[3]
    rows = [_counts(report, {n: len(r.observations) for n, r in report.page_fault.items()})]
    for mode in ("processes", "threads"):
        rows.append(_row(report, f"{mode}, rate vs none", fault, f"{mode}_vs_none", short))
        rows.append(_row(report, "  95 % interval", fault, f"{mode}_vs_none", interval_text))
        rows.append(_row(report, "  over blocks", fault, f"{mode}_vs_none", _extremes_only))
    for key, name in (("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("p999", "p99.9")):
        rows.append(_row(report, f"single fault, {name}", fault, f"fault_{key}_ns", short))
        rows.append(_row(report, "  vs none", fault, f"fault_{key}_ns_vs_none", short))
    heading = f"page_fault: rate and latency, relative to {report.study.baseline}"
    return ReportTable(heading, tuple(arms(report)), _filled(rows))


def tile_tables(report: Report) -> list[ReportTable]:
    """How many tiles a node holds, what ended that, and what their programs cost."""
    tile, with_tiles = _groups(report)[4], f"with {_tiles(report)}"
    counts = _counts(report, {name: len(r.observations) for name, r in report.tile.items()})
    rows = [
        counts,
        *_counted_rows(report, "tiles", "at quality", tile, "tiles_at_quality"),
        _row(report, "more than none", tile, "more_tiles_than_none", _bare),
        _row(report, "  95 % interval", tile, "more_tiles_than_none", interval_text),
        _row(report, "  worst program, factor", tile, "factor_at_quality", _bare),
        Row("ended by, runs", tuple(map(Cell, _texts(report, _ended_words)))),
        Row("broke first, factor", tuple(map(Cell, _texts(report, _broken_words)))),
        _row(report, f"GiB·min held {with_tiles}", tile, "tile_held_gib_min", _bare),
        _row(report, "  vs none", tile, "tile_held_vs_none", short),
        _row(report, "  mean MiB", tile, "tile_mean_memory_mib", _bare),
        _row(report, "  most swap, MiB", tile, "tile_peak_swap_mib", _bare),
        _row(report, "  pressure on the cell, s", tile, "tile_pressure_seconds", _bare),
    ]
    names = dict.fromkeys(
        name for figures in tile.values() for name in figures if program_of(name) is not None
    )
    costs = []
    for name in names:
        if name.endswith("_vs_none"):
            continue
        found = program_of(name)
        of, phase, measure = found if found else ("", "", "")
        unit = "s a unit" if measure == "seconds" else "p99, ms"
        costs += [
            _row(report, f"{of}, {phase}: {unit}", tile, name, _bare),
            _row(report, "  vs none", tile, f"{name}_vs_none", short),
            _row(report, "  95 % interval", tile, f"{name}_vs_none", interval_text),
        ]
    columns = tuple(arms(report))
    return [
        ReportTable("Tiles: sets of guests with programs", columns, _filled(rows)),
        ReportTable(f"What programs of a tile cost, {with_tiles}", columns, _filled(costs)),
    ]


def _texts(report: Report, words: Callable[[TileResult], str]) -> Iterator[str]:
    for name in arms(report):
        found = report.tile.get(name)
        yield (found and words(found)) or UNKNOWN


def _ended_words(found: TileResult) -> str:
    """How many runs what ended."""
    return ", ".join(f"{count} {cause}" for cause, count in found.stopped_by.items())


def _broken_words(found: TileResult) -> str:
    """What broke first, of several the most frequent ones."""
    told = [
        f"{one.name} ({one.phase}{P99.get(one.measure, '')}) {number(one.factor)}x"
        for one in found.broken_by[:MOST_BROKEN]
    ]
    rest = len(found.broken_by) - len(told)
    return ", ".join(told) + (f" and {rest} more" if rest else "")


def memory_table(report: Report) -> ReportTable:
    """Memory held over time, and how fast freed memory came back in the proof before each run."""
    memory = _groups(report)[2]
    rows = [
        _row(report, "memhog, GiB·min held", memory, "memhog_footprint_gib_min", _bare),
        _row(report, "  vs none", memory, "memhog_footprint_vs_none", short),
        _row(report, "memhog, peak MiB", memory, "memhog_peak_mib", _bare),
        _row(report, "  swapped out, MiB", memory, "memhog_swapped_out_mib", _bare),
        _row(report, "  swapped in, MiB", memory, "memhog_swapped_in_mib", _bare),
        _row(report, "50 % back after, s", memory, "seconds_to_return_50", _bare),
        _row(report, "90 % back after, s", memory, "seconds_to_return_90", _bare),
        _row(report, "99 % back after, s", memory, "seconds_to_return_99", _bare),
        _row(report, "MiB back a CPU second", memory, "returned_mib_per_cpu_second", _bare),
    ]
    heading = "Memory: how much is held, how soon it is back"
    return ReportTable(heading, tuple(arms(report)), _filled(rows))


def balance_table(report: Report) -> ReportTable:
    """What the host holds for a guest at rest, by what the guest uses it for: the parts add up."""
    stays = {name: found.figures for name, found in report.balance.items()}
    held = [part for part in HELD if any(part in b.parts_mib for b in report.balance.values())]
    rows = [
        *(
            _row(report, label("balance", f"held_{part}_mib"), stays, f"held_{part}_mib", _bare)
            for part in held
        ),
        _row(report, "all of it", stays, "balance_footprint_mib", _bare),
        _row(report, "free in the guest", stays, "guest_free_mib", _bare),
        _row(report, "  can be reported", stays, "reportable_share", short),
    ]
    heading = "Where memory stays: MiB held for a guest at rest"
    return ReportTable(heading, tuple(arms(report)), _filled(rows))


def handback_table(report: Report) -> ReportTable:
    """What was made free in guests and taken from them, and what that cost."""
    rows = [
        _row(report, label("handback", name), report.handback, name, text)
        for of, text in ((OF_PROOFS, short), (OF_RUNS, _bare))
        for name in of
    ]
    heading = "Handing back: what came of it, and what it cost a guest"
    return ReportTable(heading, tuple(arms(report)), _filled(rows))


def recorded_table(report: Report) -> ReportTable:
    """Work that was measured elsewhere and imported: memory over time, seconds, rates."""
    recorded = _groups(report)[5]
    rows = [_counts(report, {n: len(r.observations) for n, r in report.recorded.items()})]
    for measure, name, text in (
        ("footprint", "memory held, GiB·min", exact(1)),
        ("peak", "peak, GiB", exact(2)),
        ("seconds", "time, s", _bare),
        ("rate", "rate, 1/s", _bare),
    ):
        versus = f"recorded_{measure}_vs_none"
        rows += [
            _row(report, name, recorded, f"recorded_{MEASURES[measure][0]}", text),
            _row(report, "  vs none", recorded, versus, short),
            _row(report, "  95 % interval", recorded, versus, interval_text),
        ]
    return ReportTable("Recorded work", tuple(arms(report)), _filled(rows))


def against_table(report: Report) -> ReportTable:
    """Arms against each other: columns are pairs."""
    names = dict.fromkeys(name for figures in report.against.values() for name in figures)
    if len(report.against) > MOST_COLUMNS:
        pairs = tuple(
            Row(pair, tuple(_cell(group.get(name), short) for name in names))
            for pair, group in report.against.items()
        )
        headings = tuple(label("against", name) for name in names)
        return ReportTable("Arms against each other", headings, pairs)
    rows = []
    for name in names:
        figures = [group.get(name) for group in report.against.values()]
        rows.append(Row(label("against", name), tuple(_cell(one, short) for one in figures)))
        rows.append(Row("  95 % interval", tuple(Cell(interval_text(one)) for one in figures)))
    return ReportTable("Arms against each other", tuple(report.against), tuple(rows))


def places_table(report: Report) -> ReportTable:
    """Density by cell, host and node where there are several: what differs with place."""
    columns = tuple(report.density)
    found: dict[str, dict[str, list[float]]] = {}
    for name, result in report.density.items():
        counts = result.observations.numbers["guests_without_swap"].tolist()
        for cell, count in zip(result.observations.texts["cell"], counts, strict=True):
            for place in report.places.get(cell, ()):
                found.setdefault(place, {}).setdefault(name, []).append(count)
    rows = tuple(
        Row(place, tuple(Cell(_mean_and_extremes(counts.get(name, []))) for name in columns))
        for place, counts in sorted(found.items())
    )
    return ReportTable("Guests without swap by place: mean [extremes]", columns, rows)


def spent_table(report: Report) -> ReportTable:
    """Where the time of a run goes, by workload: what of it is measurement."""
    names = list(dict.fromkeys(name for parts in report.spent.values() for name in parts))
    rows = [
        Row(name, tuple(Cell(number(parts[name])) for parts in report.spent.values()))
        for name in names
    ]
    return ReportTable("Seconds of a run, by what they go into", tuple(report.spent), tuple(rows))


def _mean_and_extremes(values: Sequence[float]) -> str:
    if not values:
        return UNKNOWN
    mean = number(sum(values) / len(values))
    low, high = min(values), max(values)
    return mean if low == high else f"{mean} [{spread(low, high)}]"


def detail_tables(report: Report) -> list[ReportTable]:
    """The raw results, and in how many blocks so many guests fit."""
    fits = tuple(
        Row(
            name,
            (
                Cell(str(fit.guests)),
                Cell(f"{fit.blocks} of {fit.of}"),
                Cell(f"{percent(fit.share.low)} to {percent(fit.share.high)}"),
                Cell(percent(fit.at_least)),
            ),
        )
        for name, result in report.density.items()
        for fit in result.fits
    )
    columns = ("guests", "fit in", INTERVAL, "so at least")
    found = [
        ReportTable("In how many blocks so many guests fit", columns, fits),
        ReportTable(
            "Every consolidation and memhog run",
            ("guests", "swap, MiB", "memhog, s", "swap, MiB"),
            _runs(report),
        ),
    ]
    return [data for data in found if data.rows]


def _runs(report: Report) -> tuple[Row, ...]:
    cells: dict[tuple[str, int, str], list[str]] = {}
    for name, density in report.density.items():
        few = shown(density.observations)
        counts, swap = known(few, "guests_without_swap"), known(few, "swap_end_mib")
        for where, *one in zip(places(few), counts, swap, strict=True):
            cells.setdefault((*where, name), [UNKNOWN] * 4)[:2] = map(number, one)
    for name, memhog in report.memhog.items():
        few = shown(memhog.observations)
        seconds, swap = memhog_seconds(few), known(few, "swap_end_mib")
        for where, each, end in zip(places(few), seconds, swap, strict=True):
            told = ", ".join("not seen" if s is None else number(s) for s in each)
            cells.setdefault((*where, name), [UNKNOWN] * 4)[2:] = told, number(end)
    many = len({cell for cell, _, _ in cells}) > 1
    return tuple(
        Row(f"{f'{cell}, ' if many else ''}block {block}, {name}", tuple(map(Cell, texts)))
        for (cell, block, name), texts in sorted(cells.items())
    )


def figures_table(report: Report, reasons: bool = True) -> ReportTable:
    """Every figure with its verdict, as programs get it; the reasons need a wide page."""
    rows = tuple(
        Row(
            f"{label(topic, name, report.study.baseline)}, {arm}",
            (
                Cell(str(figure.n)),
                Cell(with_spread(figure), figure.verdict),
                Cell(interval_text(figure)),
                *([Cell(figure.judgement.reason)] if reasons else []),
            ),
        )
        for topic, arm, name, figure in all_figures(report)
    )
    columns = ("n", "value", INTERVAL, *(["why"] if reasons else []))
    return ReportTable("Every figure with its verdict", columns, rows)


def guests_in_turn(report: Report) -> int:
    """How many guests ran memhog one after the other: the number of the last."""
    return max(_positions(report), default=0)


def _positions(report: Report) -> list[int]:
    """Numbers of guests that any run tells memhog's time of, as records count them: not all up to
    the last, for that may be anything."""
    every = [result.observations.matrices["memhog_seconds"] for result in report.memhog.values()]
    return sorted({position for one in every for position in one.measured})


Group = Mapping[str, Figures]


def _groups(report: Report) -> tuple[Group, Group, Group, Group, Group, Group]:
    topics = report.topics
    return (
        topics["density"],
        topics["memhog"],
        topics["memory"],
        topics["page_fault"],
        topics["tile"],
        topics["recorded"],
    )


def _row(report: Report, label: str, group: Group, key: str, text: FIGURE) -> Row:
    figures = [group.get(name, {}).get(key) for name in arms(report)]
    words = versus(label, report.study.baseline)
    return Row(words, tuple(_cell(figure, text) for figure in figures))


def _counts(report: Report, counts: Mapping[str, int]) -> Row:
    return Row("n", tuple(Cell(str(counts.get(name, 0))) for name in arms(report)))


def _cell(figure: Figure | None, text: FIGURE) -> Cell:
    if figure is None or not figure.n:
        return Cell(UNKNOWN)
    return Cell(text(figure), figure.verdict)


def _filled(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows that say something; a lone row of counts does not."""
    told = tuple(row for row in rows if any(cell.text != UNKNOWN for cell in row.cells))
    return told if any(row.label != "n" for row in told) else ()


def _bare(figure: Figure | None) -> str:
    return with_spread(figure, "")


def _bare_short(figure: Figure | None) -> str:
    return short(figure, "")


def _reliable(figure: Figure | None) -> str:
    if figure is None:
        return UNKNOWN
    return number(figure.estimate) if figure.estimate is not None else "unknown ?"


def _extremes_only(figure: Figure | None) -> str:
    return UNKNOWN if figure is None else extremes(figure)
