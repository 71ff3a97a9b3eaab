# SPDX-License-Identifier: GPL-2.0-or-later
"""Two studies side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hintfleet.cli import main
from synthetic import Builder, Truth


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    main(["compare", *arguments, "--format", "json"])
    return dict(json.loads(capsys.readouterr().out))


def test_what_changed_is_found_and_the_rest_is_not(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.blocks = 6
    builder.write()
    after = Builder(tmp_path, study="after", blocks=6, seed=2)
    after.truth["page_hinting"] = Truth(5, 1.22, 0.0, 80_000.0, 915.0, 0.6)
    after.write()
    found = document(capsys, str(builder.folder), str(after.folder))
    changed = {
        (mechanism, name)
        for mechanism, group in found["arms"].items()
        for name, entry in group["figures"].items()
        if entry["change"] and entry["change"]["claims_effect"]
    }
    assert changed == {
        ("page_hinting", "density.guests_without_swap"),
        ("page_hinting", "page_fault.processes_at_2_tasks"),
        ("page_hinting", "page_fault.threads_at_2_tasks"),
    }
    change = found["arms"]["page_hinting"]["figures"]["density.guests_without_swap"]
    assert change["change"]["estimate"] == -2
    assert "page_hinting" in found["answer"]


def test_a_study_equals_itself(builder: Builder, capsys: pytest.CaptureFixture[str]) -> None:
    builder.write()
    found = document(capsys, str(builder.folder), str(builder.folder))
    assert "No value differs beyond chance" in found["answer"]
    assert found["conditions"] == []


@pytest.mark.parametrize("form", ["terminal", "markdown", "html"])
def test_every_format_shows_both(
    builder: Builder, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    builder.write()
    arguments = [str(builder.folder), "--published", "v10-cover", "--format", form]
    assert main(["compare", *arguments]) == 0
    out = capsys.readouterr().out
    assert "v10-cover" in out and "laptop" in out and "not told" in out


def test_studies_without_a_common_mechanism(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.mechanisms = ("none",)
    builder.write()
    other = Builder(tmp_path, study="other", mechanisms=("page_hinting",))
    other.write()
    assert main(["compare", str(builder.folder), str(other.folder)]) == 2
    assert "no arm in common" in capsys.readouterr().out


@pytest.mark.parametrize("extra", [[], ["B", "--published", "v10-cover"]])
def test_one_thing_to_compare_with_is_wanted(
    builder: Builder, capsys: pytest.CaptureFixture[str], extra: list[str]
) -> None:
    builder.write()
    assert main(["compare", str(builder.folder), *extra]) == 1
    assert "name what to compare with: a second study" in capsys.readouterr().err


def test_damaged_records_are_named_in_a_comparison(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.write()
    damaged = next(builder.folder.glob("runs/*.memhog/record.json"))
    damaged.write_text("{")
    for form in ("terminal", "markdown", "html"):
        main(["compare", str(builder.folder), "--published", "v10-cover", "--format", form])
        assert damaged.parent.name in "".join(capsys.readouterr().out.split())
    found = document(capsys, str(builder.folder), "--published", "v10-cover")
    assert [one["file"] for one in found["unusable"]] == [str(damaged)]


def test_arms_of_other_names_are_compared_by_a_map(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.write()
    after = Builder(tmp_path, study="after", mechanisms=("none", "page_hinting"))
    after.sweep = {"page_hinting/age_ms=0": after.truth["page_hinting"]}
    after.write()
    sides = [str(builder.folder), str(after.folder)]
    found = document(capsys, *sides, "--map", "free_page_reporting=page_hinting")
    assert found["arms"]["free_page_reporting"]["second_name"] == "page_hinting"
    assert found["arms"]["page_hinting"]["second_name"] == "page_hinting"
    found = document(capsys, *sides[::-1], "--map", "page_hinting/age_ms=0=page_hinting")
    assert found["arms"]["page_hinting/age_ms=0"]["second_name"] == "page_hinting"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("page_hinting", "write them as a=b"),
        ("nothing=none", "nothing=none names no arm"),
        ("=", "="),
    ],
)
def test_a_map_of_what_is_not_there_is_refused(
    builder: Builder, capsys: pytest.CaptureFixture[str], given: str, words: str
) -> None:
    builder.write()
    assert main(["compare", str(builder.folder), str(builder.folder), "--map", given]) == 1
    assert words in capsys.readouterr().err


def fleet(folder: Path, name: str, hosts: str, guests: int = 7, seed: int = 1) -> str:
    """A study of six blocks on these hosts, where page_hinting fits so many guests."""
    builder = Builder(folder, study=name, blocks=6, seed=seed, workloads=("consolidation",))
    builder.cells = tuple(f"{host}-node0" for host in hosts)
    builder.truth["page_hinting"] = Truth(guests, 1.22, 0.0, 1e5, 915.0, 0.6)
    return str(builder.write())


SCOPES = {
    "the same host": ("a", "a", "on this host"),
    "the same three hosts": ("abc", "abc", "on these 3 hosts"),
    "the same six hosts": ("abcdef", "abcdef", "on hosts like these"),
    "six other hosts": ("abcdef", "ghijkl", "on hosts like these"),
    "some hosts in common": ("abcdef", "defghi", "on hosts like these"),
}
"""By what is compared: hosts of either side, and for whom a difference holds."""


@pytest.mark.parametrize("name", SCOPES)
def test_a_comparison_says_for_which_hosts_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    left, right, words = SCOPES[name]
    first = fleet(tmp_path, "before", left)
    found = document(capsys, first, fleet(tmp_path, "after", right, guests=14, seed=2))
    assert (
        f"Different beyond chance {words}: guests without swap under page_hinting"
        in (found["answer"])
    )
    change = found["arms"]["page_hinting"]["figures"]["density.guests_without_swap"]["change"]
    assert (change["speaks_for"], change["verdict"]) == (words, "sound")
    same = document(capsys, first, fleet(tmp_path, "again", right, seed=3))
    assert re.search(
        f"No value differs (by more than what matters|beyond chance) {words}", (same["answer"])
    )


def test_one_host_against_one_other_says_nothing_of_hosts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many blocks: what differs between two hosts is no effect of what was changed."""
    first = fleet(tmp_path, "before", "a")
    found = document(capsys, first, fleet(tmp_path, "after", "b", guests=14))
    assert (
        "Whether anything differs is not known: 1 host cannot show how far others would lie"
        in (found["answer"])
    )
    assert any(one["next_step"] == "measure at least 1 more host" for one in found["warnings"])


def test_two_hosts_against_two_others_are_no_sound_difference_where_hosts_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A true difference of two guests among hosts that differ by as much settles nothing."""
    sides = []
    for study, counts in (("before", (6, 9)), ("after", (8, 11))):
        folder = tmp_path / study
        for host, guests in zip("ab" if study == "before" else "cd", counts, strict=True):
            made = fleet(tmp_path / f"{study}{host}", study, host, guests)
            for run in (Path(made) / "runs").iterdir():
                target = folder / "runs" / run.name
                target.parent.mkdir(parents=True, exist_ok=True)
                run.rename(target)
        sides.append(str(folder))
    found = document(capsys, *sides)
    assert "Different beyond chance" not in found["answer"]
    assert "No value differs beyond chance on hosts like these; " in found["answer"]
