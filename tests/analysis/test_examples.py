# SPDX-License-Identifier: GPL-2.0-or-later
"""The reports in docs/examples are what the code makes of the real studies packed beside them.

To accept what the code now writes: make examples
"""

from __future__ import annotations

import html
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hintfleet.cli import main

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "examples"
LARGEST_BYTES = 512 * 1024


@pytest.fixture(scope="module")
def render() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_examples", FOLDER / "render.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def study(render: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for name in render.studies():
        shutil.unpack_archive(FOLDER / f"{name}{render.PACKED}", folder)
    return Path(folder / "results" / render.MAIN)


def test_examples_are_what_the_code_writes(render: ModuleType) -> None:
    assert render.MAIN in render.studies()
    for study in render.studies():
        for name, text in render.texts(study).items():
            if name.endswith(".html"):
                # plots are drawn by a library whose next release may draw another line
                answer = render.report_of(study).answer
                assert answer in html.unescape((FOLDER / name).read_text())
                continue
            assert (FOLDER / name).read_text() == text, f"{name} is not up to date: make examples"


def test_the_readme_shows_the_first_screen(render: ModuleType) -> None:
    readme = render.README.read_text()
    assert all(readme.count(mark) == 1 for mark in render.MARKS)
    assert render.with_first_screen(readme) == readme, "make examples"


def test_examples_are_small_and_tell_nothing_of_the_machine(study: Path) -> None:
    for file in FOLDER.iterdir():
        assert not file.is_file() or file.stat().st_size < LARGEST_BYTES, file
    for file in study.parent.rglob("record.json"):
        host = json.loads(file.read_text())["provenance"]["host"]
        assert host["kernel_command_line"] == "left out"


def test_a_plan_reproduces_the_measured_density_of_each_mechanism(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real study of three blocks, each predicted from the others, within one guest."""
    assert main(["plan", "--validate", str(study), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {cell["arm"] for cell in found["cells"]} == {
        "none", "free_page_reporting", "page_hinting"
    }  # fmt: skip
    for cell in found["cells"]:
        assert cell["held_out"] and len(cell["measured_guests"]) >= 3
        pairs = zip(cell["measured_guests"], cell["simulated_guests"], strict=True)
        assert all(abs(measured - simulated) <= 1 for measured, simulated in pairs)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        assert main(list(arguments)) in (0, 2)
        return " ".join(capsys.readouterr().out.replace("│", " ").split())

    return run


def test_every_command_takes_a_real_study(
    study: Path, printed: Callable[..., str], tmp_path: Path
) -> None:
    assert "guests fit a node without swapping" in printed("report", str(study))
    assert "v10-cover" in printed("compare", str(study), "--published", "v10-cover")
    assert "assumes that they do so in turn" in printed(
        "plan", "--from", str(study), "--nodes", "400"
    )
    for run in study.glob("runs/*b1*"):
        assert "Proof: the guest freed" in printed("show", str(run))
    assert "27 runs" in printed("export", str(study), "--output", str(tmp_path / "store"))
    assert "8 guests fit a node without swapping instead of 2" in printed(
        "report", str(tmp_path / "store")
    )
