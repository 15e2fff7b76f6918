"""What the QSPI peripheral is told about wires and speed."""

from __future__ import annotations

from dataclasses import dataclass

from west_qspi.extflash.clock import actual_clock
from west_qspi.extflash.model import NRF5340_PINS, ExternalFlash, Pins
from west_qspi.soc import NRF5340, Soc

NRF52840_DK_PINS = Pins(19, 17, 20, 21, 22, 23)
"""Those of the nRF52840 DK, for a board that says none. Source: Zephyr, ``nrf52840dk_nrf52840-pinctrl``."""

_USUAL_CLOCK = 8_000_000
"""A clock in Hz that every known part takes on four lines, in low power mode too."""


@dataclass(frozen=True)
class QspiSettings:
    """How the peripheral drives its pins; ``clock`` is the most that SCK may have, in Hz.

    ``sck_delay`` is how long chip select stays high, in periods of the peripheral's clock, 0 to 255;
    ``rx_delay`` is when data are sampled, 0 to 7. The defaults of both are those of nrfx.
    """

    pins: Pins
    clock: int = _USUAL_CLOCK
    sck_delay: int = 5
    rx_delay: int = 2

    @classmethod
    def of(cls, flash: ExternalFlash | None, soc: Soc) -> QspiSettings:
        """Take what a description says, and what suits every board for what it does not.

        The nRF5340 has dedicated pins, whatever a description says.
        """
        usual = cls(NRF5340_PINS if soc is NRF5340 else NRF52840_DK_PINS)
        if flash is None:
            return usual
        return cls(
            usual.pins if soc is NRF5340 else flash.pins or usual.pins,
            actual_clock(flash, soc) or usual.clock,
            usual.sck_delay if flash.sck_delay is None else flash.sck_delay,
            usual.rx_delay if flash.rx_delay is None else flash.rx_delay,
        )

    def clock_code(self, soc: Soc) -> int:
        """Return the value of SCKFREQ for the fastest clock that is not above ``clock``.

        Source: Product Specifications, "QSPI": 192 MHz / (2 * (SCKFREQ + 1)) on the nRF5340 with its clock
        divided by 1, 32 MHz / (SCKFREQ + 1) on the nRF52840.
        """
        base = 96_000_000 if soc is NRF5340 else 32_000_000
        return min(max(-(-base // self.clock) - 1, 0), 15)
