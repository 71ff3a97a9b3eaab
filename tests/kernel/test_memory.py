# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that comes, goes, breaks, is wanted in one piece, or is nearly all in use."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable

import pytest
from kernel_audit import assert_nothing_is_left_behind
from kernel_device import ENGINE, surprise_removal, with_report_under_way
from kernel_guest import (
    EAGER,
    SETTINGS,
    Guest,
    GuestError,
    assert_reports,
    eventually,
    quiet_seconds,
)

KPF_BUDDY, KPF_HWPOISON = 1 << 10, 1 << 19
FAILSLAB = "/sys/kernel/debug/failslab"
FAILING_1K = "slub_debug=A,kmalloc-1k slab_nomerge"  # caches whose allocations may be made to fail
MEMORY = "/sys/devices/system/memory"

pytestmark = pytest.mark.kernel
Boot = Callable[..., Guest]
both_engines = pytest.mark.parametrize("engine", ["bitmap", "list"])


def total_mib(guest: Guest) -> int:
    """Memory that the guest has now."""
    line = guest.tell("get /proc/meminfo")[0]
    return int(line.split()[1]) >> 10


def plug_dimm(guest: Guest, mib: int) -> None:
    guest.qmp("object-add", **{"qom-type": "memory-backend-ram", "id": "dimm0", "size": mib << 20})
    guest.qmp("device_add", driver="pc-dimm", id="dimm", memdev="dimm0")


def unplug_dimm(guest: Guest) -> None:
    guest.qmp("device_del", id="dimm")
    eventually(lambda: not guest.has_device("dimm"), 60)
    guest.qmp("object-del", id="dimm0")


@pytest.mark.kernels("full", "debug")
@pytest.mark.parametrize(
    ("engine", "settings"), [*(("bitmap", name) for name in SETTINGS), ("list", "defaults")]
)
def test_dimms_come_and_go_under_load(boot: Boot, engine: str, settings: str) -> None:
    command_line = f"{SETTINGS[settings]} memhp_default_state=online_movable"
    guest = boot(engine=engine, command_line=command_line, hotplug=True)
    before_mib = total_mib(guest)
    guest.tell("start integrity 30 300")
    for _ in range(3):
        plug_dimm(guest, 256)
        eventually(lambda: total_mib(guest) > before_mib + 200, 60)
        assert_reports(guest, engine, block="dimm0", mib=200)
        unplug_dimm(guest)
        assert total_mib(guest) <= before_mib
    assert guest.figures("finish", seconds=120)["errors"] == 0
    assert_reports(guest, engine)
    assert_nothing_is_left_behind(guest, engine)


@both_engines
def test_virtio_mem_grows_and_shrinks_under_load(boot: Boot, engine: str) -> None:
    guest = boot(
        engine=engine,
        command_line=f"{EAGER} memhp_default_state=online_movable",
        hotplug=True,
        qemu_options=[
            *("-object", "memory-backend-ram,id=vmem0,size=1G"),
            *("-device", "virtio-mem-pci,id=vmem,memdev=vmem0,requested-size=0,bus=pci.0,addr=7"),
        ],
    )  # fmt: skip

    def resize(mib: int) -> None:
        path = "/machine/peripheral/vmem"
        guest.qmp("qom-set", path=path, property="requested-size", value=mib << 20)
        eventually(lambda: guest.qmp("qom-get", path=path, property="size") == mib << 20, 90)

    guest.tell("start integrity 30 300")
    for mib in (256, 512, 128, 384):
        resize(mib)
    assert_reports(guest, engine, block="vmem0", mib=200)
    assert guest.figures("finish", seconds=120)["errors"] == 0
    resize(0)
    assert_reports(guest, engine)


@pytest.mark.parametrize("engine", ["bitmap", "list", "off"])
def test_contiguous_memory_is_still_found(boot: Boot, engine: str) -> None:
    """Pages being reported are neither free nor movable: who collects a range must cope."""
    guest = boot(engine=engine, command_line=f"{EAGER} cma=64M")
    area = "/sys/kernel/debug/cma/reserved"
    guest.tell("start integrity 25 300")
    end, tries, failed = time.monotonic() + 25, 0, 0
    while time.monotonic() < end:
        tries += 1
        try:
            guest.tell(f"set {area}/alloc 4096")
            guest.tell(f"set {area}/free 4096")
        except GuestError as error:
            failed += 1
            assert "Cannot allocate memory" in str(error)
    assert guest.figures("finish", seconds=60)["errors"] == 0
    print(f"{failed} of {tries} allocations of 16 MiB failed")
    assert tries > 50
    assert failed < tries / 5


