# SPDX-License-Identifier: GPL-2.0-or-later
"""The Parquet store: what goes in comes out, once, and a killed export harms nothing."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hintfleet import cli
from hintfleet.cli import main
from hintfleet.plan.input import measured
from hintfleet.records.columns import COLUMNS, LIST_COLUMNS, SAMPLE_COLUMNS, flat
from hintfleet.records.observed import row_of, samples_of
from hintfleet.records.read import UnusableError, load_study, open_study
from hintfleet.records.samples import load_samples
from hintfleet.store import export as store_export
from hintfleet.store import parquet as store
from hintfleet.store.rows import Store
from synthetic import Builder


def export(results: Path, output: Path, *options: str) -> int:
    return cli.main(["export", str(results), "--output", str(output), *options])


@pytest.fixture
def results(builder: Builder) -> Path:
    """A study of 27 runs."""
    return builder.write()


def test_every_column_of_every_run_comes_back(results: Path, tmp_path: Path) -> None:
    assert export(results, tmp_path / "store") == 0
    names = [c.name for c in (*COLUMNS, *LIST_COLUMNS)]
    found = {row["run_id"]: row for row in Store(tmp_path / "store").runs.each(names)}
    runs = load_study(results).runs
    assert set(found) == {run.run_id for run in runs}
    for run in runs:
        expected = row_of(run, samples_of(run, []))
        row = dict(found[run.run_id])
        for name in store.TIMES:
            row[name] = f"{row[name]:%Y-%m-%dT%H:%M:%SZ}"
        assert row == expected


def test_whole_records_come_back(results: Path, tmp_path: Path) -> None:
    export(results, tmp_path / "store", "--without-samples")
    runs = load_study(results).runs
    found = {record["run_id"]: record for record in Store(tmp_path / "store").records()}
    assert found == {run.run_id: run.record for run in runs}
    one = list(Store(tmp_path / "store").records([runs[3].run_id]))
    assert one == [runs[3].record]
    assert not (tmp_path / "store" / "samples").exists()


def test_samples_come_back(results: Path, tmp_path: Path) -> None:
    export(results, tmp_path / "store")
    table = Store(tmp_path / "store").rows("samples").data.to_table()
    found = np.array(
        [table.column(name).to_pylist() for name in ("seconds", "guest", "resident_mib")]
    )
    of_run = np.array(table.column("run_id").to_pylist())
    for run in load_study(results).runs:
        assert run.samples_file is not None
        samples = load_samples(run.samples_file)
        expected = np.array([samples.seconds, samples.guest, samples.resident_mib])
        assert np.array_equal(found[:, of_run == run.run_id], expected)


def test_exporting_again_adds_only_what_is_new(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.blocks = 1
    target = tmp_path / "store"
    export(builder.write(), target)
    export(builder.folder, target)
    builder.blocks = 2
    export(builder.write(), target)
    said = [line.split(" added")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["9 runs", "0 runs", "9 runs"]
    names = [row["run_id"] for row in Store(target).runs.each(["run_id"])]
    assert len(names) == len(set(names)) == 18


def test_studies_and_hosts_share_a_store(builder: Builder, tmp_path: Path) -> None:
    target = tmp_path / "store"
    builder.cells = tuple(f"host{k}-node0" for k in range(5))
    builder.blocks, builder.workloads = 1, ("consolidation",)
    export(builder.write(), target)
    builder.study = "july"
    export(builder.write(), target)
    rows = list(Store(target).runs.each(["study", "host", "host_bucket", "mechanism"]))
    assert len(rows) == 2 * 5 * 3
    assert {row["study"] for row in rows} == {"laptop", "july"}
    assert all(row["host_bucket"] == store.host_bucket(row["host"]) for row in rows)


def test_hosts_stay_in_the_buckets_they_were_once_put_into() -> None:
    """These are on disk: another function would split the runs of a host."""
    assert [store.host_bucket(f"host{k}") for k in range(4)] == [3, 5, 15, 9]
    counts = np.bincount([store.host_bucket(f"host{k:06d}") for k in range(16_000)])
    assert counts.size == store.BUCKETS and counts.min() > 800


def test_a_killed_export_leaves_nothing_half_done(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "store"
    stage, written = store.stage_part, []

    def killed_at_the_third_part(folder: Path, table: object, key: str) -> tuple[Path, Path]:
        written.append(folder)
        if len(written) == 3:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".part-0123.1.unfinished").write_bytes(b"PAR1 half of")
            raise KeyboardInterrupt
        return stage(folder, table, key)

    monkeypatch.setattr(store, "stage_part", killed_at_the_third_part)
    with pytest.raises(KeyboardInterrupt):
        export(results, target)
    monkeypatch.undo()
    export(results, target)
    names = [row["run_id"] for row in Store(target).runs.each(["run_id"])]
    assert len(names) == len(set(names)) == 27
    samples = Store(target).rows("samples").data.to_table(columns=["run_id", "seconds", "guest"])
    assert (
        samples.num_rows == samples.group_by(["run_id", "seconds", "guest"]).aggregate([]).num_rows
    )


def test_parts_are_split_when_they_are_full(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(store, "PART_ROWS", 2)
    builder.workloads = ("consolidation",)
    export(builder.write(), tmp_path / "store")
    assert len(list((tmp_path / "store" / "runs").rglob("*.parquet"))) > 3
    assert sum(1 for _ in Store(tmp_path / "store").runs.each(["run_id"])) == 9


def test_many_processes_add_what_one_adds(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs, samples, what is damaged, tried before, copied, missing: with a part every other run,
    and folders that are not named after their runs in another process than their copies."""
    builder.cells = ("host1-node0", "host2-node0")
    runs = builder.write() / "runs"
    folders = sorted(runs.iterdir())
    (folders[3] / "record.json").write_text("{")
    (folders[5] / "samples.csv").write_text("no samples")
    shutil.copytree(folders[7], runs / f"{folders[7].name}.1")
    shutil.copytree(folders[20], runs / "a copy")
    folders[30].rename(runs / "another name")
    folders[31].rename(runs / "gone")
    (runs / "gone" / "record.json").unlink()
    damages = store_export.export(load_study(builder.folder), tmp_path / "one", True).damages
    monkeypatch.setattr(store_export, "FEWEST_RUNS", 1)
    monkeypatch.setattr(store_export, "MOST_RUNS", 10)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    done = store_export.export_folder(open_study(builder.folder), tmp_path / "two", True)
    assert sorted(map(str, done.damages)) == sorted(map(str, damages))
    assert len(done.ids) == 52 and len(damages) == 3
    parts = [len(list((tmp_path / name).rglob("*.parquet"))) for name in ("one", "two")]
    assert parts[0] < parts[1]
    for name in ("runs", "samples", "records", "studies"):
        tables = [
            Store(tmp_path / root).rows(name).data.to_table().to_pylist() for root in ("one", "two")
        ]
        for rows in tables:
            rows.sort(key=lambda row: json.dumps(row, default=str, sort_keys=True))
            for row in rows:
                row.pop("timeline", None), row.pop("sampled_seconds", None)
        assert tables[0] == tables[1], name
    again = store_export.export_folder(open_study(builder.folder), tmp_path / "two", True)
    assert (again.ids, again.already) == ([], 52)


