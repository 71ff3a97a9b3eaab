# SPDX-License-Identifier: GPL-2.0-or-later
"""Damages studies by structure and by value and puts them through the commands, as long as told.

    python tests/fuzz/records.py --seconds 3600 --seed 7
    python tests/fuzz/records.py --seed 7 --case 123     # one case again, with its traceback

What must hold in every case: a command ends within a minute of CPU time, with 0, 1 or 2 and no
traceback; nothing it writes acts on a terminal; runs that were not touched are still counted; JSON
is JSON.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "analysis/support"))

import cases
import commands
from cases import WrongError
from damages import (
    CONTROLS,
    damage_bytes,
    damage_document,
    damage_kind,
    damage_lines,
)
from hintfleet.records.read import load_study
from synthetic import EVERY_WORKLOAD, Builder

MOST_TOUCHED = 4


def damage_record(file: Path, draw: random.Random) -> None:
    document = json.loads(file.read_text())
    damage_document(document, draw)
    file.write_text(json.dumps(document))


def damage_samples(file: Path, draw: random.Random) -> None:
    damage_lines(file.parent / "samples.csv", draw)


def damage_file(file: Path, draw: random.Random) -> None:
    damage_kind(file.parent / draw.choice(["record.json", "samples.csv"]), draw)


def damage_folder(file: Path, draw: random.Random) -> None:
    """A run under another name, twice, or among the attempts."""
    name = draw.choice(
        [f"{file.parent.name}.1", f"{file.parent.name}.²", "copy", ".x", CONTROLS[:9]]
    )
    target = file.parent.with_name(name.replace("\x00", ""))
    if target.exists():
        return
    if draw.random() < 0.5:
        shutil.copytree(file.parent, target)
    else:
        file.parent.rename(target)


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    damage_record, damage_record, damage_record, damage_record, damage_record,
    damage_bytes, damage_samples, damage_samples, damage_file, damage_folder,
)  # fmt: skip


def damage_plan(study: Path, draw: random.Random) -> None:
    plan = study / "study.json"
    if draw.random() < 0.5:
        damage_record(plan, draw)
    else:
        damage_bytes(plan, draw)


def damaged(whole: Path, target: Path, draw: random.Random) -> set[str]:
    """A damaged copy of a study; returns the runs that were not touched."""
    shutil.copytree(whole, target)
    runs = sorted((target / "runs").iterdir())
    if draw.random() < 0.3:  # few runs: no interval, no pair, no baseline
        for run in draw.sample(runs, draw.randrange(len(runs))):
            shutil.rmtree(run)
        runs = sorted((target / "runs").iterdir())
    touched = draw.sample(runs, min(draw.randint(1, MOST_TOUCHED), len(runs)))
    for run in touched:
        damage = draw.choice(DAMAGES)
        damage(run / "record.json", draw)
    if draw.random() < 0.2:
        damage_plan(target, draw)
    return {run.name for run in runs if run not in touched}


@dataclass
class Commands:
    """Runs the commands on a damaged study, within a folder of its own."""

    study: Path
    folder: Path

    def report(self, draw: random.Random, share: bool) -> None:
        """The report in every detail, and one or two of all the other things."""
        more = ["--share"] if share else []
        width = draw.choice([40, 80, 160])
        commands.run("report", self.study, "--detail", "--width", width, *more)
        of_study = partial(commands.run, "report", self.study)
        others: list[Callable[[], object]] = [
            lambda: commands.run_json("report", self.study, *more),
            lambda: of_study("--format", "markdown", *more),
            lambda: commands.run("show", draw.choice(self._runs())),
            lambda: commands.run("show", draw.choice(self._runs()), "--reproduce"),
            lambda: commands.run("compare", self.study, "--published", "v10-cover"),
            lambda: commands.run(
                "plan", "--from", self.study, "--nodes", 9, "--hours", 1, "--workers", 1
            ),
            lambda: self._export("csv", *more),
            lambda: self._export("parquet", *more),
        ]
        for other in draw.sample(others, draw.randint(1, 2)):
            other()
        if draw.random() < 0.05:
            of_study("--format", "html", *more)

    def _runs(self) -> list[Path]:
        return sorted((self.study / "runs").iterdir()) or [self.study]

    def _export(self, form: str, *more: str) -> None:
        target = self.folder / form
        commands.run("export", self.study, "--format", form, "--output", target, *more)
        if form == "parquet" and target.exists():
            commands.run("report", target)


def check(whole: Path, draw: random.Random) -> None:
    """One case; raises what is wrong with it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        study = folder / "study"
        untouched = damaged(whole, study, draw)
        plan_holds = (study / "study.json").read_bytes() == (whole / "study.json").read_bytes()
        Commands(study, folder).report(draw, share=draw.random() < 0.3)
        if plan_holds:
            lost = untouched - {run.run_id for run in load_study(study).runs}
            if lost:
                raise WrongError(f"untouched and not counted: {sorted(lost)}")


@contextmanager
def prepared() -> Iterator[cases.Check]:
    """A whole study, of which each case damages a copy."""
    with tempfile.TemporaryDirectory(prefix="fuzz-whole-") as name:
        yield partial(check, Builder(Path(name), blocks=2, workloads=EVERY_WORKLOAD).write())


if __name__ == "__main__":
    sys.exit(cases.main(__doc__, prepared))
