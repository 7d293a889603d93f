"""The story's results as a bar chart in SVG: one panel for each workload, one bar for each mode.

A bar is as long as the speed against stock CPython. Runs that did not come to the right result have
no bar but words. Colours follow the reader's light or dark preference; none carries meaning alone.
"""

from collections.abc import Iterable
from html import escape

from harness.configurations import GUARDED, STOCK
from harness.result import Result, Runs
from harness.trial import Outcome

WIDTH = 760
MARGIN = 24
BAR_LEFT = 204
BAR_RIGHT = WIDTH - 150
ROW = 30
BAR = 18
PANEL_HEAD = 62
PANEL_GAP = 18
TITLE = 52
FOOTER = 40
SUBTITLE = (
    "Speed against stock CPython; longer is faster."
    " gil, strict-nogil and unsafe-nogil are the modes of pythonnogil."
)

STYLE = """
text { font: 14px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328; }
.paper { fill: #ffffff; stroke: #d0d7de; }
.title { font-size: 17px; font-weight: 600; }
.package { font-weight: 600; }
.quiet { font-size: 12px; fill: #59636e; }
.bar { fill: #a5b1bd; }
.guarded { fill: #1f7a4d; }
.strong { font-weight: 600; }
.bad { fill: #b3261e; font-weight: 600; }
.stock { stroke: #59636e; stroke-dasharray: 3 3; }
.value { paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .paper { fill: #0d1117; stroke: #30363d; }
  .quiet { fill: #9198a1; }
  .bar { fill: #59636e; }
  .guarded { fill: #3fb27f; }
  .bad { fill: #ff8f85; }
  .stock { stroke: #9198a1; }
  .value { stroke: #0d1117; }
}
"""


def draw(results: list[Result], footer: str) -> str:
    """Return the chart of `results` as the text of an SVG file."""
    body: list[str] = []
    top = MARGIN + TITLE
    scale = (BAR_RIGHT - BAR_LEFT) / _longest(results)
    for result in results:
        body += _panel(result, top, scale)
        top += PANEL_HEAD + ROW * len(result.runs) + PANEL_GAP
    height = top + FOOTER - PANEL_GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" role="img">',
        f"<title>{escape(_summary(results))}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _text(MARGIN, MARGIN + 14, "Legacy extensions on free-threaded CPython", "title"),
        _text(MARGIN, MARGIN + 36, SUBTITLE, "quiet"),
    ]
    return "\n".join([*head, *body, _text(MARGIN, height - 20, footer, "quiet"), "</svg>", ""])


def _longest(results: Iterable[Result]) -> float:
    speeds = [result.speed(runs) or 1.0 for result in results for runs in result.runs]
    return max([1.0, *speeds])


def _summary(results: Iterable[Result]) -> str:
    """Say in words what the chart shows, for those who do not see it."""
    return "; ".join(
        f"{result.workload.package}, {runs.configuration.name}: {_words(result, runs)}"
        for result in results
        for runs in result.runs
    )


def _panel(result: Result, top: float, scale: float) -> list[str]:
    """Draw one workload: its name, a line at the speed of stock CPython, and its bars."""
    workload = result.workload
    rows_top = top + PANEL_HEAD - 14
    lines = [
        _text(MARGIN, top + 14, f"{workload.package} ({workload.origin})", "package"),
        _text(MARGIN, top + 33, workload.story, "quiet"),
    ]
    if result.speed(result.of(STOCK)) is not None:
        x, bottom = BAR_LEFT + scale, rows_top + ROW * len(result.runs)
        lines.append(f'<path class="stock" d="M{x:.1f} {rows_top:.1f}V{bottom:.1f}"/>')
    for number, runs in enumerate(result.runs):
        lines += _row(result, runs, rows_top + number * ROW, scale)
    return lines


def _row(result: Result, runs: Runs, top: float, scale: float) -> list[str]:
    """Draw one configuration: a bar and its figures if the runs were right, else words."""
    middle = top + ROW / 2 + 5
    guarded = runs.configuration is GUARDED
    emphasis = "strong" if guarded else ""
    lines = [
        _text(MARGIN, middle, runs.configuration.name, emphasis),
        _text(BAR_LEFT - 12, middle, f"GIL {runs.gil()}", "quiet", anchor="end"),
    ]
    speed = result.speed(runs)
    if speed is None:
        kind = "bad" if runs.worst().outcome not in (Outcome.REFUSED, Outcome.RIGHT) else ""
        return [*lines, _text(BAR_LEFT + 4, middle, _words(result, runs), f"value {kind}")]
    bar = (
        f'<rect class="{"guarded" if guarded else "bar"}" x="{BAR_LEFT}"'
        f' y="{top + (ROW - BAR) / 2:.1f}" width="{speed * scale:.1f}" height="{BAR}" rx="2"/>'
    )
    end = BAR_LEFT + speed * scale + 8
    return [*lines, bar, _text(end, middle, _words(result, runs), f"value {emphasis}")]


def _words(result: Result, runs: Runs) -> str:
    """Say how the runs ended: with their speed and time if they were right."""
    speed = result.speed(runs)
    if runs.seconds is None or speed is None:
        return runs.result()
    return f"{speed:.2f} \N{MULTIPLICATION SIGN}  ({runs.seconds:.2f} s)"


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" class="{kind.strip()}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(text)}</text>"
