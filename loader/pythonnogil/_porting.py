"""What somebody who ports an extension to free-threaded Python has to look at, from its file."""

from dataclasses import dataclass

from pythonnogil._definitions import Definition
from pythonnogil._elf_reader import Elf, Symbol

# Functions that return a reference which another thread may take away.
BORROWING = frozenset(
    {
        "PyDict_GetItem",
        "PyDict_GetItemString",
        "PyDict_GetItemWithError",
        "PyDict_Next",
        "PyDict_SetDefault",
        "PyImport_AddModule",
        "PyImport_AddModuleObject",
        "PyImport_GetModuleDict",
        "PyList_GetItem",
        "PySequence_Fast",
        "PyState_FindModule",
        "PySys_GetObject",
        "PyWeakref_GetObject",
        "_PyDict_GetItemStringWithError",
        "_PyDict_GetItem_KnownHash",
        "_PyDict_Pop",
        "_PyType_Lookup",
    }
)
GIL_CALLS = frozenset(
    {
        "PyEval_AcquireThread",
        "PyEval_ReleaseThread",
        "PyEval_RestoreThread",
        "PyEval_SaveThread",
        "PyGILState_Check",
        "PyGILState_Ensure",
        "PyGILState_Release",
        "PyThreadState_Swap",
    }
)
# Functions that start threads, or do so for OpenMP, and how C++ spells that of std::thread.
THREADS = frozenset(
    {
        "GOMP_parallel",
        "PyThread_start_joinable_thread",
        "PyThread_start_new_thread",
        "__kmpc_fork_call",
        "_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE",
        "pthread_create",
        "thrd_create",
    }
)
_CAPSULES = frozenset({"PyCapsule_GetPointer", "PyCapsule_Import", "PyCapsule_New"})
# Libraries of the system, which keep no state that extensions could share.
_SYSTEM = (
    "ld-linux",
    "libc.",
    "libdl.",
    "libgcc_s.",
    "libm.",
    "libpthread.",
    "libpython",
    "librt.",
    "libstdc++.",
    "libutil.",
    "linux-vdso.",
)
_MAIN_THREAD = ("libGL", "libQt", "libSDL", "libX11", "libgtk", "libtcl", "libtk", "libwayland")
_TABLE_NAMES = 5  # statics to name, the largest first


@dataclass(frozen=True)
class Static:
    """A variable that stays writable."""

    name: str
    size: int


@dataclass(frozen=True)
class Porting:
    """What porting a module faces."""

    borrowed_references: list[str]
    gil_calls: list[str]
    threads: list[str]
    # Static data outside the module's own tables; None where the file does not show it.
    writable_bytes: int | None
    largest_statics: list[Static]  # none for a stripped file
    scope: str
    scope_reason: str


def examine(elf: Elf, definitions: list[Definition]) -> Porting:
    """What the file shows."""
    statics = _statics(elf)
    size = sum(item.size for item in statics) if statics else _section_bytes(elf, definitions)
    scope, reason = _suggest_scope(elf, size)
    return Porting(
        borrowed_references=sorted(BORROWING & elf.imports),
        gil_calls=sorted(GIL_CALLS & elf.imports),
        threads=sorted(THREADS & elf.imports),
        writable_bytes=size,
        largest_statics=[Static(item.name, item.size) for item in statics[:_TABLE_NAMES]],
        scope=scope,
        scope_reason=reason,
    )


def _statics(elf: Elf) -> list[Symbol]:
    """The writable variables, the largest first, but for tables that lead to code or text."""
    ranges = [range(item.address, item.address + item.size) for item in elf.writable_sections]
    found = {
        symbol.address: symbol
        for symbol in elf.local_symbols
        if symbol.is_object and symbol.size and any(symbol.address in item for item in ranges)
        # What the compiler's own start-up code keeps.
        and not symbol.name.startswith(("completed.", "__dso_handle"))
        and not _is_table(elf, symbol)
    }
    return sorted(found.values(), key=lambda symbol: (-symbol.size, symbol.name))


def _is_table(elf: Elf, symbol: Symbol) -> bool:
    return elf.addresses_within(symbol.address, symbol.size) > 0


def _section_bytes(elf: Elf, definitions: list[Definition]) -> int | None:
    """The size of the writable sections without the words that hold addresses from the start."""
    if not elf.has_sections:
        return None
    total = 0
    for section in elf.writable_sections:
        inside = range(section.address, section.address + section.size)
        words = elf.addresses_within(section.address, section.size)
        own = sum(item.size for item in definitions if item.address in inside)
        total += max(0, section.size - 8 * words - own)
    return total


def _suggest_scope(elf: Elf, writable_bytes: int | None) -> tuple[str, str]:
    affine = [name for name in elf.needed if name.startswith(_MAIN_THREAD)]
    others = [name for name in elf.needed if not name.startswith(_SYSTEM)]
    if affine:
        return "main-thread", f"{affine[0]} may be used by the main thread only"
    if others:
        return "process", f"other modules may use {others[0]} at the same time"
    if _CAPSULES & elf.imports:
        return "group", "it can exchange C functions and data with other modules in capsules"
    if writable_bytes is None:
        return "process", "the file does not show whether it has writable statics"
    if writable_bytes:
        return "module", f"its {writable_bytes} bytes of writable statics are its own"
    return "object", "it has no writable statics; its state is in its objects"