@pytest.mark.parametrize("engine", ["bitmap", "list", "off"])
def test_gigantic_pages_are_still_found(boot: Boot, engine: str) -> None:
    guest = boot(engine=engine, command_line=EAGER, memory_mib=3072, qemu_options=["-cpu", "max"])
    pages = "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
    guest.tell("start integrity 25 200")
    got = 0
    for _ in range(20):
        guest.tell(f"set {pages} 1")
        got += guest.tell(f"get {pages}") == ["1"]
        guest.tell(f"set {pages} 0")
        time.sleep(0.5)
    assert guest.figures("finish", seconds=60)["errors"] == 0
    print(f"{got} of 20 pages of 1 GiB were found")
    assert got >= 10


def test_a_page_that_breaks_while_it_is_reported_is_left_out(boot: Boot) -> None:
    """Its block comes back to the free lists without it. Upstream gives it to the next who asks."""
    guest = with_report_under_way(boot, "bitmap", trace=True)
    events = "\n".join(guest.tell("get /sys/kernel/tracing/trace"))
    pfn = int(re.findall(r"page_reporting_range: engine=bitmap pfn=(0x[0-9a-f]+)", events)[-1], 16)
    bad, good = pfn + 3, pfn + 4
    with contextlib.suppress(GuestError):  # it is marked, but could not be taken from anyone
        guest.tell(f"set /sys/kernel/debug/hwpoison/corrupt-pfn {bad}")
    surprise_removal(guest)
    assert flags(guest, bad) & (KPF_HWPOISON | KPF_BUDDY) == KPF_HWPOISON
    assert not flags(guest, good) & KPF_HWPOISON
    assert guest.figures("integrity 5 400")["errors"] == 0
    assert flags(guest, bad) & (KPF_HWPOISON | KPF_BUDDY) == KPF_HWPOISON
    # and it can be had back, as any page that memory failure took out
    guest.tell(f"set /sys/kernel/debug/hwpoison/unpoison-pfn {bad}")
    assert not flags(guest, bad) & KPF_HWPOISON
    ledger_free = flags(guest, bad) & KPF_BUDDY
    assert ledger_free or not flags(guest, good) & KPF_BUDDY


def flags(guest: Guest, pfn: int) -> int:
    return guest.figures(f"flags {pfn}")["flags"]


@pytest.mark.parametrize(("engine", "killed"), [("off", False), ("bitmap", False), ("list", True)])
def test_memory_that_is_away_for_a_report_kills_nobody(
    boot: Boot, engine: str, killed: bool
) -> None:
    """All but 80 MiB is wanted while a report is under way that never ends.

    Without an engine that succeeds, and with 32 MiB away it does; upstream's engine has up to
    128 MiB away, which is the control.
    """
    guest = boot(engine="off")
    wanted_mib = int(guest.figures("get /proc/meminfo")["MemFree:"] / 1024) - 80
    if engine != "off":
        guest = with_report_under_way(boot, engine)
    try:
        guest.tell(f"hold big {wanted_mib}")
    except GuestError:
        assert killed, "there was not enough memory"
    assert (guest.counters()["oom_kill"] > 0) == killed


def test_memory_that_is_away_is_waited_for(boot: Boot) -> None:
    """All but 12 MiB is wanted while 32 MiB are away that come back 0.8 s later."""
    guest = boot(engine="off", cpus=1)
    wanted_mib = int(guest.figures("get /proc/meminfo")["MemAvailable:"] / 1024) - 12
    guest.hold("a", wanted_mib)
    guest = boot(cpus=1, command_line="virtio_balloon.report_delay_ms=800")
    guest.hold("a", wanted_mib)
    assert guest.counters()["oom_kill"] == 0


def test_a_zone_that_stays_short_lets_the_guest_sleep(boot: Boot) -> None:
    """Blocks that cannot be had are looked at ever more seldom, not twice a second for ever."""
    guest = boot()
    guest.tell("set /proc/sys/vm/percpu_pagelist_high_fraction 1000")
    # watermarks at 30 and 60 percent of memory; what is free stays between them, so nobody reclaims
    guest.tell("set /proc/sys/vm/watermark_boost_factor 0")
    guest.tell("set /proc/sys/vm/watermark_scale_factor 3000")
    guest.hold("more", 64)
    guest.hold("big", 340)
    time.sleep(3)
    guest.drop("more")
    time.sleep(10)
    before = guest.counters()["page_hinting_deferred"]
    time.sleep(20)
    looks = guest.counters()["page_hinting_deferred"] - before
    print(f"{looks} looks in 20 s")
    assert 0 < looks < 20
    guest.drop("big")
    assert_nothing_is_left_behind(guest, "bitmap")


