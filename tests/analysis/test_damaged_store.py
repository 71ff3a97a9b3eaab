# SPDX-License-Identifier: GPL-2.0-or-later
"""A store that is damaged, or that another program wrote into: what is wrong costs itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hintfleet.cli import main
from hintfleet.store.rows import run_ids

RUNS = 27
"""Of the study of conftest.py, nine in each part."""

Change = Callable[[pa.Table], pa.Table]


def put(table: pa.Table, column: str, values: list[Any], kind: pa.DataType | None = None) -> Any:
    """The table with other values in a column, of its own type or of another."""
    field = table.schema.field(column)
    kind = kind or field.type
    array = pa.array(values, kind)
    return table.set_column(table.column_names.index(column), pa.field(column, kind), array)


def first(column: str, value: Any) -> Change:
    """Another value in the first row."""

    def change(table: pa.Table) -> pa.Table:
        return put(table, column, [value, *table.column(column).to_pylist()[1:]])

    return change


def as_other(column: str, value: Any, kind: pa.DataType) -> Change:
    """A column of another type."""
    return lambda table: put(table, column, [value] * table.num_rows, kind)


def without(column: str) -> Change:
    return lambda table: table.drop_columns([column])


def twice(table: pa.Table) -> pa.Table:
    """The first row once more at the end."""
    return pa.concat_tables([table, table.slice(0, 1)])


def rewrite(part: Path, change: Change) -> None:
    pq.write_table(change(pq.ParquetFile(part).read()), part)


@pytest.fixture(scope="module")
def exported(laptop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("exported") / "store"
    assert main(["export", str(laptop), "--output", str(target)]) == 0
    return target


@pytest.fixture
def store(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "store"))


def part_of(store: Path, mechanism: str = "page_hinting") -> Path:
    return next((store / "runs").rglob(f"mechanism={mechanism}/*.parquet"))


def reported(store: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert main(["report", str(store), "--format", "json"]) in (0, 2)
    return json.loads(capsys.readouterr().out)


def told(report: Any) -> str:
    return "\n".join(
        f"{one['file']}: {one['field']}: {one['expected']}: {one['found']}"
        for one in report["unusable"]
    )


ROWS: dict[str, tuple[Change, str, int]] = {
    **{
        f"no {name}": (first(name, None), f"{name}: a name in every row: 1 of 9 rows", 1)
        for name in ("run_id", "host", "cell")
    },
    "an empty run_id": (first("run_id", ""), "run_id: a name in every row: 1 of 9 rows", 1),
    "no workload": (first("workload", None), "workload: one of consolidation", 1),
    "another workload": (first("workload", "chess"), "workload: one of consolidation", 1),
    "no status": (first("status", None), "status: one of finished, failed, aborted", 1),
    "another status": (first("status", "maybe"), "status: one of finished, failed, aborted", 1),
    "no block": (first("block", None), "block: numbers from 1 to 1000000", 1),
    "block 0": (first("block", 0), "block: numbers from 1 to 1000000", 1),
    "block 10^18": (first("block", 10**18), "block: numbers from 1 to 1000000", 1),
    "no order": (first("order", None), "order: numbers from 1 to 1000000", 1),
    "no column host": (without("host"), "host: a name in every row: 9 of 9 rows", 9),
    "hosts are numbers": (as_other("host", 7, pa.int64()), "", 0),
    "blocks are texts": (as_other("block", "x", pa.string()), "block: int64: string", 9),
    "a row twice": (twice, "run_id: rows of runs that no other row tells of: 1 of 10", 0),
}
"""By what is wrong with rows of a part: how, what is said, and how many runs are lost."""


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_cannot_be_used_costs_itself_and_is_named(
    store: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, said, lost = ROWS[name]
    part = part_of(store)
    rewrite(part, change)
    report = reported(store, capsys)
    assert report["study"]["finished"] == RUNS - lost
    assert {one["file"] for one in report["unusable"]} == ({str(part)} if said else set())
    assert said in told(report)
    assert main(["history", str(store)]) == 0


def test_a_plan_leaves_out_what_a_report_does(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(part_of(store), lambda table: first("host", None)(twice(table)))
    flip(part_of(store, "free_page_reporting"))
    words = ["plan", "--from", str(store), "--workers", "1", "--hours", "1", "--nodes", "9"]
    assert main([*words, "--only", "none", "--only", "page_hinting"]) in (0, 2)
    said = " ".join(capsys.readouterr().out.split())
    for words in ("host: expected a name in every row", "pages: expected a whole Parquet file"):
        assert words in said


VALUES: dict[str, tuple[Change, str]] = {
    "a number as text": (
        as_other("fault_p99_ns", "many", pa.string()),
        "fault_p99_ns: double: string: its values are left out",
    ),
    "a list as number": (
        as_other("memhog_guests", 3, pa.int64()),
        "memhog_guests: list<item: struct<guest: int64",
    ),
    "infinite": (first("cpu_user_seconds", float("inf")), "cpu_user_seconds: finite numbers"),
    "negative": (first("cpu_user_seconds", -1.0), "cpu_user_seconds: finite numbers from 0"),
    "all but 0": (first("cpu_user_seconds", 1e-300), "cpu_user_seconds: finite numbers from 0"),
    "2^60": (first("node", 2**60), "node: finite numbers from 0"),
    "a guest without a number": (
        lambda table: put(
            table,
            "memhog_guests",
            [[None, {"guest": None, "seconds": 1.0}]] * table.num_rows,
        ),
        "memhog_guests.seconds: a guest and a number",
    ),
    "a curve with a hole": (
        lambda table: put(table, "sampled_seconds", [None] * table.num_rows),
        "timeline: memory and swap over time",
    ),
    "facts that are none": (first("facts", "[[["), "facts: a flat JSON object"),
    "settings of settings": (first("parity", '{"a": {"b": 1}}'), "parity: a flat JSON object"),
    "a list of statements": (first("states", "[1]"), "states: a JSON object"),
    "pieces that are lists": (first("differs", '{"a": []}'), "differs: a flat JSON object"),
}
"""By what is wrong with values of a part: how, and what is said. No run is lost."""


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_cannot_be_used_costs_itself_and_is_named(
    store: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, said = VALUES[name]
    rewrite(part_of(store), change)
    report = reported(store, capsys)
    assert report["study"]["finished"] == RUNS
    assert said in told(report)


def test_bins_that_are_none_are_not_drawn(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = reported(store, capsys)["page_fault"]["page_hinting"]["latency_histogram"]

    def add(table: pa.Table) -> pa.Table:
        more = [
            None,
            {"lower_ns": None, "upper_ns": 2.0, "count": 1},
            {"lower_ns": 9.0, "upper_ns": 8.0, "count": 1},
            {"lower_ns": 1.0, "upper_ns": float("inf"), "count": 1},
            {"lower_ns": 1.0, "upper_ns": 2.0, "count": -1},
        ]
        lists = [(one or []) + more for one in table.column("fault_histogram").to_pylist()]
        return put(table, "fault_histogram", lists)

    rewrite(part_of(store), add)
    assert reported(store, capsys)["page_fault"]["page_hinting"]["latency_histogram"] == whole


BESIDE: dict[str, tuple[Change, str]] = {
    "no run_id": (first("run_id", None), "run_id: a name in every row of a run"),
    "no cell": (first("cell", None), "cell: a name in every planned run"),
    "no workload": (first("workload", None), "workload: a name in every planned run"),
    "no arm": (
        lambda table: first("mechanism", None)(first("arm", None)(table)),
        "arm: a name in every planned run",
    ),
    "no block": (first("block", None), "block: a number from 1 to 1000000 in every planned run"),
    "another kind": (first("kind", "x\x1b[2J"), "kind: one of planned"),
    "runs are numbers": (as_other("run_id", 5, pa.int64()), ""),
    "no column kind": (without("kind"), "kind: one of planned"),
    "blocks are texts": (as_other("block", "x", pa.string()), "block: int64: string"),
}
"""The same of what is known beside runs."""


@pytest.mark.parametrize("name", BESIDE)
def test_what_is_known_beside_runs_costs_itself(
    store: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, said = BESIDE[name]
    (part,) = (store / "studies").rglob("*.parquet")
    rewrite(part, change)
    report = reported(store, capsys)
    assert report["study"]["finished"] == RUNS
    assert said in told(report)
    assert main(["history", str(store)]) == 0


def test_runs_that_two_parts_tell_of_count_once(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy under the name of a part: which of them is read hangs on the name alone."""
    whole = reported(store, capsys)
    copy = part_of(store).with_name(f"part-{'f' * 16}.parquet")
    shutil.copy(part_of(store), copy)
    report = reported(store, capsys)
    assert f"{copy}: run_id: rows of runs that no other row tells of: 9 of 9" in told(report)
    for topic in ("study", "answer", "density", "memhog", "page_fault", "missing"):
        assert report[topic] == whole[topic]


