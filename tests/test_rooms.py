# SPDX-License-Identifier: GPL-2.0-or-later
"""The rooms of both halves: an import goes down a storey or stays on its own, never up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ANALYSIS = "hintfleet"
HOST = "ansible_collections.hintfleet.bench.plugins.module_utils"
ROOMS = {
    ANALYSIS: (
        ROOT / "analysis/hintfleet",
        "statistics records figures trust report store plan render commands cli".split(),  # noqa: SIM905
    ),
    HOST: (
        ROOT / "collections/ansible_collections/hintfleet/bench/plugins/module_utils",
        "errors record host guest arm workloads run study build lab".split(),  # noqa: SIM905
    ),
}
"""By package: its folder, and its rooms from the ground up."""


def _imports(file: Path, package: str) -> Iterator[str]:
    """The rooms of the package that a file imports from."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith(f"{package}."):
                yield name.removeprefix(f"{package}.").split(".")[0]


def _room(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").parts[0]


def _upward(package: str, folder: Path, rooms: list[str]) -> list[str]:
    """Imports that go up, as sentences."""
    wrong = []
    for file in sorted(folder.rglob("*.py")):
        room = _room(file, folder)
        if room == "__init__":
            continue
        for other in _imports(file, package):
            if other in rooms and rooms.index(other) > rooms.index(room):
                where = file.relative_to(folder)
                wrong.append(f"{where} imports from {other}, above it")
    return wrong


@pytest.mark.parametrize("package", ROOMS)
def test_imports_never_go_up(package: str) -> None:
    folder, rooms = ROOMS[package]
    assert _upward(package, folder, rooms) == []


@pytest.mark.parametrize("package", ROOMS)
def test_every_file_has_its_room(package: str) -> None:
    folder, rooms = ROOMS[package]
    found = {_room(file, folder) for file in folder.rglob("*.py")} - {"__init__"}
    assert found == set(rooms)


@pytest.mark.parametrize("package", ROOMS)
def test_an_import_turned_round_is_found(package: str, tmp_path: Path) -> None:
    _, rooms = ROOMS[package]
    lower, upper = rooms[1:3]
    (tmp_path / lower).mkdir()
    (tmp_path / lower / "module.py").write_text(f"from {package}.{upper} import anything\n")
    assert _upward(package, tmp_path, rooms) == [
        f"{lower}/module.py imports from {upper}, above it"
    ]
