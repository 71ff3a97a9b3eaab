# SPDX-License-Identifier: GPL-2.0-or-later
"""What a playbook is at, in a line for a terminal or a log. A phase is a play."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line
from ansible_collections.hintfleet.bench.plugins.module_utils.study.progress import duration

SLOW_SECONDS = 2
QUIET_SECONDS = 50  # on a busy controller, too, no minute passes without a line
MOST_OBJECTS = 10**6
STAGE_CHARACTERS = 60


class Phases:
    """`begin` first; then `task` as tasks start, `host_done` as hosts end them, `end`.

    A phase in which every task is skipped is nothing that anybody asked for, and no phase: one is
    known by `work`. `clock` gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.name: str | None = None
        self._began = self._spoke = self._moved = 0.0
        self._works = False
        self._task = ""
        self._hosts = self._done = 0
        self._counted: tuple[float, dict[str, Any]] | None = None  # first count of a long task
        self._count: dict[str, Any] = {}

    def begin(self, name: str) -> None:
        """A phase begins, and the one before it has ended."""
        self.name = name
        self._began = self._spoke = self._clock()
        self._works = False
        self.task("", 0)

    def task(self, name: str, hosts: int) -> None:
        """A task begins on so many hosts."""
        self._task, self._hosts, self._done = name, hosts, 0
        self._moved = self._clock()
        self._counted, self._count = None, {}

    def host_done(self) -> None:
        """A host has ended the task, or passed over it."""
        self._done += 1
        self._moved = self._clock()

    def work(self) -> bool:
        """Something is done in the phase; True for the first time."""
        first = self.name is not None and not self._works
        self._works = True
        return first

    def is_at_work(self) -> bool:
        """Whether a task takes time, which one that is skipped does not."""
        return self.name is not None and self._clock() - self._moved >= SLOW_SECONDS

    def count(self, progress: Any) -> None:
        """How far a long task is: `stage`, `done`, `expected`; the last may be None.

        A builder says so: what is no such count is passed over.
        """
        if not _is_count(progress):
            return
        progress = {**progress, "stage": one_line(progress["stage"], STAGE_CHARACTERS)}
        if self._counted is None or self._counted[1]["stage"] != progress["stage"]:
            self._counted = (self._clock(), progress)
        self._count = progress

    def end(self) -> str | None:
        """The line that says how long the phase took; None if there was none."""
        name, self.name = self.name, None
        if name is None or not self._works:
            return None
        return f"{name}: {duration(self._clock() - self._began)}"

    def spoke(self) -> None:
        """Something was printed: it is quiet since now."""
        self._spoke = self._clock()

    def quiet_for_long(self) -> bool:
        """Whether nothing was printed for close to a minute of the phase."""
        return self.name is not None and self._clock() - self._spoke >= QUIET_SECONDS

    def line(self, said: str | None = None) -> str:
        """Phase, time at it, and `said`, or what of how many and the time left."""
        said = said or self._said() or "it begins"
        return f"{self.name} ({duration(self._clock() - self._began)}): {said}"

    def _said(self) -> str:
        parts = [self._count["stage"] if self._count else self._task]
        if self._count.get("done"):
            parts.append(self._objects())
        elif self._hosts > 1:
            parts.append(f"{self._done} of {self._hosts} hosts")
        left = self._seconds_left()
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return ", ".join(part for part in parts if part)

    def _objects(self) -> str:
        done, expected = self._count["done"], self._count["expected"]
        of = f" of about {expected}" if expected and expected >= done else ""
        return f"{done}{of} objects"

    def _seconds_left(self) -> float | None:
        """By the pace since the task was first counted; None as long as that says nothing."""
        expected = self._count.get("expected")
        if self._counted is None or expected is None:
            return None
        since, first = self._counted
        done, paced = self._count["done"], self._count["done"] - first["done"]
        if paced <= 0 or done >= expected:
            return None
        return (self._clock() - since) / paced * (expected - done)


def _is_count(progress: Any) -> bool:
    if not isinstance(progress, dict) or not isinstance(progress.get("stage"), str):
        return False
    numbers = [progress.get("done"), progress.get("expected")]
    known = [number for number in numbers if number is not None]
    return numbers[0] is not None and all(
        isinstance(number, int) and not isinstance(number, bool) and 0 <= number < MOST_OBJECTS
        for number in known
    )
