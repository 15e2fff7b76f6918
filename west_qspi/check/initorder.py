"""What a linked program calls before the QSPI driver, from external flash."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.check.linked import Linked, named
from west_qspi.check.rule import Hit
from west_qspi.check.variant import Variant

# Zephyr, drivers/flash/nrf_qspi_nor.c; link-time optimisation may add to the name.
_DRIVER = "qspi_nor_init"
_PRIORITY = "CONFIG_NORDIC_QSPI_NOR_INIT_PRIORITY"


def called_before_driver(found: Linked, variant: Variant) -> Iterator[Hit]:
    """Yield what is in external flash and called before the QSPI driver on the driver's own level.

    Nothing where the driver is not found, as its place is not known then.
    """
    calls = found.inits()
    place = next((at for at, call in enumerate(calls) if call.name.startswith(_DRIVER)), None)
    if place is None:
        return
    own = calls[place]
    first = next(at for at, call in enumerate(calls) if call.level == own.level)
    priority = variant.app.number(_PRIORITY)
    known = f" ({_PRIORITY}={priority})" if priority is not None else ""
    for at, call in enumerate(calls[first:place], 1):
        if call.address in found.soc.xip:
            text = (
                f"{named([call])} is in external flash, and is number {at} of '{found.image.name}' on"
                f" {own.level}; {own.name} is number {place - first + 1}{known}"
            )
            number = "the QSPI driver's" if priority is None else str(priority)
            yield Hit(found.spot, text, f"Give it a greater priority than {number}.")
