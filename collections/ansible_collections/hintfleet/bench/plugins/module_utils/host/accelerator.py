# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether KVM is of use on this host: found out by booting a guest, not by looking at /dev/kvm.

/dev/kvm can exist, answer, create a machine, and still hang on an ordinary kernel. So a guest is
booted under KVM and one under emulation at the same time. KVM that has not answered by a multiple
of the time that emulation took is of no use; how fast the host is does not matter that way.
"""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError, GuestError

KVM = Path("/dev/kvm")
PATIENCE = 2.0  # multiples of the time emulation took
PATIENCE_SECONDS = 5.0  # and at least this


@dataclass(frozen=True)
class Booted:
    seconds: float
    kernel_release: str


@dataclass(frozen=True)
class Decision:
    accelerator: str
    reason: str
    guest: Booted


Boot = Callable[[str, float], Booted]
"""Boots a guest under an accelerator within a deadline in seconds; raises GuestError."""


def decide(wanted: str, deadline: float, boot: Boot, stop: Callable[[], None]) -> Decision:
    """`wanted` is auto, kvm or tcg; `stop` ends guests that are still booting, however far they
    have come. Raises BenchError if no guest answers."""
    if wanted != "auto":
        return Decision(wanted, f"{wanted} was asked for.", boot(wanted, deadline))
    if not KVM.exists():
        return Decision("tcg", f"This host has no {KVM}.", boot("tcg", deadline))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        try:
            return _race(pool, deadline, boot)
        finally:
            stop()


def _race(pool: concurrent.futures.Executor, deadline: float, boot: Boot) -> Decision:
    started = time.monotonic()
    kvm, tcg = pool.submit(boot, "kvm", deadline), pool.submit(boot, "tcg", deadline)
    concurrent.futures.wait([kvm, tcg], return_when=concurrent.futures.FIRST_COMPLETED)
    left = None  # boots have a deadline of their own
    if tcg.done() and tcg.exception() is None:
        left = max(PATIENCE_SECONDS, (PATIENCE - 1) * tcg.result().seconds)
    try:
        guest = kvm.result(left)
    except concurrent.futures.TimeoutError:
        waited = time.monotonic() - started
        why = f"a guest under KVM had not answered after {waited:.0f} s"
    except GuestError as error:
        why = f"a guest under KVM does not come up ({error.cause})"
    else:
        return Decision("kvm", f"A guest under KVM answered after {guest.seconds:.1f} s.", guest)
    try:
        guest = tcg.result()
    except GuestError as error:
        raise BenchError(f"No guest comes up, neither under KVM nor under tcg: {error}") from error
    return Decision(
        "tcg", f"Guests are emulated: {why}; emulated it took {guest.seconds:.1f} s.", guest
    )
