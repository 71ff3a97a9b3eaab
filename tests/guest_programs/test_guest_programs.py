# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's C programs, compiled for this machine and run on it."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "roles/guest_image/files/src"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
DEADLINE_SECONDS = 60
PR_SET_THP_DISABLE = 41
PAGES_TOLD = 2**18  # by hf-pages at a time


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for source in SOURCES.glob("*.c"):
        target = folder / source.stem
        subprocess.run(
            ["cc", *FLAGS, "-o", target, source, "-static", "-pthread", "-lm"], check=True
        )
    return folder


def run(*command: str | Path, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
        **options,
    )
    assert done.returncode == code, done.stderr
    return done


def answer(*command: str | Path, **options: Any) -> dict[str, Any]:
    output = run(*command, **options).stdout
    assert output.count("\n") == 1
    return json.loads(output)


def status_mib(process: int, field: str) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {field} for process {process}")


@contextlib.contextmanager
def holding(*command: str | Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A program that has printed its line and holds its memory."""
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


# --- hf-allocate ---------------------------------------------------------------------


def test_allocate_says_what_it_touched(programs: Path) -> None:
    said = answer(programs / "hf-allocate", "8")
    assert set(said) == {"touched_mib", "checksum", "seconds"}
    assert said["touched_mib"] == 8
    assert said["seconds"] > 0


def test_allocate_checksum_depends_on_the_pages_alone(programs: Path) -> None:
    first, again, other = (
        answer(programs / "hf-allocate", mib)["checksum"] for mib in ("8", "8", "9")
    )
    assert first == again != other


def test_allocate_really_occupies_memory_until_released(programs: Path, tmp_path: Path) -> None:
    release = tmp_path / "release"
    with holding(programs / "hf-allocate", "64", "--hold-file", release) as (process, said):
        assert said["touched_mib"] == 64
        assert status_mib(process.pid, "RssAnon") >= 64
        assert status_mib(process.pid, "VmHWM") < 64 + 8
        assert process.poll() is None
        release.touch()
        assert process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize("ending", ["line", "end of input", "SIGTERM"])
def test_allocate_holds_until(programs: Path, ending: str) -> None:
    with holding(programs / "hf-allocate", "4", "--hold") as (process, _):
        assert process.stdin is not None
        if ending == "line":
            process.stdin.write("go\n")
            process.stdin.flush()
        elif ending == "end of input":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0


def allocated_at(pid: int) -> int:
    """Where the 16 MiB lie that a process has allocated."""
    return next(
        int(low, 16)
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines()
        for low, high in [line.split()[0].split("-")]
        if int(high, 16) - int(low, 16) >= 16 << 20
    )


def test_allocate_gives_a_host_no_two_pages_to_merge(programs: Path) -> None:
    pages = []
    for _ in range(2):
        with holding(programs / "hf-allocate", "16", "--hold") as (process, _):
            with Path(f"/proc/{process.pid}/mem").open("rb", buffering=0) as memory:
                memory.seek(allocated_at(process.pid))
                pages += [memory.read(4096) for _ in range(16)]
            process.terminate()
    assert len(set(pages)) == 32


def test_allocate_notices_a_page_that_lost_its_content(programs: Path) -> None:
    """What a page given back to the host while in use looks like: it reads as zeros."""
    with holding(programs / "hf-allocate", "16", "--hold") as (process, _):
        start = allocated_at(process.pid)
        with Path(f"/proc/{process.pid}/mem").open("r+b", buffering=0) as memory:
            memory.seek(start + 100 * 4096)
            memory.write(bytes(4096))
        assert process.stdin is not None and process.stderr is not None
        process.stdin.close()
        assert process.wait(DEADLINE_SECONDS) == 3
        assert "page 100 of 4096" in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "use it as: hf-allocate MIB"),
        (["0"], "MIB is '0' but must be a whole number from 1"),
        (["12x"], "MIB is '12x'"),
        (["1", "2"], "use it as"),
        (["1", "--hold-file"], "use it as"),
    ],
)
def test_allocate_refuses_bad_arguments(
    programs: Path, arguments: list[str], sentence: str
) -> None:
    done = run(programs / "hf-allocate", *arguments, code=2)
    assert sentence in done.stderr
    assert done.stdout == ""


def test_allocate_says_that_memory_is_refused(programs: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))

    done = run(programs / "hf-allocate", "256", code=1, preexec_fn=limit)
    assert "cannot map 256 MiB: Cannot allocate memory; ask for less" in done.stderr


# --- hf-page-fault -------------------------------------------------------------------


def without_huge_pages() -> None:
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)


@pytest.mark.parametrize("mode", ["processes", "threads"])
def test_page_fault_counts_real_faults(programs: Path, mode: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    said = answer(
        *(programs / "hf-page-fault", "--tasks", "2", "--mode", mode),
        *("--seconds", "0.5", "--task-mib", "4"),
        preexec_fn=without_huge_pages,
    )
    faults = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before
    assert (said["tasks"], said["mode"], said["thp_faults"] >= 0) == (2, mode, True)
    assert said["seconds"] >= 0.5
    assert 0 <= said["idle_percent"] <= 100
    assert 0 < said["touches_per_second"] * said["seconds"] <= faults


def test_page_fault_leaves_no_task_behind(programs: Path) -> None:
    command = [programs / "hf-page-fault", "--tasks", "2", "--mode", "processes"]
    command += ["--seconds", "600", "--task-mib", "1"]
    with subprocess.Popen([str(word) for word in command]) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_for(lambda: len(children.read_text().split()) == 2)
        tasks = [int(task) for task in children.read_text().split()]
        process.kill()
    wait_for(lambda: not any(is_running(task) for task in tasks))


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # A dead process stays a zombie where nobody reaps orphans (some containers).
    return state != "Z" and os.path.exists(f"/proc/{process}/exe")  # noqa: PTH110


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--tasks 1 --mode threads --seconds 1", "use it as: hf-page-fault"),
        ("--tasks 0 --mode threads --seconds 1 --task-mib 1", "--tasks is '0'"),
        ("--tasks 1 --mode fibres --seconds 1 --task-mib 1", "--mode is 'fibres' but must be"),
        ("--tasks 1 --mode threads --seconds 0 --task-mib 1", "--seconds is '0' but must be"),
        ("--tasks 1 --mode threads --seconds 1 --task-mib 1 more", "use it as"),
    ],
)
def test_page_fault_refuses_bad_arguments(programs: Path, arguments: str, sentence: str) -> None:
    assert sentence in run(programs / "hf-page-fault", *arguments.split(), code=2).stderr


# --- hf-fault-latency ----------------------------------------------------------------


def test_fault_latency_counts_every_first_touch(programs: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    said = answer(programs / "hf-fault-latency", "--mib", "8", "--rounds", "3")
    faults = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before
    assert said["count"] == 3 * 8 * 256 == sum(said["counts"])
    assert faults >= said["count"]


def test_fault_latency_histogram_and_percentiles_agree(programs: Path) -> None:
    said = answer(programs / "hf-fault-latency", "--mib", "8")
    bounds, counts = said["bounds_ns"], said["counts"]
    assert (bounds[0], bounds[16], bounds[-1]) == (64, 128, 2**34)
    assert len(bounds) == len(counts) + 1
    assert bounds == sorted(set(bounds))
    percentiles = [said[name] for name in ("p50_ns", "p95_ns", "p99_ns", "p999_ns")]
    assert percentiles == sorted(percentiles)
    cumulated = list(itertools.accumulate(counts))
    for share, percentile in zip((0.5, 0.95, 0.99, 0.999), percentiles, strict=True):
        bucket = next(i for i, count in enumerate(cumulated) if count >= share * said["count"])
        # Percentiles are printed to a tenth.
        assert bounds[bucket] - 0.1 <= percentile <= bounds[bucket + 1] + 0.1


def test_fault_latency_refuses_bad_arguments(programs: Path) -> None:
    assert "use it as: hf-fault-latency" in run(programs / "hf-fault-latency", code=2).stderr
    done = run(programs / "hf-fault-latency", "--mib", "-3", code=2)
    assert "--mib is '-3' but must be a whole number" in done.stderr


# --- hf-churn ------------------------------------------------------------------------

CHURN = ["--mib", "32", "--seconds", "0.5", "--seed"]


def test_churn_touches_far_more_than_it_holds(programs: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    said = answer(programs / "hf-churn", *CHURN, "7", preexec_fn=without_huge_pages)
    faults = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before
    assert said["touched_mib"] > 32
    assert said["touched_mib"] * 256 <= faults
    assert said["touched_mib"] / 4 <= said["operations"] <= said["touched_mib"] * 16
    assert 0.5 <= said["seconds"] < DEADLINE_SECONDS
    assert 0 < said["p50_ms"] <= said["p99_ms"] <= said["p999_ms"] < 1000 * said["seconds"]


def test_churn_holds_at_most_what_it_is_told(programs: Path) -> None:
    with stopped_churn(programs) as process:
        assert 8 < status_mib(process.pid, "VmHWM") < 32 + 8


@contextlib.contextmanager
def stopped_churn(programs: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that was stopped half way, with pieces."""
    command = [str(programs / "hf-churn"), "--mib", "32", "--seconds", "2", "--seed", "7"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: status_mib(process.pid, "RssAnon") > 12)
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: "T (stopped)" in Path(f"/proc/{process.pid}/status").read_text())
            yield process
        finally:
            process.kill()


