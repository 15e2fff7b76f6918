"""What the devicetree says: each fact, and where it stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from west_qspi.build.devicetree import external_flash
from west_qspi.build.dts import parse_dts
from west_qspi.build.model import FlashNode
from west_qspi.errors import BrokenBuildFile
from west_qspi.extflash.described import from_devicetree
from west_qspi.extflash.model import Kind, Pins, Source
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.soc import NRF5340, NRF52840, Soc

FULL = (
    'readoc = "read2io";',
    'writeoc = "pp2o";',
    'quad-enable-requirements = "S2B1v6";',
    "sck-frequency = < 0x1e84800 >;",
    "jedec-id = [ EF 40 19 ];",
    "size = < 0x10000000 >;",
    "address-size-32;",
    "enter-4byte-addr = < 0x2 >;",
    "ppsize-512;",
    "cpol;",
    "cpha;",
    "sck-delay = < 0x7d0 >;",
    "rx-delay = < 0x3 >;",
)
# Properties begin in the fifth line of the tree that ``node`` makes.
FIRST_LINE = 5
PATH = Path("app") / "zephyr" / "zephyr.dts"


def node(*properties: str, controller: str = "nordic,nrf-qspi", on: str = "") -> FlashNode:
    """Return the chip of a small tree, its properties one a line."""
    text = "\n".join(
        [
            "/dts-v1/; / { #address-cells = < 1 >; #size-cells = < 1 >;",
            f'qspi: qspi@2b000 {{ compatible = "{controller}"; {on} reg = < 0x2b000 0x1000 >;',
            "#address-cells = < 1 >; #size-cells = < 0 >;",
            'chip: flash@0 { compatible = "nordic,qspi-nor"; reg = < 0 >;',
            *properties,
            "}; }; chosen { nordic,pm-ext-flash = &chip; }; };",
        ]
    )
    found = external_flash(parse_dts(text, PATH), NRF5340, chosen_first=True)
    assert found is not None
    return found


# --- devicetree ------------------------------------------------------------------------------------


def test_every_property_becomes_a_fact() -> None:
    flash = from_devicetree(node(*FULL), NRF52840)
    assert (flash.kind, flash.name) == (Kind.DEVICETREE, "devicetree")
    assert flash.facts == {
        "jedec_id": b"\xef\x40\x19",
        "size": 32 << 20,  # the devicetree counts bits
        "address_bytes": 4,
        "enter_4byte": FourByteEntry.WREN_B7,
        "quad_enable": "S2B1v6",
        "read": "read2io",
        "write": "pp2o",
        "page": 512,
        "frequency": 32_000_000,
        "spi_mode": 3,
        "sck_delay": 32,  # 2000 ns in periods of 62.5 ns
        "rx_delay": 3,
        "peripheral": "QSPI",
    }


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        ("read", "readoc"),
        ("write", "writeoc"),
        ("quad_enable", "quad-enable-requirements"),
        ("frequency", "sck-frequency"),
        ("jedec_id", "jedec-id"),
        ("size", "size"),
        ("address_bytes", "address-size-32"),
        ("enter_4byte", "enter-4byte-addr"),
        ("page", "ppsize-512"),
        ("spi_mode", "cpol"),
        ("sck_delay", "sck-delay"),
        ("rx_delay", "rx-delay"),
    ],
)
def test_every_fact_has_its_file_and_line(fact: str, name: str) -> None:
    flash = from_devicetree(node(*FULL), NRF5340)
    (line,) = (
        number for number, text in enumerate(FULL, FIRST_LINE) if text.split(" ")[0].strip(";") == name
    )
    assert flash.source(fact) == Source(str(PATH), name, line)
    assert str(flash.source(fact)) == f"'{name}' in {PATH}:{line}"
    # What the tree does not say has the node for a source, and no line.
    bare = from_devicetree(node(), NRF5340)
    assert str(bare.source(fact)) == f"/qspi@2b000/flash@0, which has no '{name}'"


def test_what_it_does_not_say_is_the_bindings_default_or_nothing() -> None:
    flash = from_devicetree(node(), NRF5340)
    assert flash.facts == {
        "address_bytes": 3,
        "enter_4byte": FourByteEntry.NONE,  # Zephyr's driver sends nothing without the property
        "quad_enable": "S1B6",
        "read": "fastread",
        "write": "pp",
        "page": 256,
        "spi_mode": 0,
        "peripheral": "QSPI",
    }


def test_the_newer_size_is_in_bytes() -> None:
    flash = from_devicetree(node("size-in-bytes = < 0x800000 >;"), NRF5340)
    assert (flash.size, flash.source("size").key) == (8 << 20, "size-in-bytes")


def test_a_chip_on_plain_spi_has_another_clock_and_no_peripheral() -> None:
    flash = from_devicetree(node("spi-max-frequency = < 10000000 >;", controller="nordic,nrf-spim"), NRF5340)
    assert (flash.frequency, flash.source("frequency").key) == (10_000_000, "spi-max-frequency")
    assert flash.peripheral is None
    assert flash.pins is None


def test_pins_come_from_the_controller() -> None:
    on = "sck-pin = < 17 >; csn-pins = < 18 >; io-pins = < 13 >, < 14 >;"
    flash = from_devicetree(node(on=on), NRF5340)
    assert flash.pins == Pins(17, 18, 13, 14, None, None)
    assert flash.source("pins") == Source(str(PATH), "pinctrl-0 of the QSPI controller")
    assert from_devicetree(node(), NRF5340).pins is None


@pytest.mark.parametrize(
    ("mask", "entry"),
    [
        (None, FourByteEntry.NONE),
        (0, FourByteEntry.NONE),
        (1, FourByteEntry.B7),
        (2, FourByteEntry.WREN_B7),
        (3, FourByteEntry.WREN_B7),
        (0xB7, FourByteEntry.WREN_B7),  # an opcode where a mask belongs, as seen in a product
        (4, FourByteEntry.NONE),  # JESD216: by an extended address register, which nobody here can do
        (0xFC, FourByteEntry.NONE),
    ],
)
def test_the_mask_of_enter_4byte_addr(mask: int | None, entry: FourByteEntry) -> None:
    given_mask = () if mask is None else (f"enter-4byte-addr = < {mask} >;",)
    assert from_devicetree(node(*given_mask), NRF5340).enter_4byte is entry


@pytest.mark.parametrize(
    ("soc", "nanoseconds", "periods"),
    [
        # 31.25 ns a period on the nRF5340, 62.5 ns on the nRF52840; what is begun counts whole.
        (NRF5340, 0, 0),
        (NRF5340, 1, 1),
        (NRF5340, 31, 1),
        (NRF5340, 32, 2),
        (NRF5340, 1000, 32),
        (NRF5340, 7968, 255),
        (NRF5340, 1_000_000, 255),  # all that the register holds
        (NRF52840, 0, 0),
        (NRF52840, 1, 1),
        (NRF52840, 62, 1),
        (NRF52840, 63, 2),
        (NRF52840, 1000, 16),
        (NRF52840, 15937, 255),
        (NRF52840, 1_000_000, 255),
    ],
)
def test_the_delay_in_nanoseconds_is_made_of_periods(soc: Soc, nanoseconds: int, periods: int) -> None:
    assert from_devicetree(node(f"sck-delay = < {nanoseconds} >;"), soc).sck_delay == periods


@given(st.integers(0, 7968), st.sampled_from([(NRF5340, 31.25), (NRF52840, 62.5)]))
@settings(derandomize=True, deadline=None)
def test_the_delay_is_never_shorter_than_it_was_asked_for(nanoseconds: int, clock: tuple[Soc, float]) -> None:
    soc, period = clock
    delay = from_devicetree(replace(node(), sck_delay=nanoseconds), soc).sck_delay
    assert delay is not None
    assert nanoseconds <= delay * period < nanoseconds + period


@pytest.mark.parametrize(
    ("name", "value"),
    [("readoc", "read8io"), ("writeoc", "pp8"), ("quad-enable-requirements", "S1B7")],
)
def test_what_the_binding_does_not_know_is_refused_with_its_line(name: str, value: str) -> None:
    with pytest.raises(BrokenBuildFile) as caught:
        from_devicetree(node("has-dpd;", f'{name} = "{value}";'), NRF5340)
    assert (caught.value.path, caught.value.line) == (str(PATH), FIRST_LINE + 1)
    assert f"'{name}' is '{value}', which is none of " in caught.value.reason


@pytest.mark.parametrize("alone", ["cpol", "cpha"])
def test_one_of_cpol_and_cpha_alone_is_refused_with_its_line(alone: str) -> None:
    with pytest.raises(BrokenBuildFile, match="only one of 'cpol' and 'cpha'") as caught:
        node("has-dpd;", f"{alone};")
    assert (caught.value.path, caught.value.line) == (str(PATH), FIRST_LINE + 1)
