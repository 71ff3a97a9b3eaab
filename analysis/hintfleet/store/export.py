# SPDX-License-Identifier: GPL-2.0-or-later
"""A study into a store: runs that it does not have, and what is known of the study beside them."""

from __future__ import annotations

from pathlib import Path

from hintfleet.records.curves import timeline_of
from hintfleet.records.damage import Damage
from hintfleet.records.observed import samples_of
from hintfleet.records.read import Study
from hintfleet.store.parquet import StoreWriter
from hintfleet.store.studies import write_study


def export(study: Study, root: Path, keep_samples: bool, damages: list[Damage]) -> int:
    """Adds a study to a store; how many runs were added.

    What samples come to is kept with or without them. damages: what is known to be damaged;
    unusable samples are added to it, and their runs keep the rest.
    """
    drawn: set[tuple[str, str]] = set()
    with StoreWriter(root, study.name) as writer:
        for run in study.runs:
            key = run.workload, run.mechanism
            if writer.has(run.run_id):
                drawn |= {key} if run.finished and run.samples_file else set()
                continue
            samples = samples_of(run, damages)
            timeline = timeline_of(run, samples) if samples and key not in drawn else None
            drawn |= {key} if timeline else set()
            writer.add(run, samples, timeline, keep_samples)
    write_study(
        root,
        study.name,
        study.folder,
        study.planned,
        (run.run_id for run in study.runs),
        len(study.earlier_attempts),
        damages,
    )
    return writer.added
