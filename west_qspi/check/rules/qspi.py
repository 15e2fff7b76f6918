"""QX310 to QX316: the QSPI peripheral, its pins and its clock, and the chip on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from west_qspi.check.devicetree import Node
from west_qspi.check.model import Severity
from west_qspi.check.pins import Selected, selected_pins
from west_qspi.check.rule import DEVZONE, ZEPHYR, Hit, rule
from west_qspi.check.variant import Variant
from west_qspi.extflash.model import NRF5340_PINS
from west_qspi.soc import NRF5340, NRF52840

_MHZ = 1_000_000
# The driver's BUILD_ASSERT: a sixteenth of the clock that the QSPI is fed with.
_SLOWEST = {NRF5340.name: 6 * _MHZ, NRF52840.name: 2 * _MHZ}
_DEDICATED = {f"QSPI_{name.upper()}": number for name, number in vars(NRF5340_PINS).items()}
_NFC = (9, 10)
_DK_PART = bytes.fromhex("C22817")
# The makers of parts by what their names begin with, as JEDEC JEP106 numbers them.
_MAKERS = {"w25": 0xEF, "is25": 0x9D, "at25": 0x1F, "gd25": 0xC8, "p25q": 0x85, "en25": 0x1C}
_XIP = ("CONFIG_NORDIC_QSPI_NOR_XIP", "CONFIG_XIP_SPLIT_IMAGE")


def _on_qspi(variant: Variant) -> Node | None:
    """Return the node of the chip on QSPI, where files here describe it and it is not switched off."""
    chip = variant.chip
    if chip is None or chip.bus != "qspi" or chip.node is None or chip.node.disabled:
        return None
    return chip.node


def _runs_from_flash(variant: Variant) -> bool:
    """Tell whether code is executed from external flash, as far as that is known."""
    return bool(variant.split) or any(variant.app.on(symbol) for symbol in _XIP)


@rule("QX310", "sck-frequency-out-of-range", Severity.ERROR, f"{DEVZONE}72401/")
def sck_frequency_out_of_range(variant: Variant) -> Iterator[Hit]:
    """``sck-frequency`` is slower than the QSPI can be.

    The build stops with "Unsupported SCK frequency.": the nRF5340 makes 6 to 96 MHz, the nRF52840 2 to 32
    MHz. What is faster is made as fast as it goes. A chip of the MX25R series takes more than 33 MHz only in
    its high performance mode.

    Fix: write a clock that the SoC can make, in Hz.

    Bad:
        sck-frequency = <1000000>;
    Good:
        sck-frequency = <8000000>;
    """
    node, soc = _on_qspi(variant), variant.soc
    found = node.get("sck-frequency") if node else None
    if node is None or soc is None or found is None or found.number is None:
        return
    least, clock = _SLOWEST[soc.name], found.number
    if clock < least:
        text = f"{clock} Hz is slower than the {soc.name} can be: {least // _MHZ} MHz at the least"
        yield Hit(found.spot, text, f"Write <{least}> or more; it is in Hz.")
    elif _is_low_power(variant) and soc is NRF5340 and clock > 33 * _MHZ:
        mode = node.get("mxicy,mx25r-power-mode")
        if mode is None or "high-performance" not in mode.strings:
            text = f"{clock} Hz is more than this part's low power mode takes: 33 MHz"
            fix = 'Add mxicy,mx25r-power-mode = "high-performance";, or write <32000000>.'
            yield Hit(found.spot, text, fix, severity=Severity.NOTE)


def _is_low_power(variant: Variant) -> bool:
    """Tell whether the chip is of the MX25R series, which begins in low power mode."""
    return bool(variant.chip and variant.chip.jedec_id and variant.chip.jedec_id[:2] == _DK_PART[:2])


@rule("QX311", "has-dpd-with-xip", Severity.NOTE, f"{DEVZONE}88967/")
def has_dpd_with_xip(variant: Variant) -> Iterator[Hit]:
    """Code runs from external flash, and power management may put the chip into deep power-down.

    ``has-dpd`` alone is fine: the driver keeps the chip awake while it executes from it. With
    ``CONFIG_PM_DEVICE_RUNTIME`` the device is suspended whenever nobody uses it by the driver, and executing
    is no use that it sees: the CPU hangs.

    Fix: delete the property in the overlay, or keep the device active.

    Bad:
        CONFIG_PM_DEVICE_RUNTIME=y   and has-dpd; in the chip's node
    Good:
        &mx25r64 { /delete-property/ has-dpd; };
    """
    node = _on_qspi(variant)
    found = node.get("has-dpd") if node else None
    power = variant.app.get("CONFIG_PM_DEVICE_RUNTIME")
    if node is None or found is None or power is None or power.value != "y" or not _runs_from_flash(variant):
        return
    text = "the chip may go into deep power-down (CONFIG_PM_DEVICE_RUNTIME=y) while code is executed from it"
    yield Hit(found.spot, text, f"Add &{node.label} {{ /delete-property/ has-dpd; }};")


@rule("QX312", "ext-flash-not-on-qspi", Severity.ERROR, f"{DEVZONE}122780/")
def ext_flash_not_on_qspi(variant: Variant) -> Iterator[Hit]:
    """Code is to be executed from external flash, and the chip is on plain SPI.

    Only what is on the QSPI appears on the bus; the CPU finds nothing at the addresses of the code.

    Fix: put the chip on the QSPI, as a ``nordic,qspi-nor``, and choose it.

    Bad:
        &spi4 { w25q: w25q@0 { compatible = "jedec,spi-nor"; }; };
    Good:
        &qspi { w25q: w25q@0 { compatible = "nordic,qspi-nor"; }; };
    """
    chip = variant.chip
    if not variant.split or chip is None or chip.bus != "spi" or chip.node is None:
        return
    said = chip.node.get("compatible")
    text = f"'{chip.label}' is on plain SPI (jedec,spi-nor), and code is to be executed from it"
    yield Hit(said.spot if said else chip.node.spot, text, "Put the chip on the QSPI, as a nordic,qspi-nor.")


@rule("QX313", "qspi-pins", Severity.ERROR, f"{DEVZONE}119703/")
def qspi_pins(variant: Variant) -> Iterator[Hit]:
    """The QSPI is given pins that it does not have, or that are in use.

    On the nRF5340 its pins are dedicated: SCK P0.17, CSN P0.18, IO0 to IO3 P0.13 to P0.16. On the nRF52840
    P0.09 and P0.10 belong to NFC until UICR says otherwise. "JEDEC id [00 00 00] expect [c2 28 17]" is what
    comes of it, as where another peripheral drives a pin of the QSPI.

    Fix: use the dedicated pins, add ``nfct-pins-as-gpios`` to ``&uicr``, or move the other peripheral.

    Bad:
        psels = <NRF_PSEL(QSPI_SCK, 0, 19)>, <NRF_PSEL(QSPI_CSN, 0, 17)>;   on an nRF5340
    Good:
        psels = <NRF_PSEL(QSPI_SCK, 0, 17)>, <NRF_PSEL(QSPI_CSN, 0, 18)>;
    """
    if variant.soc is None or variant.chip is None or variant.chip.bus != "qspi":
        return
    if _on_qspi(variant) is None and variant.chip.node is not None:
        return
    controller = variant.dt.node("qspi")
    off = controller is not None and controller.disabled
    if off or variant.app.on("CONFIG_NORDIC_QSPI_NOR") is False:
        return
    pins = [item for item in selected_pins(variant.dt, "qspi") if item.signal.startswith("QSPI_")]
    if variant.soc is NRF5340:
        yield from _not_dedicated(pins)
    elif not _nfc_pins_free(variant):
        for item in pins:
            if item.number in _NFC:
                text = f"{item.signal} is on {item}, which is NFC's"
                yield Hit(item.spot, text, "Add &uicr { nfct-pins-as-gpios; };")
    # A chip that only the board's own files describe may have been taken out.
    if variant.chip.node is None and not variant.external:
        return
    used = {number: name for name, number in _DEDICATED.items()} if variant.soc is NRF5340 else {}
    yield from _shared(variant, used or {item.number: item.signal for item in pins})


def _not_dedicated(pins: list[Selected]) -> Iterator[Hit]:
    for item in pins:
        right = _DEDICATED.get(item.signal)
        if right is not None and item.number != right:
            text = f"{item.signal} is on {item}, but the nRF5340 has it on P0.{right:02} only"
            yield Hit(item.spot, text, f"Write NRF_PSEL({item.signal}, 0, {right}).")


def _nfc_pins_free(variant: Variant) -> bool:
    if any("nfct-pins-as-gpios" in node for node in variant.dt.nodes()):
        return True
    return variant.app.on("CONFIG_NFCT_PINS_AS_GPIOS") is True


def _shared(variant: Variant, used: dict[int, str]) -> Iterator[Hit]:
    """Yield the other peripherals that are switched on here and have a pin of the QSPI."""
    labels = {node.handles[0] for node in variant.dt.nodes() if node.handles and node.handles[0] != "qspi"}
    for label in sorted(labels):
        node = variant.dt.node(label)
        status = node.get("status") if node else None
        if status is None or not {"okay", "ok"} & set(status.strings):
            continue
        for item in selected_pins(variant.dt, label):
            if item.number in used:
                text = f"{item.signal} of '{label}' is on {item}, which is {used[item.number]}'s"
                yield Hit(item.spot, text, "Move it to another pin.", severity=Severity.WARNING)


@rule("QX314", "anomaly-159-128mhz", Severity.WARNING, f"{DEVZONE}117535/")
def anomaly_159(variant: Variant) -> Iterator[Hit]:
    """The application sets the nRF5340's CPU to 128 MHz and uses QSPI flash.

    By anomaly 159 the QSPI may fail then: the log says "nRF5340 anomaly 159 conditions detected", and "Set
    the CPU clock to 64 MHz before starting QSPI operation".

    Fix: stay at 64 MHz while the QSPI is used.

    Bad:
        nrfx_clock_divider_set(NRF_CLOCK_DOMAIN_HFCLK, NRF_CLOCK_HFCLK_DIV_1);
    Good:
        nrfx_clock_divider_set(NRF_CLOCK_DOMAIN_HFCLK, NRF_CLOCK_HFCLK_DIV_2);
    """
    uses = variant.chip is not None and variant.chip.bus == "qspi" and bool(variant.external)
    if variant.soc is not NRF5340 or not uses or variant.app.on("CONFIG_NORDIC_QSPI_NOR") is False:
        return
    known = any(
        "NRF53_ERRATA_159_ENABLE_WORKAROUND=0" in word for call in variant.cmake for word in call.arguments
    )
    setters = {line.spot.path for line in variant.code.lines("nrfx_clock_divider_set")}
    for line in variant.code.lines("NRF_CLOCK_HFCLK_DIV_1"):
        if line.spot.path in setters and "192M" not in line.text and not _compared(line.text):
            text = "the CPU is set to 128 MHz, at which the QSPI may fail (anomaly 159)"
            fix = "Set NRF_CLOCK_HFCLK_DIV_2 while the QSPI is used."
            yield Hit(line.spot, text, fix, severity=Severity.NOTE if known else None)


def _compared(text: str) -> bool:
    return "==" in text or "!=" in text


@rule("QX316", "wrong-jedec-id", Severity.NOTE, f"{ZEPHYR}blob/main/dts/bindings/mtd/jedec,jesd216.yaml")
def wrong_jedec_id(variant: Variant) -> Iterator[Hit]:
    """The chip is named after another maker's part than its ``jedec-id`` is of.

    Mostly the id is that of the development kit's MX25R64, copied with its node; the driver then refuses the
    chip: "JEDEC id [ef 40 17] expect [c2 28 17]".

    Fix: write the id that the chip's datasheet has, or that the log shows.

    Bad:
        w25q64jw: w25q64jw@0 { jedec-id = [c2 28 17]; };
    Good:
        w25q64jw: w25q64jw@0 { jedec-id = [ef 60 17]; };
    """
    for node in variant.dt.chips:
        found = node.get("jedec-id")
        data = found.data if found else None
        names = {node.label, *(part.name for part in node.parts)}
        maker = next((item for name in names for item in _makers(name)), None)
        if found is None or data is None or len(data) != 3 or maker is None or data[0] == maker:
            continue
        right = f"a part whose JEDEC id begins with {maker:02x}"
        text = f"'{node.label}' is named after {right}, and has {data.hex(' ')}"
        yield Hit(found.spot, text, "Write the id of the part's datasheet.")


def _makers(name: str) -> Iterator[int]:
    for begin, maker in _MAKERS.items():
        if re.match(rf"&?{begin}[a-z]*\d", name.lower()):
            yield maker
