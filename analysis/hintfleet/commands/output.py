# SPDX-License-Identifier: GPL-2.0-or-later
"""How commands write: formats, width, file, and the exit code of a verdict."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import RenderableType

from hintfleet.figures import Verdict
from hintfleet.records import UnusableError
from hintfleet.render.console import as_text, make_console

FORMATS = ("terminal", "json", "html", "markdown")
WIDTH_OF_FILES = 80


def add_output_options(command: argparse.ArgumentParser) -> None:
    """How and where a command writes."""
    command.add_argument("--format", choices=FORMATS, default="terminal")
    command.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    add_terminal_options(command)


def add_terminal_options(command: argparse.ArgumentParser) -> None:
    """How the terminal is written to."""
    command.add_argument("--width", type=_width, metavar="COLUMNS", help="of the terminal report")
    command.add_argument("--ascii", action="store_true", help="no character beyond ASCII")


def write_terminal(
    render: Callable[[int], RenderableType], options: argparse.Namespace, output: Path | None = None
) -> None:
    """Renders for the width asked for, the terminal's, or that of files, and writes it."""
    console = make_console(options.width or (WIDTH_OF_FILES if output else None))
    renderable = render(console.width)
    if options.ascii or output:
        write(as_text(renderable, console.width, options.ascii), output)
    else:
        console.print(renderable)


def write(text: str, output: Path | None) -> None:
    """To the file asked for, else to stdout; UnusableError if the file cannot be written."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableError(
            f"{output} cannot be written: {error.strerror}; name another file"
        ) from error


def exit_code(verdict: Verdict) -> int:
    """2 for what is not to be trusted, else 0."""
    return 2 if verdict == Verdict.NOT_TO_BE_TRUSTED else 0


def _width(text: str) -> int:
    value = int(text)
    if not 40 <= value <= 400:
        raise argparse.ArgumentTypeError(f"must lie in 40..400, found {value}")
    return value
