"""QX420 to QX426: how a programmer's file has the chip driven: clock, mode, instructions, pages."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.check.model import Severity
from west_qspi.check.programmers import told
from west_qspi.check.rule import DEVZONE, Hit, rule
from west_qspi.check.variant import Variant

_NRFJPROG = "https://docs.nordicsemi.com/bundle/ug_nrf_cltools"
_NRFUTIL = "https://docs.nordicsemi.com/bundle/nrfutil"


def _told(variant: Variant, number: str) -> Iterator[Hit]:
    return (hit for _, hit in told(variant, number))


@rule("QX420", "programmer-clock-of-soc", Severity.ERROR, f"{DEVZONE}72401/")
def programmer_clock_of_soc(variant: Variant) -> Iterator[Hit]:
    """The SoC cannot make the clock that the programmer is told of, or makes another one of it.

    On the nRF5340 nrfjprog refuses M64, and M2 and M4 make 6 and 12 MHz; on the nRF52840 it refuses whatever
    is above M32.

    Fix: write M8, M16 or M32, which are what they say on both.

    Bad:
        Frequency = M64
    Good:
        Frequency = M32
    """
    yield from _told(variant, "QX420")


@rule("QX421", "programmer-spi-mode", Severity.ERROR, _NRFJPROG)
def programmer_spi_mode(variant: Variant) -> Iterator[Hit]:
    """SPI mode 3 on an nRF5340, where nrfjprog refuses it when the QSPI is started.

    Every NOR flash takes mode 0 as well.

    Fix: write MODE0.

    Bad:
        SpiMode = MODE3
    Good:
        SpiMode = MODE0
    """
    yield from _told(variant, "QX421")


@rule("QX422", "programmer-instructions", Severity.WARNING, f"{DEVZONE}116849/")
def programmer_instructions(variant: Variant) -> Iterator[Hit]:
    """A custom instruction is lost, or does harm: they are sent whenever nrfjprog starts the QSPI.

    A register write needs a write enable right before it, and what follows one comes while the chip is busy.
    An erase, a sleep or a reset among them undoes what the tool is about to do.

    Fix: put 0x06 before each register write, register writes last, and nothing else that changes the chip.

    Bad:
        InitializationCustomInstruction = 0x01, [0x40]
    Good:
        InitializationCustomInstruction = 0x06
        InitializationCustomInstruction = 0x01, [0x40]
    """
    yield from _told(variant, "QX422")


@rule("QX423", "programmer-io3-low", Severity.WARNING, _NRFJPROG)
def programmer_io3_low(variant: Variant) -> Iterator[Hit]:
    """IO3 is low while custom instructions are sent, and the chip does not hear them.

    On that line are HOLD# and RESET#. The quad enable bit is not set then, and the chip is not woken.

    Fix: write LEVEL_HIGH.

    Bad:
        CustomInstructionIO3Level = LEVEL_LOW
    Good:
        CustomInstructionIO3Level = LEVEL_HIGH
    """
    yield from _told(variant, "QX423")


@rule("QX424", "programmer-busy-bit", Severity.WARNING, _NRFJPROG)
def programmer_busy_bit(variant: Variant) -> Iterator[Hit]:
    """The busy bit is looked for where no JESD216 part has it.

    The end of an erase is missed, and what is programmed meanwhile is lost.

    Fix: write 0.

    Bad:
        WIPIndex = 1
    Good:
        WIPIndex = 0
    """
    yield from _told(variant, "QX424")


@rule("QX425", "programmer-page-too-large", Severity.ERROR, _NRFJPROG)
def programmer_page_too_large(variant: Variant) -> Iterator[Hit]:
    """The programmer writes larger pages than the part has: the second half of each lands on the first.

    Fix: write 256, which all parts take.

    Bad:
        PPSize = PAGE512    for an MX25R64
    Good:
        PPSize = PAGE256
    """
    yield from _told(variant, "QX425")


@rule("QX426", "json-erase-unit", Severity.WARNING, _NRFUTIL)
def json_erase_unit(variant: Variant) -> Iterator[Hit]:
    """``page_size`` of nrfutil's file is the unit of erasing, and is not a sector of 4096 bytes.

    The page of programming is ``pp_size``. With a unit that is no whole number of sectors, an erase takes
    neighbouring bytes along.

    Fix: write 4096.

    Bad:
        "page_size": 256
    Good:
        "page_size": 4096
    """
    yield from _told(variant, "QX426")
