"""Workload: two threads look things up in one shared lxml tree while two run pure Python.

The data is the MIME database of freedesktop.org (Debian: shared-mime-info), 2.4 MB of XML. The
threads index all of it, query it by XPath, and describe the files of Python's own library from it.
The known answers are those of the standard library's `xml.etree`, found on one thread before the
start. The pure Python threads compute the Adler-32 checksum of the database, which zlib knows.
"""

import os
import sysconfig
import xml.etree.ElementTree
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from harness.workload import Plan, WrongResult, expect, run

DATABASE = Path(os.environ.get("MIME_DATABASE", "/usr/share/mime/packages/freedesktop.org.xml"))
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
NAMESPACE = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
TAG = "{" + NAMESPACE["m"] + "}"
LANGUAGES = ["cs", "de", "es", "fr", "it", "ja", "pl", "ru", "uk", "zh_CN"]
WALKS = 3
CHECKSUMS = 3
MAX_FILES = 1000

type Index = dict[str, dict[str, list[str]]]


class Catalogue:
    """The database as a tree, of lxml or of xml.etree: what is used here is the same in both."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.by_suffix: dict[str, Any] = {}
        for mime_type in root.iterfind("m:mime-type", NAMESPACE):
            for glob in mime_type.iterfind("m:glob", NAMESPACE):
                self.by_suffix.setdefault(glob.get("pattern").removeprefix("*"), mime_type)

    def index(self) -> Index:
        """Walk the whole tree and return what it says about each MIME type."""
        index: Index = {}
        for mime_type in self.root.iterfind("m:mime-type", NAMESPACE):
            entry: dict[str, list[str]] = {"comment": [], "glob": [], "alias": []}
            for child in mime_type:
                name = child.tag.removeprefix(TAG)
                if name == "comment":
                    entry[name].append(f"{child.get(LANGUAGE, 'en')}: {child.text}")
                elif name in entry:
                    entry[name].append(child.get("pattern") or child.get("type"))
            index[mime_type.get("type")] = entry
        return index

    def translations(self, language: str) -> dict[str, str]:
        """Return the comments in one language, by XPath, which only lxml has."""
        query = "m:mime-type/m:comment[@xml:lang = $language]"
        comments = self.root.xpath(query, namespaces=NAMESPACE, language=language)
        return {comment.getparent().get("type"): comment.text for comment in comments}

    def describe(self, file: Path) -> str:
        """Say what a file is, such as 'Python script, a kind of text/plain'."""
        mime_type = self.by_suffix.get(file.suffix)
        if mime_type is None:
            return "unknown"
        description, kinds = "", []
        for child in mime_type:
            if child.tag == TAG + "comment" and child.get(LANGUAGE) is None:
                description = child.text
            elif child.tag == TAG + "sub-class-of":
                kinds.append(child.get("type"))
        return f"{description}, a kind of {' and '.join(kinds)}" if kinds else description


def library_files() -> list[Path]:
    """Return files of Python's standard library, always the same ones."""
    library = Path(sysconfig.get_path("stdlib"))
    every = sorted(file.relative_to(library) for file in library.rglob("*.*"))
    own = (file for file in every if not {"__pycache__", "site-packages"} & {*file.parts})
    return list(islice(own, MAX_FILES))


class Known:
    """The known answers, from a catalogue of the standard library's making."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.index = catalogue.index()
        self.translations = {language: self._comments_in(language) for language in LANGUAGES}
        self.files = {file: catalogue.describe(file) for file in library_files()}

    def _comments_in(self, language: str) -> dict[str, str]:
        found = {}
        for name, entry in self.index.items():
            for comment in entry["comment"]:
                if comment.startswith(f"{language}: "):
                    found[name] = comment.removeprefix(f"{language}: ")
        return found


def look_up(catalogue: Catalogue, known: Known) -> Callable[[], None]:
    """Return a job that uses the shared tree in three ways, several times, and compares."""

    def job() -> None:
        for _ in range(WALKS):
            expect_equal("index", catalogue.index(), known.index)
            for language, translations in known.translations.items():
                expect_equal(language, catalogue.translations(language), translations)
            files = {file: catalogue.describe(file) for file in known.files}
            expect_equal("description of files", files, known.files)

    return job


def expect_equal(what: str, found: dict[Any, Any], known: dict[Any, Any]) -> None:
    """Raise `WrongResult`, naming a difference, unless the two dicts are equal."""
    wrong = [key for key in known.keys() | found.keys() if found.get(key) != known.get(key)]
    if wrong:
        raise WrongResult(f"{what}: {len(wrong)} of {len(known)} differ, such as {wrong[0]}")


def adler32(data: bytes) -> int:
    """Return the Adler-32 checksum of `data`, computed in Python alone."""
    low, high = 1, 0
    for byte in data:
        low = (low + byte) % 65521
        high = (high + low) % 65521
    return high << 16 | low


def checksum(data: bytes) -> Callable[[], None]:
    """Return a job that computes the checksum of the database several times."""
    known = zlib.adler32(data)

    def job() -> None:
        for _ in range(CHECKSUMS):
            expect("Adler-32", adler32(data), known)

    return job


def prepare() -> Plan:
    """Import lxml, parse the database once, and plan two threads of each kind."""
    from lxml import etree

    data = DATABASE.read_bytes()
    known = Known(Catalogue(xml.etree.ElementTree.fromstring(data)))
    catalogue = Catalogue(etree.fromstring(data, etree.XMLParser(remove_comments=True)))
    jobs = [look_up(catalogue, known), look_up(catalogue, known), checksum(data), checksum(data)]
    done = f"{len(known.index)} MIME types and {len(known.files)} files, {2 * WALKS} times"
    return Plan(jobs, lambda: done)


if __name__ == "__main__":
    run(prepare)
