# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes imports of many kinds, damages descriptions and data, and puts what comes of it through
the commands, as long as told.

    python tests/fuzz/imports.py --seconds 3600 --seed 7

What must hold in every case: an import is written whole or not at all; what is imported can be
read, all of it; every command then ends with 0, 1 or 2 and no traceback; nothing that is written
acts on a terminal; folder and store tell the same.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "analysis/support"))

import cases
import commands
from cases import WrongError
from damages import (
    another_size,
    damage_bytes,
    damage_document,
    damage_kind,
    damage_lines,
)
from hintfleet.records.read import load_study

GIB = 1 << 30
SINCE_1970 = 1_767_225_600
"""2026-01-01."""

MECHANISMS = ("none", "page_hinting", "virtio-mem")
PLAIN = 0.3
"""Of cases in which nothing is damaged, but values may be of any size."""


def number(draw: random.Random, usual: float) -> float:
    """Nearly always a usual number."""
    return usual if draw.random() < 0.97 else abs(another_size(usual, draw))


def curve(draw: random.Random) -> list[tuple[float, float]]:
    """Seconds and bytes."""
    start = draw.choice([0.0, 0.0, 5.5, SINCE_1970])
    step = draw.choice([0.1, 1.0, 15.0, 60.0])
    held = [draw.uniform(0.0, 3.0) * GIB for _ in range(draw.choice([1, 2, 5, 40]))]
    return [(start + step * k, number(draw, value)) for k, value in enumerate(held)]


Entry = dict[str, Any]


def csv_curve(file: Path, draw: random.Random) -> Entry:
    """A guest a file."""
    separator = draw.choice([",", ";", "\t"])
    rows = [f"{seconds}{separator}{held:.0f}" for seconds, held in curve(draw)]
    end = draw.choice(["\n", "\r\n"])
    file.write_text(end.join([f"time{separator}rss", *rows, ""]))
    return {"file": file.name, "unit": "B", "columns": {"seconds": "time", "resident": "rss"}}


def wide_curve(file: Path, draw: random.Random) -> Entry:
    """A column a guest, with gaps; times as dates."""
    rows = [
        f"2026-01-01T00:{k:02d}:00Z,{draw.choice(['', 'nan', 1])},{number(draw, 2)},7"
        for k in range(draw.randint(1, 9))
    ]
    file.write_text("\n".join(["Time,a,b,swap", *rows]))
    columns = {"seconds": "Time", "resident": ["a", "b"]}
    return {"file": file.name, "unit": draw.choice(["GiB", "GB"]), "columns": columns}


def named_curve(file: Path, draw: random.Random) -> Entry:
    """A column that names the guest."""
    rows = [
        f"{seconds},vm{guest},{held / GIB},{draw.choice(['', '0', '0.5'])}"
        for guest in range(draw.randint(1, 3))
        for seconds, held in curve(draw)
    ]
    file.write_text("\n".join(["t,vm,held,out", *rows]))
    columns = {"seconds": "t", "guest": "vm", "resident": "held", "swap": "out"}
    unit = draw.choice(["s", "ms", "min"])
    return {"file": file.name, "unit": "GiB", "time_unit": unit, "columns": columns}