def link(part: Path) -> None:
    target = part.rename(part.parents[4] / "elsewhere")
    part.symlink_to(target)


def pipe(part: Path) -> None:
    part.unlink()
    os.mkfifo(part)


def folder(part: Path) -> None:
    part.unlink()
    part.mkdir()


def cut(part: Path) -> None:
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])


def flip(part: Path, column: str = "host") -> None:
    """One bit in a page of a column: without a checksum it would be another name, or number."""
    metadata = pq.ParquetFile(part).metadata
    (place,) = [k for k in range(metadata.num_columns) if metadata.schema[k].path == column]
    chunk = metadata.row_group(0).column(place)
    content = bytearray(part.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start + chunk.total_compressed_size - 1] ^= 1
    part.write_bytes(content)


def move(folder: str) -> Callable[[Path], None]:
    """Into a folder that export would not make."""

    def change(part: Path) -> None:
        top = part.parents[2]
        target = top / folder / part.name
        target.parent.mkdir(parents=True)
        part.rename(target)

    return change


def columns_twice(part: Path) -> None:
    table = pq.ParquetFile(part).read()
    pq.write_table(table.append_column("host", table.column("cell")), part)


PARTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link": (link, "file: a regular file: a symbolic link"),
    "a FIFO": (pipe, "file: a regular file: a FIFO"),
    "a folder": (folder, "file: a regular file: a folder"),
    "cut short": (cut, "footer: a whole Parquet file"),
    "a flipped bit": (flip, "pages: a whole Parquet file"),
    "a bucket of text": (move("host_bucket=x/mechanism=none"), "folder: study="),
    "a bucket too many": (move("host_bucket=16/mechanism=none"), "folder: study="),
    "no mechanism": (move("host_bucket=8/mechanism="), "folder: study="),
    "a null mechanism": (
        move("host_bucket=8/mechanism=__HIVE_DEFAULT_PARTITION__"),
        "folder: study=",
    ),
    "a column twice": (columns_twice, "columns: each once: host more often"),
}
"""By what is wrong with a part: how, and what is said. Its nine runs are lost."""


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_cannot_be_used_costs_itself_and_is_named(
    store: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, said = PARTS[name]
    change(part_of(store))
    report = reported(store, capsys)
    assert report["study"]["finished"] == RUNS - 9
    assert said in told(report)
    assert main(["history", str(store)]) == 0


def test_a_part_that_has_the_columns_of_folders_too_is_where_it_lies(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As pandas and Spark write them, which do not know of our folders."""

    def add(table: pa.Table) -> pa.Table:
        for name, value in (("study", "other"), ("mechanism", "none"), ("host_bucket", "8")):
            table = table.append_column(name, pa.array([value] * table.num_rows))
        return table

    whole = reported(store, capsys)
    rewrite(part_of(store), add)
    assert reported(store, capsys) == whole


def test_a_store_without_a_usable_row_says_why(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in (store / "runs").rglob("*.parquet"):
        rewrite(part, without("host"))
    capsys.readouterr()
    assert main(["report", str(store)]) == 1
    said = capsys.readouterr().err
    assert "holds no run that can be used: " in said and "host: expected a name" in said
    assert main(["history", str(store)]) == 1


def test_exporting_again_brings_back_what_was_damaged(
    laptop: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs whose rows cannot be used are none that the store has."""
    flip(part_of(store))
    rewrite(part_of(store, "none"), first("host", None))
    assert len(run_ids(store, "laptop")) == RUNS - 9 - 1
    assert main(["export", str(laptop), "--output", str(store)]) == 0
    assert "10 runs added" in capsys.readouterr().out
    assert reported(store, capsys)["study"]["finished"] == RUNS


def test_a_flipped_bit_is_never_another_value(store: Path) -> None:
    """Anywhere in a part: it is found, or changes nothing."""
    part = part_of(store)
    content, whole = part.read_bytes(), pq.ParquetFile(part).read()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    found = 0
    for at in range(4, len(content) - footer, 97):
        flipped = bytearray(content)
        flipped[at] ^= 1
        part.write_bytes(flipped)
        try:
            table = pq.ParquetFile(part, page_checksum_verification=True).read()
        except (OSError, pa.ArrowException):
            found += 1
        else:
            assert table.equals(whole)
    assert found > 20
