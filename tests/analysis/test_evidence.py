# SPDX-License-Identifier: GPL-2.0-or-later
"""A figure that something broken could have made is doubted, or its record is none.

On the host such a run fails: module_utils/workloads (tests/unit). Here stands what a record, its
samples or a copy of them can still show. docs/statistics.md has the table of both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hintfleet.figures.figure import Verdict
from hintfleet.records.curves import unsampled_share
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.report.build import Report, build_report
from synthetic import Builder

Record = dict[str, Any]


def change(builder: Builder, pattern: str, how: Callable[[Record], Any]) -> None:
    """Changes the records of these runs."""
    for file in builder.folder.glob(f"runs/{pattern}/record.json"):
        record = json.loads(file.read_text())
        how(record)
        file.write_text(json.dumps(record))


def resample(builder: Builder, pattern: str, keep: Callable[[float], bool]) -> None:
    """Keeps the samples of these seconds."""
    for file in builder.folder.glob(f"runs/{pattern}/samples.csv"):
        heading, *lines = file.read_text().splitlines(keepends=True)
        kept = [line for line in lines if keep(float(line.partition(",")[0]))]
        assert 4 < len(kept) < len(lines)
        file.write_text("".join([heading, *kept]))


def report_of(builder: Builder) -> Report:
    return build_report(observe(load_study(builder.folder)))


def stalled(builder: Builder) -> None:
    resample(builder, "*.none.memhog", lambda seconds: not 3.0 < seconds < 6.0)


def cut(builder: Builder) -> None:
    """At a line's end, as a copy that broke off may be."""
    spent = {"boot": 1.0, "proof": 1.0, "settling": 1.0, "measuring": 6.0, "teardown": 1.0}
    change(builder, "*.none.memhog", lambda record: record.update(spent=spent))
    resample(builder, "*.none.memhog", lambda seconds: seconds < 6.0)


def missed(builder: Builder) -> None:
    def footprint(record: Record) -> None:
        record["result"].update(active_footprint_mib=250.0)

    change(builder, "*.none.consolidation", footprint)


def unseen(builder: Builder) -> None:
    def node(record: Record) -> None:
        record["provenance"]["host"]["nodes"] = [{"node": 0}, {"node": 1}]
        for guest in record["guests"]:
            guest.update(remote_share=None, placement_mib={})

    change(builder, "*.none.memhog", node)


def late(builder: Builder) -> None:
    change(
        builder,
        "*.none.memhog",
        lambda record: record["result"]["guests"][2].update(late_seconds=2.0),
    )


def priceless(builder: Builder) -> None:
    """A disk that a hypervisor keeps in memory."""

    def swapped(record: Record) -> None:
        first, *_, last = record["result"]["guests"]
        record["result"].update(swap_peak_mib=200.0)
        last.update(seconds=first["seconds"])

    change(builder, "*.none.memhog", swapped)


DOUBTED: dict[str, tuple[Callable[[Builder], None], str]] = {
    "a stalled sampler in an integral": (stalled, "samples have a gap"),
    "samples cut short in an integral": (cut, "samples have a gap"),
    "a stalled sampler in a footprint": (missed, "samples missed the moment"),
    "memory nobody saw in a share": (unseen, "nobody saw on which node"),
    "an agent that answered late in a time": (late, "told late that memhog had ended"),
    "a swap device without a price in a time": (priceless, "swapping cost nothing that shows"),
}


@pytest.mark.parametrize("name", DOUBTED)
def test_what_something_broken_could_have_made_is_doubted(builder: Builder, name: str) -> None:
    breaks, words = DOUBTED[name]
    builder.write()
    assert not report_of(builder).objections
    breaks(builder)
    (doubt,) = report_of(builder).objections
    assert words in doubt.reason and doubt.next_step
    assert (doubt.verdict, doubt.arm) == (Verdict.UNSETTLED, "none")


def moved(record: Record) -> None:
    """Guests whose QEMUs somebody took out of the cell: its limit holds none of them."""
    for step in record["result"]["steps"]:
        step["cell_memory_mib"] = 20.0


def falling(record: Record) -> None:
    record["result"]["latency"].update(p99_ns=1.0)


def empty(record: Record) -> None:
    latency = record["result"]["latency"]
    latency.update(count=0)
    latency["histogram"].update(counts=[0] * len(latency["histogram"]["counts"]))


DAMAGED: dict[str, tuple[str, Callable[[Record], None], str]] = {
    "guests outside their cell in a density": ("*.none.consolidation", moved, "moved out of the"),
    "percentiles that fall": ("*.none.page_fault", falling, "percentiles that rise"),
    "a latency of no fault": ("*.none.page_fault", empty, "some faults"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_have_been_measured_is_no_record(builder: Builder, name: str) -> None:
    pattern, how, words = DAMAGED[name]
    builder.write()
    change(builder, pattern, how)
    study = load_study(builder.folder)
    assert len(study.runs) == 24 and len(study.damages) == 3
    assert all(words in damage.expected for damage in study.damages)


def test_pages_that_guests_share_are_held_by_each(builder: Builder) -> None:
    """With KSM a cell is charged once for what several guests hold."""
    builder.write()

    def shared(record: Record) -> None:
        record["provenance"]["host"]["ksm_run"] = 1
        moved(record)

    change(builder, "*.none.consolidation", shared)
    assert not load_study(builder.folder).damages


@pytest.mark.parametrize(
    ("seconds", "until", "share"),
    [
        ([0.0, 1.0, 2.0, 4.0], 0.0, 0.5),
        ([0.0, 1.0, 2.0, 4.0], 10.0, 0.6),
        ([5.0], 0.0, 1.0),
        ([5.0], 6.0, 1.0),
    ],
)
def test_the_longest_gap_counts(seconds: list[float], until: float, share: float) -> None:
    import numpy as np

    assert unsampled_share(np.array(seconds), until) == pytest.approx(share)


def test_the_real_study_has_none_of_these(tmp_path: Path) -> None:
    import shutil

    example = Path(__file__).resolve().parents[2] / "docs" / "examples" / "laptop-study.tar.xz"
    shutil.unpack_archive(example, tmp_path)
    study = load_study(tmp_path / "results" / "laptop")
    said = [one.reason for one in build_report(observe(study)).objections]
    assert not study.damages
    for _, words in DOUBTED.values():
        assert not any(words in reason for reason in said)


def test_every_test_that_the_documentation_names_is_there() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "docs" / "statistics.md").read_text()
    named = set(re.findall(r"\btest_[a-z0-9_]{12,}", text))
    assert len(named) > 20
    folders = ("tests", "collections/ansible_collections/hintfleet/bench/tests")
    defined = {
        name
        for folder in folders
        for file in (root / folder).rglob("test_*.py")
        for name in (file.stem, *re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))
    }
    assert named <= defined, named - defined
