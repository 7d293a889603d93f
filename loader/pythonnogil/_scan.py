"""What one extension's file says about the GIL, read without loading it."""

import os
import sysconfig
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from pythonnogil import _core
from pythonnogil._definitions import Definition, definitions_of, gil_slot, used_by
from pythonnogil._elf_reader import AARCH64, MACHINES, X86_64, Elf, ElfError, ForeignError
from pythonnogil._porting import Porting, examine
from pythonnogil._probe import probe
from pythonnogil._scan_targets import Candidate
from pythonnogil._technology import technology_of

_FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


class Verdict(StrEnum):
    """What is known of a file."""

    DECLARED = "declared"
    EXPLICIT = "explicitly not"
    UNDECLARED = "undeclared"
    UNKNOWN = "unknown until run"
    WRONG_ABI = "wrong ABI"


LEGACY = (Verdict.EXPLICIT, Verdict.UNDECLARED)


@dataclass(frozen=True)
class Finding:
    """What was found in one file."""

    path: str  # for a file in a wheel: WHEEL/FILE
    module: str
    verdict: Verdict
    reason: str
    technology: str
    porting: Porting | None = None  # for legacy modules, and those that may be

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


# What the core calls the reasons, after a probe.
_PROBED = {
    "declared": (Verdict.DECLARED, "it declared itself when it was probed"),
    "explicit": (Verdict.EXPLICIT, "it declared that it needs the GIL when it was probed"),
    "undeclared": (Verdict.UNDECLARED, "multi-phase; it declared nothing when it was probed"),
    "single-phase": (Verdict.UNDECLARED, "single-phase; it declared nothing when it was probed"),
}


def after_probe(finding: Finding, candidate: Candidate, limit: float) -> Finding:
    """The finding once the module was asked; the same, with the reason, if it did not answer."""
    name = finding.module
    if candidate.root:
        relative = os.path.relpath(os.path.dirname(candidate.path), candidate.root)
        parts = [] if relative == "." else relative.split(os.sep)
        name = ".".join([*parts, name])
    answer, text = probe(candidate.path, name, candidate.archive, limit)
    if answer not in _PROBED:
        return replace(finding, reason=f"{finding.reason}; {text}")
    verdict, reason = _PROBED[answer]
    porting = None if verdict is Verdict.DECLARED else finding.porting
    return replace(finding, verdict=verdict, reason=reason, porting=porting)


def module_name(path: str) -> str:
    """The last part of the name of the module in this file."""
    return os.path.basename(path).partition(".")[0]


def examine_file(path: str, data: bytes) -> Finding | None:
    """The finding for a file with these bytes; None for a library that is no extension.

    Raises ElfError when the file is damaged.
    """
    module = module_name(path)
    mismatch = _core.abi_mismatch(path)
    try:
        elf = Elf(data)
        mismatch = mismatch or _foreign_machine(elf)
    except ForeignError as error:
        return Finding(path, module, Verdict.WRONG_ABI, f"it {error}", "unknown")
    if not _init_functions(module) & elf.exports:
        return None
    definitions = definitions_of(elf)
    technology = technology_of(elf, module)
    mismatch = mismatch or _other_layout(definitions, module)
    if mismatch is not None:
        return Finding(path, module, Verdict.WRONG_ABI, f"it {mismatch}", technology)
    verdict, reason = _judge(elf, module, definitions)
    porting = None if verdict is Verdict.DECLARED else examine(elf, definitions)
    return Finding(path, module, verdict, reason, technology, porting)


def _init_functions(module: str) -> set[str]:
    if module.isascii():
        return {f"PyInit_{module}", f"PyModExport_{module}"}
    encoded = module.encode("punycode").decode("ascii").replace("-", "_")
    return {f"PyInitU_{encoded}", f"PyModExportU_{encoded}"}


def _foreign_machine(elf: Elf) -> str | None:
    own = {"x86_64": X86_64, "aarch64": AARCH64}.get(os.uname().machine)
    if elf.machine == own:
        return None
    name = MACHINES.get(elf.machine, f"ELF machine {elf.machine}")
    return f"is built for {name}, this interpreter is for {os.uname().machine}"


def _matching(definitions: list[Definition], module: str) -> list[Definition]:
    return [item for item in definitions if item.name.rpartition(".")[2] == module]


def _other_layout(definitions: list[Definition], module: str) -> str | None:
    named = _matching(definitions, module)
    if not named or any(item.free_threaded is _FREE_THREADED for item in named):
        return None
    wanted, found = ("without", "with") if _FREE_THREADED else ("with", "without")
    return (
        f"was compiled for the object layout of an interpreter {found} a GIL, and this one is "
        f"{wanted}; build it from source with this interpreter's headers"
    )


def _judge(elf: Elf, module: str, definitions: list[Definition]) -> tuple[Verdict, str]:
    own_layout = [item for item in definitions if item.free_threaded is _FREE_THREADED]
    if "PyModuleDef_Init" in elf.imports:
        named = _matching(own_layout, module) or own_layout
        inits = [symbol for symbol in elf.symbols if symbol.name in _init_functions(module)]
        return _judge_slots([use for init in inits for use in used_by(elf, init, named)] or named)
    if "PyModule_Create2" not in elf.imports:
        return Verdict.UNKNOWN, "another library makes the module"
    if "PyUnstable_Module_SetGIL" in elf.imports:
        return (
            Verdict.UNKNOWN,
            "single-phase; it may declare itself by PyUnstable_Module_SetGIL when it is "
            "initialized",
        )
    return Verdict.UNDECLARED, "single-phase, and never calls PyUnstable_Module_SetGIL"


def _judge_slots(definitions: list[Definition]) -> tuple[Verdict, str]:
    if not definitions:
        return Verdict.UNKNOWN, "its module definition is filled in at run time"
    if any(item.slots is None for item in definitions):
        return Verdict.UNKNOWN, "the slots of its module definition are filled in at run time"
    answers = {gil_slot(item.slots or ()) for item in definitions}
    if len(answers) > 1:
        return Verdict.UNKNOWN, "it has several module definitions, which differ"
    match answers.pop():
        case True:
            return Verdict.DECLARED, "Py_mod_gil is Py_MOD_GIL_NOT_USED"
        case False:
            return Verdict.EXPLICIT, "Py_mod_gil is Py_MOD_GIL_USED"
        case None:
            return Verdict.UNDECLARED, "multi-phase, without a Py_mod_gil slot"
    raise AssertionError
