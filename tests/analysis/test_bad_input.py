# SPDX-License-Identifier: GPL-2.0-or-later
"""Studies that somebody made to read, run or fake something: each costs itself and is named."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hintfleet.cli import main
from hintfleet.records.files import read_end, read_regular
from hintfleet.records.read import DamagedError, UnusableError, load_run, load_study
from hintfleet.records.samples import load_samples
from hintfleet.records.text import clean
from hintfleet.render.markdown import escaped
from permissions import permissions_count
from synthetic import Builder

SECRET = "aws_access_key_id=AKIAABCDEFGHIJKLMNOP"  # noqa: S105
CONTROLS = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnitset\u2066\u200b\ufeff\ud800\x00\x7f"
FORGED = "broke\n\n# Verdict: sound\n\n![](https://evil.example/x.png) <img src=x> @everyone | *a*"

Record = dict[str, Any]


def changed(file: Path, *path: str | int, value: object) -> Path:
    record = json.loads(file.read_text())
    node = record
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    file.write_text(json.dumps(record))
    return file


@pytest.fixture
def file(builder: Builder) -> Path:
    """The record of a memhog run of a study of 9 runs that is on disk."""
    builder.blocks = 1
    builder.write()
    return builder.folder / "runs" / "local-node0.b1.none.memhog" / "record.json"


def everything(study: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """All that the commands write of a study, together."""
    texts = []
    for form in ("terminal", "json", "markdown"):  # HTML escapes by itself, see test_html.py
        detail = ["--detail"] if form == "terminal" else []
        assert main(["report", str(study), "--format", form, *detail]) in (0, 2)
    tables = study.parent / "tables"
    assert main(["export", str(study), "--format", "csv", "--output", str(tables)]) == 0
    texts += [table.read_text() for table in tables.iterdir()]
    for run in sorted((study / "runs").glob("*none*")):
        main(["show", str(run)])
    captured = capsys.readouterr()
    return "".join([captured.out, captured.err, *texts])


# --- files that a record names ------------------------------------------------------


def outside(tmp_path: Path) -> Path:
    file = tmp_path / "credentials"
    file.write_text(f"[default]\n{SECRET}\n" * 20)
    return file


@pytest.mark.parametrize("entry", ["samples", "proof_samples", "consoles", "host_log"])
@pytest.mark.parametrize(
    "name", ["../../../credentials", "/etc/passwd", "..", ".hidden", "a\x00b", "a/b", "", "x" * 300]
)
def test_a_name_that_is_no_file_of_the_run_is_damage(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str], entry: str, name: str
) -> None:
    outside(builder.root)
    changed(file, "files", entry, value=[name] if entry == "consoles" else name)
    with pytest.raises(DamagedError) as caught:
        load_run(file)
    assert caught.value.damage.field.startswith(f"files.{entry}")
    assert SECRET not in everything(builder.folder, capsys)


def test_a_link_of_a_good_name_is_not_followed(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(file, "files", value={"samples": "samples.csv", "consoles": ["console-a.log"]})
    (file.parent / "samples.csv").unlink()
    for name in ("samples.csv", "console-a.log"):
        (file.parent / name).symlink_to(outside(builder.root))
    said = everything(builder.folder, capsys)
    assert SECRET not in said
    assert said.count("expected a regular file, found a symbolic link") >= 2


@pytest.mark.parametrize("form", ["terminal", "html", "json", "markdown"])
def test_a_report_is_written_over_no_other_file(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Somebody else's folder may hold a link where the report is to lie."""
    target, report = outside(builder.root), builder.folder / "report"
    report.symlink_to(target)
    before = target.read_text()
    assert main(["report", str(builder.folder), "--format", form, "--output", str(report)]) == 1
    assert "is a symbolic link; name the file" in capsys.readouterr().err
    assert target.read_text() == before
    command = ["report", str(builder.folder), "--format", form, "--output", "/dev/null"]
    assert main(command) in (0, 2)


