# SPDX-License-Identifier: GPL-2.0-or-later
"""What an engine must get right whatever its speed: see docs/page-hinting.md, section Tests."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable

import pytest
from kernel_guest import Guest, GuestError, eventually

BLOCK = 2 << 20
PAGE = 4096
REPORTING_BIT = 5  # VIRTIO_BALLOON_F_REPORTING
EVENTS = "/sys/kernel/tracing/events/page_reporting"
RANGE = re.compile(r"page_reporting_range: engine=(\w+) pfn=(0x[0-9a-f]+) nr_pages=(\d+)")
# no wait anywhere: whatever the engine can get wrong, it gets wrong soonest like this
EAGER = "page_hinting.age_ms=0 page_hinting.threshold=1 page_hinting.flush_ms=1"

pytestmark = pytest.mark.kernel
Boot = Callable[..., Guest]
both_engines = pytest.mark.parametrize("engine", ["list", "bitmap"])


def pending_blocks(guest: Guest) -> int:
    """Blocks that wait in the bitmaps of all zones."""
    lines = guest.tell("get /sys/kernel/debug/page_hinting/pending")
    return sum(int(number) for line in lines for number in re.findall(r"(?:young|old) (\d+)", line))


def settled(guest: Guest) -> bool:
    """Nothing waits, and QEMU has discarded nothing for two of upstream's delays."""
    discards = guest.discards()
    quiet = not discards or time.time() - discards[-1].seconds > 4.5
    return pending_blocks(guest) == 0 and quiet


@both_engines
def test_memory_keeps_its_content_under_churn(boot: Boot, engine: str) -> None:
    guest = boot(engine=engine, command_line=EAGER)
    before = time.time()
    figures = guest.figures("integrity 25 400", seconds=200)
    assert figures["errors"] == 0
    assert figures["checked_mib"] > 100
    assert guest.discards(since=before), "nothing was reported meanwhile, so nothing was tested"


@both_engines
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_the_host_discards_exactly_what_was_isolated(boot: Boot, engine: str, batch: int) -> None:
    """A report of more entries than were isolated hits memory in use: the crash of 2019."""
    guest = boot(engine=engine, command_line=f"{EAGER} page_hinting.batch={batch}", cpus=1)
    eventually(lambda: settled(guest), 60)
    before = time.time()
    guest.tell(f"set {EVENTS}/page_reporting_range/enable 1")
    for mib in (200, 6, 90):
        guest.hold("a", mib)
        guest.drop("a")
    eventually(lambda: settled(guest), 60)

    trace = "\n".join(guest.tell("get /sys/kernel/tracing/trace"))
    isolated = Counter(
        (int(pfn, 16) * PAGE, int(pages) * PAGE)
        for name, pfn, pages in RANGE.findall(trace)
        if name == engine
    )
    base = guest.ram_address("pc.ram")
    discarded = Counter((one.address - base, one.length) for one in guest.discards(since=before))
    assert isolated
    assert discarded == isolated
    if engine == "bitmap":
        assert max(length for _, length in isolated) <= batch * BLOCK


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
    guest.tell("integrity 5 200")
    time.sleep(3)
    assert bool(guest.discards()) == discards


def test_switching_engines_under_load(boot: Boot) -> None:
    guest = boot(engine="off", command_line=EAGER)
    guest.tell("start integrity 25 400")
    end = time.monotonic() + 25
    switches = 0
    while time.monotonic() < end:
        for engine in ("bitmap", "off", "bitmap", "list", "bitmap", "bitmap"):
            guest.parameter("virtio_balloon.free_page_engine", engine)
            assert guest.tell("get /sys/module/virtio_balloon/parameters/free_page_engine") == [
                engine
            ]
            switches += 1
    assert guest.figures("finish", seconds=60)["errors"] == 0
    assert switches > 20

    guest.parameter("virtio_balloon.free_page_engine", "off")
    with pytest.raises(GuestError, match="Invalid argument"):
        guest.parameter("virtio_balloon.free_page_engine", "nonsense")
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
    eventually(lambda: settled(guest), 60)
    before = time.time()
    guest.hold("a", 600)
    guest.drop("a")
    eventually(lambda: settled(guest), 60)
    back = Counter[str]()
    for one in guest.discards(since=before):
        back[one.block] += one.length >> 20
    for name in sizes:
        assert back[name] >= 100, f"{name} gave back {back[name]} MiB"


@both_engines
@pytest.mark.parametrize("order", ["forward", "backward", "random"])
def test_nothing_is_left_behind(boot: Boot, engine: str, order: str) -> None:
    """Blocks that are freed behind the place the worker has reached come back too."""
    guest = boot(engine=engine)
    eventually(lambda: settled(guest), 60)
    floor = guest.resident_mib()
    guest.tell(f"scatter 512 {order}")
    eventually(lambda: settled(guest), 90)
    assert pending_blocks(guest) == 0
    # what the program and QEMU keep for themselves, measured: 3 to 9 MiB
    assert guest.resident_mib() < floor + 24
