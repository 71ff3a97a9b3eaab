# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots of the HTML report, each with the table it was drawn from."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from hintfleet.records.columns import HELD
from hintfleet.records.observations import Observations
from hintfleet.render.names import label
from hintfleet.render.runs import known, memhog_seconds, places, shown
from hintfleet.render.svg import FAINT, HEIGHT_INCHES, INK, SERIES, Plot, legend, looks, svg
from hintfleet.render.sweep_plots import sweep_plots
from hintfleet.render.tables import Cell, ReportTable, Row, ranked_arms
from hintfleet.render.words import arms
from hintfleet.report.build import Report
from hintfleet.statistics.units import change, number, quantity

MOST_NAMED_GUESTS = 12
"""Below an axis."""


def plots(report: Report) -> tuple[list[Plot], list[Plot]]:
    """The picture of the answer, and every other plot the report has data for."""
    curves = [partial(_curve, mode=mode) for mode in ("processes", "threads")]
    rest: list[Callable[[Report], Plot | None]] = [_balance, _memhog, *curves, _latency]
    answer = [_density(report), _tiles(report), _timeline(report)]
    others = [*sweep_plots(report), *(make(report) for make in rest)]
    numbers = itertools.count()
    return _apart(answer, numbers), _apart(others, numbers)


def _apart(found: Iterable[Plot | None], numbers: Iterator[int]) -> list[Plot]:
    """Those that there are, with names of their own in what several pictures of a page share."""
    return [
        replace(plot, svg=re.sub(r'\b(id="|url\(#|href="#)', rf"\1plot{number}-", plot.svg))
        for plot, number in zip(filter(None, found), numbers, strict=False)
    ]


def _density(report: Report) -> Plot | None:
    columns = {
        "guests_without_swap": "guests without swap",
        "guests_at_first_swap": "guests when swap began",
        "swap_end_mib": "swap at the end, MiB",
    }
    caption = (
        "Guests that had run, using memory in turn, while swap was unused, best first; one mark "
        "for each block."
    )
    found = {name: result.observations for name, result in report.density.items()}
    labels = "Guests that fit", caption, "guests a node without swap"
    return _counted(report, found, columns, labels)


def _tiles(report: Report) -> Plot | None:
    columns = {
        "tiles_at_quality": "tiles at quality",
        "factor_at_quality": "worst program, times as with one tile",
        "swap_end_mib": "swap at the end, MiB",
    }
    caption = (
        "Tiles that ran before a quality broke, a guest was lost or swap was used, best first; one "
        "mark for each block."
    )
    found = {name: result.observations for name, result in report.tile.items()}
    return _counted(report, found, columns, ("Tiles that fit", caption, "tiles a node at quality"))


def _counted(
    report: Report,
    found: Mapping[str, Observations],
    columns: Mapping[str, str],
    labels: tuple[str, str, str],
) -> Plot | None:
    """What fits a node by arm, a mark for each run: by the first of these columns. labels: heading,
    caption, and what the axis counts."""
    if not found:
        return None
    names = [name for name in ranked_arms(report) if name in found]
    look, column = looks(report), next(iter(columns))
    heading, caption, axis = labels

    def draw(axes: Any) -> None:
        for index, name in enumerate(names):
            counts = shown(found[name]).numbers[column].tolist()
            middle = (len(counts) - 1) / 2.0
            step = min(0.5 / max(len(counts), 1), 0.08)
            across = [index + (k - middle) * step for k in range(len(counts))]
            one = look[name]
            size = 7 if one.told else 5
            axes.plot(counts, across, one.marker, color=one.colour, markersize=size)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.margins(x=0.1)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel(axis)

    rows = tuple(
        Row(
            f"{cell}, block {block}, {name}",
            tuple(Cell(number(value)) for value in values),
        )
        for name in names
        for (cell, block), *values in _with_places(shown(found[name]), columns)
    )
    height = max(HEIGHT_INCHES, 0.9 + 0.24 * len(names))
    data = ReportTable("", tuple(columns.values()), rows)
    return Plot(heading, caption, svg(draw, height), data)


