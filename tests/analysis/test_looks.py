# SPDX-License-Identifier: GPL-2.0-or-later
"""A study that goes on until it is settled may look as often as it likes: chance stays chance.

More of it: python benchmarks/looks.py; docs/statistics.md has its table.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from error_rates import MODELS
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.report.build import build_report
from hintfleet.statistics.looks import confidence_of_look
from hintfleet.store.export import export
from hintfleet.store.observed import observe_store
from looks import looked
from scipy import stats
from synthetic import Builder

STUDIES = 15 * int(os.environ.get("HINTFLEET_TRIALS", "1"))
MOST_FALSE = 0.05
LUCK = 0.001


def test_the_chances_of_all_looks_add_up_to_the_stated_one() -> None:
    spent = [1.0 - confidence_of_look(look, 0.95) for look in range(1, 2001)]
    assert spent == sorted(spent, reverse=True)
    assert 0.0499 < sum(spent) <= 0.05


@pytest.mark.parametrize("name", ["normal 2 %", "normal 15 %", "counts that tie"])
def test_equal_arms_are_rarely_called_different_at_any_look(name: str) -> None:
    found = looked(MODELS[name], STUDIES, 1)
    print(f"{name}: {found.false} of {found.studies}, {found.blocks:.1f} blocks")
    assert found.false <= stats.binom.ppf(1 - LUCK, found.studies, MOST_FALSE)


def test_looking_as_often_without_spending_would_be_found() -> None:
    """The counting itself: judged as if each look were the only one, too many are wrong."""
    naive = looked(MODELS["normal 15 %"], 40, 1, spending=False)
    assert naive.false > stats.binom.ppf(0.9, naive.studies, MOST_FALSE)


@pytest.mark.parametrize("way", ["folder", "store"])
def test_a_report_is_as_sure_as_its_looks_need(builder: Builder, way: str, tmp_path: Path) -> None:
    builder.blocks = 6
    folder = builder.write()
    plan = json.loads((folder / "study.json").read_text())
    once = build_report(observe(load_study(folder)))
    (folder / "study.json").write_text(json.dumps({**plan, "looks": [3, 4, 5]}))
    study = load_study(folder)
    observed = observe(study)
    if way == "store":
        export(study, tmp_path / "store", keep_samples=False)
        observed = observe_store(tmp_path / "store")
    report = build_report(observed)
    assert report.looks == 3 and any("looked 3 times" in note for note in report.notes)
    for name, result in once.memhog.items():
        figure = result.figures.get("last_guest_vs_none")
        if figure is not None:
            wider = report.memhog[name].figures["last_guest_vs_none"].interval
            assert figure.interval is not None and wider is not None
            assert wider.confidence == pytest.approx(confidence_of_look(3, 0.95))
            assert wider.low < figure.interval.low and figure.interval.high < wider.high
