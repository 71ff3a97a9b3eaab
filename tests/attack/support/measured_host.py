# SPDX-License-Identifier: GPL-2.0-or-later
"""A host whose runs come out as their arms say, without a guest: studies are only played."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import host_answer
import numpy as np
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import from_plan
from ansible_collections.hintfleet.bench.plugins.module_utils.run.preflight import asked_parameters
from lying_fleet import KERNEL
from synthetic import LAPTOP, Builder, samples_csv

OTHER_KERNEL = {**KERNEL, "key": "e" * 64, "release": "6.12.0", "version": "6.12"}
HOOK = f"""
def answer(module, asked, told):
    if module not in ("guest_kernel_build", "run"):
        return told
    import sys
    sys.path[:0] = {sys.path!r}
    from measured_host import answer
    return answer(module, asked, told)
"""
SLOW = "page_hinting.age_ms=500"
"""An arm that states it fits fewer guests."""


def answer(module: str, asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """What the host says to a module: runs are made, kernels are of the version asked for."""
    if module == "guest_kernel_build" and asked["version"] == OTHER_KERNEL["version"]:
        return {"due": False, "log": "/log", "key": OTHER_KERNEL["key"], "manifest": OTHER_KERNEL}
    return measured(asked) if module == "run" else told


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """The answer to a run, with a record of what its arm makes of it."""
    arm, cell = asked["arm"], asked["cell"]
    truth = LAPTOP[arm["mechanism"]]
    if SLOW in str(arm["states"]):
        truth = replace(truth, guests=4)
    builder = Builder(Path(), sweep={arm["name"]: truth})
    seed = [asked["block"], *arm["name"].encode()]
    record = builder.record(
        cell["name"], asked["block"], asked["order"], arm["name"], asked["workload"],
        np.random.default_rng(seed),
    )  # fmt: skip
    record |= {name: asked[name] for name in ("study", "run_id", "baseline")}
    record |= {"mechanism": arm["mechanism"], "parameters": asked_parameters(asked)}
    shows = dict.fromkeys(arm["states"], "seen")
    record["arm"] = {**arm, "differs": from_plan(arm).differs, "shows": shows}
    record["provenance"]["qemu"]["accelerator"] = asked["accelerator"]
    record["cell"] |= {name: cell[name] for name in ("host", "node", "memory_mib", "swap_mib")}
    for name in ("guest_kernel", "guest_image"):
        record["provenance"][name] = asked[name]["manifest"]
    for guest in record["guests"]:
        guest["kernel_release"] = asked["guest_kernel"]["manifest"]["release"]
    if asked.get("proof_of"):
        record["proof"]["of_run"] = asked["proof_of"]
    made = host_answer.files(record, **{"samples.csv": samples_csv(record).encode()})
    return host_answer.answer(run_id=asked["run_id"], files=made, outcome=record["outcome"])
