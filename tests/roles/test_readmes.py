# SPDX-License-Identifier: GPL-2.0-or-later
"""Each role's README says what its argument specification says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readmes_are_those_of_the_argument_specifications(
    reference: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reference.readmes(check=True) == 0, capsys.readouterr().out


def test_a_stale_readme_is_named(
    reference: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta = tmp_path / "roles/some/meta"
    meta.mkdir(parents=True)
    (meta / "argument_specs.yml").write_text(
        "argument_specs: {main: {description: Changes nothing., "
        "options: {some_size: {type: int, description: In MiB.}}}}"
    )
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    assert reference.readmes(check=True) == 1
    assert reference.readmes(check=False) == 0
    assert reference.readmes(check=True) == 0
    assert "\nChanges nothing.\n" in (meta.parent / "README.md").read_text()
    assert "| `some_size` | int |  | In MiB. |" in (meta.parent / "README.md").read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sets O(size) to V(1), see M(a.b.c).", "Sets `size` to `1`, see `a.b.c`."),
        ("B(Never) I(do) this.", "**Never** *do* this."),
        (["One.", "Two."], "One. Two."),
    ],
)
def test_ansible_markup_becomes_markdown(
    reference: ModuleType, text: str | list[str], expected: str
) -> None:
    assert reference.markdown(text) == expected
