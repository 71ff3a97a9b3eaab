# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs say of themselves and print, and what people write of tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.programs import (
    parse_answer,
    program_of,
    programs_in,
)
from ansible_collections.hintfleet.bench.plugins.modules.study_tile import worked_out

OURS = Path(__file__).parents[9] / "roles/guest_image/files/programs"
TOLD = {"description": "Reads.", "phases": ["read"], "measures": "MiB", "smallest_guest_mib": 64}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_every_program_of_ours_says_what_it_must() -> None:
    found = programs_in(OURS, read)
    assert {"allocate", "idle"} <= set(found)
    for name, told in found.items():
        assert f"programs/{name}/run" in told["files"]
        assert f"programs/{name}/program.yml" not in told["files"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phases": []}, "at least one"),
        ({"phases": ["a", "a"]}, "each once"),
        ({"phases": ["rm -rf"]}, "plain words"),
        ({"phases": "read"}, "plain words"),
        ({"packages": ["Bad Name"]}, "plain words"),
        ({"need_files": True}, "did you mean needs_files?"),
        ({"needs_files": "yes"}, "true or false"),
        ({"smallest_guest_mib": "64"}, "whole number"),
        ({"measures": "a\nb"}, "a line of text"),
        ({"description": 7}, "a line of text"),
    ],
)
def test_a_definition_that_cannot_be_is_a_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchError) as raised:
        program_of("reads", {**TOLD, **changes})
    said = str(raised.value)
    assert said.startswith("Program reads: ") and words in said
    assert said.endswith("correct programs/reads/program.yml.")


def test_what_lacks_or_is_no_mapping_is_a_sentence() -> None:
    with pytest.raises(BenchError, match="it lacks description, phases"):
        program_of("reads", {"measures": "MiB", "smallest_guest_mib": 1})
    with pytest.raises(BenchError, match="no mapping"):
        program_of("reads", None)
    with pytest.raises(BenchError, match="its folder's name"):
        program_of("re ads", TOLD)


def test_a_folder_that_is_no_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half/program.yml").write_text(yaml.safe_dump(TOLD))
    with pytest.raises(BenchError, match=r"Program half: its folder must hold program.yml and run"):
        programs_in(tmp_path, read)


def test_an_honest_answer() -> None:
    said = '{"work": 64.0, "seconds": 1.25, "p50_ms": 0.4, "p99_ms": 2.0, "p999_ms": null}\n'
    answer = parse_answer(said)
    assert (answer.work, answer.seconds, answer.p99_ms, answer.p999_ms) == (64, 1.25, 2, None)


@pytest.mark.parametrize(
    "said",
    [
        "", "\n", "hello", "[]", "{}", '{"work": 1}', '{"work": true, "seconds": 1}',
        '{"work": NaN, "seconds": 1}', '{"work": 1, "seconds": 1e400}',
        '{"work": 1, "seconds": -1}', '{"work": 1, "seconds": 1, "p50_ms": "x"}',
        '{"work": 1, "seconds": 1, "p50_ms": 2, "p999_ms": 1}', "[" * 4000,
        '{"work": 1, "seconds": 1}' + " " * 4096, "starting\n" + '{"work":1,"seconds":1}',
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(said: str) -> None:
    with pytest.raises(ValueError):
        parse_answer(said)


def tile(*guests: Any, **changes: Any) -> dict[str, Any]:
    programs = {
        "reads": {**TOLD, "needs_files": True, "files": {}},
        "serves": {**TOLD, "packages": ["redis-server"]},
        "idle": TOLD,
    }
    params = {"tile": list(guests), "programs": programs, "has_packages": False, "files_mib": 0}
    return worked_out({**params, **changes})


def test_a_tile_as_people_write_it() -> None:
    found = tile(
        {"program": "idle", "guest_mib": "128", "mib": "1"},
        {"name": "more", "program": "idle", "guest_mib": 192, "vcpus": 2, "mib": 9},
    )
    assert found["tile"] == [
        {"name": "idle", "program": "idle", "guest_mib": 128, "vcpus": 1, "mib": 1},
        {"name": "more", "program": "idle", "guest_mib": 192, "vcpus": 2, "mib": 9},
    ]
    assert set(found["programs"]) == {"idle"}


@pytest.mark.parametrize(
    ("guests", "words"),
    [
        (["idle"], "Guest idle of the tile does not say guest_mib"),
        ([7], "is no mapping"),
        ([{"program": "idle", "guest_mib": "much", "mib": 1}], "has 'much' for guest_mib"),
        ([{"program": "idle", "guest_mib": True, "mib": 1}], "has 'True' for guest_mib"),
        ([{"program": "idle", "guest_mib": 128, "mib": 1, "cpus": 2}], "says 'cpus': it may say"),
        ([{"program": "reads", "guest_mib": 128, "mib": 1}], "reads files, and guests have none"),
        ([{"program": "serves", "guest_mib": 128, "mib": 1}],
         "needs the packages redis-server, and guests boot into an initramfs"),
        ([{"program": "java", "guest_mib": 128, "mib": 1}], "choose from idle, reads, serves"),
    ],
)  # fmt: skip
def test_a_tile_that_cannot_be_is_a_sentence(guests: list[Any], words: str) -> None:
    with pytest.raises(BenchError) as raised:
        tile(*guests)
    assert words in str(raised.value)


def test_files_and_packages_make_such_programs_possible() -> None:
    told = [{"program": name, "guest_mib": 128, "mib": 1} for name in ("reads", "serves")]
    found = tile(*told, has_packages=True)
    assert len(found["tile"]) == 2
    assert found["programs"]["reads"]["needs_files"] is False  # it has the root's
    reads = tile(told[0], files_mib=64)["programs"]["reads"]
    assert reads["needs_files"] is True
