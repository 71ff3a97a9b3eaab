# SPDX-License-Identifier: GPL-2.0-or-later
"""A study into a store: runs that it does not have, and what is known of the study beside them.

From a folder, runs are added as they are read: the memory for them does not grow with the study,
of each only its name is kept. Several processes read a large study, each writing parts of its own.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from hintfleet.records.curves import timeline_of
from hintfleet.records.damage import Damage
from hintfleet.records.observed import samples_of
from hintfleet.records.read import (
    Run,
    Study,
    StudyFolder,
    copied,
    nothing_in,
    place_of,
    read_runs,
)
from hintfleet.store.parquet import StoreWriter
from hintfleet.store.rows import run_ids
from hintfleet.store.studies import write_study

FEWEST_RUNS = 1000
"""For a process of its own: to start one takes as long as to read some hundred runs."""
MOST_RUNS = 20_000
MOST_PROCESSES = 8
"""Each needs some hundred MiB, and many cores need not mean much memory."""


@dataclass
class Exported:
    """What came of an export, or of a part of one."""

    ids: list[str] = field(default_factory=list)
    """Runs that were added."""
    already: int = 0
    """Runs that the store had."""
    damages: list[Damage] = field(default_factory=list)
    earlier_attempts: int = 0
    misnamed: list[str] = field(default_factory=list)
    """Folders not named after the run in them: another folder may hold it, too."""


def export(study: Study, root: Path, keep_samples: bool) -> Exported:
    """Adds a study that was read to a store.

    What samples come to is kept with or without them. Unusable samples are a damage, and their runs
    keep the rest.
    """
    known = set(run_ids(root, study.name))
    new = [run for run in study.runs if run.run_id not in known]
    done = Exported([], len(study.runs) - len(new), list(study.damages))
    with StoreWriter(root, study.name) as writer:
        _add(writer, new, keep_samples, done)
    ids = known | set(done.ids)
    earlier = len(study.earlier_attempts)
    write_study(
        root, study.name, study.folder, study.planned, ids, earlier, done.damages, study.looks
    )
    return done


def export_folder(study: StudyFolder, root: Path, keep_samples: bool) -> Exported:
    """The same of a study that is still to be read; UnusableError if there is nothing to read.
    Runs that the store has are not read again."""
    known = set(run_ids(root, study.name))
    new = [name for name in study.runs if name not in known]
    done = Exported([], len(study.runs) - len(new), list(study.damages))
    asked = replace(study, runs=(), planned=study.planned and ())  # without what is not needed
    for part in _parts(asked, new, root, keep_samples):
        done.ids += part.ids
        done.damages += part.damages
        done.earlier_attempts += part.earlier_attempts
        done.misnamed += part.misnamed
    known.update(done.ids)
    with StoreWriter(root, study.name) as writer:
        _add(writer, _not_copied(study, known, done), keep_samples, done)
    known.update(done.ids)
    if not known and not done.damages and study.planned is None:
        raise nothing_in(study.folder)
    earlier = done.earlier_attempts
    write_study(
        root, study.name, study.folder, study.planned, known, earlier, done.damages, study.looks
    )
    return done


def _parts(
    study: StudyFolder, names: list[str], root: Path, keep_samples: bool
) -> Iterator[Exported]:
    """Some folders after the other, by as many processes as there are processors."""
    processes = min(len(os.sched_getaffinity(0)), MOST_PROCESSES)
    size = min(max(-(-len(names) // processes), FEWEST_RUNS), MOST_RUNS)
    chunks = [names[start : start + size] for start in range(0, len(names), size)]
    work = partial(_export_some, study, root, keep_samples)
    if len(chunks) == 1 or processes == 1:
        yield from map(work, chunks)
    elif chunks:
        # A fork would copy the locks of threads that reading Parquet has started.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context) as pool:
            yield from pool.map(work, chunks)


def _export_some(study: StudyFolder, root: Path, keep_samples: bool, names: list[str]) -> Exported:
    """The runs in these folders, but for those that are not named after their run."""
    done = Exported()
    earlier: list[Run] = []

    def named() -> Iterator[Run]:
        for run in read_runs(study, names, done.damages, earlier):
            if run.folder.name == run.run_id:
                yield run
            else:
                done.misnamed.append(run.folder.name)

    with StoreWriter(root, study.name) as writer:
        _add(writer, named(), keep_samples, done)
    done.earlier_attempts = len(earlier)
    return done


def _not_copied(study: StudyFolder, known: set[str], done: Exported) -> Iterator[Run]:
    """Of the runs whose folders are not named after them, those that no other folder holds and
    the store does not have."""
    folders = set(study.runs)
    first: dict[str, Path] = {}
    for run in read_runs(study, done.misnamed, done.damages, []):
        if run.run_id in first:
            done.damages.append(copied(run, first[run.run_id]))
        elif run.run_id in known and run.run_id in folders:
            done.damages.append(copied(run, run.folder.with_name(run.run_id)))
        else:
            first[run.run_id] = run.folder
            done.already += run.run_id in known
            if run.run_id not in known:
                yield run


def _add(writer: StoreWriter, runs: Iterable[Run], keep_samples: bool, done: Exported) -> None:
    """Adds runs, with a curve to be drawn of the first of each workload and arm. Where they
    do not come in order there are more curves, and a report takes the first."""
    drawn: dict[tuple[str, str], tuple[object, ...]] = {}
    for run in runs:
        samples = samples_of(run, done.damages)
        key, place = (run.workload, run.arm), place_of(run)
        timeline = None
        if samples is not None and (key not in drawn or place < drawn[key]):
            timeline = timeline_of(run, samples)
        if timeline is not None:
            drawn[key] = place
        writer.add(run, samples, timeline, keep_samples)
        done.ids.append(run.run_id)
