# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet import: other people's curves and tables become a study that everything works on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hintfleet.cli import main
from hintfleet.records.imports.curve import rounded_down
from hintfleet.records.read import load_study

GIB = 1 << 30

CLANG = """
study: clang
source: curves of a test
measured: 2025-01-21
memory_gib: 48
conditions: {guest_vcpus: 8}
curves:
  - &curve {mechanism: none, file: "none/vm_*.csv", unit: B, at_end: held,
            columns: {seconds: time, resident: rss}}
  - {<<: *curve, mechanism: reporting, file: "reporting/vm_*.csv"}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Two guests under two mechanisms, in bytes, a file each, as HyperAlloc's are."""
    curves = {
        "none/vm_0": [(0, 1), (60, 3), (120, 3)],
        "none/vm_1": [(0, 1), (60, 1), (120, 3), (240, 4)],
        "reporting/vm_0": [(0, 1), (60, 3), (120, 1)],
        "reporting/vm_1": [(0, 1), (60, 1), (120, 3), (240, 1)],
    }
    for name, points in curves.items():
        file = tmp_path / f"{name}.csv"
        file.parent.mkdir(exist_ok=True)
        rows = [f"{seconds}.00,{gib * GIB},nan" for seconds, gib in points]
        file.write_text("\n".join(["time,rss,small", *rows]) + "\n")
    (tmp_path / "import.yml").write_text(CLANG)
    return tmp_path


def run(*arguments: object) -> int:
    return main(list(map(str, arguments)))


