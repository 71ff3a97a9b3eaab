# SPDX-License-Identifier: GPL-2.0-or-later
"""How memory gets back to the host: a device property and a guest kernel parameter.

What the host drives beside that is in drivers.py, by the same name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mechanism:
    """`engine` is the value of virtio_balloon.free_page_engine in the guest. `deflate_on_oom`: the
    balloon gives memory back to a guest that has none left."""

    free_page_reporting: bool
    engine: str
    deflate_on_oom: bool = False
    more_arguments: str = ""
    """More of the guest kernel's command line."""

    @property
    def balloon_properties(self) -> str:
        reporting = "free-page-reporting=" + ("on" if self.free_page_reporting else "off")
        return reporting + (",deflate-on-oom=on" if self.deflate_on_oom else "")

    @property
    def kernel_argument(self) -> str:
        return f"virtio_balloon.free_page_engine={self.engine}"


BITMAP = "bitmap"
"""The engine that only kernels with the patches of hintfleet have."""

MECHANISMS = {
    "none": Mechanism(free_page_reporting=False, engine="off"),
    "page_hinting": Mechanism(free_page_reporting=True, engine=BITMAP),
    "free_page_reporting": Mechanism(free_page_reporting=True, engine="list"),
    # What is plugged holds nothing that cannot move, so that it can be taken again. Room for it
    # lies above 4 GiB, and would have the kernel set 64 MiB aside for devices that cannot reach it.
    "virtio_mem": Mechanism(
        free_page_reporting=False,
        engine="off",
        more_arguments="memhp_default_state=online_movable swiotlb=noforce",
    ),
    "balloon": Mechanism(free_page_reporting=False, engine="off", deflate_on_oom=True),
}

FEATURES_CHOSEN = ("free_page_reporting", "deflate_on_oom")
"""Features of the balloon that a mechanism chooses."""
