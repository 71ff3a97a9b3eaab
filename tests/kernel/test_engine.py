# SPDX-License-Identifier: GPL-2.0-or-later
"""What an engine must get right whatever its speed; upstream's engine, "list", is the control."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable

import pytest
from kernel_audit import Ledger, assert_nothing_is_left_behind
from kernel_device import ENGINE, EVENTS
from kernel_guest import EAGER, SETTINGS, Guest, GuestError, eventually, quiet_seconds

BLOCK = 2 << 20
PAGE = 4096
REPORTING_BIT = 5  # VIRTIO_BALLOON_F_REPORTING
MARKER = "/sys/kernel/tracing/trace_marker"
RANGE = re.compile(r"page_reporting_range: engine=(\w+) pfn=(0x[0-9a-f]+) nr_pages=(\d+)")
CHURN_SECONDS = int(os.environ.get("HINTFLEET_CHURN_SECONDS", "25"))

pytestmark = pytest.mark.kernel
Boot = Callable[..., Guest]
both_engines = pytest.mark.parametrize("engine", ["bitmap", "list"])
all_settings = pytest.mark.parametrize("settings", SETTINGS)


def churn(guest: Guest, engine: str, flush: bool) -> None:
    """Allocate, fill, check and free in many threads; rounds of the engine are forced meanwhile.

    Afterwards the host holds no block that is free, and the guest has lost none.
    """
    guest.settle(quiet_seconds(engine))
    ledger = Ledger(guest)
    before = time.time()
    guest.tell(f"start integrity {CHURN_SECONDS} 400")
    while flush and time.time() < before + CHURN_SECONDS:
        guest.tell("set /sys/kernel/debug/page_hinting/flush 1")
        time.sleep(0.05)
    found = guest.figures("finish", seconds=CHURN_SECONDS + 300)
    assert found["errors"] == 0
    assert found["checked_mib"] > 4 * CHURN_SECONDS
    sent_mib = sum(one.length for one in guest.discards(since=before)) >> 20
    print(f"{found['checked_mib']} MiB checked, {sent_mib} MiB discarded meanwhile")
    assert sent_mib, "nothing was reported meanwhile, so nothing was tested"
    print(f"{assert_nothing_is_left_behind(guest, engine)} free blocks, none held by the host")
    ledger.assert_balanced()


@all_settings
def test_memory_keeps_its_content_under_churn(boot: Boot, settings: str) -> None:
    # rounds by force would take away the waits that the other settings are tested for
    guest = boot(engine="bitmap", command_line=SETTINGS[settings])
    churn(guest, "bitmap", flush=settings == "eager")


@pytest.mark.kernels("full", "stock")
def test_memory_keeps_its_content_with_upstreams_engine(boot: Boot) -> None:
    churn(boot(engine="list"), "list", flush=False)


@pytest.mark.kernels("debug", "kasan")
@all_settings
def test_memory_keeps_its_content_while_all_is_checked(boot: Boot, settings: str) -> None:
    """PROVE_LOCKING, DEBUG_ATOMIC_SLEEP, DEBUG_OBJECTS and DEBUG_VM, or KASAN."""
    guest = boot(engine="bitmap", command_line=SETTINGS[settings], memory_mib=1024)
    churn(guest, "bitmap", flush=settings == "eager")


@pytest.mark.parametrize(
    ("engine", "batch"), [("bitmap", 1), ("bitmap", 3), ("bitmap", 16), ("list", 0)]
)
def test_the_host_discards_exactly_what_was_isolated(boot: Boot, engine: str, batch: int) -> None:
    """A report of more entries than were isolated hits memory in use: the crash of 2019."""
    guest = boot(engine=engine, command_line=f"{EAGER} page_hinting.batch={batch or 16}", cpus=1)
    guest.tell(f"set {EVENTS}/page_reporting_range/enable 1")
    guest.settle(quiet_seconds(engine))
    before = time.time()
    guest.tell(f"set {MARKER} begin")
    for mib in (200, 6, 90):
        guest.hold("a", mib)
        guest.drop("a")
    guest.settle(quiet_seconds(engine))

    # in this order: reading the trace frees memory again
    base = guest.host_address(0)
    discarded = Counter((one.address - base, one.length) for one in guest.discards(since=before))
    trace = "\n".join(guest.tell("get /sys/kernel/tracing/trace"))
    isolated = Counter(
        (int(pfn, 16) * PAGE, int(pages) * PAGE)
        for name, pfn, pages in RANGE.findall(trace.split("tracing_mark_write: begin")[1])
        if name == engine
    )
    assert isolated
    assert discarded == isolated
    if batch:
        assert max(guest.reports(since=before)) <= batch * BLOCK


@both_engines
@pytest.mark.parametrize(
    ("command_line", "balloon", "negotiated", "discards"),
    [
        ("page_poison=1", "", True, False),
        ("init_on_free=1", "", True, True),
        ("page_poison=1", ",page-poison=off", False, False),
        ("", ",page-poison=off", True, True),
    ],
)
def test_poison(
    boot: Boot, engine: str, command_line: str, balloon: str, negotiated: bool, discards: bool
) -> None:
    """A host that cannot restore a poison pattern must not discard poisoned pages."""
    guest = boot(
        engine=engine,
        command_line=f"{EAGER} {command_line}",
        balloon=f"free-page-reporting=on{balloon}",
    )
    features = guest.tell("get /sys/bus/virtio/devices/virtio0/features")[0]
    assert (features[REPORTING_BIT] == "1") == negotiated
    guest.hold("a", 200)
    guest.drop("a")
    assert guest.figures("integrity 5 200")["errors"] == 0
    if discards:
        eventually(lambda: bool(guest.discards()), 30)
    else:
        time.sleep(2 * quiet_seconds(engine))
        assert not guest.discards()


@pytest.mark.kernels("full", "debug")
def test_switching_engines_under_load(boot: Boot) -> None:
    guest = boot(engine="off", command_line=EAGER, memory_mib=1024)
    guest.tell("start integrity 25 400")
    end = time.monotonic() + 25
    switches = 0
    while time.monotonic() < end:
        for engine in ("bitmap", "off", "bitmap", "list", "bitmap", "bitmap"):
            guest.tell(f"set {ENGINE} {engine}")
            assert guest.tell(f"get {ENGINE}") == [engine]
            switches += 1
    assert guest.figures("finish", seconds=120)["errors"] == 0
    print(f"{switches} switches")
    assert switches > 20

    guest.tell(f"set {ENGINE} off")
    with pytest.raises(GuestError, match="Invalid argument"):
        guest.tell(f"set {ENGINE} nonsense")
    time.sleep(1)
    before = time.time()
    guest.hold("a", 100)
    guest.drop("a")
    time.sleep(3)
    assert not guest.discards(since=before), "an engine that is off reported memory"


@both_engines
def test_every_node_gives_back(boot: Boot, engine: str) -> None:
    """Three nodes with memory, unequal, and one without: v10 lost all but the first."""
    sizes = {"node0": 400, "node1": 200, "node2": 168}
    options = []
    for number, (name, mib) in enumerate(sizes.items()):
        options += ["-object", f"memory-backend-ram,id={name},size={mib}M"]
        options += ["-numa", f"node,nodeid={number},memdev={name}"]
    options += ["-numa", "node,nodeid=3,cpus=0-1"]
    guest = boot(engine=engine, qemu_options=options)
    guest.settle(quiet_seconds(engine))
    before = time.time()
    guest.hold("a", 600)
    guest.drop("a")
    guest.settle(quiet_seconds(engine))
    back = Counter[str]()
    for one in guest.discards(since=before):
        back[one.block] += one.length >> 20
    print(dict(back))
    for name, mib in sizes.items():
        assert back[name] >= mib / 4, f"{name} gave back {back[name]} MiB of {mib}"


@both_engines
@pytest.mark.parametrize("shuffle", ["", "page_alloc.shuffle=1"])
@pytest.mark.parametrize("order", ["forward", "backward", "random"])
def test_nothing_is_left_behind(boot: Boot, engine: str, order: str, shuffle: str) -> None:
    """Blocks that are freed behind the place the worker has reached come back too."""
    guest = boot(engine=engine, command_line=shuffle)
    if shuffle:
        assert guest.tell("get /sys/module/page_alloc/parameters/shuffle") == ["Y"]
    guest.settle(quiet_seconds(engine))
    ledger, before = Ledger(guest), guest.counters()
    guest.tell(f"scatter 512 {order}")
    free = assert_nothing_is_left_behind(guest, engine)
    print(f"{free} free blocks, none held by the host")
    assert free > 256, "what was given back is not free"
    ledger.assert_balanced()
    if engine == "bitmap":
        now = guest.counters()
        marked, reported = (
            now[name] - before[name] for name in ("page_hinting_marked", "page_hinting_reported")
        )
        assert reported <= marked, "a block was sent though it had not become free again"


def test_neighbours_are_sent_as_one_range(boot: Boot) -> None:
    guest = boot(cpus=1)
    guest.settle(quiet_seconds("bitmap"))
    before = time.time()
    guest.hold("a", 512)
    guest.drop("a")
    guest.settle(quiet_seconds("bitmap"))
    lengths = [one.length for one in guest.discards(since=before)]
    print(f"{sum(lengths) >> 20} MiB in {len(lengths)} ranges")
    assert sum(lengths) > 500 << 20
    assert len(lengths) < sum(lengths) / (8 * BLOCK)


def test_the_lists_of_cpus_are_emptied_after_a_burst(boot: Boot) -> None:
    """A page there holds up its block: it is not free, and nobody would look for it for seconds."""
    guest = boot()
    before = assert_nothing_is_left_behind(guest, "bitmap")
    guest.tell("set /proc/sys/vm/percpu_pagelist_high_fraction 8")
    guest.hold("a", 512)
    guest.drop("a")
    after = assert_nothing_is_left_behind(guest, "bitmap")
    print(f"{before} blocks were free, and then {after}")
    assert after >= before - 6


def test_a_block_is_left_alone_until_it_is_old(boot: Boot) -> None:
    """Not sent before age_ms, sent by twice that and the wait for few; also if few."""
    age, latest = 2.0, 2 * 2.0 + 0.5
    guest = boot(command_line=f"page_hinting.age_ms={age * 1000:.0f} page_hinting.flush_ms=500")
    # so that 20 MiB do not stay on the lists of CPUs, which are emptied for a burst only
    guest.tell("set /proc/sys/vm/percpu_pagelist_high_fraction 1000")
    for mib in (64, 20):
        guest.settle(latest + 1)
        guest.hold("a", mib)
        before = time.time()
        freed = guest.drop("a")
        guest.settle(latest + 1)
        times = [one.seconds for one in guest.discards(since=before)]
        assert times, f"{mib} MiB did not come back"
        print(f"{mib} MiB: {times[0] - before:.2f} to {times[-1] - freed:.2f} s")
        assert times[0] - before >= age
        # emulation is slow to begin with a timer's work
        assert times[-1] - freed <= latest + 1


def test_memory_that_is_used_again_is_left_alone(boot: Boot) -> None:
    """A program that allocates the same memory every 100 ms at most; the control has no age."""
    sent = {}
    for age_ms in (0, 2000):
        guest = boot(command_line=f"page_hinting.age_ms={age_ms}", cpus=1)
        guest.settle(4.5)
        before = time.time()
        guest.tell("cycles 6 64", seconds=60)
        sent[age_ms] = sum(one.length for one in guest.discards(since=before)) >> 20
    print(f"MiB sent, by age in ms: {sent}")
    assert sent[0] > 256, "the control sent little: nothing was used again and again"
    assert sent[2000] <= sent[0] / 10


def test_the_unit_tests_of_page_hinting_pass(boot: Boot) -> None:
    assert unit_test_failures(boot(), "page_hinting") == []


@pytest.mark.kernels("full", fails="stock")
def test_chunks_come_back_one_pageblock_at_a_time(boot: Boot) -> None:
    """Upstream puts a chunk of two pageblocks back as one, although one was isolated meanwhile.

    Who isolated it does not find it free then: an allocation of contiguous memory fails.
    """
    assert unit_test_failures(boot(), "page_reporting") == []


def unit_test_failures(guest: Guest, suite: str) -> list[str]:
    """Tests of a KUnit suite that failed at boot; it must have run some."""
    lines = [line.split("] ", 1)[-1].strip() for line in guest.log().splitlines()]
    lines = lines[lines.index(f"# Subtest: {suite}") :]
    end = next(n for n, line in enumerate(lines) if re.fullmatch(rf"(not )?ok \d+ .*{suite}", line))
    results = [line for line in lines[:end] if re.match(r"(not )?ok \d+ ", line)]
    assert results
    return [line for line in results if line.startswith("not ok")]
