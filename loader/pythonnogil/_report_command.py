"""``python -m pythonnogil report``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pythonnogil._usage import UsageError, options_of, print_lines

if TYPE_CHECKING:
    from pythonnogil._stats import Stats


class ShowReport:
    """Show a saved report again: as a table, as JSON, or as a page for a browser.

    usage: python -m pythonnogil report FILE [--text | --json | --html OUT]

    FILE is a report in JSON, as a program leaves it that runs with PYTHONNOGIL_REPORT=FILE or
    -X nogil-report=FILE when FILE ends with .json. The table tells for each guarded module how
    often and how long its calls waited for the lock and held it, then which functions cost most.
    Numbers, totals and the longest are exact, percentiles are right to one part in sixteen.

      --text       print the table (the default), as wide as the terminal
      --json       print JSON
      --html OUT   write a page into the file OUT; it needs nothing else and runs no other program

    Exit codes: 0 shown, 2 FILE is no report, or something could not be read or written.
    """

    FLAGS = ("--text", "--json")
    VALUES = ("--html",)

    def __init__(self, arguments: Sequence[str]) -> None:
        options, files = options_of("report", arguments, self.FLAGS, self.VALUES)
        if len(files) != 1:
            raise UsageError("report: name one FILE")
        if len(options) > 1:
            raise UsageError(f"report: {' and '.join(options)} exclude each other")
        self.file = files[0]
        self.json = "--json" in options
        self.page = options.get("--html")

    def __call__(self) -> int:
        from pythonnogil import _report_document, _report_output

        try:
            report = _report_document.read(self.file)
        except OSError as error:
            raise UsageError(f"report: cannot read {self.file}: {error.strerror}") from error
        except _report_document.ReportError as error:
            raise UsageError(f"report: {self.file} {error}") from error
        if self.page is not None:
            self._write_page(report, self.page)
        elif self.json:
            print_lines([_report_document.as_json(report).rstrip("\n")])
        else:
            print_lines(_report_output.terminal_lines(report))
        return 0

    def _write_page(self, report: "Stats", file: str) -> None:
        from pythonnogil import _report_output, _report_page

        try:
            _report_output.write(_report_page.page(report), file)
        except OSError as error:
            raise UsageError(f"report: cannot write {file}: {error.strerror}") from error
