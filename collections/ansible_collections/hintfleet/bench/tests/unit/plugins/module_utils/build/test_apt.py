# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt says is read, and the kernel of the builder's release is chosen by it."""

from __future__ import annotations

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.build import apt

# apt-cache policy linux-source-6.12 linux-source-6.1 busybox-static, Debian 13, shortened. It says
# nothing of names that it has never heard of, and (none) of those that only others mention.
POLICY = """\
linux-source-6.12:
  Installed: (none)
  Candidate: 6.12.117-1
  Version table:
     6.12.117-1 500
linux-source-5.10:
  Installed: (none)
  Candidate: (none)
  Version table:
busybox-static:
  Installed: 1:1.37.0-6+b9
  Candidate: 1:1.37.0-6+b9
"""
DEPENDS = "linux-source\n  Depends: linux-source-6.12\n"


def test_what_has_a_candidate_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    assert apt.parse_policy(POLICY) == {"linux-source-6.12", "busybox-static"}
    monkeypatch.setattr(apt, "run", lambda *_: POLICY)
    names = ["nosuch", "busybox-static", "linux-source-5.10"]
    assert apt.unknown(names) == ["linux-source-5.10", "nosuch"]


def test_the_release_names_its_kernel() -> None:
    assert apt.parse_kernel_series(DEPENDS) == "6.12"
    assert apt.parse_kernel_series("") is None


@pytest.mark.parametrize(
    ("release", "missing", "chosen"),
    [
        ("6.1", [], "6.1"),  # Debian 12, though its security archive has 6.12 beside it
        ("6.12", ["linux-source-6.1"], "6.12"),  # Debian 13
        (None, ["linux-source-6.12"], "6.1"),  # no linux-source, or no lists of it
        ("7.3", [], "6.12"),  # a release we have no patches for, with older sources beside it
        ("7.3", ["linux-source-6.1", "linux-source-6.12"], None),
        ("6.1", ["linux-source-6.1"], "6.12"),
    ],
)
def test_the_kernel_of_the_release_is_built_if_there_are_patches(
    release: str | None, missing: list[str], chosen: str | None
) -> None:
    assert apt.choose_kernel_series(["6.1", "6.12"], release, missing) == chosen
