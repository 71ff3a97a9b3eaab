# SPDX-License-Identifier: GPL-2.0-or-later
"""Which runs of a host the controller does not have."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unfetched
short_description: Runs whose finished record does not lie on the controller
version_added: 0.1.0
description:
  - Takes the runs that M(hintfleet.bench.sweep) found on a host and leaves those out that were
    fetched.
options:
  _input:
    description: Runs as C(<study>/<run>).
    type: list
    elements: str
    required: true
  results_dir:
    description: Folder of all results, on the controller.
    type: path
    required: true
author:
  - hintfleet contributors (@hintfleet)
"""

EXAMPLES = r"""
left: "{{ swept.runs | hintfleet.bench.unfetched('results') }}"
"""

RETURN = r"""
_value:
  description: Runs that were not fetched.
  type: list
  elements: str
"""

from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleFilterError
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.module_utils.record.record import (
    is_finished,
    read_record,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.record.text import checked_name

MOST_RUNS = 100_000


def unfetched(runs: list[str], results_dir: str) -> list[str]:
    """Runs, as `<study>/<run>`, without a finished record in the results."""
    if not isinstance(runs, list) or len(runs) > MOST_RUNS:
        raise AnsibleFilterError(f"A host names its runs in a list of at most {MOST_RUNS}.")
    results = Path(results_dir).expanduser()
    return [run for run in runs if not is_finished(read_record(_folder(results, run)))]


def _folder(results: Path, run: str) -> Path:
    study, _slash, run_id = str(run).partition("/")
    try:
        return results / checked_name(study, "A study") / "runs" / checked_name(run_id, "A run")
    except BenchError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What the collection adds to Jinja."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"unfetched": unfetched}
