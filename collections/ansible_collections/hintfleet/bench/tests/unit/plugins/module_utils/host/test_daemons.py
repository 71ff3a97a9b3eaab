# SPDX-License-Identifier: GPL-2.0-or-later
"""Daemons that disturb a study are told by what runs, not by what is installed."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.hintfleet.bench.plugins.module_utils.host import daemons as _daemons


def test_programs_and_scripts_are_recognized(tmp_path: Path) -> None:
    commands = {
        1: "/sbin/init\0",
        7: "/usr/bin/earlyoom\0-r\0003600\0",
        8: "/bin/bash\0/usr/sbin/ksmtuned\0",
        9: "/usr/lib/systemd/systemd-oomd\0",
        10: "grep\0--color\0irqbalance\0",
        11: "",
        12: "/usr/bin/python3\0-Es\0/usr/sbin/tuned\0-l\0-P\0",  # of Debian and Fedora
        13: "/usr/bin/python3.11\0/usr/sbin/nohang\0--monitor\0",
        14: "/usr/bin/vi\0/etc/thermald\0",
        15: "python3\0-m\0numad\0",
        16: "/bin/sh\0-c\0sleep 60\0",
    }
    for number, words in commands.items():
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_text(words)
    assert _daemons.at_work(tmp_path) == [
        "earlyoom",
        "nohang",
        "systemd-oomd",
        "ksmtuned",
        "numad",
        "tuned",
    ]
