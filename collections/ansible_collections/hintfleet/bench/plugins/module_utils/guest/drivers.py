# SPDX-License-Identifier: GPL-2.0-or-later
"""Mechanisms that the host drives, by name."""

from __future__ import annotations

from ansible_collections.hintfleet.bench.plugins.module_utils.guest.balloon import Balloon
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.driver import Driver
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.virtio_mem import VirtioMem

DRIVERS: dict[str, Driver] = {"balloon": Balloon(), "virtio_mem": VirtioMem()}
