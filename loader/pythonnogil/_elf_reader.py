"""Reads a shared object from its bytes, without loading it: symbols, relocations, sections.

Nothing in the bytes is believed before it is checked: whatever is wrong with them is an ElfError.
The file formats are those of the System V ABI and its processor supplements.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

X86_64, AARCH64 = 62, 183
MACHINES = {
    3: "32-bit x86",
    40: "32-bit ARM",
    X86_64: "x86-64",
    AARCH64: "AArch64",
    243: "RISC-V",
}
# Relocation types: base plus addend, an absolute symbol, and the two of an import.
_RELATIVE = {X86_64: 8, AARCH64: 1027}
_SYMBOLIC = {X86_64: (1, 6, 7), AARCH64: (257, 1025, 1026)}

_DT_NEEDED, _DT_PLTRELSZ = 1, 2
_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ = range(4, 9)
_DT_STRSZ, _DT_JMPREL, _DT_RELRSZ, _DT_RELR, _DT_GNU_HASH = 10, 23, 35, 36, 0x6FFFFEF5
_PT_LOAD, _PT_DYNAMIC, _PT_GNU_RELRO = 1, 2, 0x6474E552
_SHT_SYMTAB = 2
_SHF_WRITE, _SHF_ALLOC, _SHF_TLS = 1, 2, 0x400
_STT_OBJECT = 1

_STRING_LIMIT = 4096
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")


class ElfError(ValueError):
    """What is wrong with the file, as the rest of a sentence about it."""


class ForeignError(ElfError):
    """The file is sound as far as was seen, but for another kind of machine."""


@dataclass(frozen=True)
class Segment:
    """A loaded range of memory and the bytes of the file behind it."""

    address: int
    size: int
    offset: int
    file_size: int


@dataclass(frozen=True)
class Section:
    """A section's range in memory."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Symbol:
    """A symbol of a symbol table; *defined* is false for an import."""

    name: str
    address: int
    size: int
    defined: bool
    is_object: bool


