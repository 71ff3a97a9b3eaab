# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: S108 - these folders are of a Debian that is there for the tests alone
"""Programs of Debian's packages do their work in an empty Debian that has these packages."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from program_folders import PACKAGED, PERCENTILES, PROGRAMS, said, smallest_mib

pytestmark = pytest.mark.programs

DEADLINE_SECONDS = 600
WITHOUT_OPERATIONS = {("build", "make"), ("build", "remake"), ("postgres", "load")}


class Guest:
    """A Debian in which a program is started as the guest's agent does."""

    def __init__(self, init: int, tree: Path) -> None:
        self.init, self.tree = init, tree

    def do(self, *command: str, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", f"--target={self.init}", "--mount", "--pid", *within, "chroot", self.tree,
             "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE_SECONDS, check=False,
        )  # fmt: skip

    def phase(
        self, name: str, phase: str, mib: int | None = None, seed: int = 7, **options: Sequence[str]
    ) -> subprocess.CompletedProcess[str]:
        size = smallest_mib(PROGRAMS[name]) if mib is None else mib
        return self.do(f"/programs/{name}/run", phase, str(size), str(seed), **options)


@pytest.fixture(scope="module")
def here(guest: int, tree: Path) -> Guest:
    return Guest(guest, tree)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The cause, which is the last line on stderr, and nothing is on stdout."""
    assert done.returncode != 0 and done.stdout == ""
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("build", "there is no tree; the phase make writes it"),
        ("redis", "no server answers on port 7379; the phase fill starts it"),
        ("postgres", "there is no database; the phase load makes it"),
        ("java", "no server runs; the phase serve starts it"),
    ],
)
def test_a_later_phase_without_the_first_is_refused(here: Guest, name: str, sentence: str) -> None:
    here.do("rm", "-rf", "/var/tmp/hintfleet-build", "/var/tmp/hintfleet-postgres")
    for phase in PROGRAMS[name]["phases"][1:]:
        assert refusal(here.phase(name, phase)) == f"{name}: {sentence}."


@pytest.mark.parametrize(
    ("name", "mib", "sentence"),
    [
        ("build", 3, "a size of 3 MiB is no source file; it takes 4 or more"),
        ("redis", 0, "a size of 0 MiB is no value; it takes 1 or more"),
        ("postgres", 15, "a size of 15 MiB is no table; it takes 16 or more"),
        ("java", 1, "its server ended: Too small maximum heap"),
    ],
)
def test_a_size_that_cannot_be_is_refused(here: Guest, name: str, mib: int, sentence: str) -> None:
    assert sentence in refusal(here.phase(name, PROGRAMS[name]["phases"][0], mib))


@pytest.mark.parametrize("name", ["build", "postgres"])
def test_a_full_disk_is_the_cause(here: Guest, name: str) -> None:
    mount = f'mount -t tmpfs -o size=60k tmpfs {here.tree}/var/tmp && exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    done = here.phase(name, PROGRAMS[name]["phases"][0], 256, within=within)
    assert "No space left on device" in done.stderr
    assert refusal(done).startswith(f"{name}: ")


# --- each does its phases, and is looked at in between --------------------------------


@pytest.mark.parametrize("name", PACKAGED)
def test_a_program_does_its_phases(here: Guest, name: str) -> None:
    for phase in PROGRAMS[name]["phases"]:
        found = said(here.phase(name, phase))
        print(name, phase, smallest_mib(PROGRAMS[name]), found)
        has = [found.get(percentile) is not None for percentile in PERCENTILES]
        assert has == [(name, phase) not in WITHOUT_OPERATIONS] * len(PERCENTILES)
        LOOKS[name](here, phase, found["work"])


def look_at_build(here: Guest, phase: str, work: float) -> None:
    del phase
    objects = here.do("sh", "-c", "cd /var/tmp/hintfleet-build && ls *.o tree.so").stdout.split()
    assert len(objects) - 1 == work == smallest_mib(PROGRAMS["build"]) / 4


def look_at_redis(here: Guest, phase: str, work: float) -> None:
    """Of N requests for N keys at random, 1 - 1/e of the keys are asked for."""
    time.sleep(8 if phase == "expire" else 0)
    keys = int(here.do("redis-cli", "-p", "7379", "dbsize").stdout)
    held = {"fill": (0.6, 0.66), "expire": (0.2, 0.27), "refill": (0.69, 0.76)}[phase]
    assert held[0] <= keys / work <= held[1]
    memory = here.do("redis-cli", "-p", "7379", "info", "memory").stdout
    (used,) = [int(line[12:]) for line in memory.splitlines() if line.startswith("used_memory:")]
    if phase == "refill":
        assert used / 2**20 == pytest.approx(smallest_mib(PROGRAMS["redis"]), rel=0.1)


def look_at_postgres(here: Guest, phase: str, work: float) -> None:
    folder = "/var/tmp/hintfleet-postgres"
    query = "SELECT pg_database_size('postgres') / 1048576, (SELECT count(*) FROM pgbench_history)"
    answer = here.do("psql", "-h", folder, "-U", "postgres", "-At", "-F", " ", "-c", query)
    mib, transactions = (int(word) for word in answer.stdout.split())
    if phase == "load":
        assert work == 100_000 * (smallest_mib(PROGRAMS["postgres"]) // 16)
        assert mib == pytest.approx(smallest_mib(PROGRAMS["postgres"]), rel=0.35)
    assert transactions == 0 if phase == "load" else transactions >= work > 20


def look_at_java(here: Guest, phase: str, work: float) -> None:
    """At rest its collector gives back all but what is kept."""
    del phase
    assert work == smallest_mib(PROGRAMS["java"]) * 1.25

    def resident_mib() -> float:
        process = here.do("cat", "/tmp/hintfleet-java/pid").stdout.strip()
        status = here.do("cat", f"/proc/{process}/status").stdout
        (kib,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
        return int(kib) / 1024

    deadline = time.monotonic() + 60
    while resident_mib() > smallest_mib(PROGRAMS["java"]) * 5 / 8:
        assert time.monotonic() < deadline, resident_mib()
        time.sleep(1)


def test_the_program_of_the_documentation_does_its_phases(here: Guest) -> None:
    assert refusal(here.phase("sqlite", "ask", 8)).startswith("sqlite: there is no table")
    for phase in ("fill", "ask"):
        assert said(here.phase("sqlite", phase, 8))["work"] == 8160
    table = here.do("stat", "--format=%s", "/var/tmp/hintfleet-sqlite").stdout
    assert int(table) / 2**20 == pytest.approx(8, rel=0.1)


LOOKS = {
    "build": look_at_build, "java": look_at_java,
    "postgres": look_at_postgres, "redis": look_at_redis,
}  # fmt: skip


def test_no_two_guests_hold_the_same(here: Guest) -> None:
    """By what the programs wrote with one seed and with another one, and with the first again."""
    seen = []
    for seed in (7, 8, 7):
        said(here.phase("build", "make", 8, seed))
        said(here.phase("redis", "fill", 1, seed))
        said(here.phase("postgres", "load", 16, seed))
        rows = here.do(
            "psql", "-h", "/var/tmp/hintfleet-postgres", "-U", "postgres", "-At", "-c",
            "SELECT filler FROM pgbench_accounts WHERE aid < 100",
        ).stdout  # fmt: skip
        files = here.do("cat", "/var/tmp/hintfleet-build/f1.c", "/var/tmp/hintfleet-build/f2.c")
        value = here.do("sha256sum", "/tmp/hintfleet-redis.value")
        seen.append((files.stdout, value.stdout, rows))
    first, other, again = seen
    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))
