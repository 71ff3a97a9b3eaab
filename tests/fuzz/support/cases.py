# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a fuzzer: case after case, each with a seed of its own and an end to its patience."""

from __future__ import annotations

import argparse
import random
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

CASE_CPU_SECONDS = 60
CASE_SECONDS = 900
"""For a command that only waits, as for a FIFO's writer."""

Check = Callable[[random.Random], None]
"""One case, drawn from what it is given; raises what is wrong with it."""
Prepared = Callable[[], AbstractContextManager[Check]]
"""Makes what all cases start from, and takes it away at the end."""


class WrongError(Exception):
    """What must hold does not."""


def failures(prepared: Prepared, seed: int, cases: Iterator[int]) -> Iterator[tuple[int, str]]:
    """Cases in which something was wrong, with what."""
    signal.signal(signal.SIGALRM, _late)
    signal.signal(signal.SIGPROF, _late)
    with prepared() as check, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # numpy's way to say that a figure is none
        for case in cases:
            signal.alarm(CASE_SECONDS)
            signal.setitimer(signal.ITIMER_PROF, CASE_CPU_SECONDS)
            try:
                check(random.Random(f"{seed} {case}"))
            except Exception:
                yield case, traceback.format_exc()
            finally:
                signal.alarm(0)
                signal.setitimer(signal.ITIMER_PROF, 0)


def main(what: str, prepared: Prepared) -> int:
    """The command line of a fuzzer: --seconds, --seed, --case."""
    parser = argparse.ArgumentParser(description=what.splitlines()[0])
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
    for case, told in failures(prepared, options.seed, chosen):
        wrong += 1
        print(f"--seed {options.seed} --case {case}:\n{told}", flush=True)
    print(f"seed {options.seed}: {max(done, 1)} cases, {wrong} wrong")
    return 1 if wrong else 0


def _late(*_: object) -> None:
    raise WrongError(f"not done after {CASE_CPU_SECONDS} s of CPU or {CASE_SECONDS} s")