def test_churn_notices_a_page_that_lost_its_content(programs: Path) -> None:
    with stopped_churn(programs) as process:
        lost = 0
        with Path(f"/proc/{process.pid}/mem").open("r+b", buffering=0) as memory:
            for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
                low, high = (int(word, 16) for word in line.split()[0].split("-"))
                if "rw-p" not in line or "[" in line or high - low < 16 * 4096:
                    continue
                memory.seek(low)
                content = memory.read(high - low)
                for at in range(0, len(content), 4096):
                    if any(content[at : at + 8]) and not any(content[at + 8 : at + 4096]):
                        memory.seek(low + at)
                        memory.write(bytes(8))
                        lost += 1
        assert lost > 1000
        process.send_signal(signal.SIGCONT)
        assert process.wait(DEADLINE_SECONDS) == 3
        assert process.stderr is not None
        assert "page 0 of a piece of" in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "use it as: hf-churn --mib M --seconds S --seed N"),
        ("--mib 4 --seconds 1 --seed 1", "--mib is '4' but must be a whole number from 8"),
        ("--mib 8 --seconds 0 --seed 1", "--seconds is '0' but must be"),
        ("--mib 8 --seconds 1 --seed x", "--seed is 'x'"),
        ("--mib 8 --seconds 1", "use it as"),
    ],
)
def test_churn_refuses_bad_arguments(programs: Path, arguments: str, sentence: str) -> None:
    assert sentence in run(programs / "hf-churn", *arguments.split(), code=2).stderr


