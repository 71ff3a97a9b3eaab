# SPDX-License-Identifier: GPL-2.0-or-later
"""A description's curves and tables as a study: run records, samples and the plan that asks for
them. What nobody told is null in them (consistency.py says where that may be)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hintfleet.records.curves import MIB_A_GIB, reduced
from hintfleet.records.damage import UnusableError
from hintfleet.records.imports.curve import Recorded, read_curve
from hintfleet.records.imports.description import (
    COUNTS,
    LARGEST_BLOCK,
    NAME,
    PLACES,
    RESULTS,
    Conditions,
    Curve,
    Description,
    Table,
)
from hintfleet.records.imports.rows import Row, rows_of
from hintfleet.records.read import load_run
from hintfleet.records.samples import COLUMNS
from hintfleet.records.text import clean
from hintfleet.records.versions import RUN, STUDY, USUAL_BASELINE
from hintfleet.statistics.units import number

OF_RECORDED = ("seconds", "rate", "footprint_gib_min", "peak_mib")
"""Results that make a run of the workload `recorded`; the others make one of consolidation."""

SLACK = 1.05
"""A peak above the node's memory by more than this was told in another unit."""

Place = tuple[str, int, int, str]
"""Host, node, block, mechanism."""


@dataclass
class _Found:
    """All that is known of one run, and where it was read."""

    where: str
    conditions: Conditions
    results: dict[str, float] = field(default_factory=dict)
    curve: Recorded | None = None


