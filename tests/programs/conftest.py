# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian with the packages of all programs; made for the tests unless one is given."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_debian import OWN_MOUNTS, running, sources
from program_folders import FOLDERS, PROGRAMS, compile_into, example

SUITE = "HINTFLEET_SUITE"
GIVEN = "HINTFLEET_PROGRAM_ROOT"
# PostgreSQL's package would make a database of its own when it is installed.
CLUSTERS = "etc/postgresql-common/createcluster.conf"
NO_CLUSTER = f'install -D /dev/stdin "$1/{CLUSTERS}" <<EOF\ncreate_main_cluster = false\nEOF'


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of the release in HINTFLEET_SUITE, else the one in the folder HINTFLEET_PROGRAM_ROOT."""
    if os.geteuid() != 0:
        pytest.skip("making a Debian takes root")
    if GIVEN in os.environ:
        yield furnished(Path(os.environ[GIVEN]))
        return
    suite = os.environ.get(SUITE, "bookworm")
    tree = tmp_path_factory.mktemp("debian") / suite
    packages = {package for program in PROGRAMS.values() for package in program["packages"]}
    packages.add("sqlite3")  # what the documentation's example needs
    subprocess.run(
        [*OWN_MOUNTS, "mmdebstrap", "--quiet", "--mode=root", "--variant=essential",
         f"--include={','.join(sorted(packages))}", f"--setup-hook={NO_CLUSTER}",
         "--dpkgopt=force-unsafe-io", suite, str(tree), *sources(suite, backports=False)],
        check=True,
    )  # fmt: skip
    yield furnished(tree)
    subprocess.run(["rm", "-rf", "--one-file-system", tree], check=True)


def furnished(tree: Path) -> Path:
    """With the image's static programs and the folders of programs, as a guest has them."""
    compile_into(tree / "usr/bin")
    subprocess.run(["rm", "-rf", tree / "programs"], check=True)
    subprocess.run(["cp", "-r", FOLDERS["idle"].parent, tree / "programs"], check=True)
    example(tree / "programs")
    return tree


@pytest.fixture(scope="session")
def guest(tree: Path) -> Iterator[int]:
    """The Debian with processes of its own, which stay, by the number of the first one."""
    with running(tree) as init:
        yield init
