"""Which SoC is behind a probe, which of its cores are locked, and how they are unlocked."""

from __future__ import annotations

from west_qspi.errors import FlashBusy, NoDevice
from west_qspi.probe import layout as at
from west_qspi.probe.layout import LAYOUTS, Layout, Ports
from west_qspi.probe.link import Core, Link, wait_until
from west_qspi.soc import NRF5340

# Longer than any SoC takes to erase all; the library that Nordic has for this waits as long.
_ERASE_LIMIT = 15.0


def find_layout(link: Link) -> Layout:
    """Tell the SoC by its control access port, which answers on a locked device too. Raises NoDevice."""
    for layout in LAYOUTS:
        port = next(ports.control for ports in layout.ports if ports.core is Core.APPLICATION)
        if link.read_port(port, at.PORT_IDENTITY) == at.CONTROL_IDENTITIES[layout.soc.name]:
            return layout
    raise NoDevice(link.identity, "what answers is neither an nRF5340 nor an nRF52840")


def check_part(link: Link, layout: Layout) -> None:
    """See that it is the very part, which FICR of an unlocked device tells. Raises NoDevice."""
    part = link.bus(Core.APPLICATION).read_u32(layout.part_register)
    if part != layout.part:
        raise NoDevice(link.identity, f"FICR says part {part:#x}, not {layout.part:#x}: no {layout.soc.name}")


def find_revision(link: Link, layout: Layout) -> int:
    """Return the revision of an unlocked device, as the MDK numbers it."""
    if layout.soc is NRF5340:
        control = next(ports.control for ports in layout.ports if ports.core is Core.APPLICATION)
        return link.read_port(control, at.CONTROL_REVISION)
    return link.bus(Core.APPLICATION).read_u32(at.FICR_REVISION)


def locked_cores(link: Link, layout: Layout) -> tuple[str, ...]:
    """Return the names of the cores whose access port lets nothing through, in ``layout``'s order.

    The network core can only be asked out of reset, which takes an open application core.
    """
    locked = {ports.core for ports in layout.ports if not _is_open(link, layout, ports)}
    if Core.NETWORK in locked and Core.APPLICATION not in locked:
        bus = link.bus(Core.APPLICATION)
        if bus.read_u32(at.NETWORK_FORCE_OFF) & 1:
            ports = next(ports for ports in layout.ports if ports.core is Core.NETWORK)
            bus.write_u32(at.NETWORK_FORCE_OFF, 0)
            if _is_open(link, layout, ports):
                locked.remove(Core.NETWORK)
            bus.write_u32(at.NETWORK_FORCE_OFF, 1)
    return tuple(ports.core.value for ports in layout.ports if ports.core in locked)


def _is_open(link: Link, layout: Layout, ports: Ports) -> bool:
    status = link.read_port(ports.memory, at.MEMORY_STATUS)
    needed = at.DEVICE_ENABLED
    if layout.soc is NRF5340 and ports.core is Core.APPLICATION:
        needed |= at.SECURE_ENABLED
    return status & needed == needed


def erase_and_unlock(link: Link, layout: Layout) -> None:
    """Have every core erased by its control access port, which opens it until the next reset by pin or power.

    Raises FlashBusy.
    """
    for ports in layout.ports:
        link.write_port(ports.control, at.CONTROL_ERASE_ALL, 1)

        def done(control: int = ports.control) -> bool:
            return not link.read_port(control, at.CONTROL_ERASE_STATUS) & 1

        if wait_until(link, done, 0.2, _ERASE_LIMIT) is None:
            raise FlashBusy(link.identity, ports.core.value, _ERASE_LIMIT)
        link.write_port(ports.control, at.CONTROL_RESET, 1)
        link.write_port(ports.control, at.CONTROL_RESET, 0)