def _balance(report: Report) -> Plot | None:
    """A bar for each arm, stacked by what the guest uses the memory for."""
    if not report.balance:
        return None
    found = report.balance
    held = [part for part in HELD if any(part in one.parts_mib for one in found.values())]

    def draw(axes: Any) -> None:
        for index, one in enumerate(found.values()):
            left = 0.0
            for part in held:
                size = max(one.parts_mib.get(part, 0.0), 0.0)
                place = HELD.index(part)
                axes.barh(
                    index, size, left=left, height=0.6, linewidth=0.6, edgecolor=INK,
                    color=SERIES[place % len(SERIES)], alpha=1.0 if place < len(SERIES) else 0.45,
                    label=None if index else label("balance", f"held_{part}_mib"),
                )  # fmt: skip
                left += size
        axes.set_yticks(range(len(found)), list(found))
        axes.set_axisbelow(True)
        axes.invert_yaxis()
        axes.set_xlabel("MiB the host holds for a guest at rest")
        axes.figure.legend(
            loc="outside lower center", ncols=3, frameon=False, fontsize="small", labelcolor=INK
        )

    rows = tuple(
        Row(
            label("balance", f"held_{part}_mib"),
            tuple(Cell(number(one.figures[f"held_{part}_mib"].estimate)) for one in found.values()),
        )
        for part in held
    )
    caption = "Means over the guests of a run, once they had come to rest; parts add up."
    height = max(HEIGHT_INCHES, 1.4 + 0.24 * len(found))
    data = ReportTable("", tuple(found), rows)
    return Plot("Where memory stays", caption, svg(draw, height), data)


def _with_places(observations: Observations, names: Iterable[str]) -> Iterable[tuple[Any, ...]]:
    columns = (known(observations, name) for name in names)
    return zip(places(observations), *columns, strict=True)


