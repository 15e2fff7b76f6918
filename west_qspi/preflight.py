"""Checks of a job before a device is touched: images that MCUboot would refuse, halves that do not match."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi import mcuboot
from west_qspi.build.model import Slot
from west_qspi.errors import HalvesDiffer, ImageError, OutsidePartition
from west_qspi.events import Noticed
from west_qspi.fileio import opened
from west_qspi.firmware import Firmware
from west_qspi.memory import Range

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.job import Job


def check_job(build: Build, job: Job, key_file: Path | None = None) -> Iterator[Noticed]:
    """Check every slot that the job fills, and yield what is worth knowing.

    Signatures are checked with ``key_file`` or, where it is None, with the key that the build names.

    Raises ImageError, OutsidePartition and HalvesDiffer for what would not boot.
    """
    if job.layout.mode is None:
        return
    everything = Firmware.merged((*job.wanted.segments, *job.companions.segments))
    given, key_file = key_file is not None, key_file or build.signature_key
    key = _read(key_file) if key_file is not None else None
    unchecked = ""
    if key is not None and not given and find_spec("cryptography") is None:
        key, unchecked = None, "the Python package 'cryptography' is not installed"
    for unit in job.layout.units:
        slots = [slot for slot in job.layout.slots if slot.bus in unit.parts]
        filled = [slot for slot in slots if everything.touches(slot.bus)]
        if not filled:
            if slots and job.whole and unit is job.layout.units[0]:
                raise ImageError("the build", unit.key.start, f"nothing is flashed to {unit.name}")
            continue
        images = {slot: _image(everything, slot) for slot in filled}
        _check_halves(job, slots, images)
        files = {_origin(everything, slot) for slot in images}
        if len(files) > 1:
            names = " and ".join(sorted(files))
            yield Noticed("pairing", f"{names}: that they are of one build is judged by their versions only")
        for slot, image in images.items():
            if key is not None and image.signature_types:
                data = everything.read(Range(slot.bus.start, image.size))
                mcuboot.verify_signature(
                    data,
                    image,
                    key,
                    _origin(everything, slot),
                    slot.bus.start,
                    key_path=str(key_file),
                )
            elif key is not None:
                raise ImageError(_origin(everything, slot), slot.bus.start, "it is not signed")
            else:
                unchecked = unchecked or "the build names no key that is here"
    if unchecked:
        yield Noticed("signature", f"signatures are not checked: {unchecked}")


def _origin(firmware: Firmware, slot: Slot) -> str:
    piece = next(firmware.pieces(slot.bus), None)
    return str(piece.origin) if piece else slot.partition.name


def _image(firmware: Firmware, slot: Slot) -> mcuboot.McubootImage:
    """Read the image that the firmware puts into a slot; raises ImageError, OutsidePartition."""
    where, path = slot.bus, _origin(firmware, slot)
    header = mcuboot.parse_header(firmware.read(Range(where.start, mcuboot.HEADER_SIZE)))
    if header is None:
        raise ImageError(
            path, where.start, f"{slot.partition.name} would hold no signed image: no MCUboot header"
        )
    runs = [run for run in firmware.ranges if where.start in run]
    end = max((run.end for run in runs), default=where.end)
    size = mcuboot.image_extent(
        lambda at, count: firmware.read(Range(where.start + at, count)), max(end - where.start, where.size)
    )
    if size is not None and size > where.size:
        raise OutsidePartition(path, where.start, where.start + size, slot.partition.name, where.end)
    data = firmware.read(Range.between(where.start, min(end, where.end)))
    return mcuboot.check_image(data, path, where.start)


def _check_halves(job: Job, slots: list[Slot], images: dict[Slot, mcuboot.McubootImage]) -> None:
    """Check that the linked images are all there and of one version."""
    linked = [slot for slot in slots if slot.number in (0, job.layout.xip_number)]
    for slot in linked:
        if slot not in images:
            raise ImageError(
                slot.partition.name,
                slot.bus.start,
                "this half of the split image is not in what is flashed",
            )
    for other in linked[1:]:
        first, second = images[linked[0]].version, images[other].version
        if first != second:
            raise HalvesDiffer(linked[0].partition.name, str(first), other.partition.name, str(second))


def _read(path: Path) -> bytes:
    with opened(path) as stream:
        return stream.read()
