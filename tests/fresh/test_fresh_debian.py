# SPDX-License-Identifier: GPL-2.0-or-later
"""What is held against a first half hour. The half hour itself is `make test-fresh`."""

from __future__ import annotations

import pytest
from fresh_debian import FIRST_LINES, Done, objections

LONG = "Build the guest kernel (60 s): compiling the kernel, 120 of about 1110 objects"


def done(status: int = 0, lines: int = 3, silence: float = 30, command: str = "make study") -> Done:
    return Done(command, status, 900.0, (*["a line"] * lines, LONG), silence)


def test_a_good_half_hour_has_nothing_against_it() -> None:
    assert objections(done()) == []
    assert objections(done(lines=FIRST_LINES)) == []


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        (done(status=2), "`make study` ended with 2."),
        (done(silence=90), "`make study` said nothing for 90 seconds."),
        (done(lines=26), "`make study` had 26 lines before its first long phase."),
        (done(status=1, silence=90, command="make test"), "`make test` ended with 1."),
    ],
)
def test_what_a_person_would_complain_of_is_said(ended: Done, sentence: str) -> None:
    assert objections(ended) == [sentence]
