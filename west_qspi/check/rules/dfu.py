"""QX603 to QX609: updates of devices in the field, of several images, and of a chip that code runs from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from west_qspi.check.model import Edit, Severity
from west_qspi.check.parse.pmfile import NotYaml, PmEntry, PmFile, parse_pm
from west_qspi.check.rule import DEVZONE, SDK_NRF, ZEPHYR, Hit, rule
from west_qspi.check.variant import Variant

_STORES = ("storage", "littlefs", "nvs", "settings", "fatfs", "lfs")


@rule("QX603", "layout-changed-since-release", Severity.WARNING, f"{DEVZONE}106962/")
def layout_changed(variant: Variant) -> Iterator[Hit]:
    """A slot or a partition with data is not where it was at the last release.

    Devices in the field keep their MCUboot, with the slots that it was built with: it looks for the new image
    where the old slot was, and finds none, or writes over what is there now. Data stays where it was, and the
    new application does not find it. The last release is the last tag like v1.2 or 1.2 before HEAD.

    Fix: leave the partitions as they were; or erase and program each device anew, and ignore this rule here.

    Bad:
        mcuboot_secondary: {address: 0x100000, size: 0xe0000, region: external_flash}   # v1.0: address: 0x0
    Good:
        mcuboot_secondary: {address: 0x0, size: 0xe0000, region: external_flash}   # as in v1.0
    """
    kept = [entry for entry in (variant.pm.entries if variant.pm else ()) if _kept(entry)]
    for path in dict.fromkeys(entry.spot.path for entry in kept):
        released = variant.history.released(path)
        old = _parsed(released.text, path) if released else None
        if released is None or old is None:
            continue
        for entry in kept:
            before = old.get(entry.name)
            if entry.spot.path == path and before is not None:
                yield from _moved(entry, before, released.tag)


def _parsed(text: str, path: Path) -> PmFile | None:
    try:
        return parse_pm(text, path)
    except NotYaml:
        return None


def _moved(entry: PmEntry, before: PmEntry, tag: str) -> Iterator[Hit]:
    if before.address is None or before.size is None or entry.end is None:
        return
    elsewhere = (before.region, before.address) != (entry.region, entry.address)
    if not elsewhere and before.size == entry.size:
        return
    lost, instead = "devices in the field do not find their data", "move the data at the first start"
    if entry.name.startswith("mcuboot_"):
        lost, instead = "MCUboot on devices in the field takes the old place", "update MCUboot as well"
    text = f"'{entry.name}' is {_where(entry)}, in {tag} it was {_where(before)}: {lost}"
    fix = f"Write address: {before.address:#x} and size: {before.size:#x} as before, or {instead}."
    yield Hit(entry.at("address" if elsewhere else "size"), text, fix)


def _kept(entry: PmEntry) -> bool:
    """Tell whether devices in the field rely on a partition: MCUboot's slots as a whole, and data."""
    name = entry.name
    if name.startswith("mcuboot_"):
        return re.fullmatch(r"mcuboot_(?:primary|secondary)(?:_\d+)?", name) is not None
    return any(kind in name.lower() for kind in _STORES) and not name.startswith("EMPTY_")


def _where(entry: PmEntry) -> str:
    return f"{entry.address or 0:#x}-{entry.end or 0:#x} in {entry.region}"


_MCUBOOT = "https://github.com/mcu-tools/mcuboot/"
_SERIAL, _DIRECT = "CONFIG_MCUBOOT_SERIAL", "CONFIG_MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD"
_UNALIGNED = "CONFIG_BOOT_SERIAL_UNALIGNED_BUFFER_SIZE"
# sdk-nrf, known_issues.rst, NCSDK-18422: mended in 2.1.3 and 2.2.0; manifests name the minor release here.
_ALIGNED_SINCE = (2, 2)


@rule("QX605", "serial-recovery-qspi", Severity.WARNING, f"{_MCUBOOT}issues/1532")
def serial_recovery_qspi(variant: Variant) -> Iterator[Hit]:
    """MCUboot's serial recovery cannot write the slots that are in QSPI flash.

    It writes the primary slot of the image that is sent, or with MCUBOOT_SERIAL_DIRECT_IMAGE_UPLOAD any slot.
    The QSPI takes only buffers at multiples of 4, and what comes over the line is not at one. Before SDK
    2.1.3 and 2.2.0, or without the buffer for it, the upload begins again and again at 0.

    Fix: leave CONFIG_BOOT_SERIAL_UNALIGNED_BUFFER_SIZE at 64, and take SDK 2.2.0 or later.

    Bad:
        # sysbuild/mcuboot.conf, with mcuboot_primary_1 in external_flash
        CONFIG_MCUBOOT_SERIAL=y
        CONFIG_BOOT_SERIAL_UNALIGNED_BUFFER_SIZE=0
    Good:
        # sysbuild/mcuboot.conf, with mcuboot_primary_1 in external_flash
        CONFIG_MCUBOOT_SERIAL=y
        CONFIG_BOOT_SERIAL_UNALIGNED_BUFFER_SIZE=64
    """
    serial = variant.mcuboot.get(_SERIAL)
    if serial is None or serial.value != "y" or not _on_qspi(variant):
        return
    primary = [slot for _, slot in variant.primary_slots]
    written = [
        slot.name
        for slot in variant.external_slots
        if variant.mcuboot.on(_DIRECT) or any(slot is other for other in primary)
    ]
    if not written:
        return
    names = f"{', '.join(written)} {'is' if len(written) == 1 else 'are'} in QSPI flash"
    buffer = variant.mcuboot.get(_UNALIGNED)
    if buffer is not None and buffer.number == 0:
        text = f"{names}, which takes only aligned buffers, and {_UNALIGNED}=0: an upload stays at 0"
        edit = Edit(buffer.spot.path, buffer.spot.line, f"={buffer.value}", "=64")
        yield Hit(buffer.spot, text, f"Write {_UNALIGNED}=64.", (edit,))
    elif variant.sdk is not None and variant.sdk.release < _ALIGNED_SINCE:
        major, minor = variant.sdk.release
        text = f"{names}, where serial recovery of SDK {major}.{minor} does not write (NCSDK-18422)"
        yield Hit(serial.spot, text, "Take SDK 2.1.3, 2.2.0 or later in west.yml.")