def test_only_the_columns_asked_for_are_read(results: Path, tmp_path: Path) -> None:
    export(results, tmp_path / "store")
    for batch in Store(tmp_path / "store").runs.batches(["cell", "block"], workload="memhog"):
        assert batch.schema.names == ["cell", "block"]
    rows = list(Store(tmp_path / "store").runs.each(["workload"], workload="memhog"))
    assert len(rows) == 9 and {row["workload"] for row in rows} == {"memhog"}


def test_damaged_samples_cost_themselves(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = next(results.glob("runs/*.memhog/samples.csv"))
    damaged.write_text("seconds,guest,resident_mib,swap_mib\n1,0,nan,0\n")
    assert export(results, tmp_path / "store") == 0
    assert f"left out: {damaged}: line 2" in capsys.readouterr().err
    assert sum(1 for _ in Store(tmp_path / "store").runs.each(["run_id"])) == 27
    runs = Store(tmp_path / "store").rows("samples").data.to_table(columns=["run_id"])
    assert len(set(runs.column("run_id").to_pylist())) == 26


def test_without_pyarrow_the_user_is_told_what_to_install(
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert export(results, tmp_path / "store") == 1
    assert "pip install 'hintfleet[parquet]'" in capsys.readouterr().err
    assert export(results, tmp_path / "csv", "--format", "csv") == 0


def test_csv_has_the_same_columns(results: Path, tmp_path: Path) -> None:
    export(results, tmp_path, "--format", "csv")
    runs = load_study(results).runs
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [column.name for column in COLUMNS]
    assert [row["run_id"] for row in rows] == [run.run_id for run in runs]
    for column in LIST_COLUMNS:
        with (tmp_path / f"{column.name}.csv").open() as file:
            entries = list(csv.DictReader(file))
        assert len(entries) == sum(len(column.values(run.record)) for run in runs)
    with (tmp_path / "samples.csv").open() as file:
        reader = csv.reader(file)
        assert next(reader) == [name for name, _ in SAMPLE_COLUMNS]
        count = sum(1 for _ in reader)
    assert count == sum(
        load_samples(run.samples_file).seconds.size for run in runs if run.samples_file
    )


def test_csv_is_not_written_into_a_store(results: Path, tmp_path: Path) -> None:
    export(results, tmp_path / "store")
    assert export(results, tmp_path / "store", "--format", "csv") == 1


def test_a_plan_from_a_store_is_that_from_its_study(results: Path, tmp_path: Path) -> None:
    export(results, tmp_path / "store")

    def by_run(folder: Path) -> list[object]:
        return sorted(measured(folder).footprints, key=str)

    assert by_run(tmp_path / "store") == by_run(results)


def test_a_folder_that_is_no_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="holds no runs/ as Parquet"):
        Store(tmp_path).runs  # noqa: B018


def test_the_schema_of_a_part_is_that_of_the_columns(results: Path, tmp_path: Path) -> None:
    """Older parts must stay readable: a column may be added, never changed."""
    import pyarrow.parquet as pq

    export(results, tmp_path / "store")
    part = next((tmp_path / "store" / "runs").rglob("*.parquet"))
    assert pq.read_schema(part).equals(store.runs_schema())
    record = json.loads((next(results.glob("runs/*/record.json"))).read_text())
    assert set(flat(record)) == {column.name for column in COLUMNS}


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_store_that_cannot_be_written_is_said(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, name: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert export(results, tmp_path / name, "--format", form) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "cannot be written: " in said and "another folder" in said


def part_of(target: Path, mechanism: str) -> Path:
    return next((target / "runs").rglob(f"mechanism={mechanism}/*.parquet"))


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", b"text" * 100])
def test_a_damaged_part_costs_itself_and_is_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    target = tmp_path / "store"
    export(results, target)
    part = part_of(target, "page_hinting")
    part.write_bytes(content)
    capsys.readouterr()
    assert cli.main(["report", str(target), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["study"]["finished"] == 18
    assert [one["file"] for one in report["unusable"]] == [str(part)]
    assert cli.main(["plan", "--from", str(target), "--workers", "1"]) == 0
    assert part.name in "".join(capsys.readouterr().out.split())


def test_a_part_with_other_columns_is_named(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = tmp_path / "store"
    export(results, target)
    pq.write_table(
        pa.table({"a": [1], "b": [2]}),
        part_of(target, "none").with_name(f"part-{'0' * 16}.parquet"),
    )
    capsys.readouterr()
    assert cli.main(["report", str(target), "--detail"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "columns: expected those of runs/, run_id first, found a, b" in said


@pytest.mark.parametrize("place", ["loose", "copy", "another mechanism", "another study"])
def test_a_part_that_export_did_not_put_there_is_named(
    laptop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    target = tmp_path / "store"
    main(["export", str(laptop), "--output", str(target)])
    main(["report", str(target), "--format", "json"])
    alone = json.loads(capsys.readouterr().out.partition("\n")[2])
    part = part_of(target, "none")
    other = {
        "loose": target / "runs" / part.name,
        "copy": part.with_name("part-copy.parquet"),
        "another mechanism": part.parents[1] / "mechanism=page_hinting" / part.name,
        "another study": target / "runs" / "study=other" / part.name,
    }[place]
    other.parent.mkdir(exist_ok=True)
    shutil.copy(part, other)
    main(["report", str(target), "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    assert [one["file"] for one in report["unusable"]] == [str(other)]
    for topic in ("density", "memhog", "page_fault", "study"):
        assert report[topic] == alone[topic]
