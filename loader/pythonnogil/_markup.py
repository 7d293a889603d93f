"""HTML as a tree of elements: what is put into it is data and cannot become markup."""

from collections.abc import Iterator
from xml.etree import ElementTree

from pythonnogil._text_table import printable

Element = ElementTree.Element
Content = str | Element


def node(tag: str, *contents: Content, **attributes: str) -> Element:
    """An element. Of the names of attributes ``class_`` is class, and ``aria_label`` aria-label."""
    names = {name: name.rstrip("_").replace("_", "-") for name in attributes}
    element = Element(tag, {names[key]: printable(text) for key, text in attributes.items()})
    extend(element, contents)
    return element


def extend(element: Element, contents: "tuple[Content, ...] | Iterator[Content]") -> None:
    """Put texts and elements behind what the element already holds."""
    for item in contents:
        if isinstance(item, Element):
            element.append(item)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + printable(item)
        else:
            element.text = (element.text or "") + printable(item)


def verbatim(tag: str, text: str) -> Element:
    """A script or a style sheet, which comes with the package and is no data."""
    element = Element(tag)
    element.text = text
    return element


def serialized(root: Element) -> str:
    """The whole document."""
    text = ElementTree.tostring(root, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{text}\n"
