# SPDX-License-Identifier: GPL-2.0-or-later
"""What every piece of an arm is made of: its methods, and how it reads and writes in a guest."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.errors import WrongGuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.handed import Handed
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import Machine
from ansible_collections.hintfleet.bench.plugins.module_utils.host.hierarchy import Hierarchy
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import one_line

ASK_SECONDS = 30.0
LONGEST_TEXT = 1024


@dataclass(frozen=True)
class Offers:
    """What a host has that pieces may need. `settings`: its values, None for what its kernel
    lacks. `side_by_side`: whether its cells work at the same time."""

    hierarchy: Hierarchy
    settings: dict[str, str | None]
    side_by_side: bool = False


class Piece(ABC):
    """One thing that arms may differ in. Methods get the value that `checked` returned."""

    differs: tuple[str, ...] = ()
    """Entries of a record's parity that may be others under an arm that states this."""
    fragment = "handback"
    """Of roles/guest_kernel/files/config/fragments, the one that has what `needs` says."""

    def checked(self, value: Any) -> Any:
        """The value in the form that records keep; raises ValueError with what to give instead."""
        return text_of(value)

    def refused(self, value: Any, host: Offers) -> str | None:
        """Why this host cannot have it, and what to do; None if it can."""
        return None

    def hosted(self, value: Any, found: Path) -> AbstractContextManager[None]:
        """What is different about the host while guests run, and put back at the end.

        `found` is the record of the host as it was found. Raises BenchError.
        """
        return nullcontext()

    def machine(self, value: Any, machine: Machine) -> Machine:
        """The guest's machine with what is stated."""
        return machine

    def booted(self, value: Any, guest: Guest) -> None:  # noqa: B027 - most do nothing then
        """Does what is to be done in a guest that has booted; raises GuestError."""

    def rested(self, value: Any, guest: Guest, seconds: float) -> list[Handed]:
        """Does what is to be done in a guest whose work has ended, and says what came of it.

        At most `seconds`. Raises GuestError.
        """
        return []

    @property
    def acts_at_rest(self) -> bool:
        """Whether it does something in or to a guest whose work has ended."""
        return type(self).rested is not Piece.rested

    def needs(self, value: Any) -> tuple[str, ...]:
        """Options that the guest's kernel must be built with."""
        return ()

    def misplaced(self, value: Any, mechanism: str) -> str | None:
        """Why it cannot be stated beside this mechanism, and what to do; None if it can."""
        return None

    @abstractmethod
    def shown(self, value: Any, guest: Guest) -> str:
        """Reads back that the guest has what is stated, and says as what it was seen.

        Raises GuestError if it is not so.
        """

    def held(self, value: Any, entry: str, text: str) -> str:
        """What of a text of parity must be the same as in other arms."""
        return text


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; those that Ansible read are of a class of their own."""
    return isinstance(value, int) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    """One line of text that was given as text, number or true and false; raises ValueError."""
    if isinstance(value, bool):
        return "Y" if value else "N"
    text = str(value) if isinstance(value, str | int | float) else ""
    if not text or not text.isprintable() or text != text.strip() or len(text) > LONGEST_TEXT:
        raise ValueError("give a line of text or a number")
    return text


def read_in(guest: Guest, path: str) -> str:
    done = guest.run(["/bin/cat", path], ASK_SECONDS)
    if done.failure:
        raise unlike(guest, path, f"it cannot be read ({done.failure})")
    return one_line(done.output.strip())


def write_in(guest: Guest, path: str, text: str) -> None:
    # Opened without being made: a file that is not there shall not be there afterwards either.
    script = f"[ -e {shlex.quote(path)} ] || {{ echo there is no such file >&2; exit 1; }}\n"
    script += f"printf %s {shlex.quote(text)} >{shlex.quote(path)}"
    done = guest.run(["/bin/sh", "-c", script], ASK_SECONDS)
    if done.failure:
        raise unlike(guest, f"{path} as {text!r}", f"it cannot be written ({done.failure})")


def read_of_qemu(guest: Guest, name: str) -> str:
    """A file of /proc of a guest's QEMU; raises GuestError once it has ended, as it then has none
    of what it was started with."""
    try:
        text = Path(f"/proc/{guest.qemu.process_id}/{name}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        text = ""
    guest.memory()
    return text


def unlike(guest: Guest, stated: str, cause: str) -> WrongGuestError:
    return WrongGuestError(
        f"The arm states {stated}, and guest {guest.name} does not have it: {cause}; state what "
        "this guest's kernel and image have, or see who changed it in the guest.",
        cause,
    )
