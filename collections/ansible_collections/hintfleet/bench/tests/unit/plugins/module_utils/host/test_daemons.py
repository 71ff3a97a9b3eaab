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
    }
    for number, words in commands.items():
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_text(words)
    assert _daemons.at_work(tmp_path) == ["earlyoom", "systemd-oomd", "ksmtuned"]
