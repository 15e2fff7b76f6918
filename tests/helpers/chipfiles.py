"""Programmer configurations to begin with: right files, of which a test changes single values."""

from __future__ import annotations

import json
from typing import Any

from west_qspi.extflash.model import ExternalFlash, Instruction, Kind, Pins

# nrfjprog 10.24.2's QspiDefault.ini: the chip of the nRF52840 DK, without the instructions for it.
INI = {
    "MemSize": "0x800000",
    "ReadMode": "READ4IO",
    "WriteMode": "PP4IO",
    "AddressMode": "BIT24",
    "Frequency": "M16",
    "SpiMode": "MODE0",
    "SckDelay": "0x80",
    "RxDelay": "2",
    "CustomInstructionIO2Level": "LEVEL_LOW",
    "CustomInstructionIO3Level": "LEVEL_HIGH",
    "CSNPin": "17",
    "CSNPort": "0",
    "SCKPin": "19",
    "SCKPort": "0",
    "DIO0Pin": "20",
    "DIO0Port": "0",
    "DIO1Pin": "21",
    "DIO1Port": "0",
    "DIO2Pin": "22",
    "DIO2Port": "0",
    "DIO3Pin": "23",
    "DIO3Port": "0",
    "WIPIndex": "0",
    "PPSize": "PAGE256",
    "RetainRAM": "1",
}

# nrfutil's documentation, "Programming external memory": its example for the nRF5340.
JSON: dict[str, Any] = {
    "firmware_config": {"peripheral": "QSPI"},
    "pins": {"sck": 17, "csn": 18, "io0": 13, "io1": 14, "io2": 15, "io3": 16},
    "flash_size": 0x800000,
    "sck_frequency": 8_000_000,
    "address_mode": "MODE24BIT",
    "readoc": "READ4IO",
    "writeoc": "PP4IO",
    "pp_size": "PPSIZE256",
    "sck_delay": 128,
    "rx_delay": 7,
    "page_size": 4096,
}


def ini_text(*more: str, **values: str | None) -> str:
    """Return nrfjprog's ini with other values, without the keys that are None, and with lines at its end.

    The section is line 1, and MemSize line 2. A key that the file does not have raises ValueError.
    """
    strange = values.keys() - INI.keys()
    if strange:
        raise ValueError(f"no keys of the ini: {sorted(strange)}")
    keys = [f"{key} = {value}" for key, value in {**INI, **values}.items() if value is not None]
    return "".join(f"{line}\n" for line in ("[DEFAULT_CONFIGURATION]", *keys, *more))


def json_text(**values: object) -> str:
    """Return nrfutil's json with other values, and with the keys that it does not have."""
    return json.dumps({**JSON, **values}, indent=1)


def every_fact(kind: Kind, name: str) -> ExternalFlash:
    """Return what the complete files of the tests of nrfjprog's two formats say: no value is a usual one."""
    return ExternalFlash(
        kind=kind,
        name=name,
        size=32 * 1024 * 1024,
        address_bytes=4,
        read="read2io",
        write="pp4o",
        page=512,
        frequency=8_000_000,
        spi_mode=3,
        sck_delay=5,
        rx_delay=3,
        # P1.01 is number 33: a port has 32 pins.
        pins=Pins(sck=17, csn=18, io0=13, io1=14, io2=15, io3=33),
        instructions=(Instruction(0x06), Instruction(0x01, b"\x40\x00\x02")),
        io2_high=False,
        io3_high=True,
        wip_bit=7,
        retain_ram=False,
    )
