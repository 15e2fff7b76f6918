"""Parts that users add: a TOML file with a ``[[part]]`` table for each chip.

``name``, ``jedec_id`` ("C2 20 1B"), ``size`` (bytes, or text such as "128 MiB") and ``quad_enable`` must be
there. What else may be: ``program``, ``enter_4byte``, ``page``, ``block_protect``, ``four_byte_flag`` and
``power_up_flag`` (opcode and bit), ``dual_program``, ``deep_power_down``, ``source``; and the times, as a
typical figure or as typical and maximum: ``page_ms``, ``erase_4k_ms``, ``erase_32k_ms``, ``erase_64k_ms``,
``chip_erase_s``; ``wake_us`` is one figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from west_qspi.errors import PartsFileError
from west_qspi.extflash.opcodes import BUSY, PROGRAMS, REACH_OF_3_BYTES, WRITE_ENABLED
from west_qspi.extflash.parts import (
    GENERIC_BLOCK_PROTECT,
    EraseTime,
    FourByteEntry,
    Part,
    generic_geometry,
)
from west_qspi.extflash.partstoml import Table, instead, is_integer, read_tables, shown
from west_qspi.extflash.setup import QUAD_ENABLE_METHODS
from west_qspi.extflash.textfile import read_text

_LARGEST_SIZE = 1 << 32
_SECTOR = 4096
_USUAL_PAGE = 256
_PAGES = tuple(1 << exponent for exponent in range(2, 13))
_SLOW_WAKE = 45e-6  # the slow end of tRES1 among the known makers
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_NO_ANSWER = (b"\x00\x00\x00", b"\xff\xff\xff")
_QUAD_PROGRAMS = {name: opcode for name, opcode in PROGRAMS.items() if "4" in name}
_ENTRIES = {entry.value: entry for entry in FourByteEntry}
_REQUIRED = ("name", "jedec_id", "size", "quad_enable")
_OPTIONAL = (
    "program",
    "enter_4byte",
    "page_ms",
    "erase_4k_ms",
    "erase_32k_ms",
    "erase_64k_ms",
    "chip_erase_s",
    "wake_us",
    "block_protect",
    "four_byte_flag",
    "power_up_flag",
    "dual_program",
    "deep_power_down",
    "page",
    "source",
)


def read_parts(path: Path) -> tuple[Part, ...]:
    """Read the parts of a file, in its order. Raises FileUnreadable, and PartsFileError as ``parse_parts``.

    A file of more than 1 MiB, or one that is not UTF-8, is refused as well.
    """
    return parse_parts(read_text(path, PartsFileError), str(path))


def parse_parts(text: str, path: str) -> tuple[Part, ...]:
    """Read the parts of a file's text, in its order; ``path`` is for messages and is the parts' source.

    What a part does not say is that of a slow usual one. Raises PartsFileError for broken TOML, unknown or
    missing keys, values that no part has, and for two parts of one name or JEDEC id.
    """
    tables = read_tables(text, path)
    parts = tuple(_part(table) for table in tables)
    _check_different(tables, parts)
    return parts


def _part(table: Table) -> Part:
    for key in table.values:
        if key not in _REQUIRED + _OPTIONAL:
            raise table.wrong(key, f"is no key of a part; {instead(key, _REQUIRED + _OPTIONAL)}")
    for key in _REQUIRED:
        if key not in table.values:
            raise PartsFileError(table.path, table.line, f"the part lacks '{key}'")
    slow = generic_geometry()
    page_time, page_time_max = table.times("page_ms", slow.page_time, 1000)
    chip_erase, chip_erase_max = table.times("chip_erase_s", slow.chip_erase_time, 1)
    size = _size(table)
    quad_enable = table.choice("quad_enable", QUAD_ENABLE_METHODS)
    return Part(
        name=table.text("name"),
        jedec_id=_jedec_id(table),
        size=size,
        quad_enable=quad_enable,
        quad_program_opcodes=_programs(table, quad_enable),
        page_time=page_time,
        page_time_max=page_time_max,
        erase=tuple(
            EraseTime(unit, *table.times(f"erase_{unit >> 10}k_ms", usual, 1000))
            for unit, usual in slow.erase
        ),
        chip_erase=chip_erase,
        chip_erase_max=chip_erase_max,
        wake_time=table.seconds("wake_us", _SLOW_WAKE, 1_000_000),
        source=table.text("source") if "source" in table.values else table.path,
        enter_4byte=_enter_4byte(table, size),
        four_byte_flag=table.bit("four_byte_flag"),
        power_up_flag=table.bit("power_up_flag"),
        block_protect=_block_protect(table),
        dual_program=table.switch("dual_program", False),
        dpd=table.switch("deep_power_down", True),
        page=_page(table),
    )


def _jedec_id(table: Table) -> bytes:
    try:
        found = bytes.fromhex(table.text("jedec_id"))
    except ValueError:
        found = b""
    if len(found) != 3:
        raise table.wrong("jedec_id", 'must be three bytes in hexadecimal, such as "C2 20 1B"')
    if found in _NO_ANSWER:
        raise table.wrong("jedec_id", "is what reads where no chip answers")
    return found


def _size(table: Table) -> int:
    value = table.values["size"]
    if isinstance(value, str) and (said := re.fullmatch(r"([0-9]{1,10}) *([KMG]iB)", value.strip())):
        value = int(said[1]) * _UNITS[said[2]]
    if not is_integer(value):
        raise table.wrong("size", 'must be a number of bytes, or text such as "128 MiB"')
    if not 0 < value <= _LARGEST_SIZE or value % _SECTOR:
        raise table.wrong("size", "must be a multiple of 4096 bytes, above 0 and at most 4 GiB")
    return int(value)


def _programs(table: Table, quad_enable: str) -> frozenset[int]:
    names = table.values.get("program", ["PP4IO" if quad_enable == "S1B6" else "PP4O"])
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise table.wrong("program", 'must be a list of names, such as ["PP4IO"]')
    for name in names:
        if name.lower() not in _QUAD_PROGRAMS:
            known = " and ".join(name.upper() for name in _QUAD_PROGRAMS)
            raise table.wrong("program", f"has {shown(name)}; those that use four lines are {known}")
    return frozenset(_QUAD_PROGRAMS[name.lower()] for name in names)


def _enter_4byte(table: Table, size: int) -> FourByteEntry:
    if "enter_4byte" in table.values:
        return _ENTRIES[table.choice("enter_4byte", _ENTRIES)]
    return FourByteEntry.B7 if size > REACH_OF_3_BYTES else FourByteEntry.NONE


def _block_protect(table: Table) -> int:
    mask = table.byte("block_protect", GENERIC_BLOCK_PROTECT)
    if mask & (BUSY | WRITE_ENABLED):
        raise table.wrong("block_protect", "has bit 0 or 1, which tell busy and write enabled")
    return mask


def _page(table: Table) -> int:
    value = table.values.get("page", _USUAL_PAGE)
    if not is_integer(value) or value not in _PAGES:
        raise table.wrong("page", "must be a power of two from 4 to 4096")
    return int(value)


def _check_different(tables: Iterable[Table], parts: Iterable[Part]) -> None:
    seen: dict[str | bytes, int] = {}
    for table, part in zip(tables, parts, strict=True):
        for key, value in (("name", part.name.lower()), ("jedec_id", part.jedec_id)):
            line = table.lines.get(key, table.line)
            if value in seen:
                raise table.wrong(key, f"is the same as in line {seen[value]}")
            seen[value] = line
