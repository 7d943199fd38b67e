"""Reading symbol tables of ELF files that we produced ourselves (64-bit, little-endian)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SECTION_SYMTAB = 2
UNDEFINED_SECTION = 0


@dataclass(frozen=True)
class Symbol:
    """A named entry of a symbol table. `defined` is false for what the linker or loader must find elsewhere."""

    name: str
    defined: bool
    is_global: bool


def read_symbols(data: bytes) -> list[Symbol]:
    """All named symbols of an object file. Raises ValueError when `data` is not a 64-bit little-endian ELF file."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    (offset,) = struct.unpack_from("<Q", data, 0x28)
    entry_size, count = struct.unpack_from("<HH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * entry_size) for i in range(count)]
    symbols: list[Symbol] = []
    for section in sections:
        kind, start, size, link, stride = section[1], section[4], section[5], section[6], section[9]
        if kind != SECTION_SYMTAB:
            continue
        names_at = sections[link][4]
        for at in range(start, start + size, stride):
            name_at, info, _, index = struct.unpack_from("<IBBH", data, at)
            if name_at:
                end = data.index(b"\0", names_at + name_at)
                name = data[names_at + name_at : end].decode()
                symbols.append(Symbol(name, index != UNDEFINED_SECTION, info >> 4 != 0))
    return symbols


def undefined_symbols(data: bytes) -> list[str]:
    """Names that the object uses and does not define."""
    return sorted({s.name for s in read_symbols(data) if not s.defined})