def import_study(description: Description, folder: Path) -> int:
    """Writes results/<study>/ whole or not at all; how many runs it has. UnusableError if the
    folder is there already, or for what is wrong in the files."""
    if os.path.lexists(folder):
        raise UnusableError(f"{folder} is there already; name another folder with --output")
    runs = _runs(description)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.unfinished")
    try:
        planned = [_write(description, unfinished, *one) for one in _numbered(runs)]
        plan = {
            "schema": STUDY,
            "study": description.study,
            "runs": [one for group in planned for one in group],
        }
        (unfinished / "study.json").write_text(json.dumps(plan), encoding="utf-8")
        unfinished.rename(folder)
    except OSError as error:
        raise UnusableError(
            f"{folder} cannot be written: {error.strerror or error}; name another with --output"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return len(plan["runs"])


def _runs(description: Description) -> dict[Place, _Found]:
    """Curves and rows of tables by the run that they tell of."""
    runs: dict[Place, _Found] = {}
    counted: dict[tuple[Any, ...], int] = {}
    for curve in description.curves:
        place = _place(description, curve.places, counted, "curve", curve.where, description.file)
        found = _run(runs, place, f"{curve.files[0].name}", description, curve)
        if found.curve is not None:
            raise UnusableError(
                f"{description.file}: {curve.where}: expected one curve for {_told(place)}, found "
                "a second; give it another block"
            )
        found.curve = read_curve(curve)
        _check_peak(description, curve, found.curve)
        _add(found, curve.results, f"{description.file}: {curve.where}", place)
    for table in description.tables:
        for row, told, results in _table_rows(table):
            place = _place(
                description, told, counted, table.where, f"{row.file}: {row.place}", row.file
            )
            found = _run(runs, place, f"{row.file.name}, {row.place}", description, table)
            _add(found, results, f"{row.file}: {row.place}", place)
    return runs


def _run(
    runs: dict[Place, _Found], place: Place, where: str, description: Description, of: Curve | Table
) -> _Found:
    conditions = description.conditions | of.conditions
    found = runs.setdefault(place, _Found(clean(where), conditions))
    found.conditions |= of.conditions
    return found


def _add(found: _Found, results: Mapping[str, float], where: str, place: Place) -> None:
    for name, value in results.items():
        if name in found.results:
            raise UnusableError(
                f"{where}: {name}: expected one value for {_told(place)}, found a second; number "
                "repetitions with block"
            )
        found.results[name] = value


def _place(
    description: Description,
    told: Mapping[str, Any],
    counted: dict[tuple[Any, ...], int],
    source: str,
    where: str,
    file: Path,
) -> Place:
    """Which run is told of; without a block, repetitions are counted as they come."""
    host, node = told.get("host", description.host), told.get("node", description.node)
    mechanism = told["mechanism"]
    block = told.get("block")
    if block is None:
        key = source, host, node, mechanism
        block = counted[key] = counted.get(key, 0) + 1
    if block > LARGEST_BLOCK:
        raise UnusableError(f"{where}: block: expected at most {LARGEST_BLOCK}, found {block}")
    return host, node, block, mechanism


def _table_rows(table: Table) -> Iterator[tuple[Row, dict[str, Any], dict[str, float]]]:
    """Each row with its place and its results."""
    names = {name: table.columns.get(name, name) for name in (*PLACES, *RESULTS)}
    needed = [*table.columns.values()]
    if "mechanism" not in table.places:
        needed.append(names["mechanism"])
    for row in rows_of(table.file, needed):
        results = {
            name: value
            for name in RESULTS
            if names[name] in row.values
            and (value := row.number(names[name], whole=name in COUNTS)) is not None
        }
        told = dict(table.places)
        for name in ("mechanism", "host"):
            if name not in told and names[name] in row.values:
                text = row.text(names[name])
                text = table.mechanisms.get(text, text) if name == "mechanism" else text
                if not NAME.fullmatch(text):
                    expected = "a name of letters, digits, . _ and -"
                    if name == "mechanism":
                        expected += ", or one that `mechanisms` of the table translates"
                    raise row.wrong(names[name], expected, text)
                told[name] = text
        for name in ("node", "block"):
            if name not in told and names[name] in row.values:
                value = row.number(names[name], whole=True)
                if value is None or (name == "block" and value < 1) or value > LARGEST_BLOCK:
                    raise row.wrong(names[name], "a whole number", row.values.get(names[name]))
                told[name] = int(value)
        if not results:
            raise row.wrong(
                "results", f"a value of one of {', '.join(names[n] for n in RESULTS)}", None
            )
        yield row, told, results


def _check_peak(description: Description, curve: Curve, found: Recorded) -> None:
    peak = reduced(found.samples)["peak_mib"]
    if peak > description.memory_mib * SLACK:
        raise UnusableError(
            f"{curve.files[0]}: {curve.where}.unit: expected at most the "
            f"{number(description.memory_mib / MIB_A_GIB)} GiB of memory_gib, found "
            f"{number(peak / MIB_A_GIB)} GiB at the peak of all guests (another unit?)"
        )


def _told(place: Place) -> str:
    host, node, block, mechanism = place
    return f"{mechanism}, block {block} on node {node} of {host}"


def _numbered(runs: Mapping[Place, _Found]) -> Iterator[tuple[Place, int, _Found]]:
    """Runs with their order in the block, which is that of the description: none was told."""
    order: dict[tuple[Any, ...], int] = {}
    for place, found in runs.items():
        order[place[:3]] = order.get(place[:3], 0) + 1
        yield place, order[place[:3]], found


def _write(
    description: Description, folder: Path, place: Place, order: int, found: _Found
) -> list[dict[str, Any]]:
    """One or two records of what is known of a run; how a plan asks for them."""
    planned = []
    for workload, result in _results(description, found):
        record = _record(description, place, order, found, workload, result)
        run = folder / "runs" / record["run_id"]
        run.mkdir(parents=True)
        (run / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        if record["files"]["samples"] and found.curve is not None:
            _write_samples(run / record["files"]["samples"], found.curve)
        load_run(run / "record.json")  # nothing is imported that could not be read again
        keys = ("run_id", "block", "order", "mechanism", "workload")
        told = {"arm": record["arm"]["name"], **{key: record[key] for key in keys}}
        planned.append({**told, "cell": record["cell"]["name"], "host": record["cell"]["host"]})
    return planned


def _results(description: Description, found: _Found) -> Iterator[tuple[str, dict[str, Any]]]:
    told = found.results
    if "guests_without_swap" in told:
        first = told.get("guests_at_first_swap")
        yield (
            "consolidation",
            {
                "steps": [],
                "guests_without_swap": int(told["guests_without_swap"]),
                "guests_at_first_swap": None if first is None else int(first),
                "stopped_by": None,
                "swap_end_mib": told.get("swap_end_mib"),
                "active_footprint_mib": None,
                "idle_footprint_mib": None,
                "physical_limit_guests": None,
            },
        )
    if found.curve is not None or any(name in told for name in OF_RECORDED):
        yield "recorded", {name: told.get(name) for name in OF_RECORDED}


def _record(
    description: Description,
    place: Place,
    order: int,
    found: _Found,
    workload: str,
    result: dict[str, Any],
) -> dict[str, Any]:
    host, node, block, mechanism = place
    cell = f"{host}-node{node}"
    sampled = found.curve if workload == "recorded" else None
    seconds = float(sampled.samples.seconds.max()) if sampled else found.results.get("seconds", 0.0)
    began = sampled.began if sampled else None
    started, finished = _span(description.measured, began, seconds, found.where)
    conditions = {name: found.conditions[name] for name in sorted(found.conditions)}
    return {
        "schema": RUN,
        "run_id": f"{cell}.b{block}.{mechanism}.{workload}",
        "study": description.study,
        "imported": {"source": clean(description.source), "file": found.where[:255]},
        "cell": {
            "name": cell,
            "host": host,
            "node": node,
            "memory_mib": description.memory_mib,
            "swap_mib": description.swap_mib,
            "cpus": [],
            "cgroup_version": None,
            "memory_binding": None,
        },
        "block": block,
        "order": order,
        "arm": {"name": mechanism, "states": {}, "differs": {}, "shows": {}},
        "baseline": USUAL_BASELINE,
        "mechanism": mechanism,
        "workload": workload,
        "parameters": {},
        "started": started,
        "finished": finished,
        "duration_seconds": seconds,
        "outcome": {"status": "finished", "reason": None},
        "proof": None,
        "result": result,
        "guests": [],
        "provenance": {
            "host": conditions,
            "qemu": {"version": description.qemu, "accelerator": description.accelerator},
            "guest_kernel": {
                "key": None,
                "release": description.kernel,
                "sha256": None,
                "debug_options": [],
            },
            "guest_image": {"key": None, "sha256": None},
            "hintfleet": {"version": None},
        },
        "parity": conditions,
        "host_cpu_seconds": {"user": None, "system": None},
        "files": {"samples": "samples.csv" if sampled else None},
    }


def _span(measured: datetime, began: float | None, seconds: float, where: str) -> tuple[str, str]:
    """Start and end of a run as records tell them; UnusableError if no calendar has them."""
    try:
        started = measured if began is None else datetime.fromtimestamp(began, UTC)
        return _time(started), _time(started + timedelta(seconds=seconds))
    except (ValueError, OverflowError, OSError):
        start = measured.date() if began is None else f"{began:.6g} s since 1970"
        raise UnusableError(
            f"{where}: expected a run that ends before the year 10000, found one of "
            f"{seconds:.6g} s from {start} on; is the unit of its times the right one?"
        ) from None


def _time(time: datetime) -> str:
    """As 2025-01-21T10:00:00.000000Z; years before 1000 with all four digits, too."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _write_samples(file: Path, curve: Recorded) -> None:
    samples = curve.samples
    columns = (samples.seconds, samples.guest, samples.resident_mib, samples.swap_mib)
    with file.open("w", encoding="utf-8") as target:
        target.write(",".join(COLUMNS) + "\n")
        for row in zip(*(column.tolist() for column in columns), strict=True):
            target.write(",".join(f"{value:.12g}" for value in row) + "\n")
