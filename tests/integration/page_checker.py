"""Reads a page as a browser would, and tells what is wrong with it."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input", "base"}
# What a page must not have, because a browser fetches or runs something for it.
FOREIGN = {"link", "img", "iframe", "object", "embed", "base", "form", "image", "use", "a"}
FETCHING = {"src", "href", "xlink:href", "srcset", "action", "data", "poster", "background"}
# Which elements may hold these; enough to find a table or list that is put together wrongly.
PARENTS = {
    "tr": {"thead", "tbody"},
    "th": {"tr"},
    "td": {"tr"},
    "tbody": {"table"},
    "thead": {"table"},
    "caption": {"table"},
    "dt": {"div"},
    "dd": {"div"},
    "figcaption": {"figure"},
    "summary": {"details"},
    "rect": {"svg"},
    "title": {"head"},
    "style": {"head"},
    "main": {"body"},
}


class Page(HTMLParser):
    """The elements of a page, its texts, and what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.count: dict[str, int] = {}
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.verbatim: dict[str, str] = {}
        self._open: list[str] = []
        if not text.startswith("<!DOCTYPE html>\n"):
            self.wrong.append("no document type")
        self.feed(text)
        self.close()
        self.wrong += [f"{tag} is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        parent = self._open[-1] if self._open else ""
        if tag in PARENTS and parent not in PARENTS[tag]:
            self.wrong.append(f"{tag} in {parent}")
        if tag in FOREIGN:
            self.wrong.append(f"an element {tag}")
        for name, value in attrs:
            if name in FETCHING or name.startswith("on"):
                self.wrong.append(f"{tag} has {name}={value}")
            self.attributes.append((tag, name, value or ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"{tag} ends where it did not begin")

    def handle_data(self, data: str) -> None:
        tag = self._open[-1] if self._open else ""
        if tag in ("script", "style"):
            self.verbatim[tag] = self.verbatim.get(tag, "") + data
        elif data.strip():
            self.texts.append(data)