def imported(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """The report, as JSON, of what folder/import.yml brings."""
    assert run("import", folder / "import.yml", "--output", folder / "results") == 0
    capsys.readouterr()
    assert run("report", folder / "results", "--format", "json") == 0
    return json.loads(capsys.readouterr().out)


def test_curves_give_footprints_and_peaks(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = imported(bench, capsys)
    figures = {name: found["figures"] for name, found in report["recorded"].items()}
    # trapezoids by hand, in GiB·min: 2 + 3 and 1 + 2 + 7; 2 + 2 and 1 + 2 + 4
    assert figures["none"]["recorded_footprint_gib_min"]["estimate"] == pytest.approx(15.0)
    assert figures["reporting"]["recorded_footprint_gib_min"]["estimate"] == pytest.approx(11.0)
    # with what the first guest held last: 3 + 4; 1 + 3
    assert figures["none"]["recorded_peak_gib"]["estimate"] == pytest.approx(7.0)
    assert figures["reporting"]["recorded_peak_gib"]["estimate"] == pytest.approx(4.0)
    versus = figures["reporting"]["recorded_footprint_vs_none"]
    assert versus["estimate"] == pytest.approx(11 / 15)
    assert versus["verdict"] == report["verdict"] == "unsettled"
    assert "held 27 % less memory over time (11 GiB·min instead of 15)" in report["answer"]
    reasons = " ".join(one["reason"] for one in report["warnings"])
    assert "imported, not measured by hintfleet" in reasons
    assert "is told, not recorded" in reasons
    assert report["provenance"]["imported from"] == ["curves of a test"]


def test_a_guest_that_ended_holds_nothing(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    description = bench / "import.yml"
    description.write_text(CLANG.replace("at_end: held,", ""))
    figures = imported(bench, capsys)["recorded"]["none"]["figures"]
    assert figures["recorded_peak_gib"]["estimate"] == pytest.approx(6.0)
    assert figures["recorded_footprint_gib_min"]["estimate"] == pytest.approx(15.0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "results", "--format", "html"),
        ("report", "results", "--format", "markdown"),
        ("report", "results", "--detail"),
        ("report", "results", "--share"),
        ("compare", "results", "results"),
        ("show", "results/runs/imported-node0.b1.none.recorded"),
        ("export", "results", "--output", "store"),
        ("export", "results", "--format", "csv", "--output", "csv", "--share"),
    ],
    ids=" ".join,
)
def test_everything_works_on_an_import(
    bench: Path,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(bench)
    assert run("import", "import.yml", "--output", "results") == 0
    assert run(*arguments) == 0
    told = capsys.readouterr().out
    assert not re.search(r"\bnan\b", told)
    if "--share" in arguments:
        assert "curves of a test" not in told
    if arguments[0] == "export" and "csv" not in arguments:
        assert run("report", "store", "--format", "json") == 0
        from_store = json.loads(capsys.readouterr().out)
        assert run("report", "results", "--format", "json") == 0
        from_folder = json.loads(capsys.readouterr().out)
        for name in ("recorded", "answer", "warnings"):
            assert from_store[name] == from_folder[name]


TABLE = """
study: sheet
source: a spreadsheet
measured: 2026-03-01T10:00:00Z
memory_gib: 15
tables:
  - file: sheet.csv
    columns: {mechanism: variant, block: round, guests_without_swap: fit, seconds: build s}
    mechanisms: {"no hinting": none}
"""


def test_tables_give_guests_seconds_and_rates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "import.yml").write_text(TABLE)
    rows = [
        f"{name};{block};{fit};{build};{rate}"
        for block in (1, 2, 3, 4)
        for name, fit, build, rate in (
            ("no hinting", 2, 100 + block, 50),
            ("reporting", 6, 101 + block, ""),
        )
    ]
    (tmp_path / "sheet.csv").write_text("variant;round;fit;build s;rate\n" + "\n".join(rows) + "\n")
    report = imported(tmp_path, capsys)
    assert report["study"]["finished"] == report["study"]["planned"] == 16
    assert report["density"]["reporting"]["figures"]["more_guests_than_none"]["estimate"] == 4.0
    assert "so far 6 guests fit a node without swapping instead of 2" in report["answer"]
    recorded = {name: found["figures"] for name, found in report["recorded"].items()}
    assert recorded["reporting"]["recorded_seconds_vs_none"]["n"] == 4
    assert recorded["none"]["recorded_rate_per_second"]["estimate"] == pytest.approx(50.0)
    assert "recorded_rate_per_second" not in recorded["reporting"]


def test_conditions_that_differ_are_no_parity(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = bench / "import.yml"
    file.write_text(
        CLANG.replace("mechanism: reporting,", "mechanism: reporting, conditions: {thp: always},")
    )
    assert run("import", file, "--output", bench / "results") == 0
    assert run("report", bench / "results") == 2
    assert "arms differ in thp" in capsys.readouterr().out


def test_prometheus_and_proxmox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = 1_767_225_600  # 2026-01-01
    series = [
        {
            "metric": {"name": name},
            "values": [[start + 15 * k, str(GIB * (1 + k % 2))] for k in range(5)],
        }
        for name in ("vm1", "vm2")
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": series}}
    (tmp_path / "prometheus.json").write_text(json.dumps(answer))
    rrd = [{"time": start + 60 * k, "mem": GIB, "maxmem": 2 * GIB} for k in range(3)]
    (tmp_path / "rrd.json").write_text(json.dumps([*rrd, {"time": start + 180}]))
    wide = ["Time,a,b", *(f"2026-01-01T00:0{k}:00Z,1,{'' if k == 1 else 2}" for k in range(3))]
    (tmp_path / "wide.csv").write_text("\r\n".join(wide) + "\r\n")
    (tmp_path / "import.toml").write_text(
        """
study = "exports"
source = "monitoring"
measured = 2026-01-01
memory_gib = 15
[[curves]]
mechanism = "none"
file = "prometheus.json"
unit = "B"
columns = {seconds = "time", guest = "name", resident = "value"}
[[curves]]
mechanism = "balloon"
file = "rrd.json"
unit = "B"
columns = {seconds = "time", resident = "mem"}
[[curves]]
mechanism = "virtio-mem"
file = "wide.csv"
unit = "GiB"
columns = {seconds = "Time", resident = ["a", "b"]}
"""
    )
    assert run("import", tmp_path / "import.toml", "--output", tmp_path / "results") == 0
    study = load_study(tmp_path / "results")
    assert {run.record["started"] for run in study.runs} == {"2026-01-01T00:00:00.000000Z"}
    assert {run.record["duration_seconds"] for run in study.runs} == {60.0, 120.0}
    capsys.readouterr()
    assert run("report", tmp_path / "results", "--format", "json") == 0
    recorded = json.loads(capsys.readouterr().out)["recorded"]
    footprints = {name: found["footprint_gib_min"] for name, found in recorded.items()}
    assert footprints["none"] == pytest.approx([2 * 1.5])
    assert footprints["balloon"] == pytest.approx([2.0])
    assert footprints["virtio-mem"] == pytest.approx([2.0 + 4.0])


def write(text: str, name: str = "none/vm_0.csv") -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def described(old: str, new: str) -> Callable[[Path], object]:
    assert old in CLANG
    return lambda folder: (folder / "import.yml").write_text(CLANG.replace(old, new))


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no column": (write("time,mem\n0,1\n"), "none/vm_0.csv: line 2: expected a column 'rss'"),
    "no number": (
        write("time,rss\n0,1\n1,much\n"),
        "none/vm_0.csv: line 3: rss: expected a number from 0 to 9007199254740992, found 'much'",
    ),
    "negative": (write("time,rss\n0,-1\n"), "line 2: rss: expected a number from 0"),
    "no time": (write("time,rss\nnoon,1\n"), "line 2: time: expected seconds from 0 on"),
    "no calendar has its end": (
        write("time,rss\n0,1\n9e13,1\n"),
        "expected a run that ends before the year 10000, found one of 9e+13 s from 2025-01-21 on",
    ),
    "no calendar has its beginning": (
        lambda folder: [
            write("time,rss\n9e13,1\n9e13,1\n", f"none/vm_{k}.csv")(folder) for k in (0, 1)
        ],
        "expected a run that ends before the year 10000, found one of 0 s from 9e+13 s since 1970",
    ),
    "clock went back": (
        write("time,rss\n5,1\n4,1\n"),
        "line 3: time: expected a time of at least 5, that of the row before, found '4'",
    ),
    "fields": (write("time,rss\n0,1,2\n"), "line 2: expected 2 fields as in line 1, found 3"),
    "quote": (write('time,rss\n0,"1\n'), "expected CSV"),
    "twice": (write("time,time\n0,1\n"), "line 1: expected each column once"),
    "empty": (write(""), "none/vm_0.csv: expected rows below a heading, found none"),
    "bytes": (
        lambda folder: (folder / "none/vm_0.csv").write_bytes(b"\xff\xfe"),
        "none/vm_0.csv: expected text in UTF-8",
    ),
    "all gaps": (
        lambda folder: [write("time,rss\n0,nan\n", f"none/vm_{k}.csv")(folder) for k in (0, 1)],
        "expected memory of a guest, found none in any row",
    ),
    "other unit": (
        described("unit: B", "unit: KiB"),
        "curves[0].unit: expected at most the 48 GiB of memory_gib, found 7,168 GiB",
    ),
    "unknown key": (
        described("at_end: held", "at_ends: held"),
        "import.yml: curves[0].'at_ends': expected at_end?, found an unknown key",
    ),
    "unknown column": (
        described("resident: rss", "rss: rss"),
        "curves[0].columns: expected one of",
    ),
    "no unit": (described("unit: B, ", ""), "curves[0].unit: expected the key unit"),
    "wrong unit": (described("unit: B", "unit: bytes"), "curves[0].unit: expected one of B, KiB"),
    "no date": (described("2025-01-21", "soon"), "measured: expected a date such as 2025-01-21"),
    "no memory": (described("48", "much"), "memory_gib: expected a number above 0"),
    "no file": (
        described("none/vm_*", "some/vm_*"),
        "curves[0].file: expected a file of that name",
    ),
    "missing file": (
        described("none/vm_*", "none/vm_7"),
        "none/vm_7.csv: file: expected a readable",
    ),
    "bad name": (described("study: clang", "study: a/b"), "study: expected a name of letters"),
    "no yaml": (described("curves:", "curves: ]"), "import.yml: line 7: expected YAML"),
    "twice a key": (
        described("study: clang", "study: a\nstudy: b"),
        "the key 'study' a second time",
    ),
    "nothing": (
        lambda folder: (folder / "import.yml").write_text(CLANG.split("curves:")[0]),
        "curves: expected an entry under curves or tables, found none",
    ),
    "a second curve": (
        described("mechanism: reporting", "mechanism: none, block: 1"),
        "curves[1]: expected one curve for none, block 1 on node 0 of imported, found a second",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_by_file_line_and_field(
    bench: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, sentence = BAD[name]
    damage(bench)
    assert run("import", bench / "import.yml", "--output", bench / "results") == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert sorted(path.name for path in bench.iterdir()) == ["import.yml", "none", "reporting"]


def test_devices_and_fifos_are_not_read(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, kind in (("/dev/zero", "a device"), (".", "a folder")):
        described("none/vm_*.csv", name)(bench)
        assert run("import", bench / "import.yml", "--output", bench / "results") == 1
        assert f"expected a regular file, found {kind}" in capsys.readouterr().err


def test_a_study_is_never_overwritten(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", bench / "import.yml", "--output", bench / "results") == 0
    assert run("import", bench / "import.yml", "--output", bench / "results") == 1
    assert "is there already; name another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("step", "rounded"),
    [(1.5, 1.0), (1.0, 1.0), (0.1, 0.1), (15.0, 10.0), (60.0, 50.0), (5.0, 5.0)],
)
def test_moments_lie_at_round_distances(step: float, rounded: float) -> None:
    assert rounded_down(step) == pytest.approx(rounded)
