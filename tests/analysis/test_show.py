# SPDX-License-Identifier: GPL-2.0-or-later
"""One run looked at closely."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.guest import qemu
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.files import Files
from ansible_collections.hintfleet.bench.plugins.module_utils.guest.mechanisms import MECHANISMS
from hintfleet.cli import main
from synthetic import Builder


def run_folder(builder: Builder, workload: str, change: Any = None) -> Path:
    builder.write()
    folder = builder.folder / "runs" / f"local-node0.b1.none.{workload}"
    if change:
        record = json.loads((folder / "record.json").read_text())
        change(record)
        (folder / "record.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("workload", ["consolidation", "memhog", "page_fault"])
@pytest.mark.parametrize("width", ["60", "80", "160"])
def test_every_workload_is_shown_in_its_width(
    builder: Builder, capsys: pytest.CaptureFixture[str], workload: str, width: str
) -> None:
    assert main(["show", str(run_folder(builder, workload)), "--width", width, "--ascii"]) == 0
    out = capsys.readouterr().out
    assert out.isascii() and max(map(len, out.split("\n"))) <= int(width)
    assert f"{workload} under none" in " ".join(out.split())
    assert "Proof: the guest freed 128 MiB" in out


def test_consoles_end_up_on_the_screen_without_their_control_characters(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(
        builder, "memhog", lambda r: r["files"].update(consoles=["console-guest1.log", "gone.log"])
    )
    noise = "".join(f"line {number}\n" for number in range(100))
    (folder / "console-guest1.log").write_bytes(
        (noise + "\x1b[31mhintfleet-guest: ready\n").encode() + b"\xff\n"
    )
    assert main(["show", str(folder), "--width", "100"]) == 0
    out = capsys.readouterr().out
    assert "hintfleet-guest: ready" in out and "line 99" in out
    assert "line 50" not in out and "\x1b[31m" not in out


def test_a_failed_run_says_why_first(builder: Builder, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(record: dict[str, Any]) -> None:
        record.update(result=None, proof=None, guests=[])
        record["outcome"] = {"status": "failed", "reason": "the kernel of guest 1 did not boot"}
        record["files"]["samples"] = None

    assert main(["show", str(run_folder(builder, "memhog", fail)), "--width", "120"]) == 0
    out = capsys.readouterr().out
    assert "failed: the kernel of guest 1 did not boot" in out.split("Timeline")[0]
    assert "kept no samples" in out


def command_of(mechanism: str, accelerator: str = "tcg", **more: Any) -> list[str]:
    """What a host writes into the record of a guest."""
    machine = qemu.Machine(
        name="guest1",
        logs=Path("/var/lib/hintfleet/runs/numa1-node0.b1.none.memhog"),
        memory_mib=320,
        vcpus=1,
        accelerator=accelerator,
        mechanism=mechanism,
        kernel=Path("/var/lib/hintfleet/kernels/ab/bzImage"),
        image=Path("/var/lib/hintfleet/images/cd/initramfs.img"),
        kernel_arguments='it\'s="quoted" $(date)',
        **more,
    )
    return qemu.command_line(machine, swap=100 if machine.swap_mib else None)


def reproduced(builder: Builder, capsys: pytest.CaptureFixture[str], command: object) -> str:
    folder = run_folder(builder, "memhog", lambda r: r["guests"][0].update(command_line=command))
    assert main(["show", str(folder), "--reproduce"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("mechanism", sorted(MECHANISMS))
@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"swap_mib": 64, "bind_node": 1, "plug_mib": 128},
        {"binary": "/opt/bin/qemu-system-x86_64", "files": Files(200, direct=True)},
    ],
)
def test_the_script_starts_what_a_host_started(
    builder: Builder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mechanism: str,
    accelerator: str,
    more: dict[str, Any],
) -> None:
    command = command_of(mechanism, accelerator, **more)
    script = tmp_path / "reproduce.sh"
    script.write_text(reproduced(builder, capsys, command))
    fake = tmp_path / "qemu-system-x86_64"
    fake.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    fake.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    ran = subprocess.run(
        ["sh", str(script)], capture_output=True, text=True, check=True, env={"PATH": path}
    )
    for name, number in (("qmp", qemu.QMP_DESCRIPTOR), ("agent", qemu.AGENT_DESCRIPTOR)):
        place = command.index(f"socket,id={name},fd={number}")
        command[place] = f"socket,id={name},path=guest.{name},server=on,wait=off"
    assert ran.stdout == "".join(f"{word}|" for word in command[1:])


EVIL_COMMANDS: dict[str, list[str]] = {
    "another program": ["sh", "-c", "touch PWNED"],
    "another program of that name": ["./qemu-system-x86_64"],
    "nothing": [],
    "a word for the shell": ["qemu-system-x86_64\ntouch PWNED"],
    "a hook of the network": ["qemu-system-x86_64", "-netdev", "tap,id=n,script=./PWNED"],
    "a command to migrate from": ["qemu-system-x86_64", "-incoming", "exec:touch PWNED"],
    "a file to write": ["qemu-system-x86_64", "-serial", "file:/etc/profile"],
    "a file that a socket replaces": [
        "qemu-system-x86_64",
        "-chardev",
        "socket,id=qmp,path=/etc/passwd,server=on,wait=off",
    ],
    "more of an option that is ours": ["qemu-system-x86_64", "-display", "none,sh=PWNED"],
    "an option without its value": ["qemu-system-x86_64", "-kernel"],
    "a disk of the reader's": ["qemu-system-x86_64", "-drive", "file=/dev/sda"],
    "a path that climbs": ["qemu-system-x86_64", "-initrd", "/../etc/shadow"],
}


@pytest.mark.parametrize("name", EVIL_COMMANDS)
def test_a_script_of_anything_else_is_not_written(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    script = reproduced(builder, capsys, EVIL_COMMANDS[name])
    ran = subprocess.run(["sh"], input=script, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 1
    assert "holds no command of a guest of hintfleet" in ran.stderr
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    "path",
    [
        ("provenance", "guest_kernel", "release"),
        ("provenance", "guest_kernel", "sha256"),
        ("provenance", "guest_image", "sha256"),
        ("provenance", "qemu", "version"),
        ("cell", "name"),
        ("study",),
        ("run_id",),
        ("started",),
    ],
)
def test_no_comment_ends_before_its_line(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str], path: tuple[str, ...]
) -> None:
    def change(record: dict[str, Any]) -> None:
        node = record
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = f"{node[path[-1]]}\ntouch {tmp_path}/PWNED\n#"

    folder = run_folder(builder, "memhog", change)
    main(["show", str(folder), "--reproduce"])
    subprocess.run(["sh"], input=capsys.readouterr().out, text=True, cwd=tmp_path)
    assert not (tmp_path / "PWNED").exists()


def test_a_folder_without_a_record_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(tmp_path)]) == 1
    assert "name the folder of one run" in capsys.readouterr().err


def test_a_damaged_record_is_an_error_that_names_it(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(builder, "memhog")
    (folder / "record.json").write_text("{")
    assert main(["show", str(folder)]) == 1
    assert "record.json" in capsys.readouterr().err


def test_an_arm_is_shown_with_what_it_states_and_as_what_it_was_seen(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    def state(record: dict[str, Any]) -> None:
        record["arm"] = {
            "name": "now",
            "states": {"kernel": "6.12", "guest_settings": {"/proc/sys/vm/swappiness": "1"}},
            "differs": {},
            "shows": {"kernel": "its guests run 6.12.1"},
        }

    assert main(["show", str(run_folder(builder, "memhog", state)), "--width", "160"]) == 0
    out = capsys.readouterr().out
    assert "memhog under now, block 1" in out
    assert "Arm: none with kernel 6.12 (its guests run 6.12.1); guest_settings" in out
    assert "/proc/sys/vm/swappiness=1 (not seen)." in out
