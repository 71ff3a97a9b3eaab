# SPDX-License-Identifier: GPL-2.0-or-later
"""How commands write: formats, width, file, and the exit code of a verdict."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import RenderableType

from hintfleet.figures.figure import Verdict
from hintfleet.records.read import UnusableError
from hintfleet.render.console import as_text, make_console

FORMATS = ("terminal", "json", "html", "markdown")
WIDTH_OF_FILES = 80
DEVICES = Path("/dev")


def add_output_options(command: argparse.ArgumentParser) -> None:
    """How and where a command writes."""
    command.add_argument("--format", choices=FORMATS, default="terminal")
    command.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    add_terminal_options(command)


def add_terminal_options(command: argparse.ArgumentParser) -> None:
    """How the terminal is written to."""
    command.add_argument("--width", type=_width, metavar="COLUMNS", help="of the terminal report")
    command.add_argument("--ascii", action="store_true", help="no character beyond ASCII")


def add_share_option(command: argparse.ArgumentParser) -> None:
    """For what is to be published."""
    command.add_argument(
        "--share",
        action="store_true",
        help="to publish it: hosts and cells are numbered; kernel command lines, logs, reasons, "
        "swap devices and paths are left out",
    )


def write_terminal(
    render: Callable[[int], RenderableType], options: argparse.Namespace, output: Path | None = None
) -> None:
    """Renders for the width asked for, the terminal's, or that of files, and writes it."""
    _require(output)
    console = make_console(options.width or (WIDTH_OF_FILES if output else None))
    options.ascii = options.ascii or (output is None and not _can_draw(console.encoding))
    renderable = render(console.width)
    if options.ascii or output:
        write(as_text(renderable, console.width, options.ascii), output)
    else:
        with _said_if_not_written(None):
            console.print(renderable)


def write(text: str, output: Path | None) -> None:
    """To the file asked for, else to stdout; UnusableError if it cannot be written.

    People write into folders of results, which may be somebody else's: a link is not followed, but
    for /dev/stdout and its kin.
    """
    _require(output)
    if output is not None and output.is_symlink() and output.parent != DEVICES:
        raise UnusableError(f"{output} is a symbolic link; name the file that is to be written")
    with _said_if_not_written(output):
        if output is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            output.write_text(text, encoding="utf-8")


def _require(output: Path | None) -> None:
    if output is None and sys.stdout is None:
        raise UnusableError("stdout is closed; name a file with --output, or leave it open")


@contextmanager
def _said_if_not_written(output: Path | None) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except UnicodeEncodeError as error:
        raise UnusableError(
            f"stdout cannot take {error.object[error.start]!r} ({error.encoding}); set "
            "PYTHONIOENCODING=utf-8 or name a file with --output"
        ) from error
    except OSError as error:
        if output is None:
            drop_stdout()
        raise UnusableError(
            f"{output or 'stdout'} cannot be written: {error.strerror}; name another file"
        ) from error


def drop_stdout() -> None:
    """Forget what could not be written; Python would try again at exit and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _can_draw(encoding: str) -> bool:
    """Whether the terminal takes the characters that frames and curves are drawn with."""
    try:
        "─█⣿µ".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def exit_code(verdict: Verdict) -> int:
    """2 for what is not to be trusted, else 0."""
    return 2 if verdict == Verdict.NOT_TO_BE_TRUSTED else 0


def _width(text: str) -> int:
    value = int(text)
    if not 40 <= value <= 400:
        raise argparse.ArgumentTypeError(f"must lie in 40..400, found {value}")
    return value
