# SPDX-License-Identifier: GPL-2.0-or-later
"""The readers fed with what nobody would write: they answer with a named damage, or not at all."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from runpy import run_path
from typing import Any

import cases
import numpy as np
import pytest
from hintfleet.records.observed import observe
from hintfleet.records.read import DamagedError, load_run, load_study
from hintfleet.records.samples import load_samples
from hintfleet.render import console, json_report, terminal
from hintfleet.report.build import build_report
from hintfleet.statistics.replication import Places, Replication, replicated
from hintfleet.statistics.series import histogram_quantile, integral, resample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic import EVERY_WORKLOAD, Builder

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=8)
    | st.sampled_from(["hintfleet.run/1", "none", "memhog", "2026-01-01T00:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@contextmanager
def file_with(content: bytes, name: str = "record.json") -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        yield file


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """One record of each workload."""
    builder, random = Builder(Path()), np.random.default_rng(1)
    return [
        builder.record("local-node0", 1, 1, "page_hinting", workload, random)
        for workload in EVERY_WORKLOAD
    ]


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document."""
    if path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items)[:20]:
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))
        else:
            yield (*path, key)


def usable_or_named(file: Path) -> None:
    """A record is used, and then a whole report stands on it; or its damage is told in full."""
    try:
        run = load_run(file)
    except DamagedError as error:
        assert error.damage.file == file
        assert error.damage.field and error.damage.expected and error.damage.found
        return
    study = load_study(file.parents[2])
    assert [one.run_id for one in study.runs] == [run.run_id]
    report = build_report(observe(study))
    json_report.render(report)
    console.as_text(terminal.render(report, 80, detail=True), 80)


@QUICK
@given(content=st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    with file_with(content) as file, pytest.raises(DamagedError):
        load_run(file)


@QUICK
@given(document=JSON_VALUES)
def test_any_json(document: Any) -> None:
    with file_with(json.dumps(document).encode()) as file, pytest.raises(DamagedError):
        load_run(file)


@QUICK
@given(data=st.data())
def test_any_value_at_any_place(records: list[dict[str, Any]], data: st.DataObject) -> None:
    record = copy.deepcopy(data.draw(st.sampled_from(records)))
    path = data.draw(st.sampled_from(list(places(record))))
    node: Any = record
    for key in path[:-1]:
        node = node[key]
    if isinstance(node, dict) and data.draw(st.booleans()):
        del node[path[-1]]
    else:
        node[path[-1]] = data.draw(JSON_VALUES)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "runs" / "one" / "record.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(record))
        usable_or_named(file)


@QUICK
@given(cut=st.integers(0, 4000))
def test_any_truncation(records: list[dict[str, Any]], cut: int) -> None:
    text = json.dumps(records[0]).encode()
    with file_with(text[: min(cut, len(text) - 1)]) as file, pytest.raises(DamagedError):
        load_run(file)


@QUICK
@given(
    lines=st.lists(
        st.lists(
            st.floats(allow_nan=True, allow_infinity=True).map(repr) | st.text(max_size=5),
            min_size=0,
            max_size=5,
        ).map(",".join),
        max_size=6,
    )
)
def test_any_samples(lines: list[str]) -> None:
    text = "\n".join(["seconds,guest,resident_mib,swap_mib", *lines, ""])
    with file_with(text.encode("utf-8", "surrogatepass"), "samples.csv") as file:
        try:
            samples = load_samples(file)
        except DamagedError as error:
            assert error.damage.field and error.damage.expected
            return
    for column in (samples.seconds, samples.resident_mib, samples.swap_mib):
        assert np.isfinite(column).all() and (column >= 0).all()


def test_a_report_of_records_damaged_one_by_one(builder: Builder) -> None:
    """However many records are lost, the rest is reported."""
    builder.write()
    for lost, file in enumerate(sorted(builder.folder.glob("runs/*/record.json")), 1):
        file.write_text(file.read_text()[:-5])
        if lost % 9:
            continue
        report = build_report(observe(load_study(builder.folder)))
        assert len(report.damages) == lost
        assert console.as_text(terminal.render(report), 80)


FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


def mean_of(values: list[float]) -> Replication:
    same, block = np.zeros(len(values), dtype=np.int64), np.arange(len(values))
    return replicated(np.array(values), Places(same, same, block))


@QUICK
@given(values=st.lists(FINITE, min_size=2, max_size=30))
def test_an_interval_holds_its_mean(values: list[float]) -> None:
    interval = mean_of(values).interval(0.95)
    assert interval is not None
    margin = 1e-9 * max(abs(v) for v in values) + 1e-12
    assert interval.low - margin <= np.mean(values) <= interval.high + margin


@QUICK
@given(values=st.lists(FINITE, min_size=2, max_size=10))
def test_p_is_a_probability_and_blind_to_direction(values: list[float]) -> None:
    p = mean_of(values).guarded_p(0.2)
    assert p is not None and 0 <= p <= 1
    assert p == pytest.approx(mean_of([-value for value in values]).guarded_p(0.2))


@QUICK
@given(
    counts=st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_quantiles_rise_and_stay_in_the_histogram(
    counts: list[int], shares: tuple[float, float]
) -> None:
    bounds = [2.0**k for k in range(len(counts) + 1)]
    low, high = (histogram_quantile(bounds, counts, share) for share in sorted(shares))
    assert bounds[0] <= low <= high * (1 + 1e-12) <= bounds[-1] * (1 + 1e-9)


@QUICK
@given(
    steps=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1e4)), min_size=1, max_size=20),
    split=st.floats(0, 1),
)
def test_an_integral_is_the_sum_of_its_parts(
    steps: list[tuple[float, float]], split: float
) -> None:
    times = np.cumsum([step for step, _ in steps])
    values = np.array([value for _, value in steps])
    end = float(times[-1])
    whole = integral(times, values, end)
    cut = float(times[0]) + split * (end - float(times[0]))
    at_cut = float(np.interp(cut, times, values))
    after = times > cut
    rest = integral(np.append(cut, times[after]), np.append(at_cut, values[after]), end)
    if len(set(times.tolist())) == len(times):
        assert integral(times, values, cut) + rest == pytest.approx(whole, rel=1e-6, abs=1e-6)
    assert resample(times, values, end, 10).size == 10


FUZZ = Path(__file__).parents[1] / "fuzz"
CASES = {"records": 6, "imports": 12, "histories": 6}


@pytest.mark.parametrize("name", CASES)
def test_some_cases_of_a_fuzzer(name: str) -> None:
    """tests/fuzz goes on for as long as it is told."""
    fuzz = run_path(str(FUZZ / f"{name}.py"))
    assert list(cases.failures(fuzz["prepared"], 20191118, iter(range(CASES[name])))) == []


def test_a_fuzzer_sees_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that lets through what it should clean, and one that fails, are both found."""
    fuzz = run_path(str(FUZZ / "records.py"))
    monkeypatch.setattr("hintfleet.commands.report.load_study", lambda folder: 1 // 0)
    (failure,) = cases.failures(fuzz["prepared"], 1, iter([0]))
    assert "ZeroDivisionError" in failure[1]
    monkeypatch.undo()
    monkeypatch.setattr("hintfleet.render.words.plural", lambda count, noun: f"\x1b{noun}")
    (failure,) = cases.failures(fuzz["prepared"], 1, iter([0]))
    assert "WrongError" in failure[1]
