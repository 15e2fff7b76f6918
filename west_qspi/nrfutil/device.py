"""Which SoC is behind a probe and whether it is locked, by what nrfutil says of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from west_qspi.errors import NrfutilFailed, Protected, UnknownDevice
from west_qspi.nrfutil.client import Client
from west_qspi.probe.layout import LAYOUTS
from west_qspi.soc import NRF5340, SOCS, Soc

_OPEN = "NONE"
_FAMILIES = {"NRF53": "nrf5340", "NRF52": "nrf52840"}
_UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Found:
    """The SoC, and the cores whose access protection is on."""

    soc: Soc
    protected: tuple[str, ...]


def look(client: Client, expected: Soc | None) -> Found:
    """Tell SoC and protection; a locked device that does not tell what it is counts as ``expected``.

    Raises UnknownDevice for what is none of our SoCs, and what a Client raises.
    """
    info, locked = _info(client)
    version, family = (str(info.get(key, "")).upper() for key in ("deviceVersion", "deviceFamily"))
    status = info.get("protectionStatus")
    locked = locked or (_is_locked(str(status)) if status else _core_is_locked(client, "application"))
    soc = next((soc for name, soc in SOCS.items() if name.upper() in version), None)
    if soc is None and locked:
        # A locked nRF52 tells its family at most.
        soc = next((SOCS[name] for known, name in _FAMILIES.items() if known in family), expected)
    if soc is None and version and not version.endswith(_UNKNOWN):
        raise UnknownDevice(client.device, f"nrfutil says that it is {version}")
    if soc is None:
        if locked:
            raise UnknownDevice(client.device, "it is locked, and does not tell what it is")
        soc = _by_part(client, expected)
    network = soc.has_network_core and _core_is_locked(client, "network")
    cores = {"network": network, "application": locked}
    return Found(soc, tuple(core for core, is_locked in cores.items() if is_locked))


def _info(client: Client) -> tuple[Mapping[str, Any], bool]:
    """Return what is said of the device, and whether it is so locked that nothing is."""
    try:
        info = client.info()
    except Protected:
        return {}, True
    parts = [part for part in (info.get("jlink"), info.get("hwInfo")) if isinstance(part, dict)]
    return {key: value for part in parts for key, value in part.items() if value is not None}, False


def _core_is_locked(client: Client, core: str) -> bool:
    """Ask; where no version says it, the first read finds it out."""
    try:
        status = client.protection(core)
    except Protected:
        return True
    return status is not None and _is_locked(status)


def _is_locked(status: str) -> bool:
    """Understand such as ``NRFDL_PROTECTION_STATUS_ALL``."""
    return not status.upper().endswith(_OPEN)


def _by_part(client: Client, expected: Soc | None) -> Soc:
    """Tell the SoC by FICR, where the tool does not say it. Raises UnknownDevice."""
    for layout in sorted(LAYOUTS, key=lambda layout: layout.soc != expected):
        # Where another SoC has it, there may be no memory at all.
        with suppress(NrfutilFailed):
            part = client.read(layout.part_register, 4, "application")
            if int.from_bytes(part, "little") == layout.part:
                return layout.soc
    raise UnknownDevice(client.device, "nrfutil does not say what it is, and FICR neither")


def cores_to_recover(soc: Soc) -> tuple[str, ...]:
    """Return the cores in the order in which they are to be unlocked.

    Source: Zephyr's runner for nrfutil: the network core of an nRF5340 comes first.
    """
    return ("network", "application") if soc is NRF5340 else ("application",)


def reset_kind(soc: Soc) -> str:
    """Return how to reset, as Zephyr's runner does; a pin reset of the nRF52840 takes a setting in UICR."""
    return "RESET_PIN" if soc is NRF5340 else "RESET_SYSTEM"
