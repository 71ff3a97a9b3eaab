# SPDX-License-Identifier: GPL-2.0-or-later
"""The collection and the wheel as people install them: an empty folder, and a study from there.

HINTFLEET_ANSIBLE_CORE names the release of ansible-core to try them with, such as 2.17.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from small_study import SMALL

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"


def one(pattern: str) -> Path:
    """The only file of dist/ that a pattern names."""
    (found,) = DIST.glob(pattern)
    return found


class Home:
    """An empty folder with an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"

    def run(self, *command: str) -> str:
        """Run a program of the environment; what it says. Fails the test if it fails."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")
        }
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env={
                **environment,
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
                "ANSIBLE_INJECT_FACT_VARS": "false",
            },
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 2 if command[0] == "hintfleet" else 0), (
            f"{command}: {done.stdout[-4000:]}\n{done.stderr[-2000:]}"
        )
        return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    subprocess.run([sys.executable, "-m", "venv", str(home.folder / "venv")], check=True)
    wanted = os.environ.get("HINTFLEET_ANSIBLE_CORE")
    core = [f"ansible-core=={wanted}.*"] if wanted else []
    # pip's settings are those of whoever runs the test: they lie in its home.
    subprocess.run(
        [str(home.bin / "pip"), "install", "-q", str(one("hintfleet-*.whl")), *core], check=True
    )
    home.run("ansible-galaxy", "collection", "install", str(one("hintfleet-bench-*.tar.gz")))
    return home


@pytest.mark.guest
def test_the_collection_holds_roles_playbooks_and_plugins_and_no_tests() -> None:
    with tarfile.open(one("hintfleet-bench-*.tar.gz")) as packed:
        names = packed.getnames()
    for role in (ROOT / "roles").iterdir():
        assert f"roles/{role.name}/meta/argument_specs.yml" in names
    for playbook in (ROOT / "playbooks").glob("*.yml"):
        assert f"playbooks/{playbook.name}" in names
    assert "plugins/modules/run.py" in names
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.guest
def test_a_study_runs_from_an_empty_folder(home: Home) -> None:
    (home.folder / "hosts.ini").write_text(
        "localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3"
        " numa_host_nodes=[0]\n"
    )
    sizes = json.dumps(SMALL)
    try:
        home.run("ansible-playbook", "hintfleet.bench.site", "-i", "hosts.ini", "-e", sizes)
        report = home.run("hintfleet", "report", "results/small")
    finally:
        home.run("ansible-playbook", "hintfleet.bench.clean", "-i", "hosts.ini")
    assert "9 of 9 runs" in report
    assert (home.folder / "results/small/report.html").is_file()