def _timeline(report: Report) -> Plot | None:
    by_workload = (
        [t for t in report.timelines if t.workload == workload]
        for workload in ("consolidation", "tile", "memhog", "recorded")
    )
    chosen = next(filter(None, by_workload), None)
    if chosen is None:
        return None
    order = arms(report)
    look = looks(report)
    # what is grey lies behind what is told apart
    shown = sorted(chosen, key=lambda t: (look[t.arm].told, order.index(t.arm)))

    def draw(axes: Any) -> None:
        for one in shown:
            drawn = look[one.arm]
            name = one.arm if drawn.told else None
            step = one.end_seconds / max(len(one.memory_mib) - 1, 1)
            times = [step * k for k in range(len(one.memory_mib))]
            memory = [float("nan") if v is None else v for v in one.memory_mib]
            swap = [float("nan") if v is None else v for v in one.swap_mib]
            axes.plot(times, memory, color=drawn.colour, label=name)
            axes.plot(times, swap, color=drawn.colour, linestyle=(0, (2, 2)))
        axes.axhline(shown[0].cell_memory_mib, color=INK, linewidth=0.8)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds since the run began")
        axes.set_ylabel("MiB")
        legend(axes, look, [one.arm for one in shown])

    rows = []
    for one in shown:
        slots = len(one.memory_mib)
        for k in range(0, slots, max(slots // 12, 1)):
            seconds = one.end_seconds * k / max(slots - 1, 1)
            cells = Cell(number(one.memory_mib[k])), Cell(number(one.swap_mib[k]))
            rows.append(Row(f"{one.arm}, {number(seconds)} s", cells))
    caption = (
        f"One {shown[0].workload} run of each arm: memory of the cell (solid), its swap "
        "(dotted), and its budget (thin line)."
    )
    data = ReportTable("", ("memory, MiB", "swap, MiB"), tuple(rows))
    # below the axes there is room for a legend of long names
    height = HEIGHT_INCHES if all(one.told for one in look.values()) else 1.4 * HEIGHT_INCHES
    return Plot("Memory and swap over time", caption, svg(draw, height), data)


def _memhog(report: Report) -> Plot | None:
    if not report.memhog:
        return None
    look = looks(report)
    runs = [
        (name, where, seconds)
        for name, result in report.memhog.items()
        for few in (shown(result.observations),)
        for where, seconds in zip(places(few), memhog_seconds(few), strict=True)
    ]
    last = max((len(seconds) for _, _, seconds in runs), default=0)

    def draw(axes: Any) -> None:
        gap = float("nan")
        for name in sorted(report.memhog, key=lambda name: look[name].told):
            xs: list[float] = []
            ys: list[float] = []
            for _, _, seconds in (run for run in runs if run[0] == name):
                ended = [(k, s) for k, s in enumerate(seconds, 1) if s is not None]
                xs += [*(float(k) for k, _ in ended), gap]
                ys += [*(s for _, s in ended), gap]
            one = look[name]
            axes.plot(
                xs, ys, f"-{one.marker}", color=one.colour, linewidth=1.0, markersize=5,
                label=name if one.told else None,
            )  # fmt: skip
        named = range(1, last + 1, max(1, math.ceil(last / MOST_NAMED_GUESTS)))
        axes.set_xticks(named, [f"guest {k}" for k in named])
        axes.set_ylim(bottom=0)
        axes.set_ylabel("seconds of memhog")
        legend(axes, look, list(report.memhog))

    rows = tuple(
        Row(
            f"{cell}, block {block}, {name}",
            tuple(Cell("did not end" if s is None else number(s)) for s in seconds),
        )
        for name, (cell, block), seconds in runs
        if len(seconds) == last
    )
    columns = tuple(f"guest {k}, s" for k in range(1, last + 1))
    caption = "One line for each block; guests ran one after the other on the same node."
    return Plot("memhog by guest", caption, svg(draw), ReportTable("", columns, rows))


def _curve(report: Report, mode: str) -> Plot | None:
    curves = {n: r.curves[mode] for n, r in report.page_fault.items() if r.curves.get(mode)}
    if not curves:
        return None
    look = looks(report)

    def draw(axes: Any) -> None:
        axes.axhline(0.0, color=INK, linewidth=0.8)
        axes.axhspan(-6.0, 6.0, color=FAINT, alpha=0.25, linewidth=0)
        told = sorted(curves.items(), key=lambda item: look[item[0]].told)
        for position, (name, curve) in enumerate(told):
            one = look[name]
            points = [(t, f) for t, f in curve.items() if f.estimate is not None]
            xs = [t + 0.06 * (position - (len(curves) - 1) / 2.0) for t, _ in points]
            ys = [((f.estimate or 1.0) - 1.0) * 100.0 for _, f in points]
            named = name if one.told else None
            axes.plot(xs, ys, f"-{one.marker}", color=one.colour, markersize=5, label=named)
            for x, (_, figure) in zip(xs, points, strict=True):
                if figure.interval:
                    ends = [(v - 1.0) * 100.0 for v in (figure.interval.low, figure.interval.high)]
                    axes.plot([x, x], ends, color=one.colour, linewidth=1.0)
        axes.set_xlabel(f"tasks ({mode})")
        axes.set_ylabel(f"change against {report.study.baseline}, %")
        axes.xaxis.get_major_locator().set_params(integer=True)
        legend(axes, look, list(curves))

    tasks = sorted({t for curve in curves.values() for t in curve})
    rows = tuple(
        Row(
            f"{name}, {t} tasks",
            (
                Cell(change(curve[t].estimate)),
                Cell(_ends(curve[t].interval)),
                Cell(str(curve[t].verdict), curve[t].verdict),
            ),
        )
        for name, curve in curves.items()
        for t in tasks
        if t in curve
    )
    caption = (
        f"Rate of first touches relative to {report.study.baseline}, with 95 % intervals; the grey "
        "band is what boots of one kernel were published to differ by (6 %)."
    )
    data = ReportTable("", ("change", "95 % interval", "verdict"), rows)
    return Plot(f"page_fault, {mode}", caption, svg(draw), data)


def _latency(report: Report) -> Plot | None:
    merged = {n: r.merged for n, r in report.page_fault.items() if r.merged is not None}
    if not merged:
        return None
    look = looks(report)

    def draw(axes: Any) -> None:
        for name, (bounds, counts) in sorted(merged.items(), key=lambda item: look[item[0]].told):
            total, slower, xs, ys = int(counts.sum()), float(counts.sum()), [], []
            for bound, count in zip(bounds[1:].tolist(), counts.tolist(), strict=True):
                slower -= count
                if slower < total and slower > 0:
                    xs.append(bound)
                    ys.append(slower / total)
            one = look[name]
            axes.plot(xs, ys, color=one.colour, label=name if one.told else None)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: quantity(value, "ns"))
        axes.set_xlabel("latency of a first touch")
        axes.set_ylabel("share of faults that took longer")
        legend(axes, look, list(merged))

    keys = {"p50": "p50_ns", "p95": "p95_ns", "p99": "p99_ns", "p99.9": "p999_ns"}
    rows = tuple(
        Row(
            name,
            tuple(
                Cell(quantity(f.estimate, "ns") if f else "-", f.verdict if f else None)
                for f in (report.page_fault[name].figures.get(f"fault_{k}") for k in keys.values())
            ),
        )
        for name in merged
    )
    caption = "Single first touches of a 4 KiB page, timed in the guest; all runs together."
    return Plot("Latency of single faults", caption, svg(draw), ReportTable("", tuple(keys), rows))


def _ends(interval: Any) -> str:
    return "-" if interval is None else f"{change(interval.low)} to {change(interval.high)}"
