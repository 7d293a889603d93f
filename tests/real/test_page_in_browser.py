"""The page of a report in a real browser: it is laid out, can be sorted, and runs nothing else."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import report_documents

from pythonnogil import _report_document, _report_page

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
LIGHT, DARK = 1, 0
RESULT = re.compile(r'<pre id="result">(.*?)</pre>', re.DOTALL)

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="there is no browser here; --real installs one"),
    pytest.mark.timeout(180),
]


def look(
    folder: Path, document: Any, question: str, width: int = 1280, colours: int = LIGHT
) -> Any:
    """What JavaScript's *question* finds out in the page; the page itself may not complain."""
    script = f"""<script>
const found = (() => {{ {question} }})();
const result = document.createElement("pre");
result.id = "result";
result.textContent = JSON.stringify(found);
document.body.append(result);
</script></body>"""
    page = _report_page.page(_report_document.checked(document))
    file = folder / "page.html"
    file.write_text(page.replace("</body>", script), "utf-8", "backslashreplace")
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--window-size={width},900", f"--blink-settings=preferredColorScheme={colours}"]
    command += [f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr, done.stderr
    match = RESULT.search(done.stdout)
    assert match is not None, done.stdout + done.stderr
    return json.loads(match[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


SORT = """
const [modules, functions] = document.querySelectorAll("table");
const heading = Array.from(modules.tHead.rows[0].cells).find(
    (cell) => cell.textContent === "HEADING");
const orders = [];
for (let click = 0; click < 3; ++click) {
    heading.querySelector("button").click();
    orders.push([heading.getAttribute("aria-sort"),
                 Array.from(modules.tBodies[0].rows, (row) => row.cells[0].textContent)]);
}
return orders;
"""


def test_tables_can_be_sorted(tmp_path: Path) -> None:
    document = report_documents.sample()
    names = [item["name"] for item in document["modules"] if item["entries"] != {"guarded": 0}]
    by_calls = {item["name"]: item["calls"] for item in document["modules"]}
    for heading, first in (("calls", "descending"), ("module", "ascending")):
        orders = look(tmp_path, document, SORT.replace("HEADING", heading))
        assert [order[0] for order in orders[:2]] == sorted(
            ["ascending", "descending"], key=lambda way: way != first
        )
        assert orders[2] == orders[0]
        for way, shown in orders:
            assert set(shown) <= set(names)
            keys = [by_calls[name] if heading == "calls" else name.casefold() for name in shown]
            assert keys == sorted(keys, reverse=way == "descending")


def test_names_stay_data(tmp_path: Path) -> None:
    question = """
return {
    title: document.title,
    scripts: document.scripts.length,
    images: document.images.length,
    bold: document.querySelectorAll("b").length,
    loaded: performance.getEntriesByType("resource").length,
    names: Array.from(document.querySelectorAll("h3"), (item) => item.textContent),
};"""
    found = look(tmp_path, report_documents.hostile(), question)
    assert found["scripts"] == 2  # its own, and the one that asks
    assert (found["images"], found["bold"], found["loaded"]) == (0, 0, 0)
    assert found["names"].count("<script>alert(1)</script>") == 3
    assert found["title"].startswith("pythonnogil: <script>alert(1)</script>")


LAYOUT = """
const box = (item) => item.getBoundingClientRect();
const rows = Array.from(document.querySelectorAll(".row"));
const cut = rows.filter((row) => Array.from(row.children).some(
    (item) => item.scrollWidth > item.clientWidth + 1 && item.tagName === "SPAN"
              && item.className !== "scale"));
const heights = Array.from(document.querySelectorAll(".bar, .strip"), (item) => box(item).height);
const bars = Array.from(document.querySelectorAll(".bar"), (item) => box(item).width);
return {
    wider: document.documentElement.scrollWidth - window.innerWidth,
    cut: cut.map((row) => row.textContent),
    lowest: Math.min(...heights),
    narrowest: Math.min(...bars),
    figures: document.querySelectorAll("figure").length,
};
"""


@pytest.mark.parametrize("width", [500, 900, 1280, 1920])
@pytest.mark.parametrize("name", ["sample", "hostile"])
def test_layout(tmp_path: Path, width: int, name: str) -> None:
    found = look(tmp_path, getattr(report_documents, name)(), LAYOUT, width)
    assert found["wider"] <= 0, "the page itself scrolls sideways"
    assert found["cut"] == []
    assert found["lowest"] > 8
    assert found["narrowest"] > 80
    assert found["figures"] == 3


COLOURS = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgb = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data).slice(0, 3);
};
const colour = (selector, what) => rgb(getComputedStyle(document.querySelector(selector))[what]);
return {
    ground: colour("body", "backgroundColor"),
    text: colour("body", "color"),
    label: colour(".label", "color"),
    late: colour(".late", "color"),
    hold: colour("rect.hold", "fill"),
    wait: colour("rect.wait", "fill"),
    over: [0, 1, 2, 3].map((index) => colour(`rect.over${index}`, "fill")),
};
"""


def brightness(colour: list[int]) -> float:
    """The relative luminance of WCAG 2."""
    parts = [part / 255 for part in colour]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[int], other: list[int]) -> float:
    dark, light = sorted((brightness(one), brightness(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_light_and_dark(tmp_path: Path) -> None:
    grounds = []
    for colours in (LIGHT, DARK):
        found = look(tmp_path, report_documents.sample(), COLOURS, colours=colours)
        grounds.append(brightness(found["ground"]))
        for name in ("text", "label", "late"):
            assert contrast(found[name], found["ground"]) >= 4.5, name
        for shape in (found["hold"], found["wait"], *found["over"]):
            assert contrast(shape, found["ground"]) >= 3, found
    assert grounds[0] > 0.9
    assert grounds[1] < 0.05
