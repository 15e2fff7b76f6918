"""Which chip a variant has, and how large it is: from devicetree, from a known board, or not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.check.boards import BOARDS, Board
from west_qspi.check.chip import Chip, find_chip
from west_qspi.check.devicetree import View
from west_qspi.check.parse.dtsource import parse_dtsource

DK = BOARDS["nrf5340dk"]
CHOSEN = "/ { chosen { nordic,pm-ext-flash = &flash; }; };\n"
MIB = 1 << 20


def chip(text: str, board: Board | None = None) -> Chip:
    found = find_chip(View((parse_dtsource(text, Path("app.overlay")),)), board)
    assert found is not None
    return found


def described(properties: str) -> str:
    return f'{CHOSEN}&qspi {{ flash: chip@0 {{ compatible = "nordic,qspi-nor"; {properties} }}; }};\n'


def test_size_is_in_bits_and_size_in_bytes_is_not() -> None:
    # 16 MiB are 16 * 1024 * 1024 * 8 = 134217728 bits.
    assert chip(described("size = <134217728>;")).size == 16 * MIB
    assert chip(described("size-in-bytes = <0x1000000>;")).size == 16 * MIB


def test_the_size_in_bytes_counts_before_the_other_as_in_the_driver() -> None:
    assert chip(described("size = <0x4000000>; size-in-bytes = <0x1000000>;")).size == 16 * MIB


def test_a_size_is_told_with_its_place() -> None:
    found = chip("\n" + described("jedec-id = [ef 40 18];\n  size = <0x8000000>;"))
    assert found.size_spot is not None
    assert (found.size_spot.path.name, found.size_spot.line) == ("app.overlay", 4)


@pytest.mark.parametrize("written", ["", "size = <DT_SIZE_M(128)>;", "size = <(1 << 27)>;"])
def test_a_size_that_only_the_preprocessor_knows_is_not_known(written: str) -> None:
    assert chip(described(written)).size is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [("[ef 40 18]", b"\xef\x40\x18"), ("[ef 40]", None), ("[ef 40 18 00]", None), ("<1>", None)],
)
def test_a_jedec_id_has_three_bytes(written: str, expected: bytes | None) -> None:
    found = chip(described(f"jedec-id = {written};"))
    assert found.jedec_id == expected
    # The third byte, 0x18, stands for 2 ** 24 bytes.
    assert found.capacity == (16 * MIB if expected else None)


def test_the_choice_for_partition_manager_counts_before_what_is_on_qspi() -> None:
    other = '&spi2 { flash: other@0 { compatible = "jedec,spi-nor"; size = <8388608>; }; };\n'
    on_qspi = '&qspi { big: big@0 { compatible = "nordic,qspi-nor"; size = <134217728>; }; };\n'
    assert (chip(CHOSEN + on_qspi + other).label, chip(on_qspi + other).label) == ("flash", "big")
    assert chip(CHOSEN + on_qspi + other).size == MIB


def test_a_chip_that_is_switched_off_is_none() -> None:
    text = '&qspi { big: big@0 { compatible = "nordic,qspi-nor"; status = "disabled"; }; };'
    assert find_chip(View((parse_dtsource(text, Path("app.overlay")),)), None) is None


def test_a_chip_that_another_file_describes_is_known_by_its_label_only() -> None:
    found = chip(CHOSEN)
    assert (found.label, found.node, found.size, found.jedec_id, found.capacity) == ("flash",) + (None,) * 4


def test_a_kits_chip_is_known_without_its_devicetree() -> None:
    # The nRF5340 DK has an MX25R6435F: 64 Mbit, JEDEC id C2 28 17.
    found = find_chip(View(()), DK)
    assert found is not None
    assert (found.label, found.size, found.jedec_id) == ("mx25r64", 8 * MIB, b"\xc2\x28\x17")
    assert found.size_spot is None


def test_what_an_overlay_says_of_a_kits_chip_counts_before_what_is_known() -> None:
    found = chip("&mx25r64 { size = <134217728>; };", DK)
    assert (found.size, found.jedec_id) == (16 * MIB, b"\xc2\x28\x17")


def test_another_chip_on_a_kit_is_not_taken_for_the_kits() -> None:
    found = chip(CHOSEN + '&qspi { flash: big@0 { compatible = "nordic,qspi-nor"; }; };', DK)
    assert (found.label, found.size, found.jedec_id) == ("flash", None, None)


def test_without_any_description_there_is_no_chip() -> None:
    assert find_chip(View(()), None) is None
    assert find_chip(View(()), BOARDS["nrf7002dk"]) is None
