"""Makes small extension files, byte by byte, that declare what a test wants them to.

They cannot be run. One segment holds everything: headers, dynamic section, symbols, a module
definition and its slots, and the relocations that lead from one to the other.
"""

import os
import struct
from dataclasses import dataclass, field

X86_64, AARCH64 = 62, 183
OWN, FOREIGN = (X86_64, AARCH64) if os.uname().machine == "x86_64" else (AARCH64, X86_64)
RELATIVE = {X86_64: 8, AARCH64: 1027}
FREE_THREADED = bytes(12) + b"\xff" * 4 + bytes(16)
WITH_GIL = b"\xff" * 4 + bytes(12)

_DYNAMIC, _SYMBOLS, _HASH, _STRINGS = 0xC0, 0x200, 0x300, 0x340
_NAME, _DEFINITION, _SLOTS, _RELOCATIONS, _PACKED, _END = 0x440, 0x480, 0x520, 0x580, 0x620, 0x640


@dataclass
class SmallElf:
    """What goes into the file; the defaults make a multi-phase module that declares nothing."""

    module: str = "small"
    imports: list[str] = field(default_factory=lambda: ["PyModuleDef_Init"])
    slots: list[tuple[int, int]] = field(default_factory=list)
    machine: int = OWN
    header: bytes = FREE_THREADED
    packed_relocations: bool = False
    without_slots: bool = False
    extra: bytes = b""

    def build(self) -> bytes:
        """The bytes of the file."""
        image = bytearray(_END)
        self._put_headers(image)
        symbols = self._put_symbols(image)
        places = self._put_definition(image)
        tags = self._put_relocations(image, places)
        dynamic = [
            *tags,
            (4, _HASH),
            (5, _STRINGS),
            (6, _SYMBOLS),
            (10, _NAME - _STRINGS),
            (0, 0),
        ]
        _put(image, _DYNAMIC, b"".join(struct.pack("<QQ", *tag) for tag in dynamic))
        _put(image, _HASH, struct.pack("<IIII", 1, symbols, 0, 0))
        return bytes(image) + self.extra

    def _put_headers(self, image: bytearray) -> None:
        _put(image, 0, b"\x7fELF\x02\x01\x01" + bytes(9))
        fields = (3, self.machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
        _put(image, 16, struct.pack("<HHIQQQIHHHHHH", *fields))
        size = _END + len(self.extra)
        room = _SYMBOLS - _DYNAMIC
        segment = struct.pack("<IIQQQQQQ", 1, 6, 0, 0, 0, size, size, 4096)
        dynamic = struct.pack("<IIQQQQQQ", 2, 6, _DYNAMIC, _DYNAMIC, 0, room, room, 8)
        _put(image, 64, segment + dynamic)

    def _put_symbols(self, image: bytearray) -> int:
        names = [f"PyInit_{self.module}", *self.imports]
        strings = b"\0"
        table = bytes(24)
        for number, name in enumerate(names):
            section = 1 if number == 0 else 0
            table += struct.pack("<IBBHQQ", len(strings), 0x12, 0, section, 0, 0)
            strings += name.encode() + b"\0"
        _put(image, _SYMBOLS, table)
        _put(image, _STRINGS, strings)
        return len(names) + 1

    def _put_definition(self, image: bytearray) -> dict[int, int]:
        _put(image, _NAME, self.module.encode() + b"\0")
        _put(image, _DEFINITION, self.header + bytes(24))
        name = _DEFINITION + len(self.header) + 24
        places = {name: _NAME}
        if not self.without_slots:
            places[name + 32] = _SLOTS
            rows = b"".join(struct.pack("<iiQ", number, 0, value) for number, value in self.slots)
            _put(image, _SLOTS, rows + bytes(16))
        return places

    def _put_relocations(self, image: bytearray, places: dict[int, int]) -> list[tuple[int, int]]:
        if self.packed_relocations:
            for place, target in places.items():
                _put(image, place, struct.pack("<Q", target))
            first, *rest = places
            bits = sum(1 << ((place - first) // 8) for place in rest)
            _put(image, _PACKED, struct.pack("<QQ", first, bits | 1))
            return [(36, _PACKED), (35, 16)]
        rows = [
            struct.pack("<QQq", place, RELATIVE[self.machine], target)
            for place, target in places.items()
        ]
        _put(image, _RELOCATIONS, b"".join(rows))
        return [(7, _RELOCATIONS), (8, 24 * len(rows))]


def _put(image: bytearray, place: int, content: bytes) -> None:
    image[place : place + len(content)] = content
