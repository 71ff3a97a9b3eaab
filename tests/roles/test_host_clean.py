# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that was prepared and then cleaned is as it was found, wherever the preparing stopped.

Works below names of its own, so that it leaves what hintfleet has on this host alone; runs that
are under way are ended all the same, for there is one cgroup of cells.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import PARENT
from host_snapshot import differences, snapshot

pytestmark = pytest.mark.guest

ROOT = Path(__file__).resolve().parents[2]
NAME = "hintfleet-test"
STATE = Path("/var/lib") / NAME
MEMORY = "/dev/shm"  # noqa: S108 - it is no disk, and everybody may write there
FINISHED = json.dumps({"outcome": {"status": "finished"}})
PLAY = "- hosts: all\n  roles: [numa_host]\n"


def variables(**more: Any) -> str:
    """Settings that differ from what is found, so that there is something to put back."""
    swappiness = int(Path("/proc/sys/vm/swappiness").read_text())
    settings = {"swappiness": str(swappiness - 1 if swappiness else 1)}
    defrag = Path("/sys/kernel/mm/transparent_hugepage/defrag")
    if defrag.exists():
        settings["thp_defrag"] = "madvise" if "[defer]" in defrag.read_text() else "defer"
    return json.dumps(
        {
            "numa_host_state_dir": str(STATE),
            "numa_host_user": NAME,
            "numa_host_swap_mib": 48,
            "numa_host_swap_priority": 1,
            "numa_host_settings": settings,
            **more,
        }
    )


def command(playbook: Path, extra: str, *arguments: str) -> list[str]:
    ansible = Path(sys.executable).parent / "ansible-playbook"
    inventory = ROOT / "inventory" / "local"
    return [str(ansible), "-i", str(inventory), str(playbook), "-e", extra, *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}


def play(playbook: Path, extra: str, *arguments: str) -> tuple[int, str]:
    """Run a playbook: number of changes, and what it said. Fails the test if the play does."""
    done = subprocess.run(
        command(playbook, extra, *arguments),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    changed = re.search(r"changed=(\d+)", done.stdout)
    assert changed, done.stdout
    return int(changed.group(1)), done.stdout


def ours(lines: list[str]) -> list[str]:
    """Without processes of others, who come and go on a machine in use."""
    return [line for line in lines if not line.startswith("processes") or NAME in line]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user of guests can enter, as those of tests are not."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def prepare(tmp_path: Path) -> Iterator[Path]:
    """The playbook that applies the role; the host is clean before and after the test."""
    if os.geteuid() != 0:
        pytest.fail("Preparing a host needs root: run this test as root.")
    playbook = tmp_path / "prepare.yml"
    playbook.write_text(PLAY)
    clean = ROOT / "playbooks" / "clean.yml"
    play(clean, variables(clean_discard_runs=True))
    yield playbook
    play(clean, variables(clean_discard_runs=True))


def leave_a_run_behind() -> subprocess.Popen[bytes]:
    """What a study killed at a bad moment leaves: a guest in its cell, and what its user left."""
    cells = [path / PARENT / "cell" for path in map(Path, ("/sys/fs/cgroup", *cgroup_v1()))]
    cells = [cell for cell in cells if cell.parent.is_dir()]
    assert cells, "the role made no cgroup"
    for cell in cells:
        cell.mkdir()
        for key in ("cpuset.cpus", "cpuset.mems"):
            if (cell / key).exists():
                (cell / key).write_text((cell.parent / key).read_text() or "0")
    script = 'for f in "$@"; do echo $$ >"$f"; done; exec setpriv --reuid "$0" sleep 600'
    guest = subprocess.Popen(["sh", "-c", script, NAME, *(str(c / "cgroup.procs") for c in cells)])
    subprocess.run(["setpriv", "--reuid", NAME, "touch", f"{MEMORY}/{NAME}"], check=True)
    return guest


def cgroup_v1() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if " - cgroup " in line]


def test_prepared_and_cleaned_is_as_found(prepare: Path) -> None:
    before = snapshot()
    would, _ = play(prepare, variables(), "--check")
    assert would > 0
    assert ours(differences(before, snapshot())) == [], "--check changed the host"

    extra = variables()
    changed, _ = play(prepare, extra)
    assert changed > 0
    changed, said = play(prepare, extra)
    assert changed == 0, said
    prepared = " ".join(differences(before, snapshot()))
    for kind in ("swap: ", "settings: ", "cgroups: ", "users: ", "files: "):
        assert kind in prepared, f"preparing left no trace in {kind}"

    guest = leave_a_run_behind()
    _, said = play(ROOT / "playbooks" / "clean.yml", variables())
    assert guest.wait(timeout=10) == -signal.SIGKILL
    assert "1 processes ended" in said
    assert not (Path(MEMORY) / NAME).exists()
    assert ours(differences(before, snapshot())) == []
    changed, _ = play(ROOT / "playbooks" / "clean.yml", variables())
    assert changed == 0, "cleaning a clean host changed it"


