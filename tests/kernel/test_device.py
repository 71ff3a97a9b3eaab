# SPDX-License-Identifier: GPL-2.0-or-later
"""The balloon goes and comes back, in order or by surprise, also while a report is under way."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from kernel_audit import Ledger, assert_nothing_is_left_behind
from kernel_device import (
    BALLOON,
    COMMAND,
    ENGINE,
    WITH_BUS_MASTER,
    surprise_removal,
    with_report_under_way,
)
from kernel_guest import EAGER, SETTINGS, Guest, Kernel, assert_reports, eventually, quiet_seconds

DRIVER = "/sys/bus/virtio/drivers/virtio_balloon"

pytestmark = pytest.mark.kernel
Boot = Callable[..., Guest]
both_engines = pytest.mark.parametrize("engine", ["bitmap", "list"])
# whatever settings there are, upstream's engine knows none of them
each_engine_and_setting = pytest.mark.parametrize(
    ("engine", "settings"), [*(("bitmap", name) for name in SETTINGS), ("list", "defaults")]
)


@pytest.mark.kernels("full", "debug")
@each_engine_and_setting
def test_unbinding_under_load(boot: Boot, engine: str, settings: str) -> None:
    guest = boot(engine=engine, command_line=SETTINGS[settings], memory_mib=1024)
    guest.settle(quiet_seconds(engine))
    ledger = Ledger(guest)
    guest.tell("start integrity 20 400")
    end, times = time.monotonic() + 20, 0
    while time.monotonic() < end:
        guest.tell(f"set {DRIVER}/unbind virtio0")
        guest.tell(f"set {DRIVER}/bind virtio0")
        times += 1
        time.sleep(0.05)
    assert guest.figures("finish", seconds=120)["errors"] == 0
    print(f"unbound {times} times")
    assert times > 20
    assert_reports(guest, engine)
    assert_nothing_is_left_behind(guest, engine)
    ledger.assert_balanced()


@both_engines
def test_unplugging(boot: Boot, engine: str) -> None:
    guest = boot(engine=engine, command_line=EAGER)
    guest.tell("start integrity 15 300")
    for _ in range(3):
        guest.qmp("device_del", id="balloon")
        eventually(lambda: not guest.has_device("balloon"), 30)
        guest.qmp(
            "device_add",
            driver="virtio-balloon-pci",
            id="balloon",
            bus="pci.0",
            addr="5",
            **{"free-page-reporting": True},
        )
        time.sleep(2)
    assert guest.figures("finish", seconds=60)["errors"] == 0
    assert_reports(guest, engine)


@pytest.mark.kernels("full", fails="stock")
def test_surprise_removal_while_upstreams_engine_reports(boot: Boot) -> None:
    """Upstream waits for ever for the answer of a device that is gone."""
    surprise_removal(with_report_under_way(boot, "list"))


@pytest.mark.kernels("full", "debug")
def test_surprise_removal_while_the_bitmap_engine_reports(boot: Boot) -> None:
    guest = with_report_under_way(boot, "bitmap")
    surprise_removal(guest)
    assert guest.figures("integrity 5 300")["errors"] == 0


@both_engines
def test_switching_off_while_the_device_vanishes(boot: Boot, engine: str) -> None:
    guest = with_report_under_way(boot, engine)
    guest.tell(f"start set {ENGINE} off")
    time.sleep(1)
    surprise_removal(guest)
    guest.tell("finish", seconds=15)
    assert guest.figures("integrity 5 300")["errors"] == 0


def away_blocks(guest: Guest) -> int:
    """Blocks that are off the free lists for a report."""
    lines = guest.tell("get /sys/kernel/debug/page_hinting/pending")
    return next(int(line.split()[1]) for line in lines if line.startswith("away "))


def test_pages_stay_away_while_the_device_may_discard_them(boot: Boot) -> None:
    """A queue that is broken says nothing of the device: only a reset ends what that is at."""
    guest = with_report_under_way(boot, "bitmap")
    away = away_blocks(guest)
    assert away
    guest.tell("set /sys/module/virtio_balloon/parameters/break_queues 1")
    time.sleep(3)
    assert away_blocks(guest) == away, "pages came back that the device may still discard"
    # now it does, and then it is reset
    before = time.time()
    guest.tell(f"poke {BALLOON} {COMMAND} {WITH_BUS_MASTER}")
    guest.tell(f"set {DRIVER}/unbind virtio0", seconds=20)
    assert away_blocks(guest) == 0
    guest.tell(f"set {DRIVER}/bind virtio0")
    assert guest.figures("integrity 5 300")["errors"] == 0
    assert_nothing_is_left_behind(guest, "bitmap")
    assert guest.discards(since=before)


def test_a_driver_goes_while_its_device_does_not_answer(boot: Boot) -> None:
    guest = with_report_under_way(boot, "bitmap")
    guest.tell(f"start set {ENGINE} off")
    time.sleep(1)
    guest.tell(f"set {DRIVER}/unbind virtio0", seconds=20)
    guest.tell("finish", seconds=15)
    assert guest.figures("integrity 5 300")["errors"] == 0


@pytest.mark.parametrize("settings", SETTINGS)
def test_reports_that_fail_are_made_again(boot: Boot, settings: str) -> None:
    """Each third never reaches the device; no block may be lost with it."""
    guest = boot(command_line=f"{SETTINGS[settings]} virtio_balloon.report_fails_every=3")
    guest.settle(quiet_seconds("bitmap"))
    ledger = Ledger(guest)
    assert guest.figures("integrity 15 400")["errors"] == 0
    assert guest.counters()["page_hinting_errors"] > 0
    assert_nothing_is_left_behind(guest, "bitmap")
    ledger.assert_balanced()


@pytest.mark.kernels("full", "stock")
def test_reboot_while_the_device_does_not_answer(boot: Boot, kernel: Kernel) -> None:
    """A report that is never answered must not keep the guest from going down."""
    engine = "bitmap" if kernel.variant == "full" else "list"
    guest = with_report_under_way(boot, engine)
    guest.tell("reboot")
    assert guest.gone(seconds=20)


def test_all_is_told_again_after_a_hibernation(boot: Boot) -> None:
    """The host backs what loading the image touched; pm_test stops short of writing one."""
    guest = boot(command_line="suspend.pm_test_delay=1")
    free = assert_nothing_is_left_behind(guest, "bitmap")
    guest.tell("set /sys/power/pm_test devices")
    before = time.time()
    guest.tell("set /sys/power/state disk", seconds=60)
    guest.settle(quiet_seconds("bitmap"))
    again = sum(one.length for one in guest.discards(since=before)) // (2 << 20)
    print(f"{again} of {free} free blocks were told again")
    assert again >= free * 9 // 10


def test_writing_the_engine_again_tells_all_again(boot: Boot) -> None:
    guest = boot()
    free = assert_nothing_is_left_behind(guest, "bitmap")
    before = time.time()
    guest.tell(f"set {ENGINE} bitmap")
    guest.settle(quiet_seconds("bitmap"))
    again = sum(one.length for one in guest.discards(since=before)) // (2 << 20)
    assert again >= free * 9 // 10


@both_engines
def test_suspend(boot: Boot, engine: str) -> None:
    """The device is put to sleep with memory waiting to be reported; pm_test wakes it again."""
    guest = boot(engine=engine, command_line="suspend.pm_test_delay=1")
    guest.tell("set /sys/power/pm_test devices")
    for _ in range(3):
        guest.hold("a", 200)
        guest.drop("a")
        guest.tell("set /sys/power/state freeze", seconds=60)
    assert_reports(guest, engine)
    assert guest.figures("integrity 5 300")["errors"] == 0


@pytest.mark.kernels("full", fails="stock")
def test_poison_survives_a_suspend(boot: Boot, kernel: Kernel) -> None:
    """The device is reset meanwhile and forgets the pattern: it must be told again.

    Unless it is, the host discards free pages that hold the pattern, and they come back as zeros.
    """
    for engine in ["bitmap", "list"] if kernel.variant == "full" else ["list"]:
        guest = boot(engine=engine, command_line="page_poison=1 suspend.pm_test_delay=1")
        guest.tell("set /sys/power/pm_test devices")
        guest.tell("set /sys/power/state freeze", seconds=60)
        guest.hold("a", 300)
        guest.drop("a")
        time.sleep(2 * quiet_seconds(engine))
        assert not guest.discards(), f"{engine}: poisoned pages were discarded"
        assert guest.figures("integrity 5 300")["errors"] == 0


@both_engines
def test_other_parameters_answer_while_a_report_hangs(boot: Boot, engine: str) -> None:
    """Who switches the engine waits for the device; nobody else may have to."""
    guest = with_report_under_way(boot, engine)
    guest.tell(f"start set {ENGINE} off")
    time.sleep(1)
    assert guest.tell("get /sys/module/page_hinting/parameters/age_ms", seconds=10) == ["0"]
    surprise_removal(guest)
    guest.tell("finish", seconds=15)
