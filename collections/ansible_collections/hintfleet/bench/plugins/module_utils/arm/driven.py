# SPDX-License-Identifier: GPL-2.0-or-later
"""What is stated about a mechanism that the host drives; the piece has the mechanism's name."""

from __future__ import annotations

from typing import Any

from ansible_collections.hintfleet.bench.plugins.module_utils.arm.piece import (
    Piece,
    is_whole,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.balloon import BALLOON
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.guest import Guest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.virtio_mem import BLOCK_MIB

LEAST_MARGIN_MIB = 16  # below it a guest's kernel and agent stall
MOST_MIB = 2**30


class BalloonPolicy(Piece):
    """How the host drives the classic balloon: `margin_mib` is what the guest is left with as
    available memory; `pulse`, whether it gets everything back at once."""

    def checked(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) - set(BALLOON):
            raise ValueError(f"give a mapping with {', '.join(BALLOON)}")
        found = {**BALLOON, **value}
        if not is_whole(found["margin_mib"]) or not (
            LEAST_MARGIN_MIB <= found["margin_mib"] <= MOST_MIB
        ):
            raise ValueError(f"give margin_mib as a whole number from {LEAST_MARGIN_MIB} on")
        if not isinstance(found["pulse"], bool):
            raise ValueError("give pulse as true or false")
        return found

    def misplaced(self, value: Any, mechanism: str) -> str | None:
        if mechanism == "balloon":
            return None
        return f"it is a policy of the mechanism balloon, and the arm's is {mechanism}"

    def shown(self, value: Any, guest: Guest) -> str:
        return f"the balloon leaves {value['margin_mib']} MiB" + (
            " and deflates at once" if value["pulse"] else ""
        )


class VirtioMemPolicy(Piece):
    """How much of a guest's memory is a virtio-mem: `plug_mib`."""

    def checked(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) != {"plug_mib"}:
            raise ValueError("give a mapping with plug_mib")
        size = value["plug_mib"]
        if not is_whole(size) or not 0 < size <= MOST_MIB or size % BLOCK_MIB:
            raise ValueError(
                f"give plug_mib as a multiple of {BLOCK_MIB}, the block that a guest's kernel adds "
                "and takes away as a whole"
            )
        return dict(value)

    def misplaced(self, value: Any, mechanism: str) -> str | None:
        if mechanism == "virtio_mem":
            return None
        return f"it is a policy of the mechanism virtio_mem, and the arm's is {mechanism}"

    def shown(self, value: Any, guest: Guest) -> str:
        return f"{guest.machine.plug_mib} MiB of {guest.machine.memory_mib} MiB are plugged"