def test_a_folder_that_was_moved_is_found_without_being_named(prepare: Path) -> None:
    before = snapshot()
    usual, moved = f"{STATE}-usual", f"{STATE}-moved"
    play(prepare, variables(numa_host_state_dir=moved, __numa_host_usual_dir=usual))
    assert Path(usual).readlink() == Path(moved)
    extra = variables(numa_host_state_dir=usual, __numa_host_usual_dir=usual)
    play(ROOT / "playbooks" / "clean.yml", extra)
    assert not os.path.lexists(usual)
    assert not Path(moved).exists()
    assert ours(differences(before, snapshot())) == []


def test_what_was_named_once_need_not_be_named_to_clean(prepare: Path) -> None:
    before = snapshot()
    play(prepare, variables(numa_host_user=f"{NAME}-other"))
    play(ROOT / "playbooks" / "clean.yml", variables())
    assert ours(differences(before, snapshot())) == []


def test_a_folder_that_held_something_is_refused_and_left_as_it_was(
    prepare: Path, open_folder: Path
) -> None:
    precious = open_folder / "disk" / "images" / "holiday.jpg"
    precious.parent.mkdir(parents=True)
    precious.touch()
    extra = variables(numa_host_state_dir=str(open_folder / "disk"))
    before = snapshot()
    done = subprocess.run(
        command(prepare, extra), cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "holds images, which hintfleet did not put there" in " ".join(done.stdout.split())
    assert ours(differences(before, snapshot())) == []
    play(ROOT / "playbooks" / "clean.yml", extra)
    assert precious.exists()


def test_a_user_that_was_there_is_refused(prepare: Path) -> None:
    before = snapshot()
    done = subprocess.run(
        command(prepare, variables(numa_host_user="games")),
        cwd=ROOT, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "user games is there and was not made by hintfleet" in " ".join(done.stdout.split())
    assert ours(differences(before, snapshot())) == []


@pytest.mark.parametrize("moment", [STATE, STATE / "found.json", STATE / "venv", STATE / "swap"])
def test_cleaning_works_wherever_preparing_was_killed(prepare: Path, moment: Path) -> None:
    before = snapshot()
    process = subprocess.Popen(
        command(prepare, variables()),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not moment.exists():
        assert process.poll() is None, f"the play ended and {moment} never came to be"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    play(ROOT / "playbooks" / "clean.yml", variables())
    assert ours(differences(before, snapshot())) == []


def test_runs_nobody_fetched_survive_cleaning(prepare: Path, tmp_path: Path) -> None:
    extra = variables(study_results_dir=str(tmp_path / "results"))
    play(prepare, extra)
    for run in ("fetched", "waiting"):
        folder = STATE / "runs" / "laptop" / run
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(FINISHED)
    copy = tmp_path / "results" / "laptop" / "runs" / "fetched"
    copy.mkdir(parents=True)
    (copy / "record.json").write_text(FINISHED)

    _, said = play(ROOT / "playbooks" / "clean.yml", extra)
    assert "1 runs were not fetched yet" in said
    assert (STATE / "runs" / "laptop" / "waiting" / "record.json").exists()
    assert sorted(path.name for path in STATE.iterdir()) == [".hintfleet", "runs"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"numa_host_nodes": [7]}, "asks for node 7"),
        ({"numa_host_memory_mib": 9_000_000}, "a cell of 9000000 MiB is asked for"),
        ({"numa_host_swap_mib": 900_000_000}, "MiB of disk are free"),
        ({"numa_host_swap_device": "/dev/no-such-disk"}, "does not exist"),
        ({"numa_host_state_dir": f"{MEMORY}/{NAME}"}, "cannot lie on tmpfs|of disk are free"),
        ({"numa_host_settings": {"swapiness": "1"}}, "'swapiness' is not known"),
    ],
)
def test_bad_input_is_a_sentence_before_anything_changed(
    prepare: Path, wrong: dict[str, Any], words: str
) -> None:
    before = snapshot()
    done = subprocess.run(
        command(prepare, variables(**wrong)),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert re.search(words, " ".join(done.stdout.split())), done.stdout[-3000:]
    assert ours(differences(before, snapshot())) == []
