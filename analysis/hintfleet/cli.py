# SPDX-License-Identifier: GPL-2.0-or-later
"""The command hintfleet. Exit codes: 0 sound or unsettled, 1 error, 2 not to be trusted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from hintfleet import __version__
from hintfleet.commands import compare, export, history, import_, plan, report, show
from hintfleet.commands.output import drop_stdout
from hintfleet.records.read import DamagedError, UnusableError
from hintfleet.records.text import clean

OK, ERROR = 0, 1

COMMANDS = {
    "report": (report, "what a study found, and how sure it is"),
    "compare": (compare, "two studies side by side, or a study and published figures"),
    "show": (show, "one run: timeline, result, guests, consoles, how to reproduce it"),
    "plan": (plan, "how many guests may be placed on each node of a fleet"),
    "history": (history, "each deciding figure over studies, and where it moved"),
    "import": (import_, "measurements from elsewhere as a study"),
    "export": (export, "runs and samples as Parquet or CSV"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.main(options)
    except (UnusableError, DamagedError) as error:
        print(f"hintfleet: {error}", file=sys.stderr)
        return ERROR
    except BrokenPipeError:
        # the reader (head, less) has what it wanted
        drop_stdout()
        return OK
    except OSError as error:
        # a folder that changed while it was read, a disk that failed
        place = f"{error.filename}: " if error.filename else ""
        print(clean(f"hintfleet: {place}{error.strerror or error}"), file=sys.stderr)
        return ERROR
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """argparse would exit with 2, which means here that a study is not to be trusted."""
        self.print_usage(sys.stderr)
        self.exit(ERROR, f"{self.prog}: {clean(message)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hintfleet",
        description="How many more guests fit when they hand free memory back, and what it costs.",
        epilog="Exit codes: 0 sound or unsettled, 1 error, 2 not to be trusted.",
    )
    parser.add_argument("--version", action="version", version=f"hintfleet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=module.DESCRIPTION)
        module.add_arguments(command)
        command.set_defaults(main=module.main)
    return parser


if __name__ == "__main__":
    sys.exit(main())
