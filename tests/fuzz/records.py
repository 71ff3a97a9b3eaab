# SPDX-License-Identifier: GPL-2.0-or-later
"""Damages studies by structure and by value and puts them through the commands, as long as told.

    python tests/fuzz/records.py --seconds 3600 --seed 7
    python tests/fuzz/records.py --seed 7 --case 123     # one case again, with its traceback

What must hold in every case: a command ends within a minute of CPU time, with 0, 1 or 2 and no
traceback; nothing it writes acts on a terminal; runs that were not touched are still counted; JSON
is JSON.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "analysis/support"))

from hintfleet.cli import main as hintfleet
from hintfleet.records.read import load_study
from synthetic import Builder

CASE_CPU_SECONDS = 60
CASE_SECONDS = 900
"""For a command that only waits, as for a FIFO's writer."""

MOST_TOUCHED = 4
CONTROLS = "\x1b]0;x\x07\x1b[2J\x9b\u202e\u2066\u200b\ud800\x00\r"

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 59, 10**6, 2**31, 2**53, 2**53 + 1, 2**63, 10**30, 10**400,
    0.0, -0.0, 0.5, 1e-9, 1e-30, 1e-31, 5e-324, 1e15, 9e15, 1e16, 1.7e308, -1e15, float("nan"),
    float("inf"), "", " ", "none", "page_hinting", "memhog", "consolidation", "page_fault",
    "finished", "failed", "stopped", "died", "swap", "maximum", "cpu_bound", "tcg", "kvm",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0000-00-00T00:00:00Z",
    "hintfleet.run/1", "hintfleet.run/2", "hintfleet.run/3", "hintfleet.run/²",
    "../../../etc/passwd", "samples.csv",
    "=1+1", "<script>", "![](x)", "| a |\n# b", "$x^2$ {0} %s [b]x[/b]", CONTROLS, "x" * 70_000,
    [], {}, [[]], {"": {}}, [None] * 3, [0] * 100, {"a\x1b": CONTROLS},
)  # fmt: skip

Document = Any
Place = tuple[Any, Any]
"""A container and a key or index in it."""


def places(document: Document) -> list[Place]:
    """Every place of a document; of long lists (a histogram's) the first few."""
    found: list[Place] = []
    stack = [document]
    while stack:
        node = stack.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node[:10])
        for key, value in items:
            found.append((node, key))
            if isinstance(value, dict | list):
                stack.append(value)
    return found


def by_value(document: Document, draw: random.Random) -> None:
    """Another value of any kind at any place."""
    node, key = draw.choice(places(document))
    node[key] = copy.deepcopy(draw.choice(VALUES))


def by_number(document: Document, draw: random.Random) -> None:
    """A number that is still one, but of another size: what a schema lets through."""
    numbers = [
        (node, key)
        for node, key in places(document)
        if isinstance(node[key], int | float) and not isinstance(node[key], bool)
    ]
    for node, key in draw.sample(numbers, min(draw.randint(1, 5), len(numbers))):
        size = 10 ** draw.choice([draw.uniform(-30, 15.9), draw.uniform(-3, 3)])
        other = draw.choice([size, size, 0.0, -size, node[key] * size])
        node[key] = int(other) if isinstance(node[key], int) else other


def by_structure(document: Document, draw: random.Random) -> None:
    """Something taken away, told twice, put elsewhere, or wrapped."""
    node, key = draw.choice(places(document))
    kind = draw.randrange(5)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.extend(copy.deepcopy(node) * draw.choice([1, 1, 30]))
    elif kind == 2:
        other, place = draw.choice(places(document))
        node[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(node[key])
    elif kind == 3:
        for _ in range(draw.choice([1, 40, 300])):
            node[key] = [node[key]]
    elif isinstance(node, dict):
        node[draw.choice(["", "extra", "a\x1b[2J", "x" * 300])] = copy.deepcopy(draw.choice(VALUES))


CHANGES = (by_value, by_number, by_number, by_structure)


def damage_record(file: Path, draw: random.Random) -> None:
    document = json.loads(file.read_text())
    for _ in range(draw.choice([1, 1, 2, 5])):
        if document:
            draw.choice(CHANGES)(document, draw)
    file.write_text(json.dumps(document))


def damage_bytes(file: Path, draw: random.Random) -> None:
    content = bytearray(file.read_bytes())
    kind = draw.randrange(3)
    if kind == 0:
        del content[draw.randrange(len(content)) :]
    elif kind == 1:
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
    else:
        at = draw.randrange(len(content))
        content[at:at] = draw.randbytes(draw.choice([1, 8, 1000]))
    file.write_bytes(content)


def damage_samples(file: Path, draw: random.Random) -> None:
    lines = (file.parent / "samples.csv").read_text().split("\n")
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(lines))
        row = lines[at].split(",")
        row[draw.randrange(len(row))] = str(draw.choice([*VALUES[:32], "", "1_0", "١", CONTROLS]))
        lines[at] = ",".join(row).encode("utf-8", "replace").decode()
        if draw.random() < 0.2:
            draw.shuffle(lines)
    (file.parent / "samples.csv").write_text("\n".join(lines))


