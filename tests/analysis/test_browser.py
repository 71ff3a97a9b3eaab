# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTML report in headless Chromium: on a desk, on a phone, in the dark.

Needs Debian's chromium. It is looked at by the pixels and by the page as the browser laid it out.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from hintfleet.cli import main
from numpy.typing import NDArray
from synthetic import Builder, twelve

pytestmark = pytest.mark.browser

DEADLINE_SECONDS = 120
MEASURE = """<script>
addEventListener("load", () => {
  const svgs = [...document.querySelectorAll("figure svg")];
  const wide = [...document.querySelectorAll("body *")].filter(e =>
    e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".wide") && !e.closest("svg")
    && !e.closest("details:not([open])"));
  const small = svgs.flatMap(s => [...s.querySelectorAll("text")]).filter(t =>
    t.getBoundingClientRect().height < 7);
  document.documentElement.dataset.measured = JSON.stringify({
    answer: document.querySelector(".answer").getBoundingClientRect().top,
    svgs: svgs.map(s => Math.round(s.getBoundingClientRect().width)),
    cut: document.querySelector("#summary .wide").scrollWidth
      - document.querySelector("#summary .wide").clientWidth,
    first: document.querySelector("main").firstElementChild.className,
    beside: svgs[0].getBoundingClientRect().top === svgs[1].getBoundingClientRect().top,
    wide: wide.map(e => e.tagName + "." + e.className), small: small.length, inner: innerWidth });
});
</script>"""


def chromium(page: Path, *options: str) -> str:
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    ended = subprocess.run(
        [*command, f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    return ended.stdout


@pytest.fixture
def page(builder: Builder) -> Path:
    builder.write()
    target = builder.root / "report.html"
    assert main(["report", str(builder.folder), "--format", "html", "--output", str(target)]) == 0
    return target


def measured(page: Path, width: int) -> dict[str, object]:
    """Lays the page out in a window of this width and reads its measures back."""
    import json

    copy = page.with_name("measured.html")
    inner = f'<iframe src="{page.with_name("inner.html").name}"'
    page.with_name("inner.html").write_text(
        page.read_text().replace("</body>", MEASURE + "</body>")
    )
    # Chromium has no window below 500 pixels; a frame can be as narrow as a phone
    copy.write_text(
        f'<!DOCTYPE html>{inner} width="{width}" height="900" style="border:0"></iframe>'
        "<script>addEventListener('load', () => { document.body.dataset.measured = "
        "document.querySelector('iframe').contentDocument.documentElement.dataset.measured; })"
        "</script>"
    )
    dom = chromium(
        copy,
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
        "--dump-dom",
        "--window-size=1200,1000",
    )
    found = re.search(r'<body data-measured="([^"]*)"', dom)
    assert found, dom[:500]
    return dict(json.loads(found.group(1).replace("&quot;", '"')))


@pytest.fixture
def page_of_many(builder: Builder) -> Path:
    twelve(builder)
    target = builder.root / "report.html"
    assert main(["report", str(builder.folder), "--format", "html", "--output", str(target)]) == 0
    return target


@pytest.mark.parametrize("width", [360, 800, 1100])
def test_twelve_arms_have_room(page_of_many: Path, width: int) -> None:
    seen = measured(page_of_many, width)
    assert seen["wide"] == [], "an element reaches beyond the window"
    assert seen["cut"] == 0, "a figure of the first table is out of sight"
    assert seen["small"] == 0, "text of a plot too small to read"
    assert seen["first"] == "picture", "the page does not begin with the picture of the answer"
    assert seen["beside"] == (width == 1100), "two pictures have room beside each other on a desk"


@pytest.mark.parametrize("width", [360, 800, 1100])
def test_nothing_is_cut_off_or_too_small(page: Path, width: int) -> None:
    seen = measured(page, width)
    assert seen["inner"] == width
    assert seen["wide"] == [], "an element reaches beyond the window"
    assert seen["cut"] == 0, "a mechanism of the first table is out of sight"
    assert seen["small"] == 0, "text of a plot too small to read"
    widths = seen["svgs"]
    assert isinstance(widths, Sequence) and len(widths) == 6
    # the first two are beside each other where there is room
    assert all(min(width, 704) * 0.8 <= one <= width for one in widths[2:])
    assert all(min(width, 550) * 0.8 <= one <= width for one in widths[:2])
    assert isinstance(seen["answer"], int | float) and seen["answer"] < 200


def screenshot(page: Path, name: str, *options: str) -> NDArray[np.float64]:
    target = page.with_name(name)
    chromium(page, "--window-size=1000,1600", f"--screenshot={target}", *options)
    return np.asarray(matplotlib.image.imread(target), dtype=np.float64)[..., :3]


def contrast(picture: NDArray[np.float64]) -> float:
    """Contrast of the strongest ink against the commonest colour (WCAG 2.1, 1.4.3)."""
    pixels = picture.reshape(-1, 3)
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    light = linear @ np.array([0.2126, 0.7152, 0.0722])
    paper = float(np.median(light))
    distances = (np.maximum(light, paper) + 0.05) / (np.minimum(light, paper) + 0.05)
    return float(distances.max())


def test_light_and_dark_are_both_readable(page: Path) -> None:
    light = screenshot(page, "light.png")
    dark = screenshot(
        page, "dark.png", "--force-dark-mode", "--blink-settings=preferredColorScheme=0"
    )
    assert np.median(light) > 0.9 and np.median(dark) < 0.2
    assert contrast(light) > 7 and contrast(dark) > 7
    half = light.shape[0] // 2
    # the plots lie in the lower half: ink of theirs must follow the scheme too
    assert contrast(light[half:]) > 7 and contrast(dark[half:]) > 7
