"""The plots of the report's page: bars and marks are SVG, and what is to be read is text."""

import math
from collections.abc import Iterator, Sequence

from pythonnogil._markup import Element, extend, node
from pythonnogil._report_document import THRESHOLDS, figures
from pythonnogil._stats import ModuleMeasures as Module
from pythonnogil._units import count, duration, power_of_ten

_MODULES = 15  # more make a plot that nobody reads; the table has them all
_WIDTH, _HEIGHT = 1000, 10  # of a drawing, which is stretched to the room that there is
_LEAST = 5.0  # a bar that stands for something can be seen
_MARK = 4.0  # the width of a mark
_KINDS = ("hold", "wait")


def totals(modules: Sequence[Module]) -> Element:
    """How long each module held the lock and waited for it, in sum."""
    chosen = _most(modules, [_total(item, "hold") + _total(item, "wait") for item in modules])
    largest = max([_total(item, kind) for item in chosen for kind in _KINDS], default=0.0)
    chart = _chart("Time under the lock, and time waiting for it", _legend(_KINDS), chosen, modules)
    for module in chosen:
        rows = [
            _row(kind, _bar(total, largest, kind), duration(total))
            for kind, total in ((kind, _total(module, kind)) for kind in _KINDS)
        ]
        chart.append(_group(module["name"], rows))
    return chart


def waits_over(modules: Sequence[Module]) -> Element:
    """How many waits of each module were longer than 1, 5, 16 and 100 ms."""
    late = [item for item in modules if item["waits_over"]["1ms"]]
    chosen = _most(late, [item["waits_over"]["1ms"] for item in late])
    largest = max([item["waits_over"]["1ms"] for item in chosen], default=0)
    labels = [f"over {_spaced(threshold)}" for threshold in THRESHOLDS]
    chart = _chart("Long waits", _legend(labels, "over"), chosen, late)
    if not chosen:
        extend(chart, (node("p", "No call waited for longer than 1 ms."),))
    for module in chosen:
        numbers = [figures(module, "waits_over")[key] for key in THRESHOLDS]
        rows = [
            _row(label, _bar(number, largest, f"over{index}"), count(number))
            for index, (label, number) in enumerate(zip(labels, numbers, strict=True))
        ]
        chart.append(_group(module["name"], rows))
    return chart


def spread(modules: Sequence[Module]) -> Element:
    """From the median to the longest, on a logarithmic scale."""
    chosen = _most(modules, [item["hold"]["max"] + item["wait"]["max"] for item in modules])
    axis = _Axis([figures(item, kind) for item in chosen for kind in _KINDS])
    title = "Single holds and waits: p50, p99, p99.9, longest"
    chart = _chart(title, _legend(_KINDS), chosen, modules)
    chart.set("class", "spread")
    for module in chosen:
        rows = []
        for kind in _KINDS:
            times = figures(module, kind)
            text = f"{duration(times['p50'])} \N{EN DASH} {duration(times['max'])}"
            rows.append(_row(kind, axis.strip(times, kind), text))
        chart.append(_group(module["name"], rows))
    if chosen:
        chart.append(_row("", axis.scale(), "", "axis"))
    return chart


class _Axis:
    """A logarithmic axis in whole decades, wide enough for all of the times."""

    def __init__(self, all_times: Sequence[dict[str, float]]) -> None:
        marks = [times[key] for times in all_times for key in ("p50", "max")]
        marks = [mark for mark in marks if mark > 0] or [1e-6]
        self._first = math.floor(math.log10(min(marks)))
        self._last = max(math.ceil(math.log10(max(marks))), self._first + 1)

    def strip(self, times: dict[str, float], kind: str) -> Element:
        """A line from the median to the longest, with marks at the percentiles."""
        drawing = _drawing("strip")
        for decade in range(self._first, self._last + 1):
            drawing.append(_rect(self._place(10.0**decade), 1, "grid", 0, _HEIGHT))
        places = [self._place(times[key]) for key in ("p50", "p99", "p99.9", "max")]
        if times["max"] > 0:
            drawing.append(_rect(places[0], places[-1] - places[0], kind, 4, 2))
            for place in places:
                drawing.append(_rect(place - _MARK / 2, _MARK, kind, 1, 8))
        return drawing

    def scale(self) -> Element:
        """The labels of the decades."""
        labels = node("span", class_="scale")
        decades = range(self._first, self._last + 1)
        # So many labels fit side by side on a telephone.
        step = math.ceil(len(decades) / 5)
        for decade in decades[::step]:
            left = 100 * self._place(10.0**decade) / _WIDTH
            labels.append(node("span", power_of_ten(decade), style=f"left: {left:.2f}%"))
        return labels

    def _place(self, seconds: float) -> float:
        if seconds <= 0:
            return 0.0
        part = (math.log10(seconds) - self._first) / (self._last - self._first)
        return _WIDTH * min(max(part, 0.0), 1.0)


def _total(module: Module, kind: str) -> float:
    return float(figures(module, kind)["total"])


def _most(modules: Sequence[Module], weights: Sequence[float]) -> list[Module]:
    pairs = sorted(zip(weights, modules, strict=True), key=lambda pair: -pair[0])
    return [module for weight, module in pairs if weight > 0][:_MODULES]


def _chart(
    title: str, legend: Element, chosen: Sequence[Module], modules: Sequence[Module]
) -> Element:
    left_out = f" The first {len(chosen)} of {len(modules)}." if len(chosen) == _MODULES else ""
    caption = node("figcaption", node("h2", title), *([left_out] if left_out else []), legend)
    return node("figure", caption)


def _legend(labels: Sequence[str], prefix: str = "") -> Element:
    """The colours and what they stand for; the labels of the rows say it too."""
    legend = node("p", class_="legend", aria_hidden="true")
    for index, label in enumerate(labels):
        colour = f"{prefix}{index}" if prefix else label
        sample = _drawing("sample")
        sample.append(_rect(0, _WIDTH, colour, 0, _HEIGHT))
        legend.append(node("span", sample, label))
    return legend


def _group(name: str, rows: Sequence[Element]) -> Element:
    return node("div", node("h3", name), *rows, class_="group")


def _row(label: str, drawing: Element, value: str, class_: str = "") -> Element:
    parts = (node("span", label, class_="label"), drawing, node("span", value, class_="value"))
    return node("div", *parts, class_=f"row {class_}".strip())


def _bar(value: float, largest: float, colour: str) -> Element:
    drawing = _drawing("bar")
    if value > 0:
        drawing.append(_rect(0, max(_WIDTH * value / largest, _LEAST), colour, 0, _HEIGHT))
    return drawing


def _drawing(class_: str) -> Element:
    return node(
        "svg",
        class_=class_,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _rect(x: float, width: float, colour: str, y: float, height: float) -> Element:
    return node(
        "rect", class_=colour, x=f"{x:.2f}", y=f"{y:g}", width=f"{width:.2f}", height=f"{height:g}"
    )


def _spaced(threshold: str) -> str:
    return threshold.replace("ms", " ms")


def charts(modules: Sequence[Module]) -> Iterator[Element]:
    """All of them, for modules that were called."""
    yield totals(modules)
    yield waits_over(modules)
    yield spread(modules)
