# SPDX-License-Identifier: GPL-2.0-or-later
"""One run looked at closely."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hintfleet.cli import main
from synthetic import Builder


def run_folder(builder: Builder, workload: str, change: Any = None) -> Path:
    builder.write()
    folder = builder.folder / "runs" / f"local-node0.b1.none.{workload}"
    if change:
        record = json.loads((folder / "record.json").read_text())
        change(record)
        (folder / "record.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("workload", ["consolidation", "memhog", "page_fault"])
@pytest.mark.parametrize("width", ["60", "80", "160"])
def test_every_workload_is_shown_in_its_width(
    builder: Builder, capsys: pytest.CaptureFixture[str], workload: str, width: str
) -> None:
    assert main(["show", str(run_folder(builder, workload)), "--width", width, "--ascii"]) == 0
    out = capsys.readouterr().out
    assert out.isascii() and max(map(len, out.split("\n"))) <= int(width)
    assert f"{workload} under none" in " ".join(out.split())
    assert "Proof: the guest freed 128 MiB" in out


def test_consoles_end_up_on_the_screen_without_their_control_characters(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(
        builder, "memhog", lambda r: r["files"].update(consoles=["console-guest1.log", "gone.log"])
    )
    noise = "".join(f"line {number}\n" for number in range(100))
    (folder / "console-guest1.log").write_bytes(
        (noise + "\x1b[31mhintfleet-guest: ready\n").encode() + b"\xff\n"
    )
    assert main(["show", str(folder), "--width", "100"]) == 0
    out = capsys.readouterr().out
    assert "hintfleet-guest: ready" in out and "line 99" in out
    assert "line 50" not in out and "\x1b[31m" not in out


def test_a_failed_run_says_why_first(builder: Builder, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(record: dict[str, Any]) -> None:
        record.update(result=None, proof=None, guests=[])
        record["outcome"] = {"status": "failed", "reason": "the kernel of guest 1 did not boot"}
        record["files"]["samples"] = None

    assert main(["show", str(run_folder(builder, "memhog", fail)), "--width", "120"]) == 0
    out = capsys.readouterr().out
    assert "failed: the kernel of guest 1 did not boot" in out.split("Timeline")[0]
    assert "kept no samples" in out


def test_the_script_is_a_script(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["printf", "%s|", "-append", "a b  'c'", "-m", "320", "-S", "-x"]
    folder = run_folder(builder, "memhog", lambda r: r["guests"][0].update(command_line=command))
    assert main(["show", str(folder), "--reproduce"]) == 0
    script = tmp_path / "reproduce.sh"
    script.write_text(capsys.readouterr().out)
    ran = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=True)
    assert ran.stdout == "".join(f"{word}|" for word in command[2:])


def test_a_folder_without_a_record_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(tmp_path)]) == 1
    assert "name the folder of one run" in capsys.readouterr().err


def test_a_damaged_record_is_an_error_that_names_it(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(builder, "memhog")
    (folder / "record.json").write_text("{")
    assert main(["show", str(folder)]) == 1
    assert "record.json" in capsys.readouterr().err
