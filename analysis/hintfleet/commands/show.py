# SPDX-License-Identifier: GPL-2.0-or-later
"""hintfleet show RUN"""

from __future__ import annotations

import argparse
from pathlib import Path

from hintfleet.commands.output import add_terminal_options, write, write_terminal
from hintfleet.records.read import UnusableError, load_run
from hintfleet.records.reproduce import as_text
from hintfleet.render import show

DESCRIPTION = (
    "One run: how it ended, its timeline and result, its guests and what their consoles said last, "
    "its provenance, and a script that starts its guest again."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("run", type=Path, metavar="RUN", help="results/<study>/runs/<run>")
    parser.add_argument(
        "--reproduce", action="store_true", help="write nothing but the script, for sh"
    )
    add_terminal_options(parser)


def main(options: argparse.Namespace) -> int:
    """Shows a run; its own failure is no failure of showing it."""
    file = options.run if options.run.is_file() else options.run / "record.json"
    if not file.exists():
        raise UnusableError(
            f"{options.run} holds no record.json; name the folder of one run, such as "
            "results/<study>/runs/<run>"
        )
    run = load_run(file)
    if options.reproduce:
        write(as_text(run) + "\n", None)
    else:
        write_terminal(lambda width: show.render(run, width, options.ascii), options)
    return 0
