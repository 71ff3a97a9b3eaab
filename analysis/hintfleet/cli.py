# SPDX-License-Identifier: GPL-2.0-or-later
"""The command hintfleet. Exit codes: 0 sound or unsettled, 1 error, 2 not to be trusted."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hintfleet import __version__
from hintfleet.figures import Verdict
from hintfleet.records import DamagedError, UnusableError

OK, ERROR, NOT_TO_BE_TRUSTED = 0, 1, 2
FORMATS = ("terminal", "json", "html", "markdown")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (UnusableError, DamagedError) as error:
        print(f"hintfleet: {error}", file=sys.stderr)
        return ERROR
    except BrokenPipeError:
        # the reader (head, less) has what it wanted; keep Python from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hintfleet",
        description="How many more guests fit when they hand free memory back, and what it costs.",
        epilog="Exit codes: 0 sound or unsettled, 1 error, 2 not to be trusted.",
    )
    parser.add_argument("--version", action="version", version=f"hintfleet {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="what a study found, and how sure it is")
    report.add_argument("results", type=Path, metavar="RESULTS", help="results/<study>")
    add_output_options(report)
    report.set_defaults(run=_report)
    return parser


def add_output_options(command: argparse.ArgumentParser) -> None:
    """How and where a command writes."""
    command.add_argument("--format", choices=FORMATS, default="terminal")
    command.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    command.add_argument("--width", type=_width, metavar="COLUMNS", help="of the terminal report")
    command.add_argument("--ascii", action="store_true", help="no character beyond ASCII")
    command.add_argument("--detail", action="store_true", help="every block, curve and figure")


def _report(options: argparse.Namespace) -> int:
    from hintfleet.records import load_study
    from hintfleet.report import build_report

    report = build_report(load_study(options.results))
    if options.format == "json":
        from hintfleet.render import json_report

        write(options, json_report.render(report))
    else:
        from hintfleet.render import terminal

        width = options.width or (80 if options.output else None)
        console = terminal.make_console(width)
        renderable = terminal.render(report, console.width, options.ascii, options.detail)
        if options.ascii or options.output:
            write(options, terminal.as_text(renderable, console.width, options.ascii))
        else:
            console.print(renderable)
    return NOT_TO_BE_TRUSTED if report.verdict == Verdict.NOT_TO_BE_TRUSTED else OK


def write(options: argparse.Namespace, text: str) -> None:
    """To the file asked for, else to stdout; UnusableError if the file cannot be written."""
    if options.output is None:
        sys.stdout.write(text)
        return
    try:
        options.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableError(
            f"{options.output} cannot be written: {error.strerror}; name another file"
        ) from error


def _width(text: str) -> int:
    value = int(text)
    if not 40 <= value <= 400:
        raise argparse.ArgumentTypeError(f"must lie in 40..400, found {value}")
    return value


if __name__ == "__main__":
    sys.exit(main())
