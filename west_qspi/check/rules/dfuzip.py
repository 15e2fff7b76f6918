"""QX601, QX602: what a build packs for an update over the air, and what the application takes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from west_qspi.check.model import Severity, Spot, Stage
from west_qspi.check.parts import parts
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import Variant

_CMAKE = f"{SDK_NRF}blob/main/cmake/sysbuild/zip.cmake"
_COUNTS = ("CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER", "CONFIG_UPDATEABLE_IMAGE_NUMBER")


@rule(
    "QX601",
    "zip-lacks-external-image",
    Severity.ERROR,
    _CMAKE,
    Stage.BUILD,
)
def zip_lacks_external_image(variant: Variant) -> Iterator[Hit]:
    """The package for updates does not hold both halves of a split image under their image numbers.

    The new internal half then calls into the old external one, and the device hangs until it is programmed
    again.

    Fix: build with ``--pristine``; do not make the package by hand.

    Bad:
        manifest.json: app.internal.bin with image_index 0
    Good:
        manifest.json: app.internal.bin with image_index 0, app.external.bin with image_index 2
    """
    found = parts(variant)
    external = {part.slot.number for part in found if part.external}
    if variant.build is None or not external:
        return
    if variant.sysbuild.on("SB_CONFIG_DFU_ZIP_APP") is False and variant.sysbuild.settings:
        return
    packed = variant.build.package
    if packed is None:
        return
    entries = [(entry.number, entry.file) for entry in packed.manifest.entries]
    spot = Spot(variant.build.build.package_file)
    counted = Counter(number for number, _ in entries)
    fix = "Build with --pristine."
    for number, wanted in sorted(Counter(part.slot.number for part in found).items()):
        half = "external" if number in external else "internal"
        if counted[number] < wanted:
            has = ", ".join(f"{file} for image {index}" for index, file in entries) or "nothing"
            text = f"{counted[number] or 'no'} file for image {number}, the {half} half; it has {has}"
            yield Hit(spot, text, fix)
    for _, file in entries:
        if file not in packed.members:
            yield Hit(spot, f"{file} is in its manifest and not in it", fix)


@rule("QX602", "app-image-count", Severity.ERROR, f"{DEVZONE}119405/", Stage.BUILD)
def app_image_count(variant: Variant) -> Iterator[Hit]:
    """The application counts fewer images than there are: it takes no update for the external half.

    mcumgr's image numbers go from 0 to one less than that; an upload with a higher one (``-n 2``) is answered
    with an error. Image n is in the slots 2n and 2n + 1.

    Fix: remove the line that sets it, as sysbuild knows the number; or write one more than the external
    half's image number.

    Bad:
        CONFIG_UPDATEABLE_IMAGE_NUMBER=2   with the external half as image 2
    Good:
        CONFIG_UPDATEABLE_IMAGE_NUMBER=3   with the external half as image 2
    """
    numbers = [part.slot.number for part in parts(variant) if part.external]
    if not numbers:
        return
    wanted = max(numbers) + 1
    for symbol in _COUNTS:
        found = variant.app.get(symbol)
        if found is not None and found.number is not None and found.number < wanted:
            text = f"{symbol}={found.value}, but the external half is image {wanted - 1}"
            yield Hit(found.spot, text, f"Write {symbol}={wanted}.")
            return
