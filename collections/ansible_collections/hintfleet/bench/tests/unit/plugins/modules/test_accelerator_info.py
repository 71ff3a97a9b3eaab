# SPDX-License-Identifier: GPL-2.0-or-later
"""Arms are tried before any run: every one that a guest does not show is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hintfleet.bench.plugins.module_utils.errors import BenchError
from ansible_collections.hintfleet.bench.plugins.modules import accelerator_info as module

PATH = "/sys/module/page_reporting/parameters/page_reporting_delay_ms"


class Prober:
    """Tries arms in a guest that has no file but one."""

    def __init__(self) -> None:
        self.tried: list[tuple[str, str, str]] = []

    def try_arm(self, arm: Any, accelerator: str, kernel: dict[str, Any], deadline: float) -> None:
        self.tried.append((arm.name, accelerator, kernel["path"]))
        if PATH in arm.states.get("guest_settings", {}):
            raise BenchError(f"The arm states {PATH}, and guest probe-arm does not have it.")


def arm(name: str, states: dict[str, Any], kernel: str = "/k") -> dict[str, Any]:
    return {
        "name": name,
        "mechanism": "free_page_reporting",
        "states": states,
        "guest_kernel": {"path": kernel, "manifest": {}},
    }


@pytest.fixture
def prober(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "check_artifact", lambda *_: None)
    return Prober()


def asked(*arms: dict[str, Any]) -> dict[str, Any]:
    image = {"path": "/i/initramfs.img", "manifest": {}}
    return {"arms": list(arms), "guest_image": image, "deadline_seconds": 9.0}


def test_each_arm_is_tried_with_its_own_kernel(prober: Any) -> None:
    arms = [arm("a", {"guest_thp": "never"}), arm("b", {"kernel": "6.12"}, "/other")]
    module._try_arms(asked(*arms), prober, "tcg")
    assert prober.tried == [("a", "tcg", "/k"), ("b", "tcg", "/other")]


def test_all_that_lack_something_are_named(prober: Any) -> None:
    arms = [arm(name, {"guest_settings": {PATH: "250"}}) for name in ("first", "second")]
    with pytest.raises(BenchError) as error:
        module._try_arms(asked(*arms, arm("c", {})), prober, "tcg")
    for name in ("Arm first was tried", "Arm second was tried", PATH):
        assert name in str(error.value)
    assert len(prober.tried) == 3


def test_a_kernel_that_is_not_there_is_the_arms_fault(tmp_path: Path) -> None:
    gone = arm("a", {"kernel": "6.12"}, str(tmp_path / "gone"))
    gone["guest_kernel"]["manifest"] = {"key": "", "release": "", "sha256": "", "debug_options": []}
    with pytest.raises(BenchError, match=r"Arm a was tried in a guest\. Host has no guest kernel"):
        module._try_arms(asked(gone), Prober(), "tcg")  # type: ignore[arg-type]
