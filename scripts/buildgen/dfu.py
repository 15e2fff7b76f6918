"""``dfu_application.zip`` and its manifest, which are what a phone app sends to a device.

Sources: sdk-nrf ``cmake/sysbuild/zip.cmake`` and ``scripts/bootloader/generate_zip.py``. Slot numbers count
from 1, but from 0 with direct-XIP; numbers given as 0x.. become numbers, all else stays text. The external
half's load address is its offset in the chip, not where the CPU sees it.
"""

from __future__ import annotations

import json
from io import BytesIO
from zipfile import ZipFile, ZipInfo

from buildgen.images import Piece, update_files
from buildgen.layout import HEADER, NETWORK_IMAGE
from buildgen.options import BuildOptions

_MADE = 1_735_689_600  # 2025-01-01; a change of the source is a second later


def dfu_files(options: BuildOptions, pieces: list[Piece], files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the package and its manifest, made of the signed bins among ``files``."""
    members: dict[str, bytes] = {}
    entries = []
    time = _MADE + options.change
    for piece, path, name in update_files(pieces):
        members[name] = files[path]
        # DTS builds give a slot's start, Partition Manager's give the code's.
        load = piece.chip_address + (HEADER if options.managed else 0)
        entries.append(_entry(options, name, files[path], load, _slots(options, piece)))
    if options.updates_network:
        name, data = f"{NETWORK_IMAGE}.bin", files[f"{NETWORK_IMAGE}/zephyr/zephyr.signed.bin"]
        members[name] = data
        slots = {"image_index": "1", "slot_index_primary": "3", "slot_index_secondary": "4"}
        entry = _entry(options, name, data, 0x0100_0000, {**slots, "version": options.version})
        entries.append({**entry, "board": f"{options.board_name}/{options.soc}/cpunet"})
    manifest = {"format-version": 1, "time": time, "files": entries, "name": options.app}
    text = json.dumps(manifest, indent=4).encode()
    return {
        "dfu_application.zip": _zip({**members, "manifest.json": text}),
        "dfu_application.zip_manifest.json": text,
    }


def _entry(
    options: BuildOptions, name: str, data: bytes, load_address: int, slots: dict[str, str]
) -> dict[str, str | int]:
    return {
        "type": "application",
        "board": options.board_name,
        "soc": options.soc,
        "load_address": load_address,
        **slots,
        "size": len(data),
        "file": name,
        "modtime": _MADE + options.change,
    }


def _slots(options: BuildOptions, piece: Piece) -> dict[str, str]:
    if options.direct_xip:
        slot = 2 * piece.number + piece.secondary
        version = {"version_MCUBOOT+XIP": options.version}
        return {"image_index": str(piece.number), "slot": str(slot), **version}
    return {
        "image_index": str(piece.number),
        "slot_index_primary": str(2 * piece.number + 1),
        "slot_index_secondary": str(2 * piece.number + 2),
        "version_MCUBOOT": options.version,
    }


def _zip(members: dict[str, bytes]) -> bytes:
    result = BytesIO()
    with ZipFile(result, "w") as archive:
        for name, data in members.items():
            archive.writestr(ZipInfo(name, (2025, 1, 1, 0, 0, 0)), data)
    return result.getvalue()
