"""QX406 to QX419: a programmer's file against the board: lines, pins, clock, peripheral."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from west_qspi.check.model import Severity, Spot
from west_qspi.check.programmers import is_used, programmer_configs, told
from west_qspi.check.rule import DEVZONE, Hit, rule
from west_qspi.check.variant import Variant

_QSPI = "QSPI"


@rule("QX406", "programmer-io-mode-vs-dt", Severity.WARNING, f"{DEVZONE}116849/")
def programmer_io_mode_vs_dt(variant: Variant) -> Iterator[Hit]:
    """The programmer uses four data lines where the devicetree does not, or a command that the part lacks.

    Where the board has only two of the lines, or the part knows another command for four, what is programmed
    does not read back: the verification fails at the first word.

    Fix: write the devicetree's commands.

    Bad:
        ReadMode = READ4IO      and readoc = "read2io" in the devicetree
    Good:
        ReadMode = READ2IO
    """
    yield from (hit for _, hit in told(variant, "QX406"))


@rule("QX407", "programmer-frequency", Severity.NOTE, f"{DEVZONE}72401/")
def programmer_frequency(variant: Variant) -> Iterator[Hit]:
    """The programmer's clock is faster than the devicetree allows, or than what is known to work (32 MHz).

    It may work on most boards, and fail on those with long lines or in the cold.

    Fix: write the devicetree's ``sck-frequency``, or less.

    Bad:
        "sck_frequency": 64000000
    Good:
        "sck_frequency": 8000000
    """
    yield from (replace(hit, severity=Severity.NOTE) for _, hit in told(variant, "QX407"))


@rule("QX408", "rx-delay", Severity.NOTE, f"{DEVZONE}123044/")
def rx_delay(variant: Variant) -> Iterator[Hit]:
    """``rx_delay`` is that of the nRF52840 in a file for the nRF5340.

    Nordic's example for the nRF5340 has 7. Lower values work at low clocks; where reading back goes wrong,
    this is the first thing to change.

    Fix: try 7.

    Bad:
        "sck_frequency": 8000000, "rx_delay": 0
    Good:
        "sck_frequency": 8000000, "rx_delay": 7
    """
    yield from (hit for _, hit in told(variant, "QX408"))


@rule("QX409", "json-pins", Severity.ERROR, f"{DEVZONE}126083/")
def json_pins(variant: Variant) -> Iterator[Hit]:
    """The pins are not those that the chip is on.

    On the nRF5340 the QSPI has dedicated pins: SCK 17, CSN 18, IO0 to IO3 13 to 16. On the nRF52840 they are
    the board's, as ``pinctrl-0`` of the QSPI selects them. With others the chip does not answer.

    Fix: write the pins of the board; a pin is its number plus 32 times its port.

    Bad:
        "pins": {"sck": 19, "csn": 17, "io0": 20, "io1": 21, "io2": 22, "io3": 23}   on an nRF5340
    Good:
        "pins": {"sck": 17, "csn": 18, "io0": 13, "io1": 14, "io2": 15, "io3": 16}
    """
    yield from (hit for _, hit in told(variant, "QX409"))
    for config in programmer_configs(variant):
        flash = config.flash
        if flash is None or flash.peripheral in (None, _QSPI) or flash.pins is None:
            continue
        if flash.pins.io2 is not None or flash.pins.io3 is not None:
            text = f"{flash.peripheral} has no io2 and io3, and they are given pins"
            fix = "Write 4294967295 for io2 and io3."
            spot = Spot(config.path, flash.source("pins").line)
            yield Hit(spot, text, fix, severity=Severity.WARNING)


@rule("QX418", "custom-init-missing", Severity.NOTE, f"{DEVZONE}116849/")
def custom_init_missing(variant: Variant) -> Iterator[Hit]:
    """Four data lines are used by nrfjprog, and nothing sets the chip's quad enable bit, or it is cleared.

    A chip that comes with the bit cleared ignores commands on four lines: reads are constant, programs do
    nothing. The bit is non-volatile on most parts, so once set it stays.

    Fix: add a write enable and a write of the status register, as the part's datasheet has it.

    Bad:
        WriteMode = PP4IO
    Good:
        WriteMode = PP4IO
        InitializationCustomInstruction = 0x06
        InitializationCustomInstruction = 0x01, [0x40]
    """
    for config, hit in told(variant, "QX418"):
        # A file without instructions has no line for them: it is the command that needs one.
        facts = [name for name in ("write", "read") if config.flash and _quad(getattr(config.flash, name))]
        line = config.flash.source(facts[0]).line if config.flash and facts else 0
        yield hit if hit.spot.line else replace(hit, spot=Spot(config.path, line))


def _quad(command: str | None) -> bool:
    return command is not None and "4" in command


@rule("QX419", "spi-vs-qspi-peripheral", Severity.ERROR, f"{DEVZONE}126083/")
def spi_vs_qspi_peripheral(variant: Variant) -> Iterator[Hit]:
    """The programmer drives the chip through another peripheral than the one it is wired to.

    ``firmware_config.peripheral`` is QSPI for a ``nordic,qspi-nor``, and SPIM0 or another SPIM for a
    ``jedec,spi-nor``; nrfjprog's files are for the QSPI only.

    Fix: write the peripheral that the devicetree has the chip on.

    Bad:
        "firmware_config": {"peripheral": "QSPI"}   and the chip is below &spi4
    Good:
        "firmware_config": {"peripheral": "SPIM4"}
    """
    for config, hit in told(variant, "QX419"):
        if is_used(variant, config) and variant.chip is not None:
            yield hit
