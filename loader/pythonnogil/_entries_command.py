"""``python -m pythonnogil entries``."""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pythonnogil import _startup
from pythonnogil._usage import UsageError, options_of, print_lines

if TYPE_CHECKING:
    from pythonnogil._entries import Entry

SCHEMA = 1


class Entries:
    """List the ways into legacy modules, and which of them are guarded.

    usage: python -m pythonnogil entries [--all] [--json] MODULE [MODULE ...]

    Imports the modules, then looks through all objects of the process for function pointers that
    lead into legacy code, and through the imports of the files for functions that take such
    pointers. Each is guarded, or needs no guard, for the reason given, or is not guarded. Prints
    the numbers, and what is not guarded.

      --all    print every pointer
      --json   print every pointer as JSON

    Exit codes: 0 everything is guarded, 1 something is not, 2 the census could not be made.
    """

    FLAGS = ("--all", "--json")
    VALUES = ()

    def __init__(self, arguments: Sequence[str]) -> None:
        options, self.modules = options_of("entries", arguments, self.FLAGS)
        self.all = "--all" in options
        self.json = "--json" in options
        if not self.modules:
            raise UsageError("entries: no module given")

    def __call__(self) -> int:
        self._import_modules()
        from pythonnogil import _entries

        entries = _entries.take_census()
        print_lines([self._document(entries)] if self.json else self._lines(entries))
        return int(any(entry.status == _entries.NOT_GUARDED for entry in entries))

    def _import_modules(self) -> None:
        try:
            if not _startup.installed():
                _startup.use_what_was_asked_for()
        except (ValueError, _startup.HookError) as error:
            raise UsageError(str(error).removeprefix("pythonnogil: ")) from error
        if _startup.mode() == "off" or sys._is_gil_enabled():
            raise UsageError("entries: extensions are left to CPython here, with its GIL")
        for name in self.modules:
            try:
                importlib.import_module(name)
            except Exception as error:
                text = " ".join(str(error).split())
                raise UsageError(f"entries: cannot import {name}: {text}") from error

    def _document(self, entries: "list[Entry]") -> str:
        import json

        document = {
            "schema": SCHEMA,
            "mode": _startup.mode(),
            "modules": self.modules,
            "entries": [entry.as_dict() for entry in entries],
        }
        return json.dumps(document, indent=2)

    def _lines(self, entries: "list[Entry]") -> Iterator[str]:
        images = sorted({entry.image for entry in entries})
        for image in images:
            yield from self._image_lines(image, [item for item in entries if item.image == image])
        if not images:
            yield "No legacy code is loaded."

    def _image_lines(self, image: str, entries: "list[Entry]") -> Iterator[str]:
        from collections import Counter

        counts = Counter(entry.status for entry in entries)
        yield os.path.basename(image)
        for status in ("guarded", "not needed", "not guarded"):
            yield f"  {status:12}{counts[status]:6}"
        reasons = Counter((entry.slot, entry.reason) for entry in entries if entry.reason)
        for (slot, reason), count in sorted(reasons.items()) if not self.all else ():
            yield f"  not needed: {count} x {slot}: {reason}"
        for entry in entries:
            if self.all or entry.status == "not guarded":
                reason = f" ({entry.reason})" if entry.reason else ""
                yield f"  {entry.status}: {entry.owner}, {entry.slot}: {entry.function}{reason}"