def planned_only(builder: Builder) -> Path:
    """The folder of a run that is planned and has not been run, where the controller notes why."""
    plan = json.loads((builder.folder / "study.json").read_text())
    run_id = plan["runs"][0]["run_id"]
    shutil.rmtree(builder.folder / "runs" / run_id)
    folder = builder.folder / "missing"
    folder.mkdir()
    return folder / f"{run_id}.txt"


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_a_note_on_a_missing_run_leads_to_no_other_file(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str], linked: str
) -> None:
    note = planned_only(builder)
    if linked == "file":
        (builder.root / "diary").write_text("nobody else's")
        note.symlink_to(builder.root / "diary")
    else:
        elsewhere = builder.root / "documents"
        note.parent.rename(elsewhere)
        (elsewhere / note.name).write_text("nobody else's")
        note.parent.symlink_to(elsewhere)
    said = everything(builder.folder, capsys)
    assert "nobody" not in said
    assert note.name.removesuffix(".txt") in said


@pytest.mark.parametrize("kind", ["fifo", "endless", "escapes"])
def test_a_note_on_a_missing_run_is_a_line_of_text(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    note = planned_only(builder)
    if kind == "fifo":
        os.mkfifo(note)
    else:
        note.write_bytes(b"\xff\x1b]0;owned\x07\n\n# sound\n" * (1 if kind == "escapes" else 10**5))
    said = everything(builder.folder, capsys)
    assert "\x1b" not in said and "\n# sound" not in said
    wanted = {"fifo": "found a FIFO", "endless": "at most 65536 bytes", "escapes": "]0;owned"}
    assert wanted[kind] in " ".join(said.split())


def test_nothing_is_quoted_of_a_file_that_is_no_csv(file: Path) -> None:
    samples = file.parent / "samples.csv"
    for text in (f"{SECRET}\n", f"seconds,guest,resident_mib,swap_mib\n{SECRET}\n"):
        samples.write_text(text)
        with pytest.raises(DamagedError) as caught:
            load_samples(samples)
        assert SECRET not in str(caught.value)


def make_fifo(file: Path) -> None:
    os.mkfifo(file)


def make_socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, tempfile.TemporaryDirectory() as folder:
        made.bind(f"{folder}/s")  # the path of a socket may have 108 bytes
        Path(folder, "s").rename(file)


def make_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def make_loop(file: Path) -> None:
    file.symlink_to(file.name)


IRREGULAR: dict[str, tuple[Callable[[Path], None], str]] = {
    "FIFO": (make_fifo, "a FIFO"),
    "socket": (make_socket, "a socket"),
    "link to an endless device": (make_device, "a symbolic link"),
    "link to itself": (make_loop, "a symbolic link"),
    "folder": (Path.mkdir, "a folder"),
}


@pytest.mark.parametrize("name", IRREGULAR)
@pytest.mark.parametrize("which", ["record.json", "samples.csv"])
def test_what_is_no_regular_file_is_said_and_not_waited_for(
    builder: Builder, file: Path, name: str, which: str
) -> None:
    make, found = IRREGULAR[name]
    victim = file.parent / which
    victim.unlink()
    make(victim)
    command = [sys.executable, "-m", "hintfleet.cli", "report", str(builder.folder), "--detail"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode in (0, 2), ran.stderr
    assert f"expected a regular file, found {found}" in " ".join(ran.stdout.split())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_is_not_opened_for_reading(file: Path) -> None:
    file.unlink()
    try:
        os.mknod(file, 0o20600, os.makedev(1, 5))
        file.open().close()
    except OSError:
        pytest.skip("device nodes cannot be made or opened here")
    with pytest.raises(DamagedError, match="found a device"):
        load_run(file)


def test_a_plan_that_is_a_link_costs_itself(builder: Builder, file: Path) -> None:
    plan = builder.folder / "study.json"
    plan.unlink()
    plan.symlink_to("/dev/zero")
    study = load_study(builder.folder)
    assert len(study.runs) == 9
    assert [str(d) for d in study.damages] == [
        f"{plan}: file: expected a regular file, found a symbolic link"
    ]


def test_a_run_that_is_a_link_costs_itself(builder: Builder, file: Path) -> None:
    elsewhere = builder.root / "elsewhere"
    file.parent.rename(elsewhere)
    file.parent.symlink_to(elsewhere)
    study = load_study(builder.folder)
    assert len(study.runs) == 8
    assert [d.found for d in study.damages] == ["a symbolic link"]


def test_runs_that_are_being_written_are_passed_over(builder: Builder, file: Path) -> None:
    half = file.parent.with_name(".local-node0.b1.none.memhog.x1y2")
    half.mkdir()
    (half / "record.json").write_text("{")
    study = load_study(builder.folder)
    assert len(study.runs) == 9 and not study.damages


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as target:
        target.write(b"begin")
        target.truncate(1 << 40)
    with pytest.raises(DamagedError, match="at most 100 bytes, found 1099511627776 bytes"):
        read_regular(large, 100)
    assert read_end(large, 100) == bytes(100)


# --- folders that cannot be read ----------------------------------------------------


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """A folder of somebody for whom permissions count."""
    Builder(tmp_path, blocks=1).write()
    with permissions_count():
        yield tmp_path / "laptop"
    for path in (tmp_path / "laptop" / "runs", *(tmp_path / "laptop" / "runs").glob("*")):
        path.chmod(0o755)


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100])
def test_a_run_that_cannot_be_read_is_said_so(unprivileged: Path, mode: int) -> None:
    run = unprivileged / "runs" / "local-node0.b1.none.memhog"
    run.chmod(mode)
    study = load_study(unprivileged)
    assert len(study.runs) == 8
    assert [d.found for d in study.damages] == ["Permission denied"]