def prometheus_curve(file: Path, draw: random.Random) -> Entry:
    series = [
        {
            "metric": {"name": f"vm{guest}"},
            "values": [[seconds, str(held)] for seconds, held in curve(draw)],
        }
        for guest in range(draw.randint(1, 3))
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": series}}
    file.with_suffix(".json").write_text(json.dumps(answer))
    columns = {"seconds": "time", "guest": "name", "resident": "value"}
    return {"file": file.with_suffix(".json").name, "unit": "B", "columns": columns}


def listed_curve(file: Path, draw: random.Random) -> Entry:
    rows = [{"time": seconds, "mem": held, "more": None} for seconds, held in curve(draw)]
    document = draw.choice([rows, {"data": rows}])
    file.with_suffix(".json").write_text(json.dumps(document))
    columns = {"seconds": "time", "resident": "mem"}
    return {"file": file.with_suffix(".json").name, "unit": "B", "columns": columns}


CURVES: tuple[Callable[[Path, random.Random], Entry], ...] = (
    csv_curve, csv_curve, wide_curve, named_curve, prometheus_curve, listed_curve,
)  # fmt: skip

RESULTS = {
    "guests_without_swap": lambda draw: draw.randint(0, 9),
    "guests_at_first_swap": lambda draw: draw.randint(1, 9),
    "swap_end_mib": lambda draw: number(draw, 100.0),
    "seconds": lambda draw: number(draw, 60.0),
    "rate": lambda draw: number(draw, 1e4),
    "footprint_gib_min": lambda draw: number(draw, 5.0),
    "peak_mib": lambda draw: number(draw, 9000.0),
}


def table(file: Path, draw: random.Random) -> Entry:
    """A row for each of some runs, of one or two hosts."""
    told = draw.sample(list(RESULTS), draw.randint(1, len(RESULTS)))
    hosts = draw.choice([("a",), ("a", "b")])
    rows = [
        [name, host, block, *(draw.choice(["", RESULTS[one](draw)]) for one in told)]
        for host in hosts
        for block in range(1, draw.randint(2, 6))
        for name in ("no hinting", "page_hinting")
    ]
    heading = ["variant", "host", "block", *told]
    lines = [",".join(map(str, row)) for row in (heading, *rows)]
    file.write_text("\n".join([*lines, ""]))
    return {
        "file": file.name,
        "columns": {"mechanism": "variant"},
        "mechanisms": {"no hinting": "none"},
    }


def written(folder: Path, draw: random.Random) -> dict[str, Any]:
    """Data files, and the description of them."""
    entries = []
    for block in range(1, draw.randint(1, 4)):
        for mechanism in MECHANISMS[: draw.randint(1, 3)]:
            made = draw.choice(CURVES)(folder / f"{mechanism}-{block}.csv", draw)
            more = {name: RESULTS[name](draw) for name in RESULTS if draw.random() < 0.1}
            at_end = draw.choice(["gone", "held"])
            entries.append({"mechanism": mechanism, "block": block, "at_end": at_end} | made | more)
    tables = [table(folder / "sheet.csv", draw)] if not entries or draw.random() < 0.4 else []
    for entry in (*entries, *tables):
        if draw.random() < 0.1:
            entry["conditions"] = {"thp": draw.choice(["always", "never", 1, 2.5, True])}
    return {
        "study": draw.choice(["mine", "7", "1e3", "null"]),
        "source": "a fuzzer",
        "measured": draw.choice(["2026-01-21", "2026-01-21T10:00:00+02:00"]),
        "memory_gib": number(draw, 1000.0),
        "swap_gib": draw.choice([0, 4]),
        "conditions": {"guest_vcpus": 8, "cpu_model": "A = B"},
        **({"curves": entries} if entries else {}),
        **({"tables": tables} if tables else {}),
    }


def damage_data(file: Path, draw: random.Random) -> None:
    """One file of data."""
    if file.suffix == ".json" and draw.random() < 0.6:
        document = json.loads(file.read_text())
        damage_document(document, draw)
        file.write_text(json.dumps(document))
    elif file.suffix == ".csv" and draw.random() < 0.7:
        delimiter = max(",;\t", key=file.read_text().split("\n")[0].count)
        damage_lines(file, draw, delimiter)
    else:
        draw.choice([damage_bytes, damage_bytes, damage_kind])(file, draw)


def describe(file: Path, description: dict[str, Any], draw: random.Random, damage: bool) -> None:
    """Writes the description, or something like it."""
    if damage:
        damage_document(description, draw)
    try:
        text = yaml.safe_dump(description, allow_unicode=draw.random() < 0.5)
    except (yaml.YAMLError, RecursionError, ValueError):  # too deep, too many digits
        text = "study: [" * 500
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    if damage and draw.random() < 0.2:
        damage_bytes(file, draw)


def tell(results: Path, folder: Path, draw: random.Random) -> None:
    """Some commands on what was imported."""
    store = folder / "store"
    others: list[Callable[[], object]] = [
        lambda: same_both_ways(results, store),
        lambda: commands.run("report", results, "--detail", "--width", draw.choice([40, 80, 160])),
        lambda: commands.run("report", results, "--format", "markdown", "--share"),
        lambda: commands.run("compare", results, results),
        lambda: commands.run_json("compare", results, results),
        lambda: commands.run("history", results, "--format", draw.choice(["junit", "openmetrics"])),
        lambda: commands.run("plan", "--from", results, "--nodes", 9, "--hours", 1),
        lambda: commands.run("export", results, "--format", "csv", "--output", folder / "csv"),
        *(
            lambda run=run: commands.run("show", run)
            for run in sorted((results / "runs").iterdir())[:1]
        ),
    ]
    for other in draw.sample(others, 2):
        other()
    if draw.random() < 0.05:
        commands.run("report", results, "--format", "html")


TOLD = ("answer", "verdict", "density", "recorded", "warnings")


def same_both_ways(results: Path, store: Path) -> None:
    """Figures and doubts of a folder and of a store that it was exported to."""
    commands.run("export", results, "--output", store)
    of_folder, of_store = (commands.run_json("report", one) for one in (results, store))
    for name in TOLD:
        if order_free(of_folder[name]) != order_free(of_store[name]):
            raise WrongError(f"{name}: {of_folder[name]} in the folder, {of_store[name]} not")


def order_free(told: Any) -> Any:
    """Without the order of runs, and numbers without that in which they were added up."""
    if isinstance(told, dict):
        return {name: order_free(one) for name, one in told.items()}
    if isinstance(told, list):
        return sorted(map(str, map(order_free, told)))
    return float(f"{told:.9g}") if isinstance(told, float) else told


def check(draw: random.Random) -> None:
    """One case; raises what is wrong with it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        description = written(data, draw)
        files = sorted(data.iterdir())
        plain = draw.random() < PLAIN
        if not plain:
            for file in draw.sample(files, draw.randint(0, min(2, len(files)))):
                damage_data(file, draw)
        describe(data / "import.yml", description, draw, not plain and draw.random() < 0.7)
        before = sorted(path.name for path in folder.iterdir())
        results = folder / "results"
        said = commands.run("import", data / "import.yml", "--output", results)
        if not said:
            if sorted(path.name for path in folder.iterdir()) != before:
                raise WrongError("refused, and something was written")
            return
        study = load_study(results)
        if study.damages or not study.runs or len(study.runs) != len(study.planned or ()):
            raise WrongError(f"{len(study.runs)} runs, {study.damages}, {said}")
        tell(results, folder, draw)


@contextmanager
def prepared() -> Iterator[cases.Check]:
    """Every case writes its own data."""
    yield check


if __name__ == "__main__":
    sys.exit(cases.main(__doc__, prepared))
