"""The pins of the QSPI controller, in each of the ways that devicetrees have given them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from west_qspi.build.dts import parse_dts
from west_qspi.build.pinctrl import qspi_pins

# Zephyr's nrf-pinctrl.h: NRF_FUN_QSPI_SCK is 29U, CSN 30U, IO0 to IO3 31U to 34U.
SCK, CSN, IO0, IO1, IO2, IO3 = range(29, 35)
SHIFTS = [24, 17, 16]
# NRF_PIN_DISCONNECTED is NRF_PIN_MSK, which grew from 7 to 9 bits when the function moved to bit 17.
DISCONNECTED = {24: 0x1FF, 17: 0x1FF, 16: 0x7F}
# The nRF5340 DK's, as its board file has them: P0.17, P0.18, P0.13 to P0.16.
DK = (17, 18, 13, 14, 15, 16)


def pins(controller: str, *groups: str, state: str = "qspi_default") -> tuple[int | None, ...]:
    """Return the pins of a controller with these properties and these groups in its pin states."""
    body = " ".join(f"group{number} {{ {group} }};" for number, group in enumerate(groups, 1))
    text = f"""/ {{ qspi: qspi@2b000 {{ {controller} }};
        pinctrl: pin-controller {{ {state}: {state} {{ {body} }}; }}; }};"""
    tree = parse_dts(text, Path("zephyr.dts"))
    return qspi_pins(tree, tree.labels["qspi"])


def psels(*values: int) -> str:
    return f"psels = {', '.join(f'< {value:#x} >' for value in values)};"


DEFAULT = "pinctrl-0 = < &qspi_default >;"


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_function_is_found_from_each_bit_that_a_version_had_it_at(shift: int) -> None:
    values = [function << shift | pin for function, pin in zip(range(SCK, IO3 + 1), DK, strict=True)]
    assert pins(DEFAULT, psels(*values)) == DK


@pytest.mark.parametrize("value", [0x1D_0013, 0x3A_0013, 0x1D00_0013])
def test_sck_on_p0_19_as_three_versions_write_it(value: int) -> None:
    assert pins(DEFAULT, psels(value)) == (19, None, None, None, None, None)


@given(
    st.sampled_from(SHIFTS),
    st.lists(st.one_of(st.none(), st.integers(0, 47)), min_size=6, max_size=6),
    st.permutations(range(6)),
)
@settings(derandomize=True, deadline=None)
def test_every_pin_comes_out_whatever_the_order(
    shift: int, wanted: list[int | None], order: list[int]
) -> None:
    values = []
    for index in order:
        pin = wanted[index]
        values.append((SCK + index) << shift | (DISCONNECTED[shift] if pin is None else pin))
    assert pins(DEFAULT, psels(*values)) == tuple(wanted)


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_groups_of_a_state_add_up(shift: int) -> None:
    groups = (psels(SCK << shift | 17, IO0 << shift | 13), psels(CSN << shift | 18))
    assert pins(DEFAULT, *groups) == (17, 18, 13, None, None, None)


@pytest.mark.parametrize("shift", SHIFTS)
def test_pins_of_port_1_count_from_32(shift: int) -> None:
    assert pins(DEFAULT, psels(SCK << shift | 32 + 9))[0] == 41


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_pin_that_is_disconnected_is_none(shift: int) -> None:
    values = (SCK << shift | 17, CSN << shift | 18, IO0 << shift | 13, IO1 << shift | 14)
    disconnected = (IO2 << shift | DISCONNECTED[shift], IO3 << shift | DISCONNECTED[shift])
    assert pins(DEFAULT, psels(*values, *disconnected)) == (17, 18, 13, 14, None, None)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("function", [0, 4, 5, 27, 28, 35, 36, 40])
def test_the_functions_of_other_peripherals_are_passed_over(shift: int, function: int) -> None:
    only_csn = (None, 18, None, None, None, None)
    assert pins(DEFAULT, psels(function << shift | 5, CSN << shift | 18)) == only_csn
    assert pins(DEFAULT, psels(function << shift | 5)) == ()


def test_only_the_default_state_counts() -> None:
    sleep = "pinctrl-0 = < &qspi_other >; pinctrl-1 = < &qspi_default >;"
    assert pins(sleep, psels(SCK << 24 | 17)) == ()


def test_a_state_may_be_named_by_its_path() -> None:
    assert pins('pinctrl-0 = "/pin-controller/qspi_default";', psels(SCK << 24 | 17))[0] == 17


# --- before pinctrl ---


def test_properties_of_the_controller() -> None:
    text = "sck-pin = < 0x11 >; io-pins = < 0xd >, < 0xe >, < 0xf >, < 0x10 >; csn-pins = < 0x12 >;"
    assert pins(text) == DK


def test_two_lines_are_enough() -> None:
    assert pins("sck-pin = <19>; csn-pins = <17>; io-pins = <20>, <21>;") == (19, 17, 20, 21, None, None)


def test_cells_may_stand_in_one_list() -> None:
    assert pins("sck-pin = <19>; csn-pins = <17>; io-pins = <20 21 22 23>;") == (19, 17, 20, 21, 22, 23)


def test_pinctrl_goes_before_what_was_there_before_it() -> None:
    both = pins(DEFAULT + " sck-pin = <1>; csn-pins = <2>;", psels(SCK << 24 | 17))
    assert both == (17, None, None, None, None, None)


@pytest.mark.parametrize(
    "controller",
    ["", DEFAULT, "pinctrl-0 = < &nowhere >;", "pinctrl-0 = < 1 >;", "sck-pin;", 'io-pins = "a";'],
)
def test_no_pins(controller: str) -> None:
    assert pins(controller) == ()
