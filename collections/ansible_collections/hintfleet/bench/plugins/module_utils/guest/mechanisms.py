# SPDX-License-Identifier: GPL-2.0-or-later
"""How free memory gets back to the host: a device property and a guest kernel parameter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mechanism:
    """`engine` is the value of virtio_balloon.free_page_engine in the guest."""

    free_page_reporting: bool
    engine: str

    @property
    def balloon_properties(self) -> str:
        return "free-page-reporting=" + ("on" if self.free_page_reporting else "off")

    @property
    def kernel_argument(self) -> str:
        return f"virtio_balloon.free_page_engine={self.engine}"


MECHANISMS = {
    "none": Mechanism(free_page_reporting=False, engine="off"),
    "page_hinting": Mechanism(free_page_reporting=True, engine="bitmap"),
    "free_page_reporting": Mechanism(free_page_reporting=True, engine="list"),
}
