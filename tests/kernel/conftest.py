# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kernels to test: HINTFLEET_TEST_KERNELS, paths of bzImage files parted by colons.

They are built from base.config and the fragments trace, hotplug and checks. Every test runs on
each of them, and with upstream's engine ("list") as a control wherever that can be asked of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kernel_guest import Guest, build_initramfs

BAD_LOG = re.compile(r"BUG|WARNING|Oops|bad page|list_(add|del) corruption|corruption|INFO: .*lock")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kernel" in metafunc.fixturenames:
        given = os.environ.get("HINTFLEET_TEST_KERNELS", "")
        paths = [Path(path) for path in given.split(":")] if given else [None]
        names = [path.parent.name if path else "none-given" for path in paths]
        metafunc.parametrize("kernel", paths, ids=names)


@pytest.fixture(scope="session")
def initramfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_initramfs(tmp_path_factory.mktemp("initramfs"))


@pytest.fixture
def boot(kernel: Path | None, initramfs: Path, tmp_path: Path) -> Iterator[Callable[..., Guest]]:
    """Boot guests of the kernel under test; none may leave a complaint in its log."""
    if not kernel:
        pytest.fail(
            "tests/kernel needs kernels to test: set HINTFLEET_TEST_KERNELS to bzImage files, "
            "parted by colons, built from base.config and the fragments trace, hotplug, checks."
        )
    guests: list[Guest] = []

    def start(**options: object) -> Guest:
        guest = Guest(kernel, initramfs, tmp_path / str(len(guests)), **options)  # type: ignore[arg-type]
        guest.__enter__()
        guests.append(guest)
        return guest

    yield start
    for guest in guests:
        guest.__exit__()
    for guest in guests:
        found = BAD_LOG.search(guest.log())
        assert not found, f"the guest's kernel complained:\n{guest.log()[found.start() - 500 :]}"
