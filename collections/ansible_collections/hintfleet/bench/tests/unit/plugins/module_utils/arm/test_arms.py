# SPDX-License-Identifier: GPL-2.0-or-later
"""What people may write as arms, what becomes of it, and what is refused in which words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.arm import arm as _arm
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.sweep import with_sweeps
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import (
    BenchError,
    GuestError,
    WrongGuestError,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import (
    Completed,
    Guest,
    GuestFacts,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import (
    Machine,
    command_line,
)
from ansible_collections.hintfleet.bench.plugins.modules.study_arms import worked_out

NOW = {"name": "now", "mechanism": "page_hinting", "kernel_arguments": "page_hinting.age_ms=0"}
DELAY = "/sys/module/page_reporting/parameters/page_reporting_delay_ms"
MACHINE = Machine(
    name="guest1", logs=Path("/logs"), memory_mib=256, vcpus=1, accelerator="tcg",
    mechanism="page_hinting", kernel=Path("/k"), image=Path("/i"), kernel_arguments="a=1",
)  # fmt: skip


def given(**changes: Any) -> dict[str, Any]:
    return {"arms": ["none", NOW], "baseline": "", "sweeps": [], "many": False, "kernels": [],
            "kernel_configs": {}, "variable": "study_arms", "smallest_guest_mib": 320,
            **changes}  # fmt: skip


def test_an_arm_is_a_mechanism_or_a_mapping() -> None:
    found = worked_out(given())
    assert found["baseline"] == "none"
    assert found["arms"] == [
        {"name": "none", "mechanism": "none", "states": {}},
        {"name": "now", "mechanism": "page_hinting",
         "states": {"kernel_arguments": "page_hinting.age_ms=0"}},
    ]  # fmt: skip


def test_without_the_usual_baseline_the_first_arm_is_it() -> None:
    assert worked_out(given(arms=[NOW, "page_hinting"]))["baseline"] == "now"
    assert worked_out(given(baseline="now"))["baseline"] == "now"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": []}, ["no arm"]),
        ({"arms": ["ballooon"]}, ["'ballooon'", "choose from"]),
        ({"arms": ["page_hintin"]}, ["did you mean page_hinting?"]),
        ({"arms": [3]}, ["holds 3", "mapping"]),
        ({"arms": [{"mechanism": "none"}]}, ["named None", "letter"]),
        ({"arms": [{"name": "../x", "mechanism": "none"}]}, ["'../x'"]),
        ({"arms": [{"name": "x"}]}, ["Arm x", "mechanism None"]),
        ({"arms": [NOW, NOW]}, ["Two arms are named now"]),
        ({"arms": [NOW, {**NOW, "name": "other"}]}, ["now and other differ in their names only"]),
        (
            {"arms": [{**NOW, "name": "a/b"}, {**NOW, "name": "a-b", "kernel_arguments": "b=1"}]},
            ["a/b and a-b", "names of files"],
        ),
        ({"arms": [{**NOW, "kernel_argument": "x"}]}, ["did you mean kernel_arguments?"]),
        ({"arms": [{**NOW, "kernel_arguments": ""}]}, ["Arm now states kernel_arguments ''"]),
        ({"arms": [{**NOW, "guest_settings": {"/etc/x": 1}}]}, ["/etc/x", "below /sys"]),
        ({"arms": [{**NOW, "guest_settings": {"/sys/../etc/x": 1}}]}, ["below /sys"]),
        ({"arms": [{**NOW, "guest_thp": "sometimes"}]}, ["always, madvise, never"]),
        ({"arms": [{**NOW, "backing": "hugetlbfs"}]}, ["choose from 4k, thp"]),
        ({"arms": [{**NOW, "qemu": "qemu-system-x86_64"}]}, ["whole path"]),
        ({"arms": [{**NOW, "machine": "accel=tcg -s"}]}, ["machine", "hpet=off"]),
        ({"arms": [{**NOW, "kernel": "6.12"}]}, ["kernel 6.12", "guest_kernels does not name"]),
        ({"baseline": "nothing"}, ["study_baseline is 'nothing'", "name one of none, now"]),
        ({"sweeps": [{"arm": "now"}]}, ["sweep of now is over nothing"]),
        ({"sweeps": [{"arm": "now", "over": {"a.b": []}}]}, ["no values for a.b"]),
        ({"sweeps": [{"arm": "now", "over": {"a.b": [1]}, "as": "x"}]}, ["grid, one_at_a_time"]),
        ({"sweeps": [{"arm": "now", "over": {"age": [1]}}]}, ["over age, which is no parameter"]),
        ({"sweeps": [{"arm": "now", "ower": {"a.b": [1]}}]}, ["the key ower"]),
        (
            {"sweeps": [{"arm": "now", "over": {"a.b": list(range(100))}}]},
            ["102 arms, more than 100", "study_many_arms"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(BenchError) as error:
        worked_out(given(**changes))
    for word in words:
        assert word in str(error.value)


def test_a_sweep_makes_a_grid_of_arms_or_one_at_a_time() -> None:
    over = {"page_hinting.age_ms": [0, 50], DELAY: [250]}
    sweep = {"arm": "page_hinting", "over": over}
    grid = _arm.arms_of(with_sweeps(["none"], [sweep], many=False))
    assert [arm.name for arm in grid] == [
        "none",
        "page_hinting/age_ms=0,page_reporting_delay_ms=250",
        "page_hinting/age_ms=50,page_reporting_delay_ms=250",
    ]
    assert grid[1].file_name == "page_hinting-age_ms-0-page_reporting_delay_ms-250"
    assert grid[2].states == {
        "kernel_arguments": "page_hinting.age_ms=50",
        "guest_settings": {DELAY: "250"},
    }
    each = with_sweeps(["none"], [{**sweep, "as": "one_at_a_time"}], many=False)
    assert [arm.name for arm in _arm.arms_of(each)][1:] == [
        "page_hinting/age_ms=0",
        "page_hinting/age_ms=50",
        "page_hinting/page_reporting_delay_ms=250",
    ]


def test_a_swept_value_takes_the_place_of_the_arms_own() -> None:
    made = with_sweeps([NOW], [{"arm": "now", "over": {"page_hinting.age_ms": [9]}}], many=False)
    assert _arm.arm_of(made[-1]).states == {"kernel_arguments": "page_hinting.age_ms=9"}


def test_the_machine_of_an_arm_has_what_it_states() -> None:
    states = {"kernel_arguments": "b.c=2 quiet", "qemu": "/opt/q/qemu-system-x86_64",
              "machine": "hpet=off"}  # fmt: skip
    machine = MACHINE
    for piece, value in states.items():
        machine = PIECES[piece].machine(value, machine)
    line = command_line(machine)
    assert line[0] == "/opt/q/qemu-system-x86_64"
    assert line[line.index("-M") + 1].endswith(",memory-backend=ram,hpet=off")
    assert line[line.index("-append") + 1].endswith(" a=1 b.c=2 quiet")
    text = " ".join(line[1:])
    for piece, value in states.items():
        text = PIECES[piece].held(value, "qemu_arguments", text)
    assert text == " ".join(command_line(MACHINE)[1:])


class _Guest:
    """A guest of which only its files are known."""

    def __init__(self, files: dict[str, str], command_line: str = "") -> None:
        self.name = "guest1"
        self.machine = replace(MACHINE, kernel_arguments="")
        self.files = files
        self.facts = GuestFacts("6.1.0", command_line, {}, "madvise")
        self.has_died = False

    def memory(self) -> None:
        if self.has_died:
            raise GuestError("died", "its QEMU is gone")

    def run(self, command: list[str], seconds: float) -> Completed:
        if command[0] == "/bin/cat":
            found = self.files.get(command[1])
            failed = "cat: can't open" if found is None else ""
            return Completed(1 if failed else 0, None, found or "", failed, 0.1)
        path, text = command[2].split("[ -e ")[1].split(" ]")[0], command[2].split("printf %s ")[1]
        if path not in self.files:
            return Completed(1, None, "", "there is no such file", 0.1)
        self.files[path] = text.split(" >")[0]
        return Completed(0, None, "", "", 0.1)


def guest(files: dict[str, str] | None = None, line: str = "") -> Guest:
    return cast(Guest, _Guest(files or {}, line))


def test_settings_are_written_and_read_back() -> None:
    one = guest({DELAY: "2000\n"})
    PIECES["guest_settings"].booted({DELAY: "250"}, one)
    assert PIECES["guest_settings"].shown({DELAY: "250"}, one) == f"{DELAY} reads 250"


def test_a_setting_that_the_guest_does_not_have_is_named() -> None:
    with pytest.raises(GuestError, match=f"{DELAY} as '250'.*no such file"):
        PIECES["guest_settings"].booted({DELAY: "250"}, guest())


@pytest.mark.parametrize(
    ("piece", "value", "one", "words"),
    [
        ("guest_settings", {DELAY: "250"}, guest({DELAY: "2000"}), "it reads '2000'"),
        ("guest_thp", "never", guest({"/sys/kernel/mm/transparent_hugepage/enabled":
                                      "[always] madvise never"}), "always"),
        ("kernel_arguments", "a.b=1", guest(), "its command line lacks it"),
        ("kernel_arguments", "a.b=1", guest({}, "a.b=1"), "/sys/module/a/parameters/b"),
        ("kernel_arguments", "a.b=1", guest({"/sys/module/a/parameters/b": "2"}, "a.b=1"),
         "reads '2'"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_caught(piece: str, value: Any, one: Guest, words: str) -> None:
    with pytest.raises(GuestError) as error:
        PIECES[piece].shown(value, one)
    assert "guest1 does not have it" in str(error.value) and words in str(error.value)


@pytest.mark.parametrize(("wrote", "reads"), [("Y", "Y"), ("1", "Y"), ("on", "1"), ("0", "N")])
def test_yes_and_no_are_the_same_in_any_words(wrote: str, reads: str) -> None:
    files = {"/sys/module/a/parameters/b": reads}
    assert PIECES["kernel_arguments"].shown(f"a.b={wrote}", guest(files, f"a.b={wrote}"))


def test_small_pages_are_seen_in_qemus_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    one = guest({})
    one.qemu = SimpleNamespace(process_id=7)  # type: ignore[assignment]
    said = {
        "/proc/7/status": "Name:\tqemu\nTHP_enabled:\t0\n",
        "/proc/7/smaps_rollup": "AnonHugePages:\t  2048 kB\n",
    }
    monkeypatch.setattr(Path, "read_text", lambda path, **_: said[str(path)])
    assert PIECES["backing"].machine("4k", MACHINE).small_pages
    assert not PIECES["backing"].machine("thp", MACHINE).small_pages
    assert PIECES["backing"].shown("4k", one) == "status of its QEMU reads THP_enabled: 0"
    assert "AnonHugePages: 2048 kB" in PIECES["backing"].shown("thp", one)
    said.update(
        {"/proc/7/status": "THP_enabled:\t1\n", "/proc/7/smaps_rollup": "AnonHugePages: 0 kB"}
    )
    for backing in ("4k", "thp"):
        with pytest.raises(WrongGuestError, match=f"backing {backing}, and guest guest1 does not"):
            PIECES["backing"].shown(backing, one)
    one.has_died = True  # type: ignore[attr-defined] # it lacks everything, which was not wrong
    for piece, value in (("backing", "4k"), ("machine", "hpet=off")):
        said.update({"/proc/7/status": "", "/proc/7/cmdline": ""})
        with pytest.raises(GuestError, match="its QEMU is gone"):
            PIECES[piece].shown(value, one)


def test_every_piece_says_what_it_is() -> None:
    for name, piece in PIECES.items():
        assert type(piece).__doc__, name
        assert type(piece).shown is not type(piece).__mro__[1].shown, f"{name} proves nothing"
