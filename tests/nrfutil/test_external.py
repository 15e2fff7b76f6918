"""The file that tells nrfutil about the external flash, read as nrfutil reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.boards import SMALL, build_of, changed
from tests.helpers.chipfiles import json_text
from west_qspi.errors import IllegalAccess
from west_qspi.extflash.configfile import Format, parse_config
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.parts import KNOWN
from west_qspi.nrfutil.external import described_memory, write_for_tool
from west_qspi.soc import NRF5340, NRF52840, Soc


def written(flash: ExternalFlash, soc: Soc, folder: Path) -> dict[str, Any]:
    memory = described_memory(flash, soc, KNOWN, "a board")
    content: dict[str, Any] = json.loads(write_for_tool(flash, soc, memory, folder).read_text())
    return content


def described(config: str | None = None, **options: object) -> ExternalFlash:
    configured = parse_config(config, "chip.json", Format.JSON) if config else None
    flash = chip_of(build_of(changed(SMALL, **options)), KNOWN, configured)
    assert flash is not None
    return flash


def test_it_says_what_the_devicetree_says_but_for_the_lines(tmp_path: Path) -> None:
    assert written(described(), NRF5340, tmp_path) == {
        "firmware_config": {"peripheral": "QSPI"},
        "pins": {"sck": 17, "csn": 18, "io0": 13, "io1": 14, "io2": 15, "io3": 16},
        "flash_size": 8 * 1024 * 1024,
        "sck_frequency": 8_000_000,
        "address_mode": "MODE24BIT",
        "readoc": "FASTREAD",
        "writeoc": "PP",
        "pp_size": "PPSIZE256",
        "sck_delay": 128,
        "rx_delay": 7,
        "page_size": 4096,
    }


def test_a_large_chip_has_32_bits(tmp_path: Path) -> None:
    content = written(described(network=False, flash_size=64), NRF5340, tmp_path)
    assert (content["address_mode"], content["flash_size"]) == ("MODE32BIT", 64 * 1024 * 1024)


def test_a_file_of_the_users_decides_pins_clock_and_compression(tmp_path: Path) -> None:
    pins = {"sck": 33, "csn": 34, "io0": 35, "io1": 36, "io2": 37, "io3": 38}
    config = json_text(
        pins=pins,
        sck_frequency=4_000_000,
        page_size=0x1_0000,
        firmware_config={"peripheral": "QSPI", "compress": False},
    )
    content = written(described(config, soc="nrf52840", network=False), NRF52840, tmp_path)
    assert content["pins"] == pins
    assert content["sck_frequency"] == 4_000_000
    assert content["firmware_config"] == {"peripheral": "QSPI", "compress": False}
    assert content["page_size"] == 4096


def test_the_chip_is_as_large_as_its_description_and_erased_by_sectors() -> None:
    memory = described_memory(described(), NRF5340, KNOWN, "a board")
    assert (memory.bus.start, memory.size) == (0x1000_0000, 8 * 1024 * 1024)
    assert [size for size, _ in memory.geometry.erase] == [4096]


def test_a_part_that_is_known_needs_no_size_and_an_unknown_one_does() -> None:
    flash = described()
    memory = described_memory(replace(flash, size=None), NRF5340, KNOWN, "a board")
    assert memory.size == 8 * 1024 * 1024
    with pytest.raises(IllegalAccess, match="size"):
        described_memory(replace(flash, size=None, jedec_id=b"\x5e\x40\x17"), NRF5340, KNOWN, "a board")
