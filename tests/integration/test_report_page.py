"""The page of a report: it stands alone, is put together rightly, and what it shows is data."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import report_documents
from page_checker import Page
from processes import run_python

from pythonnogil import _report_document, _report_page
from pythonnogil._text_table import printable

DOCUMENTS = {
    "sample": report_documents.sample,
    "hostile": report_documents.hostile,
    "empty": report_documents.document,
}


def page_of(document: dict[str, Any]) -> Page:
    return Page(_report_page.page(_report_document.checked(document)))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_it_is_put_together_rightly_and_stands_alone(name: str) -> None:
    page = page_of(DOCUMENTS[name]())
    assert page.wrong == []
    for text in page.verbatim.values():
        assert not re.search(r"url\(|@import|https?:|import\(|fetch|XMLHttp|WebSocket", text)
    policy = dict((value, tag) for tag, name, value in page.attributes if name == "content")
    assert any(value.startswith("default-src 'none'; ") for value in policy)
    assert {tag for tag in page.count if page.count[tag] == 1} >= {"html", "head", "title", "main"}


def test_names_are_data() -> None:
    ordinary = page_of(report_documents.sample())
    page = page_of(report_documents.hostile())
    assert page.count.keys() <= ordinary.count.keys()
    assert page.count["script"] == page.count["style"] == 1
    shown = set(page.texts)
    for name in report_documents.HOSTILE:
        assert printable(name) in shown
        assert printable(f"{name}.{name}") in shown
    assert all(text.replace("\n", "").isprintable() for text in page.texts)
    assert page.verbatim == ordinary.verbatim


def test_it_shows_what_was_measured() -> None:
    page = page_of(report_documents.sample())
    texts = set(page.texts)
    for text in ("lxml.etree", "gmpy2.gmpy2.mpz.__add__", "322,544", "145 s", "25.7%", "1,612"):
        assert text in texts
    assert "2 not guarded, and need not be" in texts
    assert page.count["table"] == 3
    assert page.count["figure"] == 3


def test_bars_are_as_long_as_what_they_stand_for() -> None:
    slow = report_documents.function("slow", 10, 10, 1e-3, 1e-3)
    fast = report_documents.function("fast", 10, 10, 1e-3, 1e-3)
    modules = [report_documents.module("slow", slow), report_documents.module("fast", fast)]
    for found, total in zip(modules, (4.0, 1.0), strict=True):
        found["hold"]["total"] = total
        found["wait"]["total"] = 0.0
    page = page_of(report_documents.document(*modules))
    widths = [
        float(width[2])
        for colour, width in zip(page.attributes, page.attributes[3:], strict=False)
        if colour == ("rect", "class", "hold") and width[1] == "width" and width[2] != "4.00"
    ]
    legend, longest, shorter = widths[:3]
    assert (legend, longest, shorter) == (1000, 1000, 250)


def test_figures_are_sorted_as_figures() -> None:
    page = page_of(report_documents.sample())
    keys = [float(value) for _, name, value in page.attributes if name == "data-key"]
    assert 30_112_004 in keys
    assert any(0 < key < 1e-6 for key in keys)


def test_command(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report_documents.hostile()))
    words = ["-m", "pythonnogil", "report", file, "--html", "page.html"]
    assert run_python(*words, cwd=tmp_path).lines() == []
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == _report_page.page(_report_document.read(str(file)))
    assert Page(text).wrong == []
