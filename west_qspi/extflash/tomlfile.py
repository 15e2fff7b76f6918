"""nrfjprog's QSPI configuration as a ``.toml`` file: the table ``[qspi]`` and those below it.

Source: config.toml of nrfjprog 10.24.2. Its other tables (log, rtt, jlink, target, approtect, system) are
none of ours.
"""

from __future__ import annotations

from west_qspi.errors import ConfigurationError
from west_qspi.extflash.fields import Entry, KeyPath, entries_of, read_fields, require, shown
from west_qspi.extflash.model import ExternalFlash, Instruction, Kind
from west_qspi.extflash.nrfjprog import HEAD, MOST_DATA, TOML_FIELDS, TOOL, contents, description, meaning
from west_qspi.extflash.printable import plain
from west_qspi.extflash.textfile import parse_text
from west_qspi.soc import Soc

_CUSTOM: KeyPath = ("qspi", "custom")


def _instructions(entry: Entry) -> tuple[Instruction, ...]:
    if not isinstance(entry.value, list):
        raise entry.wrong("where a list of {command = ..., data = [...]} belongs")
    return tuple(_instruction(entry, number, item) for number, item in enumerate(entry.value, 1))


def _instruction(entry: Entry, number: int, item: object) -> Instruction:
    def wrong(reason: str) -> ConfigurationError:
        text = f"'{entry.source.key}': number {number} {reason}"
        return ConfigurationError(entry.path, entry.line, text)

    if not isinstance(item, dict) or not set(item) <= {"command", "data"} or "command" not in item:
        raise wrong(f"is {shown(item)}, where {{command = ..., data = [...]}} belongs")
    data = item.get("data", [])
    if not isinstance(data, list):
        raise wrong(f"has {shown(data)} for data, where a list of bytes belongs")
    if len(data) > MOST_DATA:
        raise wrong(f"has {len(data)} bytes of data, where the QSPI sends {MOST_DATA} at most")
    for value in (item["command"], *data):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
            raise wrong(f"has {shown(value)}, where a byte from 0 to 255 belongs")
    return Instruction(item["command"], bytes(data))


def parse_toml(text: str, path: str) -> ExternalFlash:
    """Read a ``.toml`` file; ``path`` is its name. Raises ConfigurationError."""
    tree, lines = parse_text(text, path, ConfigurationError)
    if "qspi" not in tree:
        raise ConfigurationError(
            path, 0, "there is no table [qspi], which holds nrfjprog's QSPI configuration"
        )
    entries = dict(entries_of({"qspi": tree["qspi"]}, TOML_FIELDS, lines, path))
    custom = entries.pop((*_CUSTOM, "instructions"), None)
    reading = read_fields(entries, TOML_FIELDS)
    require(reading, TOML_FIELDS, path, lines.get(("qspi",), 0), TOOL)
    if custom:
        reading.sources["instructions"] = custom.source
    return description(Kind.TOML, path, reading, _instructions(custom) if custom else ())


def write_toml(flash: ExternalFlash, soc: Soc, comments: bool) -> tuple[str, tuple[str, ...]]:
    """Return the text of a ``.toml`` file, and what gets lost. Raises ValueError: see ``contents``."""
    keys, lost = contents(flash, TOML_FIELDS, soc)
    tables: dict[KeyPath, list[str]] = {("qspi",): []}
    told: dict[KeyPath, str] = {}
    for item, value in keys:
        table = item.path[:-1]
        lines = tables.setdefault(table, [])
        origin = item.origin(flash)
        if comments and told.get(table) != origin:
            lines.append(f"# from {origin}")
        told[table] = origin
        lines.append(f"{item.path[-1]} = {_spelled(item.fact, value)}")
    tables[_CUSTOM] = tables.pop(_CUSTOM) + (
        _instruction_lines(flash, comments) if flash.instructions else []
    )
    text = [f"# {line}" for line in (*HEAD, *lost)] if comments else []
    for path, lines in tables.items():
        text += [*([""] if text else []), f"[{'.'.join(path)}]", *lines]
    return "\n".join(text) + "\n", lost


def _instruction_lines(flash: ExternalFlash, comments: bool) -> list[str]:
    lines = [f"# from {plain(str(flash.source('instructions')))}"] if comments else []
    lines.append("instructions = [")
    for instruction in flash.instructions or ():
        if comments:
            lines.append(f"    # {instruction.opcode:02X}: {meaning(instruction)}")
        data = ", ".join(f"0x{byte:02X}" for byte in instruction.data)
        lines.append(f"    {{command = 0x{instruction.opcode:02X}, data = [{data}]}},")
    return [*lines, "]"]


def _spelled(fact: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"0x{value:X}" if fact == "size" else str(value)
    return f'"{value}"'