def damage_kind(file: Path, draw: random.Random) -> None:
    """Something else where a regular file should be."""
    victim = file.parent / draw.choice(["record.json", "samples.csv"])
    victim.unlink()
    draw.choice(
        [
            lambda: os.mkfifo(victim),
            lambda: victim.symlink_to("/dev/zero"),
            lambda: victim.symlink_to(victim.name),
            victim.mkdir,
            lambda: None,
        ]
    )()


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
    damage_bytes, damage_samples, damage_samples, damage_kind, damage_folder,
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


class WrongError(Exception):
    """What must hold does not."""


@dataclass
class Commands:
    """Runs the commands on a damaged study, within a folder of its own."""

    study: Path
    folder: Path

    def run(self, *words: object) -> str:
        """What a command writes to the screen; WrongError if it acts on a terminal."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = hintfleet([str(word) for word in words])
        text = out.getvalue() + err.getvalue()
        if code not in (0, 1, 2) or (code == 1 and not err.getvalue().startswith("hintfleet: ")):
            raise WrongError(f"exit code {code}, {err.getvalue()[:200]!r}")
        if not text.replace("\n", "").isprintable():
            raise WrongError(
                f"{words[0]} writes {set(filter(lambda c: not c.isprintable(), text))}"
            )
        return out.getvalue()

    def report(self, draw: random.Random, share: bool) -> None:
        """The report in every detail, and one or two of all the other things."""
        more = ["--share"] if share else []
        self.run("report", self.study, "--detail", "--width", draw.choice([40, 80, 160]), *more)
        others: list[Callable[[], object]] = [
            lambda: self._json(*more),
            lambda: self.run("report", self.study, "--format", "markdown", *more),
            lambda: self.run("show", draw.choice(self._runs())),
            lambda: self.run("show", draw.choice(self._runs()), "--reproduce"),
            lambda: self.run("compare", self.study, "--published", "v10-cover"),
            lambda: self.run(
                "plan", "--from", self.study, "--nodes", 9, "--hours", 1, "--workers", 1
            ),
            lambda: self._export("csv", *more),
            lambda: self._export("parquet", *more),
        ]
        for other in draw.sample(others, draw.randint(1, 2)):
            other()
        if draw.random() < 0.05:
            self.run("report", self.study, "--format", "html", *more)

    def _runs(self) -> list[Path]:
        return sorted((self.study / "runs").iterdir()) or [self.study]

    def _json(self, *more: str) -> None:
        text = self.run("report", self.study, "--format", "json", *more)
        if text:
            json.loads(text, parse_constant=_no_constant)

    def _export(self, form: str, *more: str) -> None:
        target = self.folder / form
        self.run("export", self.study, "--format", form, "--output", target, *more)
        if form == "parquet" and target.exists():
            self.run("report", target)


def _no_constant(name: str) -> None:
    raise WrongError(f"JSON with {name}")


def check(whole: Path, seed: int, case: int) -> None:
    """One case; raises what is wrong with it."""
    draw = random.Random(f"{seed} {case}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        study = folder / "study"
        untouched = damaged(whole, study, draw)
        plan_holds = (study / "study.json").read_bytes() == (whole / "study.json").read_bytes()
        commands = Commands(study, folder)
        commands.report(draw, share=draw.random() < 0.3)
        if plan_holds:
            lost = untouched - {run.run_id for run in load_study(study).runs}
            if lost:
                raise WrongError(f"untouched and not counted: {sorted(lost)}")


def _late(*_: object) -> None:
    raise WrongError(f"not done after {CASE_CPU_SECONDS} s of CPU or {CASE_SECONDS} s")


def failures(seed: int, cases: Iterator[int]) -> Iterator[tuple[int, str]]:
    """Cases in which something was wrong, with what."""
    signal.signal(signal.SIGALRM, _late)
    signal.signal(signal.SIGPROF, _late)
    with tempfile.TemporaryDirectory(prefix="fuzz-whole-") as name, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # numpy's way to say that a figure is none
        whole = Builder(Path(name), blocks=2).write()
        for case in cases:
            signal.alarm(CASE_SECONDS)
            signal.setitimer(signal.ITIMER_PROF, CASE_CPU_SECONDS)
            try:
                check(whole, seed, case)
            except Exception:
                yield case, traceback.format_exc()
            finally:
                signal.alarm(0)
                signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--case", type=int, help="only this one")
    options = parser.parse_args()
    end, done = time.monotonic() + options.seconds, 0

    def cases() -> Iterator[int]:
        nonlocal done
        while time.monotonic() < end:
            yield done
            done += 1

    wrong = 0
    chosen = cases() if options.case is None else iter([options.case])
    for case, what in failures(options.seed, chosen):
        wrong += 1
        print(f"--seed {options.seed} --case {case}:\n{what}", flush=True)
    print(f"seed {options.seed}: {max(done, 1)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
