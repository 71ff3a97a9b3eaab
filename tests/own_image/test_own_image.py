# SPDX-License-Identifier: GPL-2.0-or-later
"""An image as docs/own-images.md makes one: our kernel is installed in it as a Debian package, it
boots by its own boot loader, and its free memory goes back to the host."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.build.release import Release
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.channel import (
    Channel,
    end_loop,
    new_loop,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.qemu import connection
from ansible_collections.hintfleet.bench.plugins.module_utils.host.memory import (
    read_process_memory,
)

pytestmark = pytest.mark.guest

ROOT = Path(__file__).resolve().parents[2]
MAKE, BUILD = (Path(__file__).with_name(name) for name in ("make-image.sh", "build.yml"))
PACKAGES = ["fdisk", "mmdebstrap", "mtools", "syslinux", "syslinux-common"]
BUILD_SECONDS, BOOT_SECONDS, ASK_SECONDS = 3600, 300, 60
ENGINE = "cat /sys/bus/virtio/devices/*/free_page_engine"
FILL_MIB = 192


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the guests' kernel, built if it is not there."""
    if os.geteuid() != 0:
        pytest.fail("Tests that build kernels and boot guests need root: run them as root.")
    folder = tmp_path_factory.mktemp("kernel")
    told = {"own_image_told": str(folder / "path"), "numa_host_state_dir": str(folder / "state")}
    subprocess.run(
        ["ansible-playbook", "-i", "inventory/local", "-e", json.dumps(told), BUILD],
        cwd=ROOT, check=True, timeout=BUILD_SECONDS,
    )  # fmt: skip
    return Path((folder / "path").read_text().strip())


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def disk(
    request: pytest.FixtureRequest, kernel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES],
        check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp(request.param)
    folder.chmod(0o755)
    release = Release(folder / "apt", request.param)
    release.refresh()
    made = folder / "disk.img"
    subprocess.run([MAKE, request.param, release.sources, kernel, made], check=True)
    return made


class Agent:
    """What a guest says when it is asked."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def ask(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        return self._channel.call(command, arguments, seconds=ASK_SECONDS)

    def run(self, script: str) -> str:
        """What a script prints; it must end well."""
        arguments = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
        process = self.ask("guest-exec", arguments)["pid"]
        while not (done := self.ask("guest-exec-status", {"pid": process}))["exited"]:
            time.sleep(0.2)
        said = base64.b64decode(done.get("out-data", "")).decode()
        assert done["exitcode"] == 0, said + base64.b64decode(done.get("err-data", "")).decode()
        return said.strip()


@pytest.fixture
def booted(disk: Path, tmp_path: Path) -> Iterator[tuple[Agent, int]]:
    """The guest's agent and QEMU's process. QEMU is told of no kernel: SeaBIOS starts the disk."""
    ours, theirs = connection(100)
    console = tmp_path / "console.log"
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-user-config",
         "-no-reboot", "-display", "none", "-vga", "std", "-M", "pc", "-accel", "tcg,tb-size=64",
         "-m", "512", "-snapshot", "-drive", f"file={disk},format=raw,if=none,id=disk",
         "-device", "virtio-blk-pci,drive=disk,bootindex=1", "-serial", f"file:{console}",
         "-chardev", f"socket,id=agent,fd={theirs}", "-device", "virtio-serial-pci",
         "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
         "-device", "virtio-balloon-pci,free-page-reporting=on"],
        pass_fds=[theirs],
    )  # fmt: skip
    os.close(theirs)
    loop = new_loop()
    channel = Channel(loop, ours, greets=False)
    try:
        channel.open(ASK_SECONDS)
        # Asked before the agent is up, it waits in the channel.
        assert channel.call("guest-sync", {"id": 7}, seconds=BOOT_SECONDS) == 7
        yield Agent(channel), process.pid
    except BaseException:
        print(console.read_text(errors="replace")[-4000:])
        raise
    finally:
        process.kill()
        process.wait()
        channel.close()
        end_loop(loop)


def test_a_disk_with_our_package_boots_by_itself_and_gives_memory_back(
    booted: tuple[Agent, int], kernel: Path
) -> None:
    agent, process = booted
    release = agent.run("uname -r")
    assert f"linux-image-{release}_" in kernel.name
    assert re.search(r"-hintfleet-[0-9a-f]{12}$", release)
    assert f"linux-image-{release}" in agent.run("dpkg-query --show 'linux-image-*'")
    assert agent.run("cat /proc/1/comm") == "systemd"
    assert "BOOT_IMAGE=vmlinuz" in agent.run("cat /proc/cmdline")
    assert agent.run(ENGINE) == "bitmap"
    # Its modules are those of the package: the boot loader's partition is read with one.
    agent.run("modprobe vfat && mount -o ro /dev/vda1 /mnt && test -s /mnt/vmlinuz && umount /mnt")
    agent.run(f"dd if=/dev/urandom of=/dev/shm/full bs=1M count={FILL_MIB} status=none")
    full = read_process_memory(process).resident_mib
    agent.run("rm /dev/shm/full")
    deadline = time.monotonic() + ASK_SECONDS
    while (left := read_process_memory(process).resident_mib) > full - 0.8 * FILL_MIB:
        assert time.monotonic() < deadline, f"{full:.0f} MiB became {left:.0f} MiB only"
        time.sleep(0.5)