def _on_qspi(variant: Variant) -> bool:
    """Tell whether the external flash is known to be on the QSPI, and not on SPI."""
    if variant.split:
        return True
    chip, board = variant.chip, variant.known_board
    if chip is None:
        return False
    names = chip.node.compatible if chip.node else ()
    return "nordic,qspi-nor" in names or (not names and board is not None and board.chip == chip.label)


_UPLOAD = re.compile(r"\bmcumgr\b.*?\bimage\W+upload\b(?P<arguments>.*)")
_IMAGE = re.compile(r"(?<![\w-])(?:-n|--image)[\s=\"',]*(?P<number>[1-9]\d*)\b")
_NO_ERASE = re.compile(r"(?<![\w-])(?:-e|--noerase)(?![\w-])")


@rule(
    "QX606",
    "mcumgr-noerase",
    Severity.NOTE,
    f"{SDK_NRF}blob/main/samples/nrf5340/extxip_smp_svr/README.rst",
)
def mcumgr_noerase(variant: Variant) -> Iterator[Hit]:
    """A script uploads another image than the first with mcumgr, and does not forbid it to erase.

    mcumgr erases slot 1 before it uploads, whatever slot it uploads to: the image of the application that was
    uploaded before is gone, and MCUboot finds only a part of the update.

    Fix: give mcumgr -e where it is given -n.

    Bad:
        mcumgr -c serial image upload -n 2 qspi_flash_update.bin
    Good:
        mcumgr -c serial image upload -e -n 2 qspi_flash_update.bin
    """
    for line in variant.scripts.lines("mcumgr"):
        upload = _UPLOAD.search(line.text)
        # What a line goes on with is not seen here.
        if upload is None or line.text.endswith(("\\", "`", "^")):
            continue
        image = _IMAGE.search(upload["arguments"])
        if image is not None and not _NO_ERASE.search(upload["arguments"]):
            text = (
                f"uploads image {image['number']}, but first erases slot 1, with the update of image 0 in it"
            )
            yield Hit(line.spot, text, "Write -e before -n: mcumgr then erases nothing by itself.")


_LOCK = "CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK"


@rule("QX608", "xip-while-writing-qspi", Severity.WARNING, f"{ZEPHYR}pull/108747")
def xip_while_writing_qspi(variant: Variant) -> Iterator[Hit]:
    """Code runs from the flash chip that the application stores its own data in.

    While the chip erases or writes, 50 ms to seconds, it cannot be read. A thread that is scheduled meanwhile
    and runs code from it stalls, or takes a bus fault or a usage fault. It happens seldom, and in the field.

    Fix: write CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK=y in prj.conf, where the SDK has it; or put the
    partition into internal flash.

    Bad:
        zephyr_code_relocate(LIBRARY ..__lvgl LOCATION EXTFLASH_TEXT NOCOPY)
        littlefs_storage: {address: 0x200000, size: 0x100000, region: external_flash}
    Good:
        CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK=y   with both
    """
    stored = [
        entry.name for entry in variant.external if _kept(entry) and not entry.name.startswith("mcuboot_")
    ]
    if not stored or variant.app.on(_LOCK) or not _on_qspi(variant):
        return
    for call in variant.cmake:
        place = next((word for before, word in pairwise(call.arguments) if before == "LOCATION"), "")
        if call.name == "zephyr_code_relocate" and place.startswith("EXTFLASH"):
            text = (
                f"runs from the chip that {', '.join(stored)} {'is' if len(stored) == 1 else 'are'} written"
                " in: a thread that runs it while the chip erases or writes stalls or faults"
            )
            fix = f"Write {_LOCK}=y in prj.conf, if the SDK has it; or move the data to internal flash."
            yield Hit(call.spot, text, fix)
            return


_TIMEOUT = "CONFIG_NORDIC_QSPI_NOR_TIMEOUT_MS"
_ADVISED = 3500


@rule("QX609", "erase-timeout", Severity.NOTE, f"{DEVZONE}105028/")
def erase_timeout(variant: Variant) -> Iterator[Hit]:
    """The time that the QSPI driver waits for the chip is set to less than an erase may take.

    A block of 64 KiB takes a slow chip up to 3.5 seconds. The driver then gives up while the chip
    goes on, and an update that was interrupted this way may begin anew at each reset.

    Fix: write 3500, or remove the line if the chip erases only sectors of 4 KiB.

    Bad:
        CONFIG_NORDIC_QSPI_NOR_TIMEOUT_MS=200
    Good:
        CONFIG_NORDIC_QSPI_NOR_TIMEOUT_MS=3500
    """
    for config in (variant.app, variant.mcuboot):
        found = config.get(_TIMEOUT)
        # A build's .config has the SDK's default in it, which nobody wrote.
        if found is None or found.number is None or found.spot.path.name == ".config":
            continue
        if 0 < found.number < _ADVISED:
            text = (
                f"the driver waits {found.number} ms for an erase, and one of 64 KiB may take {_ADVISED} ms:"
                " it then reports an error while the chip goes on"
            )
            yield Hit(found.spot, text, f"Write {_TIMEOUT}={_ADVISED}.")
