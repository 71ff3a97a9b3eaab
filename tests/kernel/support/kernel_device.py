# SPDX-License-Identifier: GPL-2.0-or-later
"""A balloon that stops to answer, and one that vanishes."""

from __future__ import annotations

import time
from collections.abc import Callable

from kernel_guest import EAGER, Guest, eventually, quiet_seconds

ENGINE = "/sys/bus/virtio/devices/virtio0/free_page_engine"
EVENTS = "/sys/kernel/tracing/events/page_reporting"
BRIDGE = "0000:00:06.0"
BALLOON = "0000:01:01.0"  # behind the bridge
BEHIND_BRIDGE = ["-device", "pci-bridge,id=bridge,chassis_nr=1,bus=pci.0,addr=6"]
COMMAND, SECONDARY_BUS = 0x04, 0x19  # in the configuration space
MEMORY_WITHOUT_BUS_MASTER, WITH_BUS_MASTER = 0x03, 0x07


def with_report_under_way(boot: Callable[..., Guest], engine: str, trace: bool = False) -> Guest:
    """A guest whose device took a report and will never answer it."""
    guest = boot(
        engine=engine,
        command_line=EAGER,
        qemu_options=BEHIND_BRIDGE,
        balloon_bus="bus=bridge,addr=1",
    )
    guest.settle(quiet_seconds(engine))
    if trace:
        guest.tell(f"set {EVENTS}/page_reporting_range/enable 1")
    guest.hold("a", 200)
    # QEMU leaves the queues of a device alone that may not read memory
    guest.tell(f"poke {BALLOON} {COMMAND} {MEMORY_WITHOUT_BUS_MASTER}")
    before = time.time()
    guest.drop("a")
    eventually(lambda: guest.kicks(since=before) == 1, 10)
    time.sleep(1)
    assert not guest.discards(since=before)
    assert guest.kicks(since=before) == 1
    return guest


def surprise_removal(guest: Guest) -> None:
    """The device vanishes from its bus, then the kernel is told."""
    guest.tell(f"poke {BRIDGE} {SECONDARY_BUS} 0x7f")
    guest.tell(f"set /sys/bus/pci/devices/{BALLOON}/remove 1", seconds=15)
