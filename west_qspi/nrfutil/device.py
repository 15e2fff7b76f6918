"""Which SoC is behind a probe and whether it is locked, by what nrfutil says of it."""

from __future__ import annotations

from dataclasses import dataclass

from west_qspi.errors import NoDevice, Protected
from west_qspi.nrfutil.client import Client
from west_qspi.soc import NRF5340, SOCS, Soc

_OPEN = "NONE"
_FAMILIES = {"NRF53": "nrf5340", "NRF52": "nrf52840"}


@dataclass(frozen=True)
class Found:
    """The SoC, and the cores whose access protection is on."""

    soc: Soc
    protected: tuple[str, ...]


def look(client: Client, expected: Soc) -> Found:
    """Tell SoC and protection; a locked device that does not tell what it is counts as ``expected``.

    Raises NoDevice for what is none of our SoCs, and what a Client raises.
    """
    try:
        info = client.info()
    except Protected:
        info = {}
        locked = True
    else:
        locked = False
    parts = [part for part in (info.get("hwInfo"), info.get("jlink")) if isinstance(part, dict)]
    said = [
        str(part[key]).upper() for key in ("deviceVersion", "deviceFamily") for part in parts if key in part
    ]
    status = next((str(part["protectionStatus"]) for part in parts if "protectionStatus" in part), None)
    locked = locked or _is_locked(
        status if status is not None or locked else client.protection("application")
    )
    soc = _soc(said) or (_family(said) or expected if locked else None)
    if soc is None:
        name = ", ".join(dict.fromkeys(said)) or "nothing that is understood"
        raise NoDevice(client.device, f"nrfutil says of it {name}: neither an nRF5340 nor an nRF52840")
    protected = ["application"] if locked else []
    if soc.has_network_core and _network_is_locked(client):
        protected.insert(0, "network")
    return Found(soc, tuple(protected))


def _network_is_locked(client: Client) -> bool:
    try:
        return _is_locked(client.protection("network"))
    except Protected:
        return True


def _is_locked(status: str | None) -> bool:
    """Read such as ``NRFDL_PROTECTION_STATUS_ALL``; what no version says is found out by the first read."""
    return status is not None and not status.upper().endswith(_OPEN)


def _soc(said: list[str]) -> Soc | None:
    return next((soc for name, soc in SOCS.items() for text in said if name.upper() in text), None)


def _family(said: list[str]) -> Soc | None:
    """Tell by the family, which is the most that a locked nRF52 tells."""
    return next((SOCS[name] for family, name in _FAMILIES.items() for text in said if family in text), None)


def cores_to_recover(soc: Soc) -> tuple[str, ...]:
    """Return the cores in the order in which they are to be unlocked.

    Source: Zephyr's runner for nrfutil: the application core of an nRF5340 can only be kept open when the
    network core is.
    """
    return ("network", "application") if soc is NRF5340 else ("application",)


def reset_kind(soc: Soc) -> str:
    """Return how to reset, as Zephyr's runner does; a pin reset of the nRF52840 takes a setting in UICR."""
    return "RESET_PIN" if soc is NRF5340 else "RESET_SYSTEM"
