"""MarkupSafe: each thread escapes its own text; the package shares nothing but constants."""

import html

import crowd
import stage

speedups = stage.load("markupsafe._speedups")


class Link:
    """An object that brings its own markup."""

    def __html__(self) -> str:
        return "<a>here</a>"


def escape(number: int) -> int:
    wrong = 0
    text = f"<p class=\"{number}\">Tom & Jerry's</p>" * 20
    known = html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    for _ in crowd.rounds():
        wrong += str(speedups.escape(text)) != known
        wrong += str(speedups.escape(Link())) != "<a>here</a>"
        wrong += str(speedups.escape_silent(None)) != ""
    return wrong


crowd.report(crowd.wrong(escape))
