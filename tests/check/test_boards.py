"""Boards by their names: which names are boards, and which a board with something after it."""

from __future__ import annotations

import pytest

from west_qspi.check.boards import board_in, is_board, known_board, soc_of, without_revision
from west_qspi.soc import NRF5340, NRF52840


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("nrf5340dk_nrf5340_cpuapp", "nrf5340dk_nrf5340_cpuapp"),
        ("nrf5340dk_nrf5340_cpuapp_ns", "nrf5340dk_nrf5340_cpuapp_ns"),
        ("thingy53_nrf5340_cpuapp_ns_1_0_0", "thingy53_nrf5340_cpuapp_ns"),
        ("watchdk_nrf5340_cpuapp_1", "watchdk_nrf5340_cpuapp"),
        ("rhinopuck35_nrf52840_1_2_0", "rhinopuck35_nrf52840"),
        ("board_nrf52840_B", "board_nrf52840"),
        ("nrf54l15dk_nrf54l15_cpuapp", "nrf54l15dk_nrf54l15_cpuapp"),
        ("nrf9160dk_nrf9160_ns_0_14_0", "nrf9160dk_nrf9160_ns"),
        ("xiao_ble", "xiao_ble"),
        ("nrf52840dongle", "nrf52840dongle"),
    ],
)
def test_a_name_that_ends_in_a_target_is_a_board(name: str, plain: str) -> None:
    assert is_board(name)
    assert without_revision(name) == plain


@pytest.mark.parametrize(
    "name",
    [
        "",
        "release",
        "mcuboot_qspi",
        "watchdk_da7212",
        "stm32l562e_dk",
        "nrf5340dk_nrf5340",
        "nrf5340dk_nrf5340_cpunet",
        "nrf5340_cpuapp",
        "nrf5340dk_nrf5340_cpuapp_minimal",
        "nrf52840dk_nrf52840_release",
        "MYOLD",
    ],
)
def test_a_name_that_ends_in_anything_else_is_none(name: str) -> None:
    assert not is_board(name)
    assert without_revision(name) == name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nrf5340dk_nrf5340_cpuapp_minimal", ("nrf5340dk_nrf5340_cpuapp", "minimal")),
        ("nrf5340dk_nrf5340_cpuapp_ns_release", ("nrf5340dk_nrf5340_cpuapp_ns", "release")),
        ("w_nrf5340_cpuapp_1_fota_x", ("w_nrf5340_cpuapp_1", "fota_x")),
        ("nrf52840dk_nrf52840_usb", ("nrf52840dk_nrf52840", "usb")),
        ("release", None),
    ],
)
def test_a_suffix_is_what_follows_a_board(name: str, parts: tuple[str, str] | None) -> None:
    assert board_in(name) == parts


def test_what_is_known_of_a_board_holds_with_qualifiers_and_revision() -> None:
    for name in ("nrf5340dk", "nrf5340dk/nrf5340/cpuapp", "nrf5340dk@2.0.0/nrf5340/cpuapp", "nrf5340dk_x"):
        board = known_board(name)
        assert board is not None
        assert (board.chip, board.size, board.jedec_id.hex()) == ("mx25r64", 0x800000, "c22817")
    assert known_board("nrf5340dkx") is None


def test_the_soc_is_told_by_board_or_qualifier() -> None:
    assert soc_of("xiao_ble") is NRF52840
    assert soc_of("own_nrf5340_cpuapp") is NRF5340
    assert soc_of("own_nrf52840") is NRF52840
    assert soc_of("nrf54l15dk_nrf54l15_cpuapp") is None
