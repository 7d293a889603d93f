"""Finds the module definitions (PyModuleDef) in an extension's file and what their slots say.

A definition is known by its shape in the file: the constant header that PyModuleDef_HEAD_INIT
writes, then the address of a name. From there on the relocations are followed, so that what merely
looks like a slot elsewhere ({METH_NOARGS, NULL} ends a row of a method table) is never read as one.
The layouts are those of Include/moduleobject.h and Include/object.h, for 3.8 to 3.15.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pythonnogil._elf_reader import X86_64, Elf, ElfError, Symbol

# What Py_mod_gil is: up to CPython 3.14, and from 3.15 on.
_PY_MOD_GIL = (4, 87)
_NOT_USED = 1
_SLOTS_LIMIT = 64
_CODE_LIMIT = 1 << 16
_SLOT_NUMBERS = 1000
_SIZE_LIMIT = 1 << 40  # of a module's state
_MODULE_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_BASE_END = bytes(24)  # m_init, m_index, m_copy

# The header of a static object without a type, by object layout: with a count for each of the two
# halves (Py_GIL_DISABLED), and with one count, whose first value depends on the version.
_FREE_THREADED = [bytes(12) + b"\xff\xff\xff\xff" + bytes(16) + _BASE_END]
_WITH_GIL = [
    count.to_bytes(8, "little") + bytes(8) + _BASE_END
    for count in (
        1,  # up to 3.11, and the limited API of those
        0xFFFFFFFF,  # 3.12, 3.13
        0x3FFFFFFF,  # their 32-bit form, used by the limited API
        (3 << 30) | (4 << 32) | (0 << 48),  # 3.14 without and with its flags
        (3 << 30) | (5 << 48),
        (3 << 30) | (7 << 48),
    )
]

# Slots by number and value, which is None for the address of something.
type Slots = tuple[tuple[int, int | None], ...]


@dataclass(frozen=True)
class Definition:
    """One module definition as the file has it."""

    address: int
    size: int
    name: str
    free_threaded: bool  # which object layout it was compiled for
    methods: int | None  # the address of the table, None where the file has none
    slots: Slots | None  # None where the file does not show them


def definitions_of(elf: Elf) -> list[Definition]:
    """All definitions in the file that are not filled in at run time."""
    found = [*_with_headers(elf, _FREE_THREADED, True), *_with_headers(elf, _WITH_GIL, False)]
    return sorted(found, key=lambda definition: definition.address)


def used_by(elf: Elf, function: Symbol, definitions: list[Definition]) -> list[Definition]:
    """Those of the definitions whose address the function's code mentions, on x86-64.

    There an address is always four bytes of distance from where they end, or nearly: from the end
    of their instruction. So all four bytes of the code are tried, without knowing instructions.
    """
    if elf.machine != X86_64:
        return []
    try:
        code = elf.memory(function.address, min(function.size, _CODE_LIMIT))
    except ElfError:
        return []
    distances = (
        (function.address + end + int.from_bytes(code[end - 4 : end], "little", signed=True))
        for end in range(4, len(code) + 1)
    )
    mentioned = set(distances)
    return [item for item in definitions if item.address in mentioned]


def _with_headers(elf: Elf, headers: list[bytes], free_threaded: bool) -> Iterator[Definition]:
    for header in headers:
        start = elf.data.find(header)
        while start >= 0:
            address = elf.address_of(start)
            if address is not None and address % 8 == 0:
                definition = _definition_at(elf, address, len(header), free_threaded)
                if definition is not None:
                    yield definition
            start = elf.data.find(header, start + 1)


def _definition_at(
    elf: Elf, address: int, header_size: int, free_threaded: bool
) -> Definition | None:
    pointers = elf.pointers
    if any(place in pointers for place in range(address, address + header_size, 8)):
        return None
    name, _, size, methods, slots = (address + header_size + 8 * i for i in range(5))
    text = elf.string(pointers[name]) if name in pointers else None
    if text is None or not _MODULE_NAME.fullmatch(text):
        return None
    try:
        if not -1 <= elf.number(size, "q") <= _SIZE_LIMIT:
            return None
        definition = Definition(
            address=address,
            size=header_size + 64,
            name=text,
            free_threaded=free_threaded,
            methods=pointers.get(methods),
            slots=_slots_at(elf, pointers.get(slots)),
        )
    except ElfError:
        return None
    return definition


def _slots_at(elf: Elf, address: int | None) -> Slots | None:
    """The slots at this address. What cannot be slots is an ElfError.

    None for memory that is zero at first: whoever wants slots there writes them at run time.
    """
    if address is None or not elf.is_in_file(address):
        return None
    found: list[tuple[int, int | None]] = []
    for row in range(address, address + _SLOTS_LIMIT * 16, 16):
        number = elf.number(row, "i")
        if number == 0:
            return tuple(found)
        if not 0 < number < _SLOT_NUMBERS:
            break
        place = row + 8
        is_address = place in elf.pointers or place in elf.external
        found.append((number, None if is_address else elf.number(place, "Q")))
    raise ElfError("has no end of slots")


def gil_slot(slots: Slots) -> bool | None:
    """Whether the slots say that the GIL is not used; None when they say nothing."""
    values = [value for number, value in slots if number in _PY_MOD_GIL]
    return None if not values else _NOT_USED in values
