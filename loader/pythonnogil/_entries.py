"""The census of entries: every function pointer into legacy code that CPython holds.

It reads what CPython holds after the fact and knows nothing of how the guard puts thunks in place.
"""

import gc
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    GetSetDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)

import pythonnogil
from pythonnogil import _core, _startup
from pythonnogil._registrations import IN_DATA, REGISTRATIONS

GUARDED = "guarded"
NOT_NEEDED = "not needed"
NOT_GUARDED = "not guarded"

_HAVE_VECTORCALL = 1 << 11  # Py_TPFLAGS_HAVE_VECTORCALL
_NO_API = "its library does not use CPython's API"

# Slots that are left alone, and why.
_SLOT_REASONS = {
    "tp_traverse": "the garbage collector calls it with the world stopped",
    "m_traverse": "the garbage collector calls it with the world stopped",
    "tp_is_gc": "asked by the garbage collector; tells one object from another",
    "PyOS_InputHook": REGISTRATIONS["PyOS_InputHook"],
    "PyOS_ReadlineFunctionPointer": REGISTRATIONS["PyOS_ReadlineFunctionPointer"],
}


@dataclass(frozen=True)
class Entry:
    """One function pointer, or one function of CPython's that takes some."""

    image: str
    owner: str
    slot: str
    function: str
    status: str
    reason: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def take_census() -> list[Entry]:
    """All entries of the legacy images in this process, by image."""
    images = _Images()
    entries = [*_held_entries(images), *_registrations(images)]
    return sorted(entries, key=lambda entry: (entry.image, entry.owner, entry.slot))


class _Images:
    """Which of the files in this process hold legacy code."""

    def __init__(self) -> None:
        records = _core.modules()
        legacy = {record["path"] for record in records if record["verdict"] == "legacy"}
        declared = {record["path"] for record in records if record["verdict"] == "declared"}
        self._legacy = set(map(os.path.realpath, legacy))
        self._declared = set(map(os.path.realpath, declared)) - self._legacy
        self._imports: dict[str, list[tuple[str, bool, bool]]] = {}

    def is_legacy(self, path: str) -> bool:
        """Whether code in this file needs a guard as far as its own declaration goes."""
        file = os.path.realpath(path)
        if file in self._legacy:
            return True
        name = os.path.basename(file).partition(".")[0]
        return file not in self._declared and not pythonnogil._is_of_cpython(name, file)

    def imports(self, path: str) -> list[tuple[str, bool, bool]]:
        """The file's imports; none for what the dynamic linker did not load."""
        if path not in self._imports:
            try:
                self._imports[path] = _core.loaded_imports(path)
            except (ValueError, RuntimeError):
                self._imports[path] = []
        return self._imports[path]

    def uses_api(self, path: str) -> bool:
        """Whether the file calls CPython."""
        return any(name.startswith(("Py", "_Py")) for name, *_ in self.imports(path))

    def legacy_files(self) -> list[str]:
        """The legacy files in this process that call CPython."""
        own = {os.path.realpath(path) for path in (sys.executable, _core.__file__ or "")}
        return [
            path
            for path in _mapped_files()
            if os.path.realpath(path) not in own
            and "/libpython" not in path
            and self.uses_api(path)
            and self.is_legacy(path)
        ]


def _mapped_files() -> list[str]:
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as lines:
        words = [line.rstrip("\n").split(maxsplit=5) for line in lines]
    return sorted({word[5] for word in words if len(word) == 6 and ".so" in word[5]})


def _held_entries(images: _Images) -> Iterable[Entry]:
    objects = _reachable_objects()
    for index, slot, image, offset, guarded in _core.function_pointers(objects):
        if not images.is_legacy(image):
            continue
        owner = objects[index] if index >= 0 else None
        reason = "" if guarded else _reason(owner, slot, image, images)
        status = GUARDED if guarded else NOT_NEEDED if reason else NOT_GUARDED
        yield Entry(
            image=image or "code made at run time",
            owner="the interpreter" if index < 0 else _name_of(owner),
            slot=slot,
            function=f"{os.path.basename(image)}+{offset:#x}",
            status=status,
            reason=reason,
        )


def _reason(owner: object, slot: str, image: str, images: _Images) -> str:
    """Why this pointer needs no guard; an empty text when it does."""
    if slot in _SLOT_REASONS:
        return _SLOT_REASONS[slot]
    if slot == "m_init" and _startup.mode() == "gil":
        return "called by an import, which holds the guard"
    if slot == "vectorcall" and not type(owner).__flags__ & _HAVE_VECTORCALL:
        return "not in use: without Py_TPFLAGS_HAVE_VECTORCALL in its type, tp_call is called"
    return "" if not image or images.uses_api(image) else _NO_API


def _registrations(images: _Images) -> Iterable[Entry]:
    for path in images.legacy_files():
        redirected: dict[str, bool] = {}
        for name, is_redirected, is_in_data in images.imports(path):
            if is_in_data and name in IN_DATA:
                yield Entry(path, "data", "imported function", name, NOT_NEEDED, IN_DATA[name])
            elif name in REGISTRATIONS:
                redirected[name] = redirected.get(name, True) and is_redirected
        for name, is_redirected in redirected.items():
            reason = "" if is_redirected else REGISTRATIONS[name]
            status = GUARDED if is_redirected else NOT_NEEDED if reason else NOT_GUARDED
            yield Entry(path, "calls to CPython", "imported function", name, status, reason)


def _reachable_objects() -> list[object]:
    """Every object that the garbage collector, the modules and the types lead to."""
    seen: dict[int, object] = {}
    # What this function itself holds is no part of the answer, but does no harm in it.
    pending: list[object] = [*gc.get_objects(), *sys.modules.values(), object]
    while pending:
        new: dict[int, object] = {}
        for item in pending:
            if id(item) not in seen and id(item) not in new:
                new[id(item)] = item
        seen.update(new)
        pending = gc.get_referents(*new.values())
        for item in new.values():
            # The collector does not look into static types. isinstance() would ask the object.
            if issubclass(type(item), type):
                pending += _parts_of_type(item)
    return list(seen.values())


def _parts_of_type(item: type) -> list[object]:
    parts: list[object] = type.__subclasses__(item)
    parts += type.__dict__["__mro__"].__get__(item)
    parts += type.__dict__["__dict__"].__get__(item).values()
    return parts


def _name_of(owner: object) -> str:
    kind = type(owner)
    try:
        if issubclass(kind, type):
            return f"type {_type_name(owner)}"
        if issubclass(kind, ModuleType):
            return f"module {ModuleType.__getattribute__(owner, '__name__')}"
        if kind is BuiltinFunctionType:
            return f"function {owner.__module__ or ''}.{owner.__qualname__}"
        if kind in (
            MethodDescriptorType,
            ClassMethodDescriptorType,
            GetSetDescriptorType,
            WrapperDescriptorType,
        ):
            return f"attribute {_type_name(owner.__objclass__)}.{owner.__name__}"
    except Exception:  # a name is not worth the failure of a census
        pass
    if kind.__name__ == "PyCapsule":
        return repr(owner).strip("<>").partition(" at 0x")[0]
    return f"instance of {_type_name(kind)}"


def _type_name(item: object) -> str:
    module = type.__getattribute__(item, "__module__")
    return f"{module}.{type.__getattribute__(item, '__qualname__')}"
