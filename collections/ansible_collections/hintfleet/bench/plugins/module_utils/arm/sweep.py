# SPDX-License-Identifier: GPL-2.0-or-later
"""A sweep: arms made from one, over values of parameters.

A parameter is a file below /sys or /proc/sys of the guest (a guest setting), `module.parameter` of
the guest's kernel (a kernel argument), or a piece by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.arm import arm_of
from ansible_collections.hintfleet.bench.plugins.module_utils.arm.pieces import PIECES
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError

KEYS = ("arm", "over", "as")
GRID, ONE_AT_A_TIME = "grid", "one_at_a_time"
MOST_ARMS = 100  # without a word of consent


def with_sweeps(arms: Sequence[Any], sweeps: Sequence[dict[str, Any]], many: bool) -> list[Any]:
    """The arms and those that sweeps make, as people write them; raises BenchError.

    An arm that a sweep is made from is the one of that name, or the mechanism. It stays if it is
    among the arms, and is not added if it is not.
    """
    made = list(arms)
    for sweep in sweeps:
        made += _made_by(sweep, arms)
    if len(made) > MOST_ARMS and not many:
        raise BenchError(
            f"The study would have {len(made)} arms, more than {MOST_ARMS}: sweep over fewer "
            "values, one at a time instead of as a grid, or set study_many_arms=true."
        )
    return made


def _made_by(sweep: dict[str, Any], arms: Sequence[Any]) -> list[dict[str, Any]]:
    unknown = sorted(set(sweep) - set(KEYS))
    if unknown or "arm" not in sweep:
        what = f"has the key {unknown[0]}" if unknown else "names no arm"
        raise BenchError(
            f"A sweep {what}: write {{arm: page_hinting, over: {{page_hinting.age_ms: [0, 50]}}, "
            "as: grid}."
        )
    over, form = sweep.get("over"), sweep.get("as", GRID)
    base = _base(sweep["arm"], arms)
    if not isinstance(over, dict) or not over:
        raise BenchError(f"The sweep of {base['name']} is over nothing: name parameters in over.")
    for name, values in over.items():
        if not isinstance(values, list) or not values:
            raise BenchError(
                f"The sweep of {base['name']} has no values for {name}: give a list, such as "
                f"{name}: [0, 50]."
            )
    if form not in (GRID, ONE_AT_A_TIME):
        raise BenchError(
            f"The sweep of {base['name']} is written as {form}: choose from {GRID}, "
            f"{ONE_AT_A_TIME}."
        )
    if form == GRID:
        points = [dict(zip(over, values, strict=True)) for values in product(*over.values())]
    else:
        points = [{name: value} for name, values in over.items() for value in values]
    return [_arm(base, point) for point in points]


def _base(given: Any, arms: Sequence[Any]) -> dict[str, Any]:
    """The arm that is swept, as a mapping."""
    named = [one for one in arms if isinstance(one, dict) and one.get("name") == given]
    arm = arm_of(named[0] if named else given)
    return {"name": arm.name, "mechanism": arm.mechanism, **arm.states}


def _arm(base: dict[str, Any], point: dict[str, Any]) -> dict[str, Any]:
    """The base with the values of a point; a value of its own for a parameter is replaced."""
    arm = dict(base)
    said = []
    for name, value in point.items():
        said.append(f"{_short(name)}={_word(value)}")
        if name in PIECES:
            arm[name] = value
        elif name.startswith("/"):
            arm["guest_settings"] = {**arm.get("guest_settings", {}), name: value}
        elif "." in name:
            words = str(arm.get("kernel_arguments", "")).split()
            kept = [word for word in words if word.partition("=")[0] != name]
            arm["kernel_arguments"] = " ".join([*kept, f"{name}={_word(value)}"])
        else:
            raise BenchError(
                f"The sweep of {base['name']} is over {name}, which is no parameter: name one as "
                "module.parameter of the guest's kernel, a file below /sys of the guest, or one of "
                f"{', '.join(PIECES)}."
            )
    arm["name"] = f"{base['name']}/{','.join(said)}"
    return arm


def _short(name: str) -> str:
    """The last part of a parameter's name: what people call it."""
    return name.rpartition("/")[2].rpartition(".")[2]


def _word(value: Any) -> str:
    return ("Y" if value else "N") if isinstance(value, bool) else str(value)
