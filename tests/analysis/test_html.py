# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTML report: complete, self-contained, well formed, and safe against what records say."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hintfleet.cli import main
from hintfleet.records.observed import observe
from hintfleet.records.read import load_study
from hintfleet.render import html
from hintfleet.render.doubts import doubts
from hintfleet.report.build import Report, build_report
from synthetic import Builder

VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}


class Checker(HTMLParser):
    """Collects what must hold for any page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.mismatches: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._look_at(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._look_at(attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.mismatches.append(tag)

    def _look_at(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "data"):
                self.addresses.append(value or "")


@pytest.fixture(scope="module")
def page(laptop_report: Report) -> str:
    return html.render(laptop_report)


def test_the_page_is_well_formed_and_loads_nothing(page: str) -> None:
    checker = Checker()
    checker.feed(page)
    assert checker.mismatches == [] and checker.open == []
    assert len(checker.ids) == len(set(checker.ids)), "an id twice"
    assert all(address.startswith("#") for address in checker.addresses)
    assert "script" not in checker.tags
    assert not re.search(r"url\((?!#)", page) and "@import" not in page


def test_every_plot_has_its_numbers_beside_it(page: str) -> None:
    sections = page.split('<section class="plot">')[1:]
    assert len(sections) == 6
    for section in sections:
        own = section.split("</section>")[0]
        assert own.count("<svg") == own.count("<figcaption>") == own.count("<details>") == 1
        assert "<tbody>" in own


def test_plots_take_their_colours_from_the_page(page: str) -> None:
    svgs = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(svgs) == 6
    for svg in svgs:
        assert "var(--ink)" in svg
        drawn = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg))
        assert drawn <= {"#000000"}, "a colour that dark mode cannot change"


def test_the_same_study_gives_the_same_bytes(laptop_report: Report, page: str) -> None:
    assert html.render(laptop_report) == page


def test_verdicts_are_the_same_as_in_the_other_formats(laptop_report: Report, page: str) -> None:
    text = re.sub(r"\s+", " ", page)
    assert laptop_report.answer in text
    for doubt in doubts(laptop_report):
        assert doubt.reason in text and all(place in text for place in doubt.places[:2])
        assert doubt.next_step in text


def test_what_a_record_says_is_text_and_never_markup(
    builder: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    builder.write()
    file = builder.folder / "runs" / "local-node0.b1.none.memhog" / "record.json"
    record: dict[str, Any] = json.loads(file.read_text())
    evil = "<script>alert(1)</script>"
    record["outcome"] = {"status": "failed", "reason": evil}
    record["provenance"]["host"]["cpu_model"] = evil
    record["cell"]["name"] = evil
    file.write_text(json.dumps(record))
    target = builder.root / "report.html"
    main(["report", str(builder.folder), "--format", "html", "--output", str(target)])
    page = target.read_text()
    assert "<script" not in page and "&lt;script&gt;" in page


def test_one_workload_alone_makes_a_page(builder: Builder) -> None:
    builder.workloads = ("consolidation",)
    page = html.render(build_report(observe(load_study(builder.write()))))
    assert page.count("<svg") == 2


def test_markdown_tables_are_tables(laptop: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    main(["report", str(laptop), "--format", "markdown", "--output", str(target)])
    blocks = [b for b in target.read_text().split("\n\n") if b.startswith("|")]
    assert len(blocks) == 6
    for block in blocks:
        lines = block.strip().split("\n")
        assert len({line.count("|") for line in lines}) == 1
        assert len({len(line) for line in lines}) == 1, "padded, so that it reads as text"
