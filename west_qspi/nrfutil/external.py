"""The external flash as nrfutil is told of it, and as the plan sees it; the chip itself is not asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from west_qspi.errors import IllegalAccess
from west_qspi.extflash.configfile import Format, write_config
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.parts import Parts, generic_geometry, geometry
from west_qspi.fileio import replace_bytes
from west_qspi.memory import Memory
from west_qspi.soc import Soc


def described_memory(external: ExternalFlash, soc: Soc, parts: Parts, device: str) -> Memory:
    """Return the chip as a memory that is erased sector by sector, because nrfutil knows one size only.

    Raises IllegalAccess where nothing says how large it is.
    """
    part = parts.by_id(external.jedec_id) if external.jedec_id else None
    size = external.size or (part.size if part else None)
    if size is None:
        raise IllegalAccess(
            device, "the size of the external flash is not known; give 'size' in the devicetree"
        )
    known = geometry(part) if part else generic_geometry()
    return soc.external_memory(size, replace(known, erase=known.erase[:1]))


def write_for_tool(external: ExternalFlash, soc: Soc, memory: Memory, folder: Path) -> Path:
    """Write nrfutil's configuration of a chip into ``folder``; return its path. Raises FileUnwritable.

    The chip is read and programmed over one data line: nrfutil has no way to set the quad enable bit, without
    which four lines read garbage, and one is as fast as the debug link. The sizes are those that the plan
    counts on, so that it erases nothing beside what was planned.
    """
    driven = replace(
        external,
        size=memory.size,
        read="fastread",
        write="pp",
        page=memory.geometry.page,
        erase_unit=memory.geometry.sector,
    )
    path = folder / "external-flash.json"
    replace_bytes(path, [write_config(driven, Format.JSON, soc, comments=False).text.encode()])
    return path