def test_a_record_that_cannot_be_read_is_said_so(unprivileged: Path) -> None:
    record = unprivileged / "runs" / "local-node0.b1.none.memhog" / "record.json"
    record.chmod(0)
    (damage,) = load_study(unprivileged).damages
    assert str(damage) == f"{record}: file: expected a readable file, found Permission denied"


@pytest.mark.parametrize("part", ["runs", "."])
@pytest.mark.parametrize("command", ["report", "export", "compare", "plan"])
def test_a_study_that_cannot_be_read_is_an_error(
    unprivileged: Path, capsys: pytest.CaptureFixture[str], part: str, command: str
) -> None:
    folder = unprivileged / part
    folder.chmod(0)
    words = {
        "report": ["report", str(unprivileged)],
        "export": ["export", str(unprivileged), "--output", str(unprivileged.parent / "store")],
        "compare": ["compare", str(unprivileged), "--published", "v10-cover"],
        "plan": ["plan", "--from", str(unprivileged)],
    }
    try:
        assert main(words[command]) == 1
    finally:
        folder.chmod(0o755)
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["file", "loop", "absent", "long", "nul"])
def test_what_is_no_study_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("x")
    elif kind == "loop":
        place.symlink_to(place)
    elif kind == "long":
        place = tmp_path / ("x" * 5000)
    elif kind == "nul":
        place = tmp_path / "a\x00b"
    for command in (["report"], ["plan", "--from"], ["show"]):
        assert main([*command, str(place)]) == 1
        assert re.search("; name |JSON: expected|File name too long", capsys.readouterr().err)
    with pytest.raises(UnusableError):
        load_study(place)


# --- values that nothing can be computed with ---------------------------------------

DEEP: object = 1
for _ in range(950):
    DEEP = [DEEP]