def zone_pages(guest: Guest, zone: str) -> dict[str, int]:
    """What /proc/zoneinfo says of a zone of node 0, in pages: high, nr_free_pages and so on."""
    lines = guest.tell("get /proc/zoneinfo")
    start = next(n for n, line in enumerate(lines) if re.fullmatch(rf"Node 0, zone +{zone}", line))
    rows = (line.split() for line in lines[start + 1 :])
    found: dict[str, int] = {}
    for row in rows:
        if row[:1] == ["Node"]:
            break
        if len(row) == 2 and row[1].isdigit():
            found.setdefault(row[0], int(row[1]))
    return found


@pytest.mark.parametrize(
    ("command_line", "take"), [("", "hold"), ("cma=384M", "pin")], ids=["plain", "cma"]
)
def test_nothing_is_sent_from_a_zone_that_runs_short(
    boot: Boot, command_line: str, take: str
) -> None:
    """Below its high watermark each free block waits; it is sent once there is enough again.

    Free memory that is reserved for CMA is none for who asks for memory that cannot be moved: in
    a guest with much of it the same holds of the rest.
    """
    guest = boot(command_line=f"{EAGER} {command_line}")
    # watermarks that stay, and so far from what is needed that nobody has to reclaim
    guest.tell("set /proc/sys/vm/min_free_kbytes 98304")
    guest.tell("set /proc/sys/vm/watermark_boost_factor 0")
    # the lists of CPUs grow with them, up to all that is freed here
    guest.tell("set /proc/sys/vm/percpu_pagelist_high_fraction 1000")
    guest.settle(quiet_seconds("bitmap"))

    def spare_mib() -> int:
        pages = zone_pages(guest, "DMA32")
        return (pages["nr_free_pages"] - pages.get("nr_free_cma", 0) - pages["high"]) >> 8

    guest.tell(f"{take} more 36")
    guest.tell(f"{take} big {spare_mib() + 30}")
    while (short := spare_mib()) > -42:  # other zones and the lists of CPUs give some too
        guest.tell(f"{take} big 4")
    before, deferred = time.time(), guest.counters()["page_hinting_deferred"]
    guest.drop("more")
    time.sleep(3)
    # not all: some lies on the lists of CPUs
    assert short + 8 < spare_mib() < 2, "blocks became free, but not enough to have one to spare"
    assert guest.counters()["page_hinting_deferred"] > deferred
    assert not guest.discards(since=before)
    while spare_mib() < 100:
        guest.drop("big")
    assert_nothing_is_left_behind(guest, "bitmap")


@pytest.mark.kernels("debug")
def test_an_engine_that_gets_no_memory_stays_off(boot: Boot) -> None:
    guest = boot(engine="off", command_line=FAILING_1K, memory_mib=1024)
    fail_allocations_of_1k(guest)
    guest.tell("set /proc/self/make-it-fail 1")
    with pytest.raises(GuestError, match="Cannot allocate memory"):
        guest.tell(f"set {ENGINE} bitmap")
    guest.tell("set /proc/self/make-it-fail 0")
    assert guest.tell(f"get {ENGINE}") == ["off"]
    guest.tell(f"set {ENGINE} bitmap")
    assert_reports(guest, "bitmap")


@pytest.mark.kernels("debug")
def test_memory_goes_online_without_memory_for_its_bits(boot: Boot) -> None:
    """It is usable and not reported; once the engine starts anew, it is."""
    guest = boot(
        engine="bitmap", command_line=f"{EAGER} {FAILING_1K}", memory_mib=1024, hotplug=True
    )
    before_mib = total_mib(guest)
    plug_dimm(guest, 128)
    block = (4 << 30) // (128 << 20)
    fail_allocations_of_1k(guest)
    time.sleep(3)
    guest.tell("set /proc/self/make-it-fail 1")
    guest.tell(f"set {MEMORY}/memory{block}/state online_movable")
    guest.tell("set /proc/self/make-it-fail 0")
    assert total_mib(guest) > before_mib + 100
    assert "no memory for a bitmap" in guest.log()
    assert guest.figures("integrity 5 600")["errors"] == 0
    guest.tell(f"set {ENGINE} off")
    guest.tell(f"set {ENGINE} bitmap")
    guest.settle(quiet_seconds("bitmap"))
    assert_reports(guest, "bitmap", block="dimm0", mib=100)


def fail_allocations_of_1k(guest: Guest) -> None:
    """Those of a process that asks for it; the bits of 8 GiB are that large."""
    for name, value in (
        ("cache-filter", "Y"),
        ("task-filter", "Y"),
        ("ignore-gfp-wait", "N"),
        ("probability", 100),
        ("times", -1),
        ("verbose", 0),
    ):
        guest.tell(f"set {FAILSLAB}/{name} {value}")
