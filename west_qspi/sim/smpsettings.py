"""What the application on a simulated board was built with, as far as updates depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from west_qspi.build.build import Build


@dataclass(frozen=True)
class ServerSettings:
    """mcumgr's options; ``images`` is how many it knows of, None for all that MCUboot has.

    ``erases_progressively`` erases sector by sector as an upload goes on, not before it. ``checks`` compares
    an upload with the hash that came with it. ``confirm_any`` lets clients confirm the running images of
    other numbers than 0. ``buffer`` is the most bytes that a request may have.

    Source: Zephyr, ``subsys/mgmt/mcumgr/grp/img_mgmt/Kconfig``, ``subsys/dfu/Kconfig``,
    ``subsys/mgmt/mcumgr/transport/Kconfig``. The flags' defaults are Zephyr's; ``buffer`` is what its sample
    sets for UDP.
    """

    images: int | None = None
    erases_progressively: bool = False
    checks: bool = False
    confirm_any: bool = False
    buffer: int = 2048


def settings_of(build: Build) -> ServerSettings:
    """Read the options from the application's configuration, and take the defaults for what is not there."""
    kconfig = build.application.kconfig
    images = kconfig.number("CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER")
    older = kconfig.number("CONFIG_UPDATEABLE_IMAGE_NUMBER")
    return ServerSettings(
        images=images if images is not None else older,
        erases_progressively=kconfig.enabled("CONFIG_IMG_ERASE_PROGRESSIVELY"),
        checks=kconfig.enabled("CONFIG_IMG_ENABLE_IMAGE_CHECK"),
        confirm_any=kconfig.enabled("CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_ANY"),
        buffer=kconfig.number("CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE") or ServerSettings.buffer,
    )
