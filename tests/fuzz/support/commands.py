# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs hintfleet's commands, and what must hold of each whatever it reads."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from cases import WrongError
from hintfleet.cli import main


def run(*words: object) -> str:
    """What a command writes to the screen, "" if it refuses. WrongError if it acts on a terminal
    or ends other than with 0, 1 and a sentence, or 2."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in words])
    text = out.getvalue() + err.getvalue()
    refuses = code == 1 and err.getvalue().startswith("hintfleet: ")
    if code not in (0, 2) and not refuses:
        raise WrongError(f"exit code {code}, {err.getvalue()[:200]!r}")
    if not text.replace("\n", "").isprintable():
        raise WrongError(f"{words[0]} writes {set(filter(lambda c: not c.isprintable(), text))}")
    return "" if refuses else out.getvalue()


def run_json(*words: object) -> Any:
    """What a command says as JSON; None if it refuses."""
    text = run(*words, "--format", "json")
    return json.loads(text, parse_constant=_no_constant) if text else None


def _no_constant(name: str) -> None:
    raise WrongError(f"JSON with {name}")
