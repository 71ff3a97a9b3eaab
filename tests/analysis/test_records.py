# SPDX-License-Identifier: GPL-2.0-or-later
"""One bad record costs itself, is named, and never costs the report."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NotRequired, get_origin, get_type_hints

import numpy as np
import pytest
from hintfleet.records import types as record_types
from hintfleet.records.read import SCHEMAS, DamagedError, UnusableError, load_run, load_study
from hintfleet.records.samples import load_samples
from jsonschema import Draft202012Validator
from synthetic import EVERY_WORKLOAD, Builder

Record = dict[str, Any]


def first_record(builder: Builder, workload: str = "consolidation") -> Path:
    builder.write()
    return next(iter(sorted(builder.folder.glob(f"runs/*.{workload}/record.json"))))


def changed(file: Path, change: Callable[[Record], object]) -> Path:
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))
    return file


def test_synthetic_records_are_valid(builder: Builder) -> None:
    study = load_study(builder.write())
    assert len(study.runs) == 27
    assert not study.damages
    assert study.planned is not None and len(study.planned) == 27


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("RunRecord", ()),
        ("Cell", ("properties", "cell")),
        ("Outcome", ("properties", "outcome")),
        ("Proof", ("properties", "proof", "oneOf", 1)),
        ("Guest", ("properties", "guests", "items")),
        ("Provenance", ("properties", "provenance")),
        ("Qemu", ("properties", "provenance", "properties", "qemu")),
        ("GuestKernel", ("properties", "provenance", "properties", "guest_kernel")),
        ("HostCpuSeconds", ("properties", "host_cpu_seconds")),
        ("Files", ("properties", "files")),
        ("Consolidation", ("$defs", "consolidation")),
        ("Step", ("$defs", "consolidation", "properties", "steps", "items")),
        ("Memhog", ("$defs", "memhog")),
        ("MemhogGuest", ("$defs", "memhog", "properties", "guests", "items")),
        ("PageFault", ("$defs", "page_fault")),
        ("PageFaultRow", ("$defs", "page_fault", "properties", "rows", "items")),
        ("Latency", ("$defs", "page_fault", "properties", "latency")),
        ("Tile", ("$defs", "tile")),
        ("TileRound", ("$defs", "tile", "properties", "tiles", "items")),
        (
            "TileProgram",
            ("$defs", "tile", "properties", "tiles", "items", "properties", "programs", "items"),
        ),
        ("Broken", ("$defs", "tile", "properties", "broken_by", "oneOf", 1)),
        ("Recorded", ("$defs", "recorded")),
        ("Imported", ("properties", "imported")),
    ],
)
def test_types_say_what_the_schema_says(name: str, path: tuple[str | int, ...]) -> None:
    node: Any = json.loads((SCHEMAS / "run_record.schema.json").read_text())
    for key in path:
        node = node[key]
    kind = getattr(record_types, name)
    hints = get_type_hints(kind, include_extras=True)
    assert set(node["required"]) == {
        key for key, hint in hints.items() if get_origin(hint) is not NotRequired
    }
    if "properties" in node:
        assert set(hints) == set(node["properties"]) | set(node["required"])


@pytest.mark.parametrize("schema", ["run_record.schema.json", "study.schema.json"])
def test_schemas_are_schemas(schema: str) -> None:
    Draft202012Validator.check_schema(json.loads((SCHEMAS / schema).read_text()))


BAD_TEXTS = {
    "empty": ("", "an empty file"),
    "truncated": ('{"schema": "hintfleet.run/1", "run_id": "a', "line 1"),
    "not JSON": ("hello", "line 1"),
    "list": ("[]", "list"),
    "foreign": ('{"schema": "other/1"}', "'other/1'"),
    "no schema": ('{"results": []}', "nothing"),
    "newer": ('{"schema": "hintfleet.run/3"}', "'hintfleet.run/3'"),
    "NaN": ('{"schema": "hintfleet.run/1", "block": NaN}', "nan"),
    "infinite": ('{"schema": "hintfleet.run/1", "block": 1e999}', "inf"),
    "missing keys": ('{"schema": "hintfleet.run/1"}', "no such key"),
    "deep": ("[" * 100_000, ""),
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a_bad_file_costs_itself_and_is_named(builder: Builder, name: str) -> None:
    file = first_record(builder)
    text, found = BAD_TEXTS[name]
    file.write_text(text)
    study = load_study(builder.folder)
    assert len(study.runs) == 26
    (damage,) = study.damages
    assert damage.file == file
    assert found in damage.found
    assert str(file) in str(damage) and damage.expected


def test_a_number_that_is_none_is_named_by_its_place(builder: Builder) -> None:
    changed(first_record(builder, "memhog"), set_at("result", "guests", 2, "seconds")(float("nan")))
    (damage,) = load_study(builder.folder).damages
    assert damage.field == "result.guests.2.seconds"


def test_bytes_that_are_no_text_are_named(builder: Builder) -> None:
    file = first_record(builder)
    file.write_bytes(b"\xff\xfe\x00")
    (damage,) = load_study(builder.folder).damages
    assert damage.expected == "a JSON document in UTF-8"


def set_at(*path: str | int) -> Callable[[object], Callable[[Record], None]]:
    def with_value(value: object) -> Callable[[Record], None]:
        def change(record: Record) -> None:
            node: Any = record
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = value

        return change

    return with_value


WRONG: dict[str, tuple[str, Callable[[Record], None], str, str]] = {
    "negative time": (
        "memhog",
        set_at("result", "guests", 0, "seconds")(-1.0),
        "result.guests.0.seconds",
        "at least 0",
    ),
    "negative duration": (
        "memhog",
        set_at("duration_seconds")(-3),
        "duration_seconds",
        "at least 0",
    ),
    "wrong type": ("memhog", set_at("block")("one"), "block", "integer"),
    "unknown mechanism": ("memhog", set_at("mechanism")("hinting"), "mechanism", "one of"),
    "clock went back": (
        "memhog",
        set_at("finished")("2020-01-01T00:00:00Z"),
        "finished",
        "after started",
    ),
    "impossible date": (
        "memhog",
        set_at("started")("2026-13-41T00:00:00Z"),
        "started",
        "a time that exists",
    ),
    "bytes for MiB": (
        "memhog",
        set_at("result", "swap_end_mib")(244 * 2**20),
        "result.swap_end_mib",
        "another unit",
    ),
    "memory beyond the cell": (
        "consolidation",
        set_at("result", "steps", 0, "cell_memory_mib")(366 * 1024.0),
        "result.steps[0].cell_memory_mib",
        "another unit",
    ),
    "more guests than steps": (
        "consolidation",
        set_at("result", "guests_without_swap")(99),
        "result.guests_without_swap",
        "at most the",
    ),
    "no result": ("memhog", set_at("result")(None), "result", "a result of memhog"),
    "another workload's result": (
        "memhog",
        set_at("workload")("consolidation"),
        "result",
        "a result of consolidation",
    ),
    "histogram of unequal lengths": (
        "page_fault",
        set_at("result", "latency", "histogram", "bounds_ns")([1, 2]),
        "result.latency.histogram",
        "one bound more",
    ),
    "a row twice": (
        "page_fault",
        set_at("result", "rows", 1, "tasks")(1),
        "result.rows",
        "once",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_named(builder: Builder, name: str) -> None:
    workload, change, field, expected = WRONG[name]
    file = changed(first_record(builder, workload), change)
    with pytest.raises(DamagedError) as caught:
        load_run(file)
    assert caught.value.damage.field == field
    assert expected in caught.value.damage.expected


def test_steps_whose_clock_went_back_are_named(builder: Builder) -> None:
    file = first_record(builder)
    changed(file, set_at("result", "steps", 0, "started_seconds")(50.0))
    with pytest.raises(DamagedError, match="clock that went back"):
        load_run(file)


def test_a_failed_run_is_no_damage(builder: Builder) -> None:
    file = first_record(builder)

    def fail(record: Record) -> None:
        record["result"] = record["proof"] = None
        record["outcome"] = {"status": "failed", "reason": "guest 1 stayed silent for 60 s"}

    changed(file, fail)
    study = load_study(builder.folder)
    assert not study.damages
    assert len(study.finished()) == 26


def test_a_run_told_twice_counts_once(builder: Builder) -> None:
    file = first_record(builder)
    for name in ("aa-copy", "zz-copy"):
        copy = builder.folder / "runs" / name
        copy.mkdir()
        (copy / "record.json").write_text(file.read_text())
    study = load_study(builder.folder)
    assert len(study.runs) == 27
    assert [d.file.parent.name for d in study.damages] == ["aa-copy", "zz-copy"], "not the original"
    assert all(d.field == "run_id" and "a second time" in d.found for d in study.damages)


def test_a_run_that_never_arrived_whole_is_not_read(builder: Builder) -> None:
    half = first_record(builder).parent.parent / ".a.b1.none.memhog.x7k2"
    half.mkdir()
    (half / "record.json").write_text("{")
    assert load_study(builder.folder).damages == ()


def test_a_record_of_another_study_is_left_out(builder: Builder) -> None:
    changed(first_record(builder), set_at("study")("other"))
    study = load_study(builder.folder)
    assert [damage.field for damage in study.damages] == ["study"]
    assert len(study.runs) == 26


def test_a_study_without_a_plan_is_read(builder: Builder) -> None:
    builder.write()
    (builder.folder / "study.json").unlink()
    study = load_study(builder.folder)
    assert study.planned is None and study.name == "laptop" and len(study.runs) == 27


def test_a_damaged_plan_costs_itself(builder: Builder) -> None:
    builder.write()
    (builder.folder / "study.json").write_text("{")
    study = load_study(builder.folder)
    assert len(study.runs) == 27 and len(study.damages) == 1


def test_no_folder_and_no_record_are_said_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="not a folder of results; name one"):
        load_study(tmp_path / "absent")
    with pytest.raises(UnusableError, match="run the study first"):
        load_study(tmp_path)
    (tmp_path / "june" / "runs").mkdir(parents=True)
    with pytest.raises(UnusableError, match="the folder of one study: june"):
        load_study(tmp_path)


BAD_SAMPLES = {
    "header": ("time,guest\n1,2\n", "line 1"),
    "empty": ("", "line 1"),
    "text": ("seconds,guest,resident_mib,swap_mib\n0.1,0,many,0\n", "line 2"),
    "NaN": ("seconds,guest,resident_mib,swap_mib\n0.1,0,nan,0\n", "line 2"),
    "negative": ("seconds,guest,resident_mib,swap_mib\n0.1,0,5,0\n-1,0,5,0\n", "line 3"),
    "short": ("seconds,guest,resident_mib,swap_mib\n0.1,0,5\n", "line 2"),
    "half a guest": ("seconds,guest,resident_mib,swap_mib\n0.1,0.5,5,0\n", "line 2"),
    "clock": (
        "seconds,guest,resident_mib,swap_mib\n2,0,5,0\n1,0,5,0\n",
        "seconds of guest 0",
    ),
}


@pytest.mark.parametrize("name", BAD_SAMPLES)
def test_bad_samples_are_named(tmp_path: Path, name: str) -> None:
    text, field = BAD_SAMPLES[name]
    file = tmp_path / "samples.csv"
    file.write_text(text)
    with pytest.raises(DamagedError) as caught:
        load_samples(file)
    assert caught.value.damage.field == field


def test_a_last_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "samples.csv"
    file.write_text("seconds,guest,resident_mib,swap_mib\n0.1,0,5,0\n0.2,0,")
    samples = load_samples(file)
    assert samples.seconds.tolist() == [0.1]


def test_earlier_attempts_are_kept_apart(builder: Builder) -> None:
    file = first_record(builder)
    attempt = file.parent.with_name(f"{file.parent.name}.1")
    attempt.mkdir()
    (attempt / "record.json").write_text(file.read_text())
    study = load_study(builder.folder)
    assert len(study.runs) == 27 and not study.damages
    assert [run.folder for run in study.earlier_attempts] == [attempt]


def test_what_is_plainly_right_is_right_and_most_records_are(builder: Builder) -> None:
    """A quick yes must be jsonschema's: damage of every kind at every place of a record."""
    from hintfleet.records.conforms import compiled
    from hintfleet.records.read import _validator

    validator = _validator("run_record.schema.json")
    meets = compiled(validator.schema, validator.schema["$defs"])
    random = np.random.default_rng(5)
    others = (None, True, 0, -1, 3.0, 2.5, "", "x y", "none", [], [1], {}, {"seconds": 1}, 10**9)
    said = {True: 0, False: 0}
    for mechanism, workload in product(("none", "page_hinting"), EVERY_WORKLOAD):
        made = builder.record("local-node0", 1, 1, mechanism, workload, random)
        whole = json.loads(json.dumps(made))
        assert meets(whole)
        for _ in range(150):
            record = copy.deepcopy(whole)
            node: Any = record
            while True:
                keys = list(node) if isinstance(node, dict) else range(len(node))
                key = keys[int(random.integers(len(keys)))]
                if not isinstance(node[key], dict | list) or not node[key] or random.random() < 0.2:
                    break
                node = node[key]
            if random.random() < 0.2:
                del node[key]
            else:
                node[key] = others[int(random.integers(len(others)))]
            plainly = meets(record)
            said[plainly] += 1
            assert not plainly or validator.is_valid(record)
    assert min(said.values()) > 100
