# SPDX-License-Identifier: GPL-2.0-or-later
"""A shell script that starts a run's first guest again, from nothing but its record.

The record may be somebody else's, and people pipe the script into sh. So it is written only if the
command can be nothing but what hintfleet itself starts a guest with: QEMU, found by its name, with
these options and nothing else. QEMU's other options write files, run programs and open networks.
"""

from __future__ import annotations

import re
import shlex

from hintfleet.records.read import Run

LONGEST_WORD = 80
BINARY = re.compile(r"(?:(?:/[A-Za-z0-9._-]+)*/)?qemu-(?:system-[a-z0-9_]+|kvm)")
"""A host says where its QEMU lies; the reader's is what the reader's shell finds by its name."""
SOCKET = re.compile(r"socket,id=(qmp|agent),fd=[0-9]+")
"""The runner hands its sockets over; somebody who types the command has none to hand over."""
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PATH = r"(?:/[A-Za-z0-9_][A-Za-z0-9._+-]*)+"
ALONE = frozenset({"-nodefaults", "-no-user-config", "-no-reboot"})
OPTIONS = {
    option: re.compile(value)
    for option, value in {
        "-name": _NAME,
        "-sandbox": r"on(?:,[a-z]+=deny)*",
        "-M": r"pc(?:,(?:usb|vmport|dump-guest-core)=off|,memory-backend=ram)*",
        "-accel": r"kvm|tcg(?:,tb-size=[0-9]+)?",
        "-cpu": r"host|qemu64|max",
        "-smp": r"[0-9]+",
        "-m": r"[0-9]+M?(?:,maxmem=[0-9]+M)?",
        "-object": r"memory-backend-ram,id=(?:ram|plugged),size=[0-9]+M"
        r"(?:,host-nodes=[0-9]+,policy=bind)?",
        "-display": "none",
        "-vga": "none",
        "-kernel": _PATH,
        "-initrd": _PATH,
        "-append": r"[ -~]*",
        "-chardev": r"stdio,id=console,signal=off"
        # QEMU removes what lies where its socket shall be: only what is called like one may.
        rf"|socket,id=(?:qmp|agent),path={_PATH}\.(?:qmp|agent),server=on,wait=off|{SOCKET.pattern}",
        "-serial": "chardev:console",
        "-mon": "chardev=qmp,mode=control",
        "-device": r"virtio-serial-pci|virtserialport,chardev=agent,name=org\.qemu\.guest_agent\.0"
        r"|virtio-balloon-pci,(?:id=balloon,)?free-page-reporting=(?:on|off)(?:,deflate-on-oom=on)?"
        r"|virtio-blk-pci,drive=(?:swap|files)"
        r"|virtio-mem-pci,id=virtio_mem,memdev=plugged,block-size=2M,requested-size=[0-9]+M",
        "-add-fd": r"fd=[0-9]+,set=[0-9]+",
        "-blockdev": r"file,node-name=(?:swap|files),filename=/dev/fdset/[0-9]+"
        r"(?:,read-only=on,cache\.direct=(?:on|off))?",
    }.items()
}
"""What each option of a guest's command may say; a test holds it to the command that runs make."""


def as_text(run: Run) -> str:
    """The script; comments say whose it is and what it cannot do by itself. What a record can say
    in them is one line each, for its texts are clean."""
    record = run.record
    cell, kernel = record["cell"], record["provenance"]["guest_kernel"]
    lines = [
        "#!/bin/sh",
        f"# {run.run_id} of study {record['study']}, {record['started']}",
        "# Made from a record: its options are those of a guest of hintfleet, its paths and kernel",
        "# parameters are the record's. Read it before you run it, above all if it is not yours.",
        f"# guest kernel {kernel['release']} (sha256 {kernel['sha256']})",
        f"# guest image sha256 {record['provenance']['guest_image']['sha256']}",
        f"# QEMU {record['provenance']['qemu']['version']}; cell {cell['name']}: "
        f"{cell['memory_mib']:g} MiB memory, {cell['swap_mib']:g} MiB swap, node {cell['node']}",
        "# The cell itself (cgroup, swap) is made by the playbooks; to repeat the whole run, take",
        f"# away {run.run_id}/record.json and start the study again. Sockets lie in",
        "# the folder where it is run.",
        "set -eu",
    ]
    if "imported" in record:
        return "\n".join(
            [*lines[:2], "# It was imported: hintfleet knows no command of its guests."]
        )
    if not record["guests"]:
        return "\n".join([*lines, "# The run ended before its first guest was started."])
    command = record["guests"][0]["command_line"]
    foreign = foreign_word(command)
    if foreign is not None:
        said = f"the record holds no command of a guest of hintfleet: {foreign[:LONGEST_WORD]}"
        return "\n".join([*lines, f"echo {shlex.quote(f'hintfleet: {said}')} >&2", "exit 1"])
    return "\n".join([*lines, _wrapped(command)])


def foreign_word(command: list[str]) -> str | None:
    """The first word that hintfleet would not have written; None if all are its own."""
    if not command or not BINARY.fullmatch(command[0]):
        return command[0] if command else "no command"
    words = iter(command[1:])
    for option in words:
        if option in ALONE:
            continue
        value = next(words, "")
        if option not in OPTIONS:
            return option
        if not OPTIONS[option].fullmatch(value):
            return f"{option} {value}"
    return None


def _wrapped(command: list[str]) -> str:
    """One option with its value a line, as people write it."""
    lines = [command[0].rpartition("/")[2]]
    words = iter(command[1:])
    for option in words:
        if option in ALONE:
            lines.append(option)
            continue
        value = SOCKET.sub(r"socket,id=\1,path=guest.\1,server=on,wait=off", next(words))
        lines.append(f"{option} {shlex.quote(value)}")
    return " \\\n    ".join(lines)