# --- hf-read -------------------------------------------------------------------------


def test_a_file_is_read_as_a_whole(programs: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * (2**21 + 2**19))
    said = answer(programs / "hf-read", file)
    assert said["read_mib"] == 2.5 and 0 < said["seconds"] < DEADLINE_SECONDS
    file.write_bytes(b"")
    said = answer(programs / "hf-read", file)
    assert (said["read_mib"], said["reads"]) == (0, 0) and "p50_ms" not in said


def test_a_tree_is_read_as_far_as_it_is_wanted(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/three"):
        (tmp_path / name).write_bytes(b"x" * 2**20)
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "a/unread").symlink_to("/etc/passwd")
    whole = answer(programs / "hf-read", tmp_path)
    assert (whole["read_mib"], whole["reads"]) == (3, 3)
    assert 0 <= whole["p50_ms"] <= whole["p99_ms"] <= whole["p999_ms"]
    assert answer(programs / "hf-read", tmp_path, "--mib", "2")["read_mib"] == 2
    done = run(programs / "hf-read", "--mib", "4", tmp_path, code=1)
    assert f"{tmp_path} holds 3.0 MiB but 4 are to be read" in done.stderr


def test_what_was_read_can_be_dropped(programs: Path, tmp_path: Path) -> None:
    def cached_mib() -> float:
        told = run(
            "fincore", "--bytes", "--noheadings", "--output", "RES", tmp_path / "file"
        ).stdout
        return int(told) / 2**20

    (tmp_path / "file").write_bytes(b"x" * 2**23)
    os.sync()
    run(programs / "hf-read", tmp_path)
    assert cached_mib() == 8
    run(programs / "hf-read", tmp_path, "--drop")
    assert cached_mib() == 0


def test_hf_read_refuses_what_cannot_be_read(programs: Path, tmp_path: Path) -> None:
    assert "use it as: hf-read PATH" in run(programs / "hf-read", code=2).stderr
    assert "cannot open /gone" in run(programs / "hf-read", "/gone", code=1).stderr
    assert "after 0 bytes" in run(programs / "hf-read", "/proc/self/mem", code=1).stderr


# --- hf-pages ------------------------------------------------------------------------


def pages(programs: Path) -> dict[str, int]:
    """Pages of this machine by use."""
    found: dict[str, int] = {}
    first = 0
    while True:
        said = answer(programs / "hf-pages", str(first))
        runs = re.findall(r"([a-z])(\d+)", said["pages"])
        assert "".join(f"{use}{length}" for use, length in runs) == said["pages"]
        told = sum(int(length) for _use, length in runs)
        for use, length in runs:
            found[use] = found.get(use, 0) + int(length)
        first += told
        if told < PAGES_TOLD:
            return found


@pytest.mark.skipif(os.geteuid() != 0, reason="what pages are used for is root's to know")
def test_memory_that_a_program_holds_is_told_as_a_programs(programs: Path) -> None:
    """By the median: other programs of this machine take and give back memory meanwhile."""
    more = []
    for _ in range(5):
        before = pages(programs)
        holder = subprocess.Popen(
            [programs / "hf-allocate", "256", "--hold"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            during = pages(programs)
            holder.communicate(b"\n")
        more.append(during["a"] - before["a"])
        assert sum(during.values()) == sum(before.values())
    assert statistics.median(more) == pytest.approx(256 * 256, abs=128 * 256), more


def test_hf_pages_refuses_what_is_no_page(programs: Path) -> None:
    assert "use it as: hf-pages FIRST" in run(programs / "hf-pages", code=2).stderr
    assert "FIRST is '-1'" in run(programs / "hf-pages", "-1", code=2).stderr
