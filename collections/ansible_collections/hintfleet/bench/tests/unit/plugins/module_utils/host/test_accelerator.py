# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether KVM is of use, with guests that answer when the test says so."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError, GuestError
from ansible_collections.hintfleet.bench.plugins.module_utils.host import (
    accelerator as _accelerator,
)
from ansible_collections.hintfleet.bench.plugins.module_utils.host.accelerator import Booted, decide


class Guests:
    """Guests under KVM and under tcg: an answer, an error, or nothing until they are stopped."""

    def __init__(self, **answers: Booted | GuestError | None) -> None:
        self._answers = answers
        self._stopped = threading.Event()

    def boot(self, accelerator: str, deadline: float) -> Booted:
        answer = self._answers[accelerator]
        if answer is None:
            self._stopped.wait(deadline)
            raise GuestError("never_up", f"{accelerator} stayed silent.", "it stayed silent")
        if isinstance(answer, GuestError):
            raise answer
        return answer

    def decide(self, wanted: str) -> _accelerator.Decision:
        return decide(wanted, 60, self.boot, self._stopped.set)


@pytest.fixture(autouse=True)
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a /dev/kvm, whatever it is worth, and little patience."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(_accelerator, "KVM", device)
    monkeypatch.setattr(_accelerator, "PATIENCE_SECONDS", 0.05)
    return device


def test_kvm_is_taken_if_a_guest_under_it_answers() -> None:
    found = Guests(kvm=Booted(1.2, "6.1"), tcg=None).decide("auto")
    assert found.accelerator == "kvm"
    assert found.guest.kernel_release == "6.1"


def test_kvm_that_hangs_is_not_waited_for_longer_than_emulation_warrants() -> None:
    found = Guests(kvm=None, tcg=Booted(0.1, "6.1")).decide("auto")
    assert found.accelerator == "tcg"
    assert "had not answered" in found.reason
    assert found.guest.seconds == 0.1


def test_kvm_that_fails_is_named() -> None:
    refused = GuestError("never_up", "A long sentence.", "permission denied")
    found = Guests(kvm=refused, tcg=Booted(4, "6.1")).decide("auto")
    assert found.accelerator == "tcg"
    assert "permission denied" in found.reason


def test_no_device_no_kvm(kvm: Path) -> None:
    kvm.unlink()
    assert Guests(tcg=Booted(4, "6.1")).decide("auto").reason == f"This host has no {kvm}."


def test_no_guest_at_all_is_an_error() -> None:
    broken = GuestError("never_up", "Guest probe-tcg failed: it stayed silent.")
    with pytest.raises(BenchError, match=r"neither under KVM nor .*probe-tcg failed"):
        Guests(kvm=broken, tcg=broken).decide("auto")
    with pytest.raises(GuestError):
        Guests(kvm=broken).decide("kvm")
