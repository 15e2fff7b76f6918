"""QX212 and QX506: functions in external flash that are called before it can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from west_qspi.check.linked import applications, named
from west_qspi.check.model import Severity, Stage
from west_qspi.check.rule import Hit, rule
from west_qspi.check.variant import Variant

if TYPE_CHECKING:
    from west_qspi.build.linked import Init

_GUIDE = (
    "https://docs.nordicsemi.com/bundle/ncs-latest/page/nrf/device_guides/nrf53/qspi_xip_guide_nrf5340.html"
)
_PRIORITY = "CONFIG_NORDIC_QSPI_NOR_INIT_PRIORITY"


def _driver(calls: Iterable[Init]) -> tuple[int, Init] | None:
    """Return the QSPI driver's own initialisation, and at which place it is called."""
    return next(
        ((place, call) for place, call in enumerate(calls) if call.name.startswith("qspi_nor_init")), None
    )


@rule("QX506", "init-fn-in-xip", Severity.ERROR, _GUIDE, Stage.BUILD)
def init_function_in_xip(variant: Variant) -> Iterator[Hit]:
    """A function in external flash is called on a level of initialisation before the QSPI driver's.

    EARLY and PRE_KERNEL come before POST_KERNEL, where the driver switches XIP on, whatever the priority.
    The bus faults before main: "module does not appear to start".

    Fix: do not relocate the function's file or library, or register it with SYS_INIT on APPLICATION.

    Bad:
        SYS_INIT(ui_init, PRE_KERNEL_1, 0);         in a file that is relocated
    Good:
        SYS_INIT(ui_init, APPLICATION, 0);          in a file that is relocated
    """
    from west_qspi.build.linked import EARLY_LEVELS, inits

    fix = "Leave it in internal flash, or initialise it on APPLICATION."
    for found in applications(variant):
        for call in inits(found.program):
            if call.level in EARLY_LEVELS and call.address in found.soc.xip:
                text = (
                    f"{named([call])} is in external flash, and '{found.image.name}' calls it on {call.level}"
                )
                yield Hit(found.spot, f"{text}, before the QSPI driver", fix)


@rule("QX212", "init-priority-before-qspi", Severity.ERROR, _GUIDE, Stage.BUILD)
def init_priority_before_qspi(variant: Variant) -> Iterator[Hit]:
    """A function in external flash is initialised on POST_KERNEL before the QSPI driver.

    The driver's priority is CONFIG_NORDIC_QSPI_NOR_INIT_PRIORITY, 41 by default; what is relocated needs a
    greater number. CONFIG_FLASH_INIT_PRIORITY does not move the QSPI driver.

    Fix: give the function's driver or library a greater priority than the QSPI driver's.

    Bad:
        SYS_INIT(ui_init, POST_KERNEL, 40);         in a file that is relocated
    Good:
        SYS_INIT(ui_init, POST_KERNEL, 42);         in a file that is relocated
    """
    from west_qspi.build.linked import inits

    for found in applications(variant):
        calls = inits(found.program)
        driver = _driver(calls)
        if driver is None:
            continue
        place, own = driver
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
