"""Packages for updates as text lines and as JSON values; pure, so that tests read what users read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from west_qspi.dfu.dependencies import dependency_arguments, versions_of
from west_qspi.dfu.remark import Level, Remark
from west_qspi.render import Style, human_size, plain, table

if TYPE_CHECKING:
    from west_qspi.dfu.inspection import Inspected
    from west_qspi.dfu.linked import LinkedImage
    from west_qspi.dfu.updateset import Part

_HEAD = (
    "file",
    "image",
    "slots",
    "partition",
    "version",
    "size",
    "room",
    "hash",
    "signature",
    "load address",
)
_LEFT = (0, 3, 4, 7, 8)
_HASH = 16
_STYLES = {Level.ERROR: "bad", Level.WARNING: "warn", Level.NOTE: "dim"}

# --- text ------------------------------------------------------------------------------------------


def package_lines(found: Inspected, style: Style = plain) -> Iterator[str]:
    """Yield a package's images as a table, then what is wrong, and how that is summed up.

    Slots count from 0; the partition is the one that an update is uploaded to.
    """
    rows = [_row(part, match, found) for part, match in zip(found.parts, found.linked, strict=True)]
    if rows:
        head, *body = table(_HEAD, rows, left=_LEFT)
        yield style("dim", head)
        yield from body
        yield ""
    for remark in found.remarks:
        yield from _remark_lines(remark, style)
    counted = {level: sum(remark.level is level for remark in found.remarks) for level in Level}
    said = ", ".join(
        f"{number} {level.value}{'' if number == 1 else 's'}" for level, number in counted.items()
    )
    yield style("bad" if found.bad else "good", f"{found.package.path}: {said}")


def _row(part: Part, match: LinkedImage | None, found: Inspected) -> tuple[str, ...]:
    load = part.entry.load_address
    room = match.room if match else None
    return (
        part.file,
        str(part.number),
        ", ".join(map(str, part.entry.slots)) or "-",
        match.place.name if match and match.place else "-",
        str(part.version),
        human_size(len(part.data)),
        human_size(room) if room is not None else "-",
        part.digest.hex()[:_HASH] if part.digest else "-",
        _signature(part, found),
        f"{load:#x}" if load is not None else "-",
    )


def _signature(part: Part, found: Inspected) -> str:
    kinds = [kind.name for kind in part.image.signature_types]
    if not kinds:
        return "none"
    key = f" {part.key_hash.hex()[:8]}" if part.key_hash else ""
    return f"{kinds[0]}{key}, {'proven' if part.file in found.proven else 'not proven'}"


def _remark_lines(remark: Remark, style: Style) -> Iterator[str]:
    about = f"{remark.file}: " if remark.file else ""
    place = f" (manifest.json:{remark.line})" if remark.line else ""
    yield f"{style(_STYLES[remark.level], remark.level.value)}: {about}{remark.text}{place}"
    if remark.advice:
        yield f"  {style('dim', 'fix:')} {remark.advice}"


# --- JSON ------------------------------------------------------------------------------------------


def package_json(found: Inspected) -> dict[str, Any]:
    """Return a package's images and what is wrong."""
    versions = versions_of(found.parts)
    return {
        "type": "package",
        "package": found.package.path,
        "name": found.package.manifest.name,
        "direct_xip": any(part.entry.direct for part in found.parts),
        "right": not found.bad,
        "images": [
            {
                "file": part.file,
                "image_number": part.number,
                "slots": list(part.entry.slots),
                "partition": match.place.name if match and match.place else None,
                "version": str(part.version),
                "size": len(part.data),
                "room": match.room if match else None,
                "hash": part.digest.hex() if part.digest else None,
                "sha256": part.sha256,
                "encrypted": part.image.encrypted,
                "signatures": [kind.name for kind in part.image.signature_types],
                "key_hash": part.key_hash.hex() if part.key_hash else None,
                "proven": part.file in found.proven,
                "load_address": part.entry.load_address,
                "dependencies": [
                    {"image_number": item.image, "version": str(item.minimum)}
                    for item in part.image.dependencies
                ],
                "imgtool": dependency_arguments(part.number, versions),
            }
            for part, match in zip(found.parts, found.linked, strict=True)
        ],
        "remarks": [
            {
                "level": remark.level.value,
                "file": remark.file or None,
                "line": remark.line,
                "text": remark.text,
                "advice": remark.advice,
            }
            for remark in found.remarks
        ],
    }