VALUES: dict[str, tuple[str, tuple[str | int, ...], object]] = {
    "an integer beyond a float": ("memhog", ("duration_seconds",), 10**400),
    "an integer beyond 64 bits": ("memhog", ("block",), 2**70),
    "a node that no array holds": ("memhog", ("cell", "node"), 2**63),
    "a count of faults": ("page_fault", ("result", "latency", "histogram", "counts", 3), 10**30),
    "a rate at the upper end": ("page_fault", ("result", "rows", 0, "processes"), 1.7e308),
    "a rate at the lower end": ("page_fault", ("result", "rows", 0, "processes"), 5e-324),
    "deep facts": ("memhog", ("provenance", "host", "facts"), DEEP),
    "a schema of many digits": ("memhog", ("schema",), "hintfleet.run/" + "9" * 5000),
    "a schema that only looks like a digit": ("memhog", ("schema",), "hintfleet.run/²"),
    "a time of a failed run": ("memhog", ("started",), "2026-99-99T00:00:00Z"),
    "a text without end": ("memhog", ("outcome", "reason"), "x" * (1 << 17)),
    "an integer with a point": ("memhog", ("block",), 1.0),
    "counts that do not add up": ("page_fault", ("result", "latency", "count"), 5),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_costs_its_record_only(
    builder: Builder, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    workload, path, value = VALUES[name]
    builder.blocks = 1
    builder.write()
    run = builder.folder / "runs" / f"local-node0.b1.none.{workload}"
    changed(run / "record.json", *path, value=value)
    study = load_study(builder.folder)
    assert len(study.runs) == 8
    (damage,) = study.damages
    assert damage.file == run / "record.json" and len(str(damage)) < 600
    assert "Traceback" not in everything(builder.folder, capsys)


def test_a_number_of_5000_digits_is_no_number(file: Path) -> None:
    text = file.read_text().replace('"block": 1', '"block": ' + "9" * 5000)
    file.write_text(text)
    with pytest.raises(DamagedError, match="expected a JSON document"):
        load_run(file)


@pytest.mark.parametrize(
    "line", ["0,0," + "1" * 200_000 + ",0", '0,0,"' + "x" * 200_000 + '",0', "0,0,1e300,0"]
)
def test_a_field_of_samples_costs_the_samples_only(file: Path, line: str) -> None:
    samples = file.parent / "samples.csv"
    samples.write_text(f"seconds,guest,resident_mib,swap_mib\n{line}\n")
    with pytest.raises(DamagedError) as caught:
        load_samples(samples)
    assert caught.value.damage.field == "line 2" and len(str(caught.value)) < 400


# --- text -----------------------------------------------------------------------------

TEXT_PLACES: tuple[tuple[str | int, ...], ...] = (
    ("outcome", "reason"),
    ("guests", 0, "warnings"),
    ("guests", 0, "kernel_release"),
    ("guests", 0, "kernel_command_line"),
    ("guests", 0, "name"),
    ("provenance", "host", "cpu_model"),
    ("provenance", "host", "kernel_command_line"),
    ("parity", "thp_enabled"),
    ("provenance", "guest_kernel", "debug_options"),
    ("mechanism",),
    ("cell", "name"),
    ("cell", "host"),
)


def poisoned(file: Path, path: tuple[str | int, ...], text: str) -> None:
    listed = path[-1] in ("warnings", "debug_options")
    changed(file, *path, value=[text] if listed else text)
    if path == ("outcome", "reason"):
        changed(file, "outcome", "status", value="failed")


@pytest.mark.parametrize("path", TEXT_PLACES, ids=lambda path: ".".join(map(str, path)))
def test_no_control_character_reaches_anybody(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str], path: tuple[str | int, ...]
) -> None:
    poisoned(file, path, f"before{CONTROLS}after")
    said = everything(builder.folder, capsys)
    assert "before" in said
    assert {c for c in said if not c.isprintable()} <= {"\n", "\r"}, "csv ends its lines with CR LF"


def test_a_name_of_a_folder_or_a_key_is_cleaned_too(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = builder.folder / "runs" / "\x1b[2Jrun"
    folder.mkdir()
    (folder / "record.json").write_text('{"schema": "hintfleet.run/1", "\\u001b[2Jkey": 1e999}')
    changed(file, "provenance", "host", "\x1b[2Jfact", value="\u202e")
    changed(file, "parity", "\x1b[2Jparity", value="x")
    (builder.folder / "\x1b[2Jlink").symlink_to(".")
    said = everything(builder.folder, capsys)
    assert {c for c in said if not c.isprintable()} <= {"\n", "\r"}
    assert main(["report", str(builder.folder / "\x1b[2Jno")]) == 1
    assert "\x1b" not in capsys.readouterr().err


def test_cleaning_leaves_what_can_be_read() -> None:
    assert clean("Grüße, 世界: 5 µs, 3 × 4") == "Grüße, 世界: 5 µs, 3 × 4"
    assert clean("a\tb\r\nc\u00a0d\u2028e") == "a b  c d e"
    assert clean("a\x1bb\x85c\x9bd\u202ee\ud800f") == "a\ufffdb c\ufffdd\ufffde\ufffdf"


def test_a_reason_is_one_line_of_text_in_markdown(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poisoned(file, ("outcome", "reason"), FORGED)
    main(["report", str(builder.folder), "--format", "markdown"])
    out = capsys.readouterr().out
    (line,) = (line for line in out.split("\n") if "broke" in line)
    assert line.startswith("- ") and not re.search(r"(?<!\\)[!<\[|*]|@\w", line[2:])
    assert r"\# Verdict: sound  \!\[\](https:\//evil.example/x.png) \<img" in line
    assert out.count("\n# ") == 0, "one heading of the first order: the first line"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("page_hinting_2 and _this_", r"page_hinting_2 and \_this\_"),
        ("`a` *b* [c](d) <e> #1 !x | ~f~ &lt;", None),
        ("a\\b", r"a\\b"),
        ("see www.example.org, @name", r"see www\.example.org, \@ name"),
        ("Intel @ 2.2 GHz", "Intel @ 2.2 GHz"),
        ("a\n\n- b", "a  - b"),
    ],
)
def test_every_mark_of_markdown_is_escaped(text: str, shown: str | None) -> None:
    if shown is not None:
        assert escaped(text) == shown
        return
    found = escaped(text)
    for index, character in enumerate(found):
        if character in "`*[]<>#!|~&":
            assert found[index - 1] == "\\"


def test_no_cell_of_a_csv_is_a_formula(builder: Builder, file: Path) -> None:
    poisoned(file, ("outcome", "reason"), '=HYPERLINK("https://evil.example","a")')
    changed(file, "guests", 0, "kernel_release", value="@SUM(1)")
    target = builder.root / "tables"
    assert main(["export", str(builder.folder), "--format", "csv", "--output", str(target)]) == 0
    for table in target.glob("*.csv"):
        with table.open(newline="") as lines:
            for row in csv.reader(lines):
                for cell in row:
                    assert not cell.startswith(("=", "+", "@", "\t"))
                    assert not cell.startswith("-") or float(cell) <= 0
    assert "'=HYPERLINK" in (target / "runs.csv").read_text()


def test_secrets_of_a_kernel_command_line_are_masked(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = 'root=/dev/sda1 rd.iscsi.password=hunter2 luks.KEY="two words" api_token=t0k quiet'
    changed(file, "provenance", "host", "kernel_command_line", value=line)
    changed(file, "parity", "host_kernel_command_line", value=line)
    changed(file, "guests", 0, "command_line", value=["qemu-system-x86_64", "-append", line])
    said = everything(builder.folder, capsys)
    assert not any(secret in said for secret in ("hunter2", "two words", "t0k"))
    assert "rd.iscsi.password=*** luks.KEY=*** api_token=*** quiet" in said


LEAKS = {
    "a key of settings": ("parity", "x rd.password=hunter2"),
    "a key of a fact": ("provenance", "host", "x rd.password=hunter2"),
    "a fact": ("provenance", "host", "kernel_release"),
    "a reason": ("outcome", "reason"),
    "a warning": ("guests", 0, "warnings"),
    "what an arm shows": ("arm", "shows"),
    "a number that is none": ("duration_seconds",),
}


@pytest.mark.parametrize("place", LEAKS)
def test_a_secret_is_masked_wherever_it_stands(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """As a value, in a name, and where a damage quotes what was found."""
    path = LEAKS[place]
    if path[-1] == "shows":
        changed(file, *path, value={"kernel_arguments": "rd.password=hunter2"})
    else:
        poisoned(file, path, "rd.password=hunter2")
    store = builder.root / "store"
    assert main(["export", str(builder.folder), "--output", str(store)]) == 0
    for form in ("terminal", "json"):
        assert main(["report", str(store), "--format", form]) in (0, 2)
    assert "hunter2" not in everything(builder.folder, capsys)


def test_a_secret_of_a_note_or_a_console_is_masked(
    builder: Builder, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(file, "files", "consoles", value=["console-a.log"])
    (file.parent / "console-a.log").write_text("Command line: quiet rd.password=hunter2\n")
    planned_only(builder).write_text("It was started with token=hunter2.")
    said = everything(builder.folder, capsys)
    assert "rd.password=***" in said and "token=***" in said
    assert "hunter2" not in said


def test_a_document_of_empty_lists_is_not_parsed(file: Path) -> None:
    """16 MiB of them take more than a GiB."""
    text = file.read_text().replace(
        '"parameters": {', '"parameters": {"x": [' + "[]," * 2**22 + "0],"
    )
    file.write_text(text)
    with pytest.raises(DamagedError, match="at most 4194304 values"):
        load_run(file)


def test_a_guest_of_a_high_number_costs_a_row_and_no_more(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not one for each number below it."""
    changed(file, "result", "guests", 2, "guest", value=10**9)
    study = file.parents[2]
    text = everything(study, capsys)
    assert "guest 1000000000, s" in text
    assert "guest 4, s" not in text
    assert main(["report", str(study), "--format", "html"]) in (0, 2)
    assert main(["compare", str(study), str(study)]) in (0, 2)


def test_no_text_is_looked_through_for_secrets_without_end(file: Path) -> None:
    """As long as a text may be: a search that goes back and forth over it takes a day."""
    changed(file, "parity", "odd", value="=" + "key" * 21_000)
    assert load_run(file).record["parity"]["odd"] == "=" + "key" * 21_000


# --- the command line -----------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["report"],
        ["report", "x", "--format", "pdf"],
        ["report", "x", "--width", "7"],
        ["report", "x", "--width", "wide"],
        ["compare"],
        ["show"],
        ["plan", "--hours", "long"],
        ["export", "x"],
    ],
)
def test_wrong_usage_ends_with_1(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 1
    assert "usage: hintfleet" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["0", "²", "-5", "99999999999999999999", "3"])
def test_any_width_that_is_said_of_a_terminal_gives_a_report(laptop: Path, columns: str) -> None:
    command = [sys.executable, "-m", "hintfleet.cli", "report", str(laptop)]
    environment = {**os.environ, "COLUMNS": columns, "LINES": columns, "PYTHONUTF8": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ran.returncode in (0, 2) and ran.stderr == ""
    assert "Verdict" in ran.stdout or columns == "3"


@pytest.mark.parametrize("form", ["terminal", "json", "markdown", "html"])
def test_a_closed_stdout_is_said(laptop: Path, form: str) -> None:
    command = f'exec "$@" --format {form} >&-'
    program = [sys.executable, "-m", "hintfleet.cli", "report", str(laptop)]
    ran = subprocess.run(["sh", "-c", command, "sh", *program], capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith("hintfleet: stdout is closed; name a file with --output")
