"""The memory map of a build: as values, as text drawn to scale, and as JSON."""

from west_qspi.mapview.model import MapPicture, MemoryPicture, Note, NoteKind, Row, RowKind, SlotRole
from west_qspi.mapview.picture import make_map
from west_qspi.mapview.text import render_text
from west_qspi.mapview.values import to_json

__all__ = [
    "MapPicture",
    "MemoryPicture",
    "Note",
    "NoteKind",
    "Row",
    "RowKind",
    "SlotRole",
    "make_map",
    "render_text",
    "to_json",
]