class Elf:
    """A 64-bit little-endian shared object."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._check_header()
        (machine, section_offset, size, section_count, names) = self._fields
        self.machine: int = machine
        self._section_table = (section_offset, size, section_count, names)
        self._read_dynamic()

    def _check_header(self) -> None:
        if self.data[:4] != b"\x7fELF":
            raise ElfError("is not an ELF file")
        if len(self.data) < 64:
            raise ElfError("is truncated: it ends inside the ELF header")
        if self.data[4:6] != b"\x02\x01":
            raise ForeignError("is not a 64-bit little-endian file")
        kind, machine = struct.unpack_from("<HH", self.data, 16)
        segments, sections = struct.unpack_from("<QQ", self.data, 32)
        sizes = struct.unpack_from("<HHHHH", self.data, 54)
        if kind != 3:
            raise ElfError("is not a shared object")
        if sizes[0] != _SEGMENT.size:
            raise ElfError("is damaged: its program headers have no valid size")
        self._fields = (machine, sections, *sizes[2:])
        self._read_segments(segments, sizes[1])

    def _read_segments(self, offset: int, count: int) -> None:
        self.loads: list[Segment] = []
        self.relro = range(0)
        self._dynamic: tuple[int, int] | None = None
        for item in _SEGMENT.iter_unpack(self._file(offset, count * _SEGMENT.size)):
            kind, _, start, address, _, file_size, size, _ = item
            if kind == _PT_LOAD:
                self._file(start, file_size)
                self.loads.append(Segment(address, size, start, file_size))
            elif kind == _PT_GNU_RELRO:
                self.relro = range(address, address + size)
            elif kind == _PT_DYNAMIC:
                self._dynamic = (address, file_size)

    def _read_dynamic(self) -> None:
        if self._dynamic is None:
            raise ElfError("is not a shared object: it has no dynamic segment")
        self._tags: dict[int, int] = {}
        needed = []
        address, size = self._dynamic
        for tag, value in struct.iter_unpack("<QQ", self.memory(address, size // 16 * 16)):
            if tag == 0:
                break
            if tag == _DT_NEEDED:
                needed.append(value)
            self._tags[tag] = value
        self._strings = self._table(_DT_STRTAB, _DT_STRSZ)
        self.needed = [_string_in(self._strings, offset) for offset in needed]

    def _file(self, offset: int, size: int) -> bytes:
        if size > len(self.data) or offset > len(self.data) - size:
            raise ElfError(f"is truncated: it ends after byte {len(self.data)}")
        return self.data[offset : offset + size]

    def _table(self, address_tag: int, size_tag: int) -> bytes:
        size = self._tags.get(size_tag, 0)
        return self.memory(self._tags.get(address_tag, 0), size) if size else b""

    def memory(self, address: int, size: int) -> bytes:
        """*size* bytes at *address* as the file has them, before relocation."""
        for load in self.loads:
            inside = address - load.address
            if 0 <= inside <= load.size and size <= load.size - inside:
                if inside + size <= load.file_size:
                    return self.data[load.offset + inside : load.offset + inside + size]
                if size <= len(self.data):
                    held = self.data[load.offset + inside : load.offset + load.file_size]
                    return held.ljust(size, b"\0")
        raise ElfError("is damaged: an address lies outside its segments")

    def number(self, address: int, form: str) -> int:
        """The number of this struct format at *address*."""
        value: int
        (value,) = struct.unpack(f"<{form}", self.memory(address, struct.calcsize(f"<{form}")))
        return value

    def string(self, address: int) -> str | None:
        """The text at *address*, or None when none ends there."""
        for load in self.loads:
            inside = address - load.address
            if 0 <= inside < load.file_size:
                start = load.offset + inside
                limit = min(load.offset + load.file_size, start + _STRING_LIMIT)
                end = self.data.find(b"\0", start, limit)
                return None if end < 0 else self.data[start:end].decode("utf-8", "replace")
        return None

    def is_in_file(self, address: int) -> bool:
        """Whether the byte at *address* comes from the file; if not, it is zero or nowhere."""
        return any(0 <= address - load.address < load.file_size for load in self.loads)

    def address_of(self, offset: int) -> int | None:
        """Where the byte at *offset* of the file is loaded."""
        for load in self.loads:
            if load.offset <= offset < load.offset + load.file_size:
                return load.address + offset - load.offset
        return None

    @cached_property
    def symbols(self) -> list[Symbol]:
        """The dynamic symbols."""
        count = self._symbol_count()
        if count == 0:
            return []
        table = self.memory(self._tags.get(_DT_SYMTAB, 0), count * _SYMBOL.size)
        return [_symbol(item, self._strings) for item in _SYMBOL.iter_unpack(table)]

    @cached_property
    def imports(self) -> set[str]:
        """The names that the file expects from elsewhere."""
        return {symbol.name for symbol in self.symbols if symbol.name and not symbol.defined}

    @cached_property
    def exports(self) -> set[str]:
        """The names that the file offers."""
        return {symbol.name for symbol in self.symbols if symbol.name and symbol.defined}

    def _symbol_count(self) -> int:
        if _DT_HASH in self._tags:
            count = self.number(self._tags[_DT_HASH] + 4, "I")
        elif _DT_GNU_HASH in self._tags:
            count = self._gnu_hash_count(self._tags[_DT_GNU_HASH])
        else:
            count = 0
        # A file can have symbols that only its relocations lead to.
        referenced = (info >> 32 for _, info, _ in self._relocations())
        return max(count, max(referenced, default=-1) + 1)

    def _gnu_hash_count(self, address: int) -> int:
        buckets, first, words = struct.unpack("<III", self.memory(address, 12))
        start = address + 16 + words * 8
        highest = max(struct.unpack(f"<{buckets}I", self.memory(start, buckets * 4)), default=0)
        if highest < first:
            return first
        chains = start + buckets * 4
        # No file has room for more symbols than that; memory beyond the file reads as zeros.
        for number in range(highest, len(self.data) // _SYMBOL.size):
            if self.number(chains + (number - first) * 4, "I") & 1:
                return number + 1
        raise ElfError("is damaged: its table of symbols has no end")

    def _relocations(self) -> Iterator[tuple[int, int, int]]:
        for tags in ((_DT_RELA, _DT_RELASZ), (_DT_JMPREL, _DT_PLTRELSZ)):
            table = self._table(*tags)
            yield from _RELA.iter_unpack(table[: len(table) // _RELA.size * _RELA.size])

    @cached_property
    def pointers(self) -> dict[int, int]:
        """Where the file has the address of something of its own, and what address that is."""
        found = {place: self.number(place, "Q") for place in self._relr_places()}
        relative = _RELATIVE.get(self.machine)
        symbolic = _SYMBOLIC.get(self.machine, ())
        for place, info, addend in self._relocations():
            kind = info & 0xFFFFFFFF
            if kind == relative:
                found[place] = addend
            elif kind in symbolic:
                symbol = self.symbols[info >> 32]
                if symbol.defined:
                    found[place] = symbol.address + addend
        return found

    @cached_property
    def external(self) -> dict[int, str]:
        """Where the file has the address of something from elsewhere, and its name."""
        return {
            place: self.symbols[info >> 32].name
            for place, info, _ in self._relocations()
            if info >> 32 and not self.symbols[info >> 32].defined
        }

    @cached_property
    def _address_places(self) -> list[int]:
        return sorted(self.pointers.keys() | self.external.keys())

    def addresses_within(self, address: int, size: int) -> int:
        """How many addresses the file has in this range, of things of its own or elsewhere."""
        places = self._address_places
        return bisect_left(places, address + size) - bisect_left(places, address)

    def _relr_places(self) -> Iterator[int]:
        """The packed form of relative relocations: an address, then bits for what follows it."""
        table = self._table(_DT_RELR, _DT_RELRSZ)
        following = 0
        for (word,) in struct.iter_unpack("<Q", table[: len(table) // 8 * 8]):
            if word & 1 == 0:
                yield word
                following = word + 8
                continue
            for bit in range(63):
                if word >> (bit + 1) & 1:
                    yield following + 8 * bit
            following += 63 * 8

    @property
    def has_sections(self) -> bool:
        """Whether the file tells its sections apart, which loading it does not need."""
        return self._section_table[0] != 0

    @cached_property
    def writable_sections(self) -> list[Section]:
        """The sections of data that stay writable; none when the file has no section headers."""
        offset, entry_size, count, names_index = self._section_table
        if offset == 0 or entry_size != _SECTION.size or names_index >= count:
            return []
        table = list(_SECTION.iter_unpack(self._file(offset, count * entry_size)))
        names = self._file(*table[names_index][4:6])
        return [
            Section(_string_in(names, item[0]), item[3], item[5])
            for item in table
            if item[2] & _SHF_WRITE and item[2] & _SHF_ALLOC and not item[2] & _SHF_TLS
            if item[3] not in self.relro
        ]

    @cached_property
    def local_symbols(self) -> list[Symbol]:
        """The symbols for debuggers, which a stripped file does not have."""
        offset, entry_size, count, _ = self._section_table
        if offset == 0 or entry_size != _SECTION.size:
            return []
        sections = list(_SECTION.iter_unpack(self._file(offset, count * entry_size)))
        for section in sections:
            if section[1] == _SHT_SYMTAB and section[6] < len(sections):
                table = self._file(*section[4:6])
                strings = self._file(*sections[section[6]][4:6])
                whole = table[: len(table) // _SYMBOL.size * _SYMBOL.size]
                return [_symbol(item, strings) for item in _SYMBOL.iter_unpack(whole)]
        return []


def _symbol(item: tuple[int, int, int, int, int, int], strings: bytes) -> Symbol:
    name, info, _, section, address, size = item
    return Symbol(
        _string_in(strings, name), address, size, section != 0, info & 0xF == _STT_OBJECT
    )


def _string_in(table: bytes, offset: int) -> str:
    end = table.find(b"\0", offset)
    if offset > len(table) or (end < 0 and offset != len(table)):
        raise ElfError("is damaged: a name lies outside the string table")
    return table[offset:end].decode("utf-8", "replace") if end >= 0 else ""
