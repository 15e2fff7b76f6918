"""A device's images, and how an update ended, as text lines and as JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from west_qspi.dfu.plan import UpdatePlan
from west_qspi.dfu.state import DeviceImage, Images, Judgement, is_part
from west_qspi.dfu.update import UpdateReport
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.render import Style, human_size, plain, table

Names = Mapping[tuple[int, int], str]
"""The partitions' names by image number and slot (0 or 1)."""

_SHOWN = 16  # digits of a hash


def images_lines(
    images: Images, names: Names, known: Sequence[UpdateSet], judged: Judgement, style: Style = plain
) -> list[str]:
    """Return a table of what a device lists, and how it stands."""
    head = ("image", "slot", "partition", "version", "hash", "flags", "from")
    rows = [
        (
            str(each.image),
            str(each.slot),
            names.get((each.image, each.slot), ""),
            str(each.version),
            each.digest.hex()[:_SHOWN] if each.digest else "none",
            each.flags,
            ", ".join(origins(each, known)),
        )
        for each in _sorted(images)
    ]
    if not rows:
        return ["the device lists no images"]
    first, *body = table(head, rows, left=range(2, len(head)))
    verdict = style("good" if judged.situation.sound else "bad", judged.situation.value)
    return [style("dim", first), *body, "", verdict, *(f"  {reason}" for reason in judged.reasons)]


def origins(image: DeviceImage, known: Sequence[UpdateSet]) -> list[str]:
    """Return the sets that an image on a device is a part of."""
    return [each.path for each in known if is_part(each, image)]


def images_json(
    device: str, images: Images, names: Names, known: Sequence[UpdateSet], judged: Judgement
) -> dict[str, Any]:
    """Return what a device lists, and how it stands."""
    return {
        "type": "images",
        "device": device,
        "images": [
            {
                **image_json(each),
                "partition": names.get((each.image, each.slot)),
                "from": origins(each, known),
            }
            for each in _sorted(images)
        ],
        "situation": judged.situation.value,
        "sound": judged.situation.sound,
        "reasons": list(judged.reasons),
    }


def image_json(image: DeviceImage) -> dict[str, Any]:
    """Return one image."""
    flags = ("bootable", "pending", "confirmed", "active", "permanent")
    return {
        "image": image.image,
        "slot": image.slot,
        "version": str(image.version),
        "hash": image.digest.hex() if image.digest else None,
        **{name: getattr(image, name) for name in flags},
    }


def report_lines(report: UpdateReport, style: Style = plain) -> list[str]:
    """Return what was done with each part, and how the device stands."""
    rows = [
        (f"image {part.number}", part.file, str(part.version), human_size(len(part.data)), done)
        for part, done in _done(report.plan)
    ]
    lines = table(("", "file", "version", "size", ""), rows, left=(0, 1, 2, 4)) if rows else []
    verdict = style("good", report.outcome.value)
    return [*lines, *([""] if lines else []), f"{verdict}  ({report.device}, {report.seconds:.1f} s)"]


def report_json(report: UpdateReport) -> dict[str, Any]:
    """Return how an update ended."""
    return {
        "type": "update",
        "device": report.device,
        "outcome": report.outcome.name.lower(),
        "seconds": round(report.seconds, 3),
        "parts": [
            {
                "image": part.number,
                "file": part.file,
                "version": str(part.version),
                "hash": (part.digest or b"").hex(),
                "size": len(part.data),
                "done": done,
            }
            for part, done in _done(report.plan)
        ],
        "images": [image_json(each) for each in _sorted(report.images)],
    }


def _done(plan: UpdatePlan) -> list[tuple[Part, str]]:
    found = [(part, "uploaded") for part in plan.uploads]
    found += [(part, "was there") for part in plan.present]
    found += [(part, "runs already") for part in plan.running]
    found += [(part, "comes back") for part in plan.returning]
    return sorted(found, key=lambda each: each[0].number)


def _sorted(images: Images) -> list[DeviceImage]:
    return sorted(images, key=lambda each: (each.image, each.slot))
