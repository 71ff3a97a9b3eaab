# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that answer anything at all to one run, for as long as one likes.

    python tests/fuzz/host_answers.py --seconds 3600

Each case is an honest answer that was damaged: its structure, a value of its record, a file, or
the bytes of one. The whole action plugin must take it as this run's record or refuse it with a
sentence, write nowhere else, and leave nothing half written.
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import random
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests/fuzz/support")]

from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import (  # noqa: E402
    cleaned,
)
from host_answer import RUN_ID, Controller, answer, files, packed, record  # noqa: E402

MOST_MIB = 400  # what one case may add; the largest that is taken unpacks to 128 MiB, onto the disk
MIB = 2**20
NASTY: list[Any] = [
    None, True, 0, -1, 1.5, 10**400, float("nan"), float("inf"), "", "x", "finished", "../../evil",
    "..", ".", "a/b", "a\0b", "\x1b[2J", "\u202e", "\ud800", "x" * 100_000, [], {}, [[]], {"": ""},
    ["../../evil"], {"status": "finished"}, "record.json", "{{ 1 }}",
    RUN_ID, "2026-01-01T00:00:09.000Z",
]  # fmt: skip
RAW = [b"", b"{", b"[]", b"null", b"[" * 200_000, b"\xff\xfe", b'{"a":' * 50_000, b"9" * 10_000]
# Zeros that become too much, or nearly; and lists that take a hundred times the room that they had.
LARGE = (bytes(20 * MIB), bytes(130 * MIB), b'{"x": [' + b"[]," * (4 * MIB) + b"[]]}")
PACKED = [packed(raw) for raw in (*RAW, *LARGE)]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value with each of its keys."""
    inner = list(value.items() if isinstance(value, dict) else enumerate(value))
    found = [(value, key) for key, _ in inner]
    for _, each in inner:
        if isinstance(each, dict | list):
            found += places(each)
    return found


def hurt(value: Any, draw: random.Random) -> None:
    """Put something else at one place of a value, or take it away."""
    container, key = draw.choice(places(value))
    if draw.random() < 0.2:
        del container[key]
    elif draw.random() < 0.1 and isinstance(container, dict):
        container[draw.choice(["../evil", "evil", "", "\x1b"])] = container[key]
    else:
        container[key] = copy.deepcopy(draw.choice(NASTY))


def damaged(draw: random.Random) -> dict[str, Any]:
    """An answer that is wrong in one to four ways."""
    of = record(draw.choice(["finished", "failed", "aborted"]), draw.randrange(1, 59))
    for _ in range(draw.choice([0, 1, 1, 2])):
        hurt(of, draw)
    sent = files(of)
    if draw.random() < 0.4:
        name = draw.choice(list(sent))
        content = bytearray(base64.b64decode(sent[name]))
        for _ in range(draw.randrange(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        whole = base64.b64encode(bytes(content)).decode()
        sent[name] = draw.choice([whole, whole[: draw.randrange(len(whole))], *PACKED])
    given = answer(files=sent)
    if draw.random() < 0.3:
        given["earlier"] = [files(record("failed", k)) for k in range(draw.choice([1, 3, 40]))]
        hurt(given["earlier"], draw)
    for _ in range(draw.choice([0, 0, 1, 2])):
        hurt(given, draw)
    if draw.random() < 0.2:
        given |= {"failed": draw.choice([True, "x", []]), "msg": copy.deepcopy(draw.choice(NASTY))}
    return given


KEPT = ("runs", "missing", "kept")
"""Where a study's folder holds what hosts answered."""


def check(draw: random.Random) -> None:
    """One case; raises AssertionError, or whatever should not have been raised."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name, pytest.MonkeyPatch.context() as patch:
        controller = Controller(Path(name) / "results", patch)
        result = controller.run(damaged(draw))
        json.dumps(result)
        assert result == cleaned(result), "something of it acts on a terminal"
        for path in controller.files():
            top, kind, run, *_ = path.split("/")
            number = run.removesuffix(".txt").removeprefix(RUN_ID)
            assert (top, kind in KEPT) == ("results", True), path
            assert number == "" or number[1:].isdigit(), path
        if result.get("failed"):
            assert result["run_id"] == RUN_ID and result["msg"]
            assert list(controller.missing()) == [RUN_ID], result
            assert not controller.folder.exists()
        else:
            assert controller.missing() == {}
            kept = json.loads((controller.folder / "record.json").read_text())
            assert (
                kept["run_id"] == RUN_ID
                and kept["outcome"]["status"] == result["outcome"]["status"]
            )
        assert list(controller.results.glob("runs/.*")) == [], "half a run"
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    assert after - before < MOST_MIB, f"{after - before} MiB of memory"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--case", type=int, help="only this one")
    options = parser.parse_args()
    end, case, wrong = time.monotonic() + options.seconds, options.case or 0, 0
    while True:
        try:
            check(random.Random(f"{options.seed} {case}"))
        except Exception:
            wrong += 1
            print(f"--seed {options.seed} --case {case}:\n{traceback.format_exc()}", flush=True)
        case += 1
        if options.case is not None or time.monotonic() > end:
            break
    print(f"seed {options.seed}: {case - (options.case or 0)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
