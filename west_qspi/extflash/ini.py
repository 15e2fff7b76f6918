"""nrfjprog's QSPI configuration as an ``.ini`` file.

Sources: QspiDefault.ini of nrfjprog 10.24.2 for keys and comments; its release notes for numbers: decimal, 0x
and 0b, and a leading zero that meant octal before 10.21.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from west_qspi.errors import ConfigurationError
from west_qspi.extflash.fields import Choice, Entry, KeyPath, read_fields, require, shown
from west_qspi.extflash.model import ExternalFlash, Instruction, Kind, Source
from west_qspi.extflash.nrfjprog import (
    HEAD,
    INI_FIELDS,
    INI_INSTRUCTION,
    MOST_DATA,
    TOOL,
    contents,
    description,
    meaning,
)
from west_qspi.extflash.printable import plain
from west_qspi.soc import Soc

_SECTION = "DEFAULT_CONFIGURATION"
_NUMERIC = frozenset(item.key for item in INI_FIELDS if not isinstance(item.rule, Choice))

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|-?(?:0+|[1-9][0-9]*)")
_LEADING_ZERO = re.compile(r"-?0[0-9]+")
_LONGEST = 100
_INSTRUCTION_FORM = re.compile(r"([^,\[\]]+)(?:,\s*\[([^\[\]]*)\])?")


@dataclass
class _Lines:
    """The lines of a file, sorted."""

    entries: dict[KeyPath, Entry] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    first_instruction: Source | None = None


def parse_ini(text: str, path: str) -> ExternalFlash:
    """Read an ``.ini`` file; ``path`` is its name. Raises ConfigurationError."""
    found = _Lines()
    for entry in _assignments(text, path):
        if entry.key == INI_INSTRUCTION:
            found.instructions.append(_instruction(entry))
            found.first_instruction = found.first_instruction or entry.source
            continue
        other = found.entries.get((entry.key,))
        if other:
            reason = f"'{entry.source.key}' is given a second time, first in line {other.line}"
            raise ConfigurationError(path, entry.line, f"{reason}; leave one of them")
        found.entries[entry.key,] = _with_number(entry) if entry.key in _NUMERIC else entry
    reading = read_fields(found.entries, INI_FIELDS)
    require(reading, INI_FIELDS, path, 0, TOOL)
    if found.first_instruction:
        reading.sources["instructions"] = found.first_instruction
    return description(Kind.INI, path, reading, tuple(found.instructions))


def _assignments(text: str, path: str) -> Iterator[Entry]:
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        content = line.partition(";")[0].strip()
        if not content or content.startswith("#"):
            continue
        if content.startswith("[") and content.endswith("]"):
            if content != f"[{_SECTION}]":
                reason = f"{shown(content)} is no section of nrfjprog's; there is only [{_SECTION}]"
                raise ConfigurationError(path, number, reason)
            continue
        key, equals, value = content.partition("=")
        if not equals or not key.strip():
            reason = f"{shown(content)} is neither 'Key = value', nor a comment (;), nor [{_SECTION}]"
            raise ConfigurationError(path, number, reason)
        yield Entry(path, key.strip(), number, value.strip())


def _with_number(entry: Entry) -> Entry:
    return replace(entry, value=_number(entry, str(entry.value)))


def _number(entry: Entry, text: str) -> int:
    if len(text) <= _LONGEST and _NUMBER.fullmatch(text):
        return int(text, 0)
    subject = "which" if text == entry.value else f"of which {shown(text)}"
    if _LEADING_ZERO.fullmatch(text):
        reason = "is octal before nrfjprog 10.21.0 and decimal since: leave the leading zero out, or write 0x"
        raise entry.wrong(f"{subject} {reason}")
    raise entry.wrong(f"{subject} is not a number: decimal, 0x or 0b, of 32 bits at most")


def _instruction(entry: Entry) -> Instruction:
    value = str(entry.value)
    form = _INSTRUCTION_FORM.fullmatch(value)
    if not form:
        raise entry.wrong("where an opcode belongs, with data in brackets if any, such as 0x01, [0x40, 0x00]")
    data = form[2].split(",") if form[2] and form[2].strip() else []
    if len(data) > MOST_DATA:
        raise entry.wrong(f"with {len(data)} bytes of data, where the QSPI sends {MOST_DATA} at most")
    numbers = [_number(entry, item.strip()) for item in (form[1], *data)]
    for number in numbers:
        if not 0 <= number <= 255:
            raise entry.wrong(f"of which {shown(number)} is not a byte: from 0 to 255")
    return Instruction(numbers[0], bytes(numbers[1:]))


def write_ini(flash: ExternalFlash, soc: Soc, comments: bool) -> tuple[str, tuple[str, ...]]:
    """Return the text of an ``.ini`` file, and what gets lost. Raises ValueError: see ``contents``."""
    keys, lost = contents(flash, INI_FIELDS, soc)
    lines = [f"; {line}" for line in (*HEAD, *lost)] if comments else []
    lines += ["", f"[{_SECTION}]"] if comments else [f"[{_SECTION}]"]
    told = ""
    for item, value in keys:
        origin = item.origin(flash)
        if comments and origin != told:
            lines.append(f"; from {origin}")
        told = origin
        lines.append(f"{item.key} = {_spelled(item.fact, value)}")
    if comments and flash.instructions:
        lines.append(f"; from {plain(str(flash.source('instructions')))}")
    for instruction in flash.instructions or ():
        if comments:
            lines.append(f"; {instruction.opcode:02X}: {meaning(instruction)}")
        data = ", ".join(f"0x{byte:02X}" for byte in instruction.data)
        lines.append(f"{INI_INSTRUCTION} = 0x{instruction.opcode:02X}" + (f", [{data}]" if data else ""))
    return "\n".join(lines) + "\n", lost


def _spelled(fact: str, value: object) -> str:
    if isinstance(value, int):
        return f"0x{value:X}" if fact == "size" else str(int(value))
    return str(value)
