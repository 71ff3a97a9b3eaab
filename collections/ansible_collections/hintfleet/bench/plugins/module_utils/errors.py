# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong, each as one sentence that names object, cause and remedy."""

from __future__ import annotations


class BenchError(Exception):
    """A run cannot go on; str() is the sentence for the user."""


class GuestError(BenchError):
    """A guest failed. `end` is what the record says about it (see guests.end in the schema).

    `cause` is the part of the sentence that says what happened.
    """

    def __init__(self, end: str, sentence: str, cause: str = "") -> None:
        super().__init__(sentence)
        self.end = end
        self.cause = cause or sentence


class WrongGuestError(GuestError):
    """A guest is up and is not what was asked for: whatever is measured with it says nothing."""

    def __init__(self, sentence: str, cause: str = "") -> None:
        super().__init__("stopped", sentence, cause)


class StopRequest(KeyboardInterrupt):
    """Somebody asked the runner to stop.

    A KeyboardInterrupt, because asyncio lets only that (and SystemExit) through from callbacks.
    """
