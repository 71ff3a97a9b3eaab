# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet history: what decides over studies, where it moved, and files for other tools."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hintfleet.cli import main
from synthetic import LAPTOP, Builder

GUESTS = (7, 7, 7, 7, 5, 5, 5)
METRIC = re.compile(r'([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)')


def run(*arguments: object) -> int:
    return main(list(map(str, arguments)))


def write_store(root: Path, guests: Sequence[int], blocks: int = 3) -> Path:
    """A store of a study a month, in which page_hinting fits so many guests."""
    for month, count in enumerate(guests, 1):
        truth = {**LAPTOP, "page_hinting": replace(LAPTOP["page_hinting"], guests=count)}
        builder = Builder(root, f"week{month}", blocks, truth=truth, workloads=("consolidation",))
        folder = builder.write()
        for file in folder.glob("runs/*/record.json"):
            text = file.read_text().replace("2026-11", f"2026-{month:02d}")
            file.write_text(text.replace("6.1.0-hintfleet", f"6.1.{month}-hintfleet"))
        assert run("export", folder, "--output", root / "store") == 0
    return root / "store"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("history"), GUESTS)


def told(store: Path, form: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run("history", store, "--format", form) == 0
    return capsys.readouterr().out


def document(store: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(told(store, "json", capsys))


def test_a_change_is_found_and_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(store, capsys)
    assert [one["study"] for one in found["studies"]] == [f"week{k}" for k in range(1, 8)]
    moved = {
        (one["arm"], one["figure"]): one["changes"] for one in found["series"] if one["changes"]
    }
    assert set(moved) == {
        ("page_hinting", "guests_without_swap"),
        ("page_hinting", "more_guests_than_none"),
    }
    assert moved["page_hinting", "guests_without_swap"] == [
        {
            "last_before": "week4",
            "first_after": "week5",
            "before": 7.0,
            "after": 5.0,
            "is_worse": True,
        }
    ]
    assert found["answer"].startswith(
        "Guests without swap (page_hinting) became worse with week5: 5 guests, after 7 guests up "
        "to week4 (kernel 6.1.5-hintfleet-0123456789ab after 6.1.4-hintfleet-0123456789ab)."
    )


def test_studies_are_known_by_study_and_id(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every study has runs of the same ids: each keeps its own counts."""
    found = document(store, capsys)
    series = next(
        one
        for one in found["series"]
        if (one["arm"], one["figure"]) == ("page_hinting", "guests_without_swap")
    )
    assert [one["estimate"] for one in series["figures"]] == list(GUESTS)
    assert {one["n"] for one in series["figures"]} == {3}


def test_people_see_it(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(store, "terminal", capsys)
    assert "history of 7 studies" in text
    assert "████▁▁▁" in text
    page = told(store, "html", capsys)
    assert "became worse with week5" in page
    assert "████▁▁▁" in page
    assert "became worse with week5" in told(store, "markdown", capsys)
    assert run("history", store, "--ascii") == 0
    assert capsys.readouterr().out.isascii()


def test_openmetrics_is_what_a_textfile_collector_takes(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(store, "openmetrics", capsys).splitlines()
    assert lines[-1] == "# EOF"
    known: set[str] = set()
    seen = set()
    for line in lines[:-1]:
        if line.startswith("# TYPE"):
            known.add(line.split()[2])
        elif not line.startswith("#"):
            found = METRIC.fullmatch(line)
            assert found, line
            assert found[1] in known
            float(found[3])
            assert (found[1], found[2]) not in seen
            seen.add((found[1], found[2]))
    latest = next(
        line
        for line in lines
        if line.startswith("hintfleet_figure{")
        and "guests_without_swap" in line
        and "page_hinting" in line
    )
    assert latest.endswith('study="week7"} 5.0')


def test_junit_fails_where_it_became_worse(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ElementTree.fromstring(told(store, "junit", capsys))  # noqa: S314  # our own
    suite = root[0]
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failed == {"guests_without_swap", "more_guests_than_none"}
    assert int(suite.get("failures", "")) == 2
    assert int(suite.get("tests", "")) == len(suite)


def test_csv_has_a_row_a_study(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(told(store, "otava", capsys))))
    assert [row["study"] for row in rows] == [f"week{k}" for k in range(1, 8)]
    assert [float(row["page_hinting.guests_without_swap"]) for row in rows] == list(GUESTS)
    assert rows[0]["time"].startswith("2026-01-")


def test_a_better_level_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = write_store(tmp_path, (5, 5, 5, 7, 7, 7), blocks=1)
    assert "became better with week4" in told(store, "terminal", capsys).replace("\n", " ")
    assert 'failures="0"' in told(store, "junit", capsys)


def test_few_studies_show_figures_and_claim_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = write_store(tmp_path, (7, 5), blocks=1)
    assert "Changes are told from 6 studies on; here are 2" in told(store, "terminal", capsys)
    root = ElementTree.fromstring(told(store, "junit", capsys))  # noqa: S314  # our own
    assert all(case.find("skipped") is not None for case in root[0])


def test_folders_are_studies_too_and_a_bad_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_store(tmp_path, (7, 5), blocks=1)
    folders = [tmp_path / "week1", tmp_path / "week2", tmp_path / "none"]
    assert run("history", *folders, "--width", 200) == 0
    out = capsys.readouterr().out
    assert "history of 2 studies" in out
    assert f"left out: {tmp_path / 'none'} is not a folder of results" in out
    assert run("history", tmp_path / "none") == 1
    assert "is not a folder of results" in capsys.readouterr().err
