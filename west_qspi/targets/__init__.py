"""A target: a connected device whose memories can be read, erased and programmed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from west_qspi.memory import Memory, MemoryMap
from west_qspi.soc import Soc

if TYPE_CHECKING:
    from west_qspi.targets.inspection import Inspection


def nobody() -> None:
    """Tell nobody."""


class Target(Protocol):
    """A connected device. Offsets count from the start of a memory.

    ``erase`` and ``program`` may return before they are done. Every other call waits for them first, and
    raises what went wrong, so that a read finds what was written before it; ``settle`` does nothing else.
    Between two such calls two memories may be at work at a time, and pages be programmed after blocks were
    erased that they do not lie in: where an order matters, there must be a read or ``settle``.

    All methods raise TargetError: LinkError, PowerLost, FlashBusy, WriteProtected, Protected, LowVoltage,
    ChipAbsent, ChipAsleep, WrongAddressMode, QuadDisabled, or IllegalAccess for what the device's rules
    forbid.
    """

    @property
    def identity(self) -> str:
        """A name that stays the same for this device between runs, such as its serial number."""

    @property
    def soc(self) -> Soc:
        """The SoC that answered."""

    @property
    def protected(self) -> tuple[str, ...]:
        """The cores whose access protection is on; nothing but ``recover`` works while there is one."""

    @property
    def memories(self) -> MemoryMap:
        """The memories that can be reached; external flash only if a chip answered."""

    @property
    def clock(self) -> float:
        """Seconds since some fixed moment, by the clock that this device's work is measured with."""

    @property
    def waiting(self) -> int:
        """How many of the bytes that ``program`` was given are not programmed, or not known to be."""

    @property
    def by_tool(self) -> bool:
        """Whether a program that is not ours does the work, in few calls that each take seconds.

        Then ``erase`` and ``program`` only take note, so that the next other call takes their time; and more
        may happen than was asked for, so that more has to be looked at.
        """

    def external_id(self) -> bytes | None:
        """Return the JEDEC id of the external flash: three bytes; None where it cannot be asked for."""

    def inspect_external(self) -> Inspection | None:
        """Look at the external flash and change nothing but waking it; None where there is none."""

    def external_uses_4_bytes(self) -> bool | None:
        """Return the chip's own address mode flag; None where the part has none."""

    def prepare_to_program(self) -> None:
        """Do what programming needs and outlasts power, such as enabling the external flash's quad mode."""

    def read(self, memory: Memory, offset: int, size: int, *, ahead: int = 0) -> bytes:
        """Read ``size`` bytes; ``ahead`` is how many behind these are going to be read next."""

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        """Erase one block: ``size`` is one of the memory's erase sizes, or its whole size, and aligned."""

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        """Clear bits: at most one page, within one page, aligned to the memory's word."""

    def settle(self, told: Callable[[], None] = nobody) -> None:
        """Wait until all is done that was asked for.

        ``told`` is called by a tool's target as less is ``waiting``.
        """

    def recover(self) -> None:
        """Lift access protection, which erases internal flash and UICR."""

    def reset(self) -> None:
        """Reset the SoC and let it run, with the external flash as firmware meets it after power-up."""

    def close(self) -> None:
        """Let go of the device."""
