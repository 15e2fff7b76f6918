"""QX503, QX510: the halves of a split image against each other, and against what is flashed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.model import Severity, Spot, Stage
from west_qspi.check.parts import flashed, header_of, parts
from west_qspi.check.rule import DEVZONE, XIP_GUIDE, Hit, rule
from west_qspi.check.variant import Variant
from west_qspi.memory import Range

if TYPE_CHECKING:
    from west_qspi.build.model import SignedPart
    from west_qspi.check.built import Built
    from west_qspi.mcuboot.image import Header

# imgtool may round the body up; a build that is another one differs by more, or is found by its bytes.
_ROUNDING = 32
_UPPER = re.compile(rb"^:02000004([0-9A-Fa-f]{4})", re.MULTILINE)


@rule("QX503", "split-halves-differ", Severity.ERROR, XIP_GUIDE, Stage.BUILD)
def split_halves_differ(variant: Variant) -> Iterator[Hit]:
    """The two halves of a split image are not of one build.

    They call each other by address: with halves of two builds the application hangs or faults at its first
    call into the other. Their versions differ, or one was not signed again after it was linked anew. With
    ``--full`` every byte is compared.

    Fix: build with ``--pristine``, and flash or upload both halves.

    Bad:
        zephyr.internal.signed.hex: version 1.2.0     zephyr.external.signed.hex: version 1.1.0
    Good:
        zephyr.internal.signed.hex: version 1.2.0     zephyr.external.signed.hex: version 1.2.0
    """
    built, found = variant.build, parts(variant)
    if built is None or not any(part.external for part in found):
        return
    fix = "Build with --pristine."
    by_image: dict[str, list[tuple[SignedPart, Header]]] = {}
    for part in found:
        header = header_of(built, part)
        if header is None:
            continue
        by_image.setdefault(part.image, []).append((part, header))
        # TF-M is signed together with the internal half.
        secure = not part.external and variant.app.on("CONFIG_BUILD_WITH_TFM")
        other = "" if secure else _differs_from_linked(built, part, header)
        if other:
            yield Hit(Spot(part.signed), other, fix)
    for halves in by_image.values():
        for part, header in halves[1:]:
            first, its = halves[0]
            if header.version != its.version:
                text = f"{part.name} has version {header.version}, {first.name} has {its.version}"
                yield Hit(Spot(part.signed), text, fix)
    yield from (Hit(Spot(path), text, fix) for path, text in _differs_from_flashed(variant, built))


def _is_transformed(header: Header) -> bool:
    """Tell whether an image is compressed or encrypted."""
    from west_qspi.mcuboot.image import ImageFlags

    compressed = ImageFlags.COMPRESSED_LZMA1 | ImageFlags.COMPRESSED_LZMA2 | ImageFlags.COMPRESSED_ARM_THUMB
    return bool(header.flags & (compressed | ImageFlags.ENCRYPTED_AES128 | ImageFlags.ENCRYPTED_AES256))


def _differs_from_linked(built: Built, part: SignedPart, header: Header) -> str:
    """Say how a signed part is not what was linked, or nothing."""
    linked, signed = built.hex(part.unsigned), built.hex(part.signed)
    if linked is None or signed is None or _is_transformed(header):
        return ""
    if abs(header.image_size - linked.size) >= _ROUNDING:
        return (
            f"{part.name} holds {header.image_size:#x} bytes of code, {part.unsigned.name} {linked.size:#x}"
        )
    start = header.header_size
    count = min(len(linked.head), len(signed.head) - start)
    if linked.head[:count] != signed.head[start : start + count]:
        return f"{part.name} does not hold the code of {part.unsigned.name}"
    if linked.content is not None and signed.content is not None:
        for piece in linked.content.segments:
            here = Range(signed.start + start + piece.start - linked.start, len(piece.data))
            if signed.content.read(here) != piece.data:
                return f"{part.name} does not hold the code of {part.unsigned.name}"
    return ""


def _differs_from_flashed(variant: Variant, built: Built) -> Iterator[tuple[Path, str]]:
    """Yield the files to flash that hold something else of a half than its signed file; whole files only."""
    for path in flashed(variant):
        whole = built.hex(path)
        if whole is None or whole.content is None:
            continue
        for part in parts(variant):
            half = built.hex(part.signed)
            if half is None or half.content is None or not whole.content.touches(part.slot.bus):
                continue
            if any(whole.content.read(each.range) != each.data for each in half.content.segments):
                yield path, f"{path.name} does not hold {part.name} in '{part.slot.partition.name}'"


@rule("QX510", "external-half-not-flashed", Severity.ERROR, f"{DEVZONE}128153/", Stage.BUILD)
def external_half_not_flashed(variant: Variant) -> Iterator[Hit]:
    """The build made an external half, and none of the files that are flashed holds it.

    MCUboot finds no image in the external slot, or the one of an earlier build, and does not start the
    application, or starts it to fail.

    Fix: flash merged.hex, or the signed hex of both halves; build with ``--pristine`` where runners.yaml
    names another file.

    Bad:
        hex_file: build/app/zephyr/zephyr.internal.signed.hex
    Good:
        hex_file: build/merged.hex
    """
    built = variant.build
    external = [part for part in parts(variant) if part.external and not part.slot.secondary]
    window = variant.soc.xip if variant.soc else None
    files = flashed(variant)
    if built is None or window is None or not files:
        return
    for part in external:
        if built.hex(part.signed) is None or any(_reaches(built, path, window) for path in files):
            continue
        app = built.build.application
        runners = app.directory / "zephyr" / "runners.yaml"
        names = ", ".join(path.name for path in files)
        text = f"{names}: nothing of {part.name}, which '{part.slot.partition.name}' needs"
        spot = Spot(runners, _line_of(variant, runners, "hex_file:")) if runners.is_file() else Spot(files[0])
        yield Hit(spot, text, "Flash a file that holds both halves, such as merged.hex.")


def _reaches(built: Built, path: Path, window: Range) -> bool:
    """Tell whether a hex file may have data in a window; False only where it is sure that it has none."""
    found = built.hex(path)
    if found is None:
        return True
    if found.content is not None:
        return found.content.touches(window)
    if found.end > window.start:
        return True
    # Its records may be in any order: this is worth a look at every base address in it.
    try:
        return any(int(base, 16) << 16 in window for base in _UPPER.findall(path.read_bytes()))
    except OSError:
        return True


def _line_of(variant: Variant, path: Path, word: str) -> int:
    lines = variant.reader.text(path).split("\n")
    return next((number for number, line in enumerate(lines, 1) if line.strip().startswith(word)), 0)
