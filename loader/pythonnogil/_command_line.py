"""The command line, ``python -m pythonnogil``: a command is a class whose docstring is its help.

Exit codes: 0 done, 1 failed, 2 used wrongly; ``run`` ends with the code of its program.
"""

import os
import sys
from collections.abc import Sequence

from pythonnogil import _startup
from pythonnogil._doctor_command import Doctor
from pythonnogil._entries_command import Entries
from pythonnogil._policy_commands import Policy
from pythonnogil._report_command import ShowReport
from pythonnogil._scan_command import Scan
from pythonnogil._usage import UsageError, complain, print_lines

PROGRAM = "python -m pythonnogil"

# What any Python program can be started with: option, variable, and what it does.
SETTINGS = (
    ("-X nogil-mode=MODE", "PYTHONNOGIL_MODE=MODE", "how extensions are loaded; see run --help"),
    ("-X strict-nogil", "", "the mode strict-nogil"),
    ("-X unsafe-nogil", "", "the mode unsafe-nogil"),
    ("-X nogil-policy=FILE", "PYTHONNOGIL_POLICY=FILE", "what holds for single modules"),
    ("-X nogil-report[=FILE]", "PYTHONNOGIL_REPORT=FILE", "a report at exit; - is stderr"),
    (
        "-X nogil-report-signal=NAME",
        "PYTHONNOGIL_REPORT_SIGNAL=NAME",
        "a report on this signal",
    ),
    ("-X nogil-trace=FILE", "PYTHONNOGIL_TRACE=FILE", "a trace of waits and holds for Perfetto"),
    ("-X nogil-evidence", "PYTHONNOGIL_EVIDENCE=1", "a record of calls that overlapped unguarded"),
    (
        "-X nogil-watchdog=SECONDS",
        "PYTHONNOGIL_WATCHDOG=SECONDS",
        "waits longer than that are printed, with all who take part",
    ),
    ("", "PYTHONNOGIL_WATCHDOG_SIGNAL=NAME", "the waits of the moment are printed on this signal"),
)


class Run:
    """Run a Python program with the import hook in place.

    usage: python -m pythonnogil run [OPTION ...] SCRIPT [ARGUMENT ...]
           python -m pythonnogil run [OPTION ...] -m MODULE [ARGUMENT ...]
           python -m pythonnogil run [OPTION ...] -c CODE [ARGUMENT ...]

    The program runs as under plain python. Where the package is installed, plain python has the
    hook anyway; this command is for interpreters started with -S, which skip it, and for choosing
    a mode in the command itself. SCRIPT may be a file, a directory or zip file with a __main__.py,
    or - for standard input.

      --mode MODE    how extensions are loaded
      --policy FILE  what holds for single modules; see policy --help

    MODE is one of these:

      gil            legacy extensions run under a lock (the default)
      strict-nogil   legacy extensions are refused
      unsafe-nogil   legacy extensions run unguarded
      off            extensions are left to CPython
    """

    FLAGS = ()
    VALUES = ("--mode", "--policy", "-m", "-c")

    def __init__(self, arguments: Sequence[str]) -> None:
        self.mode: str | None = None
        self.policy: str | None = None
        self.kind = ""
        self.program = ""
        self.arguments: list[str] = []
        self._parse(list(arguments))

    def _parse(self, words: list[str]) -> None:
        while words:
            word = words.pop(0)
            if word == "--mode" or word.startswith("--mode="):
                self.mode = _value(word, words)
            elif word == "--policy" or word.startswith("--policy="):
                self.policy = _value(word, words)
            elif word in ("-m", "-c"):
                self.kind, self.program, self.arguments = word, _value(word, words), words
                return
            elif word.startswith("-") and word not in ("-", "--"):
                raise UsageError(f"run: unknown option {word}")
            else:
                self.program = _value(word, words) if word == "--" else word
                self.arguments = words
                return
        raise UsageError("run: no program given; name a SCRIPT, -m MODULE or -c CODE")

    def __call__(self) -> int:
        self._install_hook()
        from pythonnogil import _program

        runner = {"-m": _program.run_module, "-c": _program.run_code, "": _program.run_path}
        return runner[self.kind](self.program, self.arguments)

    def _install_hook(self) -> None:
        try:
            if not _startup.installed():
                _startup.use_what_was_asked_for()
            if self.policy is not None:
                self._change_policy(os.path.abspath(self.policy))
            if self.mode is not None:
                self._change_mode(self.mode)
        except (ValueError, _startup.HookError) as error:
            raise UsageError(str(error).removeprefix("pythonnogil: ")) from error

    def _change_mode(self, mode: str) -> None:
        if _startup.mode_from_command_line() and mode != _startup.mode():
            raise UsageError(
                f"two modes at once: -X options for {_startup.mode()} and --mode {mode}; "
                "keep one of them"
            )
        _startup.use(mode)
        _startup.hand_on_to_children(mode, None)

    def _change_policy(self, file: str) -> None:
        if "nogil-policy" in sys._xoptions and file != _startup.policy_file():
            raise UsageError(
                f"two policies at once: -X nogil-policy={sys._xoptions['nogil-policy']} and "
                f"--policy {file}; keep one of them"
            )
        _startup.use(None, file)
        _startup.hand_on_to_children(None, file)


COMMANDS = {
    "run": Run,
    "scan": Scan,
    "entries": Entries,
    "policy": Policy,
    "doctor": Doctor,
    "report": ShowReport,
}


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is the result."""
    try:
        return _dispatch(arguments)
    except UsageError as error:
        complain(str(error))
        return 2


def _dispatch(arguments: Sequence[str]) -> int:
    if not arguments:
        if sys.stderr is not None:
            print(_overview(), file=sys.stderr)
        return 2
    first, *rest = arguments
    if first in ("--help", "-h"):
        print_lines([_overview()])
    elif first == "--version":
        import pythonnogil

        print_lines([f"pythonnogil {pythonnogil.__version__}"])
    elif first not in COMMANDS:
        raise UsageError(f"unknown command {first}; see {PROGRAM} --help")
    elif rest and rest[0] in ("--help", "-h"):
        print_lines([help_of(COMMANDS[first])])
    else:
        return COMMANDS[first](rest)()
    return 0


def _value(word: str, words: list[str]) -> str:
    """What belongs to the option *word*: the text after "=" or the next of *words*."""
    if word.startswith("--") and "=" in word:
        return word.partition("=")[2]
    if not words:
        raise UsageError(f"run: {word} needs a value")
    return words.pop(0)


def _overview() -> str:
    lines = [f"usage: {PROGRAM} COMMAND ...", f"       {PROGRAM} --help | --version", ""]
    for name, command in COMMANDS.items():
        lines.append(f"  {name:8}{help_of(command).partition('\n')[0]}")
    lines += ["", f"{PROGRAM} COMMAND --help tells about one command.", ""]
    lines += ["Settings of any Python program, by an option or else by a variable:", ""]
    for option, variable, meaning in SETTINGS:
        lines.append(f"  {', '.join(filter(None, (option, variable)))}")
        lines.append(f"      {meaning}")
    return "\n".join(lines)


def help_of(command: type) -> str:
    """What --help prints about a command."""
    # Python drops docstrings under -OO.
    return (command.__doc__ or "There is no help under -OO.").strip()
