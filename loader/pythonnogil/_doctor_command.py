"""``python -m pythonnogil doctor``."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pythonnogil import _startup
from pythonnogil._usage import UsageError, options_of, print_lines

if TYPE_CHECKING:
    from pythonnogil._diagnosis import Choice, Diagnosis

SCHEMA = 1


class Doctor:
    """Tell how this interpreter is set up, and what to do about it.

    usage: python -m pythonnogil doctor [--json]

    Looks at the process that runs the command, which has imported what the start-up files import
    and nothing of a program: the build of the interpreter, its GIL and who turned that on, the
    import hook, extensions that were loaded before the hook, mode and policy with where they come
    from, and the platform. After "to do" follows what should be changed, a line for each.

    CPython keeps no record of who turned the GIL on. Named are the extensions that the hook has
    not seen and whose files do not declare that they are safe; it was one of them.

      --json   print JSON

    Exit codes: 0 fine, 1 something to do, 2 a bad selection of mode or policy, or wrong use.
    """

    FLAGS = ("--json",)
    VALUES = ()

    def __init__(self, arguments: Sequence[str]) -> None:
        options, rest = options_of("doctor", arguments, self.FLAGS)
        self.json = "--json" in options
        if rest:
            raise UsageError(f"doctor: unknown argument {rest[0]}")

    def __call__(self) -> int:
        from pythonnogil import _diagnosis

        try:
            found = _diagnosis.diagnose()
        except (ValueError, _startup.HookError) as error:
            raise UsageError(str(error).removeprefix("pythonnogil: ")) from error
        advice = list(_advice(found))
        print_lines([_document(found, advice)] if self.json else _lines(found, advice))
        return int(bool(advice))


def _document(found: "Diagnosis", advice: list[str]) -> str:
    import json

    return json.dumps({"schema": SCHEMA, **found.as_dict(), "to_do": advice}, indent=2)


def _lines(found: "Diagnosis", advice: list[str]) -> Iterator[str]:
    about = found.interpreter
    build = "free-threaded" if about["free_threaded"] else "built with a GIL"
    yield f"interpreter  {about['implementation']} {about['version']}, {build}"
    yield f"             {about['executable']}"
    yield f"pythonnogil  {about['pythonnogil']}, {about['package']}"
    yield f"GIL          {_gil(found)}"
    yield f"hook         {_hook(found)}"
    for item in found.unseen:
        yield f"unseen       {item}: {item.verdict}"
    if not found.unseen:
        yield "unseen       none: no extension was loaded without the hook"
    yield f"mode         {_choice(found.mode)}"
    yield f"policy       {_choice(found.policy)}"
    yield f"platform     {found.obstacle or 'supported'}"
    for line in advice:
        yield f"to do        {line}"
    if not advice:
        yield "to do        nothing"


def _gil(found: "Diagnosis") -> str:
    state = "on" if found.gil_enabled else "off"
    by = [item.name for item in found.turned_gil_on()]
    one_of = "one of " if len(by) > 1 else ""
    turned_on = f", turned on by {one_of}{', '.join(by)}" if by else ""
    return state + turned_on + (f" ({found.gil_request})" if found.gil_request else "")


def _hook(found: "Diagnosis") -> str:
    hook = found.hook
    if not hook.installed:
        return "not installed"
    text = f"installed by the {hook.by}"
    if hook.by == "start-up file" and hook.start_up_files:
        text += f" {hook.start_up_files[0]}"
    if hook.first_loader not in ("CPython", "pythonnogil"):
        text += f"; wrapped by {hook.first_loader}"
    return text


def _choice(choice: "Choice") -> str:
    silenced = f"; {choice.silenced} is silenced by {_silencer()}" if choice.silenced else ""
    return f"{choice.value or 'the shipped one'} (from: {choice.source}){silenced}"


def _silencer() -> str:
    return "-I" if sys.flags.isolated else "-E"


def _advice(found: "Diagnosis") -> Iterator[str]:
    yield from _advice_on_gil(found)
    yield from _advice_on_hook(found)
    if found.obstacle is not None:
        yield f"nothing can be guarded here: {found.obstacle}"
    if found.hook.installed and found.mode.value == "off" and found.mode.source != "no support":
        yield f"mode off leaves legacy extensions to CPython; it comes from: {found.mode.source}"
    for choice, option in ((found.mode, "nogil-mode"), (found.policy, "nogil-policy")):
        if choice.silenced:
            value = choice.silenced.partition("=")[2]
            yield (
                f"{choice.silenced} has no effect under {_silencer()}; "
                f"write -X {option}={value} instead"
            )


def _advice_on_gil(found: "Diagnosis") -> Iterator[str]:
    names = ", ".join(item.name for item in found.turned_gil_on())
    if not found.interpreter["free_threaded"]:
        yield "use a free-threaded build of CPython (python3.13t); this one always has its GIL"
    elif not found.gil_enabled:
        return
    elif names:
        yield f"have these imported under the hook, in mode gil, to keep the GIL off: {names}"
    elif found.gil_request is not None and found.gil_request.endswith("=1"):
        yield f"leave out {found.gil_request}, which turns the GIL on for the whole process"
    else:
        yield "something turned the GIL on that cannot be seen any more; look at start-up files"


def _advice_on_hook(found: "Diagnosis") -> Iterator[str]:
    hook = found.hook
    if not hook.installed and sys.flags.no_site:
        yield "leave out -S, which skips start-up files, or use python -m pythonnogil run"
    elif not hook.installed and hook.start_up_files:
        yield (
            f"{hook.start_up_files[0]} was not read; its folder must be a site-packages folder "
            "of this interpreter"
        )
    elif not hook.installed:
        yield "install pythonnogil with pip, which puts its start-up file in place"
    elif hook.first_loader == "CPython" and found.mode.value != "off" and not found.gil_enabled:
        mode = found.mode.value
        yield f'something took the hook out again; call pythonnogil.install("{mode}") after it'
    if not hook.installed or found.gil_enabled:
        return
    for item in found.unseen:
        if item.may_turn_gil_on():
            yield f"have {item.name} imported after the hook is in place: it runs unguarded"
