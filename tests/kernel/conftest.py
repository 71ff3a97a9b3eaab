# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kernels to test: those that build.yml built, for each version the variants a test names.

A test runs on the variant `full`, or on those of its mark `kernels`; a variant in `fails` is an
unpatched kernel on which the test has to fail, or it would prove nothing about the patched one.
HINTFLEET_TEST_KERNELS names another list than build/test-kernels.json.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel_guest import Guest, GuestError, Kernel, build_initramfs

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(os.environ.get("HINTFLEET_TEST_KERNELS", ROOT / "build/test-kernels.json"))
BAD_LOG = re.compile(
    r"BUG|WARNING|Oops|[Bb]ad page|corruption|ODEBUG|INFO: .*(lock|task)|suspicious RCU|UBSAN:"
    r"|self-detected stall|detected stalls on CPUs|hogged CPU|page allocation failure"
)

# Before 8.1 QEMU's emulation may run code of another processor that was just patched, as it was for
# a moment: with a breakpoint. Seen in 2 of 60 boots of 6.12, in a static branch of the clock.
EMULATOR_FAULT = re.compile(r"int3: 0000 .*SMP(?:.*\n){1,5}.*RIP: 0010:sched_clock")


def chosen(mark: pytest.Mark | None) -> list[Any]:
    """The kernels of a test as parameters."""
    fails = mark.kwargs.get("fails", "") if mark else ""
    variants = [*(mark.args if mark else ["full"]), *([fails] if fails else [])]
    if not LIST.exists():
        # `make check` collects this too, without kernels; make test-kernel builds them first.
        reason = f"{LIST} does not exist: build the kernels with make test-kernel"
        return [pytest.param(None, id="none", marks=pytest.mark.skip(reason=reason))]
    kernels: dict[str, dict[str, str]] = json.loads(LIST.read_text())
    found = []
    for version, paths in kernels.items():
        for variant in variants:
            marks = []
            if variant not in paths:
                # VARIANTS chose fewer: what was not asked for is said, not failed.
                marks.append(pytest.mark.skip(reason=f"{variant} of {version} was not built"))
            elif variant == fails:
                # The control: strict, so that a fault which does not show fails the run.
                marks.append(pytest.mark.xfail(strict=True, reason="unpatched, as it should"))
            kernel = Kernel(version, variant, Path(paths.get(variant, "")))
            found.append(pytest.param(kernel, id=f"{version}-{variant}", marks=marks))
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kernel" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("kernels")
        metafunc.parametrize("kernel", chosen(mark), scope="session")


@pytest.fixture(scope="session")
def initramfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_initramfs(tmp_path_factory.mktemp("initramfs"))


@pytest.fixture
def boot(
    request: pytest.FixtureRequest, kernel: Kernel, initramfs: Path, tmp_path: Path
) -> Iterator[Callable[..., Guest]]:
    """Boot guests of the kernel under test; none may leave a complaint in its log.

    But those of a control, which has to fail.
    """
    guests: list[Guest] = []

    def start(again: bool = False, **options: Any) -> Guest:
        folder = tmp_path / f"{len(guests)}{'-again' if again else ''}"
        guest = Guest(kernel.path, initramfs, folder, **options)
        try:
            guest.__enter__()
        except GuestError:
            if again or not EMULATOR_FAULT.search(guest.log()):
                raise
            warnings.warn(f"QEMU's fault killed a guest, booted again: {folder}", stacklevel=2)
            return start(again=True, **options)
        guests.append(guest)
        return guest

    yield start
    for guest in guests:
        guest.__exit__()
    if request.node.get_closest_marker("xfail"):
        return
    for guest in guests:
        found = BAD_LOG.search(guest.log())
        assert not found, f"the guest's kernel complained:\n{guest.log()[found.start() - 500 :]}"
