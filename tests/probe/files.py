"""Files for Nordic's library: firmware as Intel HEX, and QSPI configurations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.helpers.hextext import record, rows, text

WRITE_ENABLE = (0x06,)
ENTER_4_BYTE = (0xB7,)
QUAD_ENABLE = (0x01, 0x40)
QUAD_AND_FAST = (0x01, 0x40, 0x00, 0x02)

_PINS = {"csn": 17, "sck": 19, "dio0": 20, "dio1": 21, "dio2": 22, "dio3": 23}
_SETTINGS: Mapping[str, object] = {
    "mem_size": 0x80_0000,
    "read_mode": "READ4IO",
    "write_mode": "PP4IO",
    "address_mode": "BIT24",
    "frequency": "M16",
    "spi_mode": "MODE0",
    "rx_delay": 2,
    "wip_index": 0,
    "page_program_size": "PAGE256",
    "retain_ram": True,
}


def hex_file(path: Path, *pieces: tuple[int, bytes]) -> str:
    """Write pieces, each an address and its bytes, as Intel HEX. Returns the path as text."""
    lines = [line for address, data in pieces for line in rows(address, data)]
    path.write_bytes(text(*lines, record(0, 1)))
    return str(path)


def configuration(
    path: Path, *, instructions: Sequence[Sequence[int]] = (WRITE_ENABLE, QUAD_AND_FAST), **changes: object
) -> str:
    """Write a configuration in TOML; ``changes`` are by its keys. Returns the path as text."""
    lines = ["[qspi]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in {**_SETTINGS, **changes}.items()]
    lines += [f"{name}.pin = {pin}\n{name}.port = 0" for name, pin in _PINS.items()]
    items = (f"{{ command = {code}, data = {list(data)} }}" for code, *data in instructions)
    lines += [
        "sck.delay = 128",
        'custom.io2_level = "LEVEL_LOW"',
        'custom.io3_level = "LEVEL_HIGH"',
        f"custom.instructions = [{', '.join(items)}]",
    ]
    path.write_text("\n".join(lines) + "\n")
    return str(path)
