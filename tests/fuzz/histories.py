# SPDX-License-Identifier: GPL-2.0-or-later
"""Damages stores of several studies, and folders beside them, and puts them through history and
the other commands that read stores, as long as told.

    python tests/fuzz/histories.py --seconds 3600 --seed 7

What must hold in every case: a command ends within a minute of CPU time, with 0, 1 or 2 and no
traceback; nothing it writes acts on a terminal; studies that were not touched are still told of,
and of a store the runs in parts that were not; JSON is JSON, XML is XML, OpenMetrics and CSV are
what their readers take.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "analysis/support"))

import cases
import commands
from cases import WrongError
from damages import CONTROLS, VALUES, another_size, damage_bytes, damage_document, damage_kind
from synthetic import EVERY_WORKLOAD, LAPTOP, Builder

STUDIES = ("may", "june", "7", "1e3", "null", "july.2", "august")
METRIC = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)*\})? (\S+)')
NAMES = ("", "none", "page_hinting", "x" * 300, CONTROLS, "=1+1", "a/b", "../..", "NULL")
FOLDERS = (
    "study=may", "study=", "study=a%1b", "study=__HIVE_DEFAULT_PARTITION__", "host_bucket=3",
    "host_bucket=x", "mechanism=", "mechanism=none", "mechanism=..", "other=1", "deep/er",
)  # fmt: skip


def another(value: Any, draw: random.Random) -> Any:
    """A value in place of a cell: of its own type, or nothing."""
    kind = draw.random()
    if kind < 0.3:
        return None
    if isinstance(value, str):
        if kind < 0.5:
            return draw.choice(NAMES)
        text = draw.choice(VALUES)
        return str(text) if not isinstance(text, str) else text
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice([0, -1, 2**62, -(2**63), int(another_size(value, draw))])
    if isinstance(value, float):
        odd = [float("nan"), float("inf"), -float("inf"), 5e-324, 1.7e308]
        return draw.choice([*odd, another_size(value, draw), another_size(value, draw)])
    if isinstance(value, dict):
        return {key: another(one, draw) for key, one in value.items()}
    if isinstance(value, list):
        changed = [another(one, draw) if draw.random() < 0.3 else one for one in value]
        return draw.choice([[], changed, [*value, *value[:3]], [*value, None]])
    return value


def damage_cells(table: pa.Table, draw: random.Random) -> pa.Table:
    """Other values in some rows of some columns."""
    for place in draw.sample(range(table.num_columns), draw.randint(1, 4)):
        values = table.column(place).to_pylist()
        for row in range(len(values)):
            if draw.random() < draw.choice([0.2, 1.0]):
                values[row] = another(values[row], draw)
        field = table.schema.field(place)
        try:
            array = pa.array(values, field.type)
        except (pa.ArrowException, UnicodeError, OverflowError, ValueError):
            continue  # no file could hold it
        table = table.set_column(place, field.name, array)
    return table


def damage_columns(table: pa.Table, draw: random.Random) -> pa.Table:
    """Columns that are missing, of another type, called otherwise, twice or more."""
    place = draw.randrange(table.num_columns)
    name = table.column_names[place]
    kind = draw.randrange(5)
    if kind == 0:
        return table.remove_column(place)
    if kind == 1:
        columns = [
            pa.array([draw.choice(["x", "", "5"])] * table.num_rows),
            pa.array([draw.choice([0, 5, -1])] * table.num_rows),
            pa.array([1.5] * table.num_rows),
            pa.nulls(table.num_rows),
            pa.array([b"\xff\xfe"] * table.num_rows),
            pa.array([[1]] * table.num_rows),
            pa.array([{"guest": "x"}] * table.num_rows),
            pa.array([True] * table.num_rows).dictionary_encode(),
        ]
        return table.set_column(place, name, draw.choice(columns))
    if kind == 2:
        names = list(table.column_names)
        names[place] = draw.choice((*NAMES[2:4], "study", "mechanism"))
        return table.rename_columns(names)
    if kind == 3:
        return table.append_column(name, table.column(draw.randrange(table.num_columns)))
    order = list(range(table.num_columns))
    draw.shuffle(order)
    return table.select(order)


def damage_rows(table: pa.Table, draw: random.Random) -> pa.Table:
    """Rows that are missing, there twice, or in another order."""
    rows = [draw.randrange(table.num_rows) for _ in range(draw.randint(0, 2 * table.num_rows))]
    return table.take(pa.array(rows, pa.int64()))


TABLES = (damage_cells, damage_cells, damage_columns, damage_rows)


def damage_table(part: Path, draw: random.Random) -> None:
    table = pq.ParquetFile(part).read()
    for _ in range(draw.choice([1, 1, 2])):
        if table.num_rows:
            table = draw.choice(TABLES)(table, draw)
    pq.write_table(table, part, write_page_checksum=draw.random() < 0.5)


def damage_place(part: Path, draw: random.Random) -> None:
    """A part in another folder, or under another name; moved or copied."""
    top = part.parents[len(part.parents) - 1 - part.parts.index("store") - 1]
    names = [
        part.name,
        f"part-{'e' * 16}.parquet",
        "part.parquet",
        ".part-1.unfinished",
        "x.parquet",
    ]
    folder = draw.choice([part.parent, *(top / one for one in FOLDERS), part.parent / FOLDERS[-1]])
    target = folder / draw.choice(names)
    if target.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    draw.choice([shutil.copy, shutil.move])(part, target)


def damage_record(file: Path, draw: random.Random) -> None:
    document = json.loads(file.read_text())
    damage_document(document, draw)
    file.write_text(json.dumps(document))


PARTS: tuple[Callable[[Path, random.Random], None], ...] = (
    damage_table, damage_table, damage_table, damage_table, damage_bytes, damage_bytes,
    damage_kind, damage_place,
)  # fmt: skip


def damaged(whole: Path, target: Path, draw: random.Random) -> set[str]:
    """A damaged copy of the store and of the folders beside it; the studies that were not
    touched. None is certain to be if what is damaged is not told of one study."""
    shutil.copytree(whole, target)
    parts = sorted((target / "store" / "runs").rglob("*.parquet"))
    parts += sorted((target / "store" / "studies").rglob("*.parquet"))
    touched = draw.sample(parts, draw.randint(1, 4))
    for part in touched:
        draw.choice(PARTS)(part, draw)
    for folder in draw.sample(STUDIES, draw.randint(0, 2)):
        records = sorted((target / folder).rglob("record.json"))
        for record in draw.sample(records, 2):
            draw.choice([damage_record, damage_record, damage_bytes])(record, draw)
    return set(STUDIES) - {
        folder.removeprefix("study=")
        for part in touched
        for folder in part.parts
        if folder.startswith("study=")
    }


def check_text(form: str, text: str) -> None:
    """Whether the programs that a format is for can read it."""
    if form == "json":
        json.loads(text)
    elif form == "junit":
        ElementTree.fromstring(text)  # noqa: S314 - our own
    elif form == "otava":
        rows = list(csv.reader(io.StringIO(text)))
        if len({len(row) for row in rows}) != 1:
            raise WrongError(f"rows of {[len(row) for row in rows]} fields")
    elif form == "openmetrics":
        *lines, end = text.splitlines()
        bad = [one for one in lines if not one.startswith("# ") and not METRIC.fullmatch(one)]
        if bad or end != "# EOF":
            raise WrongError(f"no OpenMetrics: {bad[:1]} {end!r}")


def tell_history(target: Path, draw: random.Random, untouched: set[str]) -> None:
    """The history of the store, of folders, or of both."""
    folders = [target / name for name in draw.sample(STUDIES, draw.randint(1, 3))]
    places = draw.choice([[target / "store"], folders, [target / "store", *folders]])
    found = commands.run_json("history", *places)
    if target / "store" in places:
        told = {one["study"] for one in (found or {"studies": []})["studies"]}
        if untouched - told:
            raise WrongError(f"untouched and not told of: {sorted(untouched - told)}")
    form = draw.choice(["terminal", "markdown", "junit", "otava", "openmetrics"])
    text = commands.run("history", *places, "--format", form)
    if text:
        check_text(form, text)


def tell_store(store: Path, draw: random.Random, untouched: set[str]) -> None:
    """One or two of the other commands."""
    name, other = draw.sample(STUDIES, 2)
    others: list[Callable[[], object]] = [
        lambda: commands.run("report", store, "--detail"),
        lambda: commands.run("report", store, "--study", name, "--detail"),
        lambda: commands.run("report", store, "--study", name, "--format", "markdown"),
        lambda: commands.run("compare", store, "--study", name, "--study", other),
        lambda: commands.run("plan", "--from", store, "--hours", 1, "--workers", 1, "--nodes", 9),
        lambda: commands.run("export", store.parent / name, "--output", store),
        lambda: commands.run("export", store.parent / name, "--output", store, "--share"),
    ]
    for tell in draw.sample(others, draw.randint(1, 2)):
        tell()
    found = commands.run_json("report", store, "--study", name)
    if name in untouched and (found is None or found["study"]["finished"] != RUNS):
        raise WrongError(f"untouched {name}: {found and found['study']}")


BLOCKS = 2
RUNS = BLOCKS * len(EVERY_WORKLOAD) * 2


def check(whole: Path, draw: random.Random) -> None:
    """One case; raises what is wrong with it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        target = Path(name) / "results"
        untouched = damaged(whole, target, draw)
        if draw.random() < 0.6:
            tell_history(target, draw, untouched)
        else:
            tell_store(target / "store", draw, untouched)


@contextmanager
def prepared() -> Iterator[cases.Check]:
    """Studies as folders and in a store, of which each case damages a copy."""
    with tempfile.TemporaryDirectory(prefix="fuzz-whole-") as name:
        root = Path(name) / "whole"
        for month, study in enumerate(STUDIES, 1):
            guests = 7 if month < 5 else 5
            truth = {**LAPTOP, "page_hinting": replace(LAPTOP["page_hinting"], guests=guests)}
            builder = Builder(
                root, study, BLOCKS, mechanisms=("none", "page_hinting"), truth=truth,
                workloads=EVERY_WORKLOAD,
            )  # fmt: skip
            for file in builder.write().glob("runs/*/record.json"):
                file.write_text(file.read_text().replace("2026-11", f"2026-{month:02d}"))
            commands.run("export", root / study, "--output", root / "store", "--without-samples")
        yield partial(check, root)


if __name__ == "__main__":
    sys.exit(cases.main(__doc__, prepared))
