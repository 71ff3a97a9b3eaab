# SPDX-License-Identifier: GPL-2.0-or-later
"""Records and plans of earlier versions of the schema, as the version of today tells them.

Version 1 knew no arms: what a run was measured under was its mechanism, and what others were
compared with was the mechanism `none`.
"""

from __future__ import annotations

from typing import Any

RUN, STUDY = "hintfleet.run/2", "hintfleet.study/2"
"""The versions of today."""

FIRST_RUN, FIRST_STUDY = "hintfleet.run/1", "hintfleet.study/1"
USUAL_BASELINE = "none"
"""The arm that others are compared with where nothing says which."""


def as_today(document: Any) -> Any:
    """The document in the version of today; one that is not of an earlier version unchanged.

    What makes no sense in it is left as it is: the schema says what.
    """
    version = document.get("schema") if isinstance(document, dict) else None
    if version == FIRST_RUN and "mechanism" in document:
        arm = {"name": document["mechanism"], "states": {}, "differs": {}, "shows": {}}
        return {**document, "schema": RUN, "arm": arm, "baseline": USUAL_BASELINE}
    if version == FIRST_STUDY and isinstance(document.get("runs"), list):
        return {**document, "schema": STUDY, "runs": list(map(_with_arm, document["runs"]))}
    if version in (FIRST_RUN, FIRST_STUDY):
        return {**document, "schema": RUN if version == FIRST_RUN else STUDY}
    return document


def _with_arm(run: Any) -> Any:
    if isinstance(run, dict) and "mechanism" in run:
        return {**run, "arm": run["mechanism"]}
    return run
