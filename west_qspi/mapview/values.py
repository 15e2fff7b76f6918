"""The memory map for machines."""

from __future__ import annotations

from typing import Any

from west_qspi.mapview.model import MapPicture, MemoryPicture, Note, Row
from west_qspi.memory import Range
from west_qspi.render import SCHEMA


def to_json(picture: MapPicture) -> dict[str, Any]:
    """Return the map as plain values; all addresses and sizes are integers, in bytes.

    Top: ``schema``, ``build`` (path), ``application`` (image), ``soc``, ``board``, ``shape``, ``mode`` (null
    without MCUboot), ``chip`` (null without external flash), ``built`` (false: no ``used`` is known),
    ``memories``, ``left_out`` (partitions that are not in flash, counted by region), ``outside`` (bus
    addresses of firmware in none of the memories).

    A memory: ``name``, ``size``, ``start`` and ``end`` on the bus (null where the CPU cannot see it),
    ``used`` (bytes of firmware), ``free`` (bytes in no partition), ``unused`` (bytes left over in the
    partitions that hold firmware), ``rows``, ``notes``.

    A row: ``kind`` (partition, container, rest, free, unassigned), ``name``, ``aliases``, ``depth`` (members
    of a container are one deeper and follow it), ``offset``, ``size``, ``start``, ``end``, ``used``,
    ``image``, ``slot`` (null, or ``image_number``, ``role``, ``half``: internal, external or null).

    A note: ``kind`` (overlap, past end, past container, unassigned, clipped, crossing), ``problem``,
    ``name``, ``other`` (the second partition or null), ``offset``, ``size``.
    """
    return {
        "schema": SCHEMA,
        "build": str(picture.path),
        "application": picture.application,
        "soc": picture.soc,
        "board": picture.board,
        "shape": picture.shape.value,
        "mode": picture.mode.value if picture.mode else None,
        "chip": picture.chip,
        "built": picture.built,
        "memories": [_memory(memory) for memory in picture.memories],
        "left_out": dict(picture.left_out),
        "outside": [_bus(part) for part in picture.outside],
    }


def _memory(memory: MemoryPicture) -> dict[str, Any]:
    return {
        "name": memory.name,
        "size": memory.size,
        **_bus(memory.bus),
        "used": memory.used,
        "free": memory.free,
        "unused": memory.unused,
        "rows": [_row(row) for row in memory.rows],
        "notes": [_note(note) for note in memory.notes],
    }


def _row(row: Row) -> dict[str, Any]:
    slot = row.slot
    return {
        "kind": row.kind.value,
        "name": row.name,
        "aliases": list(row.aliases),
        "depth": row.depth,
        "offset": row.offset,
        "size": row.size,
        **_bus(row.bus),
        "used": row.used,
        "image": row.image,
        "slot": slot and {"image_number": slot.number, "role": slot.role, "half": slot.half or None},
    }


def _note(note: Note) -> dict[str, Any]:
    return {
        "kind": note.kind.value,
        "problem": note.kind.is_problem,
        "name": note.name,
        "other": note.other or None,
        "offset": note.part.start,
        "size": note.part.size,
    }


def _bus(part: Range | None) -> dict[str, int | None]:
    return {"start": part.start if part else None, "end": part.end if part else None}
