"""What every target refuses, whatever it drives: accesses that its memories do not have."""

from __future__ import annotations

from west_qspi.errors import IllegalAccess
from west_qspi.memory import Memory, MemoryMap


def check_range(device: str, memories: MemoryMap, memory: Memory, offset: int, size: int) -> None:
    """Check that ``size`` bytes at an offset lie in a memory that ``device`` has. Raises IllegalAccess."""
    ours = memories.get(memory.kind)
    if ours is None:
        raise IllegalAccess(device, f"there is no {memory.name} flash")
    if offset < 0 or size < 0 or offset + size > ours.size:
        reason = f"{memory.name}: {size:#x} bytes at {offset:#x} go past its {ours.size:#x} bytes"
        raise IllegalAccess(device, reason)


def check_page(device: str, memory: Memory, offset: int, size: int) -> None:
    """Check that bytes to be programmed are whole words within one page. Raises IllegalAccess."""
    page, word = memory.geometry.page, memory.geometry.word
    if offset % word or size % word or not 0 < size <= page - offset % page:
        reason = f"{memory.name}: {size} bytes at {offset:#x} are not words within one page"
        raise IllegalAccess(device, reason)
