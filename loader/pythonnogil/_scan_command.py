"""``python -m pythonnogil scan``."""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pythonnogil._usage import UsageError, complain, options_of, print_lines

if TYPE_CHECKING:
    from pythonnogil._porting import Porting
    from pythonnogil._scan import Finding
    from pythonnogil._scan_targets import Candidate

SCHEMA = 1
_BAR_WIDTH = 30
_MANY = 20  # files from which on a scan shows how far it is
_INDENT = "    "
_NAME_WIDTH = 40  # of a variable; C++ has names of hundreds of letters


class Scan:
    """Tell which extensions are legacy, without importing them.

    usage: python -m pythonnogil scan [OPTION ...] TARGET [TARGET ...]
           python -m pythonnogil scan [OPTION ...] --environment

    TARGET is an extension's file, a wheel, a folder, or the name of an installed package. Each
    extension gets one of these verdicts, with the reason and what it was made with:

      declared            it declares that it is safe without the GIL
      explicitly not      legacy: it declares that it needs the GIL
      undeclared          legacy: it declares nothing
      unknown until run   its declaration is made at run time; --probe asks it
      wrong ABI           this interpreter cannot load it

    For a module that is not declared safe follows what porting it faces, and the scope of the
    lock that would do for it.

      --environment     everything that this interpreter can import
      --probe           load files that are unknown until run, in child processes, and ask them
      --limit SECONDS   how long one probe may take (default 10)
      --legacy          leave out what is declared
      --json            print JSON

    Exit codes: 0 nothing legacy, 1 something legacy or unknown, 2 something could not be read.
    """

    FLAGS = ("--environment", "--probe", "--legacy", "--json")
    VALUES = ("--limit",)

    def __init__(self, arguments: Sequence[str]) -> None:
        options, self.targets = options_of("scan", arguments, self.FLAGS, self.VALUES)
        self.flags = {name: name in options for name in self.FLAGS}
        self.limit = _seconds(options.get("--limit", "10"))
        if bool(self.targets) == self.flags["--environment"]:
            raise UsageError("scan: name something to scan, or --environment")

    def __call__(self) -> int:
        from pythonnogil import _scan

        errors: list[tuple[str, str]] = []
        findings = list(self._findings(self._candidates(), errors))
        self._show(findings, errors)
        undecided = (*_scan.LEGACY, _scan.Verdict.UNKNOWN)
        return 2 if errors else int(any(item.verdict in undecided for item in findings))

    def _candidates(self) -> "list[Candidate]":
        from pythonnogil import _scan_targets

        if self.flags["--environment"]:
            found = _scan_targets.environment()
        else:
            found = [item for name in self.targets for item in _scan_targets.candidates(name)]
        return list({item.path: item for item in found}.values())

    def _findings(
        self, candidates: "list[Candidate]", errors: list[tuple[str, str]]
    ) -> "Iterator[Finding]":
        from pythonnogil import _scan

        progress = _Progress(len(candidates))
        for candidate in candidates:
            progress.step(candidate.path)
            try:
                finding = _scan.examine_file(candidate.path, candidate.read())
            except (OSError, _scan.ElfError) as error:
                text = error.strerror if isinstance(error, OSError) and error.strerror else error
                errors.append((candidate.path, str(text)))
                continue
            if finding is None and candidate.path in self.targets:
                errors.append((candidate.path, "is no extension: it has no init function"))
            elif finding is not None:
                yield self._probed(finding, candidate)
        progress.end()

    def _probed(self, finding: "Finding", candidate: "Candidate") -> "Finding":
        from pythonnogil import _scan

        if not self.flags["--probe"] or finding.verdict is not _scan.Verdict.UNKNOWN:
            return finding
        return _scan.after_probe(finding, candidate, self.limit)

    def _show(self, findings: "list[Finding]", errors: list[tuple[str, str]]) -> None:
        from pythonnogil import _scan

        if self.flags["--legacy"]:
            findings = [item for item in findings if item.verdict is not _scan.Verdict.DECLARED]
        print_lines([_json(findings, errors)] if self.flags["--json"] else _lines(findings))
        for path, text in errors:
            complain(f"scan: {path}: {text}")


class _Progress:
    """How far a long scan is, on a terminal only."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._shown = total >= _MANY and sys.stderr is not None and sys.stderr.isatty()

    def step(self, path: str) -> None:
        if self._shown:
            full = _BAR_WIDTH * self._done // self._total
            bar = "#" * full + "." * (_BAR_WIDTH - full)
            name = os.path.basename(path)[:30]
            text = f"\r[{bar}] {self._done}/{self._total} {name:30}"
            print(text, end="", file=sys.stderr, flush=True)
        self._done += 1

    def end(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _seconds(text: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < 1e6:
        raise UsageError("scan: --limit needs a number of seconds")
    return limit


def _json(findings: "list[Finding]", errors: list[tuple[str, str]]) -> str:
    import json

    document = {
        "schema": SCHEMA,
        "summary": _counts(findings),
        "files": [item.as_dict() for item in findings],
        "errors": [{"path": path, "error": text} for path, text in errors],
    }
    return json.dumps(document, indent=2)


def _counts(findings: "list[Finding]") -> dict[str, int]:
    from collections import Counter

    return dict(sorted(Counter(str(item.verdict) for item in findings).items()))


def _lines(findings: "list[Finding]") -> Iterator[str]:
    for item in findings:
        yield f"{item.path}: {item.verdict}"
        yield f"{_INDENT}{item.reason} [{item.technology}]"
        if item.porting is not None:
            yield from _porting_lines(item.porting)
    numbers = ", ".join(f"{count} {verdict}" for verdict, count in _counts(findings).items())
    yield f"{len(findings)} extensions: {numbers}" if findings else "no extensions found"


def _porting_lines(porting: "Porting") -> Iterator[str]:
    for label, names in (
        ("borrowed references", porting.borrowed_references),
        ("GIL calls", porting.gil_calls),
        ("threads", porting.threads),
    ):
        if names:
            yield f"{_INDENT}{label}: {', '.join(names)}"
    if porting.writable_bytes:
        names = [f"{item.name[:_NAME_WIDTH]} {item.size}" for item in porting.largest_statics]
        largest = f" ({', '.join(names)})" if names else ""
        yield f"{_INDENT}writable statics: {porting.writable_bytes} bytes{largest}"
    yield f"{_INDENT}suggested scope: {porting.scope}: {porting.scope_reason}"
