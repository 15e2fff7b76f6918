"""What the application on a simulated board was built with, as far as updates depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from west_qspi.build.build import Build

_CONFIRM = "CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE"
_OTHER_SLOT = "CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_SLOT"


@dataclass(frozen=True)
class ServerSettings:
    """mcumgr's options; ``images`` is how many it knows of, None for all that MCUboot has.

    ``erases_progressively`` erases sector by sector as an upload goes on, not before it. ``checks`` compares
    an upload with the hash that came with it. ``confirm_any`` lets clients confirm the running images of
    other numbers than 0, ``confirm_secondary`` mark those in their other slots for good, and
    ``confirm_other_slot`` do so with any image that does not run. ``erase_pending``
    lets uploads and erases replace what is marked. ``follows_slots`` is Nordic's: with direct-XIP the slots
    of all images are taken for active that go with the application's; without it the first ones are.
    ``buffer`` is the most bytes that a request may have.

    Source: Zephyr, ``subsys/mgmt/mcumgr/grp/img_mgmt/Kconfig``, ``subsys/dfu/Kconfig``,
    ``subsys/mgmt/mcumgr/transport/Kconfig``; sdk-zephyr for Nordic's. The flags' defaults are Zephyr's, but
    that ``erase_pending`` is off, as before Zephyr 4.2; ``buffer`` is what its sample sets for UDP.
    """

    images: int | None = None
    erases_progressively: bool = False
    checks: bool = False
    confirm_any: bool = False
    confirm_secondary: bool = True
    confirm_other_slot: bool = True
    erase_pending: bool = False
    follows_slots: bool = False
    buffer: int = 2048


def settings_of(build: Build) -> ServerSettings:
    """Read the options from the application's configuration, and take the defaults for what is not there."""
    kconfig = build.application.kconfig
    images = kconfig.number("CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER")
    older = kconfig.number("CONFIG_UPDATEABLE_IMAGE_NUMBER")
    any_image = kconfig.enabled(f"{_CONFIRM}_ANY")
    return ServerSettings(
        images=images if images is not None else older,
        erases_progressively=kconfig.enabled("CONFIG_IMG_ERASE_PROGRESSIVELY"),
        checks=kconfig.enabled("CONFIG_IMG_ENABLE_IMAGE_CHECK"),
        confirm_any=any_image,
        # Older servers do not have the next two options, and allow it.
        confirm_secondary=any_image or kconfig.symbols.get(f"{_CONFIRM}_SECONDARY") is not False,
        confirm_other_slot=kconfig.symbols.get(_OTHER_SLOT) is not False,
        erase_pending=kconfig.enabled("CONFIG_MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING"),
        follows_slots=kconfig.enabled("CONFIG_MCUMGR_GRP_IMG_QSPI_XIP_SPLIT_IMAGE"),
        buffer=kconfig.number("CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE") or ServerSettings.buffer,
    )
