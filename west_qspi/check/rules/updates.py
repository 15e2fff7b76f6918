"""QX208 to QX210: what MCUboot and the flash drivers need to move an image to and from external flash."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.build.modes import UpdateMode
from west_qspi.check.model import Edit, Severity
from west_qspi.check.parse.kconf import Setting
from west_qspi.check.parse.pmfile import PmEntry
from west_qspi.check.rule import DEVZONE, ZEPHYR, Hit, rule
from west_qspi.check.variant import EXTERNAL, SECTOR, Variant

_QSPI, _SPI = "CONFIG_NORDIC_QSPI_NOR", "CONFIG_SPI_NOR"
_PAGE = "_FLASH_LAYOUT_PAGE_SIZE"
_SECTORS = "CONFIG_BOOT_MAX_IMG_SECTORS"


@rule("QX208", "max-img-sectors-too-small", Severity.ERROR, f"{DEVZONE}120384/")
def max_img_sectors_too_small(variant: Variant) -> Iterator[Hit]:
    """A slot has more sectors than MCUboot has room for in its table.

    MCUboot logs "Failed reading sectors; BOOT_MAX_IMG_SECTORS=128 - too small?" and "Image in the primary
    slot is not valid", and does not boot.

    Fix: write at least the sectors of the largest slot, its size divided by 4096.

    Bad:
        CONFIG_BOOT_MAX_IMG_SECTORS=128   with mcuboot_primary: {size: 0xee000}
    Good:
        CONFIG_BOOT_MAX_IMG_SECTORS=256   with mcuboot_primary: {size: 0xee000}
    """
    limit = variant.mcuboot.number(_SECTORS)
    spot = variant.mcuboot.at(_SECTORS)
    if limit is None or spot is None or variant.mcuboot.on("CONFIG_BOOT_MAX_IMG_SECTORS_AUTO"):
        return
    slots = [entry for entry in _slots(variant) if _sectors(variant, entry) > limit]
    if slots:
        largest = max(slots, key=lambda entry: _sectors(variant, entry))
        count = _sectors(variant, largest)
        text = (
            f"'{largest.name}' has {count} sectors ({largest.size or 0:#x} bytes), and MCUboot has room "
            f"for {limit}: it says that the image is not valid, and does not boot"
        )
        edit = Edit(spot.path, spot.line, f"={limit}", f"={count}")
        yield Hit(spot, text, f"Write {_SECTORS}={count} in {spot.path.name}.", (edit,))


def _slots(variant: Variant) -> Iterator[PmEntry]:
    for _, entry in (*variant.primary_slots, *variant.secondary_slots):
        if entry.region in ("flash_primary", EXTERNAL) and entry.size:
            yield entry


def _sectors(variant: Variant, slot: PmEntry) -> int:
    """Return a slot's sectors as MCUboot counts them; 0 where its size of a page is not known."""
    page: int | None = SECTOR
    if slot.region == EXTERNAL:
        page = next(
            (number for name in (_QSPI, _SPI) if (number := variant.mcuboot.number(name + _PAGE))), None
        )
    return -(-(slot.size or 0) // page) if page else 0


@rule("QX209", "layout-page-size-not-4096", Severity.WARNING, f"{DEVZONE}113627/")
def layout_page_size(variant: Variant) -> Iterator[Hit]:
    """External flash is divided into pages of other than 4096 bytes, or otherwise in MCUboot than here.

    The drivers' default is 65536. Slots in internal and external flash then differ in their sectors, and
    MCUboot logs "Cannot upgrade: slots have non-compatible sectors"; file systems get blocks of 64 KiB, and
    what is smaller erases its neighbour.

    Fix: write CONFIG_NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE=4096 for the application and for MCUboot; for a
    chip on SPI it is CONFIG_SPI_NOR_FLASH_LAYOUT_PAGE_SIZE.

    Bad:
        # sysbuild/mcuboot.conf
        CONFIG_NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE=65536
    Good:
        # sysbuild/mcuboot.conf
        CONFIG_NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE=4096
    """
    if not variant.external_slots:
        return
    swaps = variant.mode is UpdateMode.SWAP
    severity = Severity.ERROR if swaps else Severity.NOTE if variant.mode is UpdateMode.OVERWRITE else None
    for symbol in (_QSPI + _PAGE, _SPI + _PAGE):
        mcuboot, app = variant.mcuboot.get(symbol), variant.app.get(symbol)
        if mcuboot is not None and mcuboot.number not in (None, SECTOR):
            text = (
                f"pages of {mcuboot.value} bytes in MCUboot, and of {SECTOR} in internal flash: slots in "
                "both differ in their sectors, and swapping them is refused"
            )
            fix = f"Write {symbol}={SECTOR} in {mcuboot.spot.path.name}."
            yield Hit(mcuboot.spot, text, fix, _to_sector(mcuboot), severity)
        elif mcuboot is not None and app is not None and app.number not in (None, mcuboot.number):
            text = (
                f"pages of {app.value} bytes here, and of {mcuboot.value} in MCUboot: each erase here "
                f"takes {app.value}, whatever lies there"
            )
            yield Hit(app.spot, text, f"Write {symbol}={SECTOR} in {app.spot.path.name}.", _to_sector(app))
        elif mcuboot is not None and app is None and _stored(variant) and variant.app.spot:
            names = ", ".join(_stored(variant))
            text = (
                f"MCUboot has {symbol}={mcuboot.value}, and here the default is 65536, for {names} too: "
                "each erase there takes 64 KiB"
            )
            yield Hit(variant.app.spot, text, f"Write {symbol}={SECTOR} in {variant.app.spot.path.name}.")


def _to_sector(setting: Setting) -> tuple[Edit, ...]:
    return (Edit(setting.spot.path, setting.spot.line, f"={setting.value}", f"={SECTOR}"),)


def _stored(variant: Variant) -> tuple[str, ...]:
    """Return the partitions in external flash that an application erases by itself."""
    kinds = ("storage", "littlefs", "nvs", "settings", "fatfs", "lfs")
    return tuple(entry.name for entry in variant.external if any(kind in entry.name for kind in kinds))


@rule("QX210", "stack-write-buffer-zero", Severity.ERROR, f"{ZEPHYR}issues/26419")
def stack_write_buffer_zero(variant: Variant) -> Iterator[Hit]:
    """The QSPI driver has no buffer for what is written from internal flash.

    The QSPI's DMA reads only RAM, so constants are never written: the magic that asks MCUboot for an update
    is one. The size is in bytes, and a multiple of 4.

    Fix: write 16, or remove the option: newer SDKs have 4.

    Bad:
        CONFIG_NORDIC_QSPI_NOR_STACK_WRITE_BUFFER_SIZE=0
    Good:
        CONFIG_NORDIC_QSPI_NOR_STACK_WRITE_BUFFER_SIZE=16
    """
    symbol = f"{_QSPI}_STACK_WRITE_BUFFER_SIZE"
    asks = any(variant.app.on(name) for name in ("MCUBOOT_IMG_MANAGER", "MCUMGR_GRP_IMG", "IMG_MANAGER"))
    for config, writes in ((variant.app, asks), (variant.mcuboot, bool(variant.external_slots))):
        found = config.get(symbol)
        if found is None or found.number is None or config.on(_QSPI) is False:
            continue
        if found.number % 4:
            yield Hit(
                found.spot,
                f"{symbol}={found.value} is no multiple of 4: the build stops",
                f"Write {symbol}=16.",
            )
        elif found.number == 0 and writes:
            text = (
                f"{symbol}=0: what lies in internal flash is not written to the QSPI, the mark that asks for "
                "an update among it"
            )
            edit = Edit(found.spot.path, found.spot.line, f"={found.value}", "=16")
            yield Hit(found.spot, text, f"Write {symbol}=16.", (edit,))
