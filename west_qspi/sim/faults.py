"""What can be made to go wrong on a simulated board: values, and the words that a user writes for them.

All faults go together. One stays until it is taken away; ``power-cut`` and ``link-error`` strike once a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from west_qspi.errors import UsageError
from west_qspi.extflash.parts import PARTS, part_named
from west_qspi.memory import MemoryKind


@dataclass(frozen=True)
class PowerCut:
    """Power fails during the ``operation``-th modifying operation of a run, counted from 1.

    That operation stays half done, in a way that follows from the two numbers alone.
    """

    operation: int
    seed: int = 0

    def __str__(self) -> str:
        return f"power-cut={self.operation}" + (f":{self.seed}" if self.seed else "")


@dataclass(frozen=True)
class LinkFailure:
    """The debug link fails at the ``operation``-th call of a run, counted from 1, which then does nothing."""

    operation: int

    def __str__(self) -> str:
        return f"link-error={self.operation}"


@dataclass(frozen=True)
class ReadFlips:
    """In every ``every``-th read of external flash one bit arrives wrong: a bad bus."""

    every: int

    def __str__(self) -> str:
        return f"read-flips={self.every}"


@dataclass(frozen=True)
class StuckBits:
    """The bits of ``mask`` in the byte at ``offset`` always read as ``level``: worn out cells."""

    memory: MemoryKind
    offset: int
    mask: int
    level: int

    def __str__(self) -> str:
        return f"stuck-bits={self.memory.value}:{self.offset:#x}:{self.mask:#x}:{self.level}"


@dataclass(frozen=True)
class StuckBusy:
    """A memory never becomes ready."""

    memory: MemoryKind

    def __str__(self) -> str:
        return f"stuck-busy={self.memory.value}"


@dataclass(frozen=True)
class OtherChip:
    """A blank chip of another kind sits on the board."""

    part: str

    def __str__(self) -> str:
        return f"other-chip={self.part}"


@dataclass(frozen=True)
class NoChip:
    """The external flash answers nothing."""

    def __str__(self) -> str:
        return "no-chip"


@dataclass(frozen=True)
class Asleep:
    """The external flash is in deep power-down; it tells its signature, but does not wake."""

    def __str__(self) -> str:
        return "asleep"


@dataclass(frozen=True)
class LowSupply:
    """The supply voltage, in millivolts."""

    millivolts: int

    def __str__(self) -> str:
        return f"low-supply={self.millivolts}"


@dataclass(frozen=True)
class WriteProtection:
    """The external flash is protected whole, and its status registers are locked (WP# is low)."""

    def __str__(self) -> str:
        return "write-protected"


Fault = (
    PowerCut
    | LinkFailure
    | ReadFlips
    | StuckBits
    | StuckBusy
    | OtherChip
    | NoChip
    | Asleep
    | LowSupply
    | WriteProtection
)

_FLASH = {kind.value: kind for kind in MemoryKind if kind is not MemoryKind.UICR}


def parse_fault(text: str) -> Fault:
    """Read a fault as ``--sim-fault`` takes it and ``str`` gives it back; raises UsageError."""
    name, has_value, value = text.partition("=")
    if name in _PLAIN and not has_value:
        return _PLAIN[name]()
    if name in _WITH_VALUE:
        read, form = _WITH_VALUE[name]
        try:
            return read(value.split(":"))
        except (ValueError, TypeError, KeyError):
            raise UsageError(f"'{text}' is not a fault: write it as {name}={form}") from None
    known = [*(f"{name}={form}" for name, (_, form) in _WITH_VALUE.items()), *_PLAIN]
    raise UsageError(f"'{text}' is not a fault; there are: {', '.join(known)}")


def _number(text: str, least: int = 1) -> int:
    value = int(text, 0)
    if value < least:
        raise ValueError(text)
    return value


def _power_cut(fields: list[str]) -> Fault:
    operation, seed = fields if len(fields) == 2 else (*fields, "0")
    return PowerCut(_number(operation), _number(seed, least=0))


def _link_failure(fields: list[str]) -> Fault:
    return LinkFailure(*map(_number, fields))


def _read_flips(fields: list[str]) -> Fault:
    return ReadFlips(*map(_number, fields))


def _stuck_bits(fields: list[str]) -> Fault:
    memory, offset, mask, level = fields
    fault = StuckBits(MemoryKind(memory), _number(offset, least=0), _number(mask), _number(level, least=0))
    if fault.mask > 0xFF or fault.level > 1:
        raise ValueError(fields)
    return fault


def _stuck_busy(fields: list[str]) -> Fault:
    (memory,) = fields
    return StuckBusy(_FLASH[memory])


def _other_chip(fields: list[str]) -> Fault:
    (name,) = fields
    part = part_named(name)
    if part is None:
        raise UsageError(f"no part '{name}'; there are: {', '.join(known.name for known in PARTS)}")
    return OtherChip(part.name)


def _low_supply(fields: list[str]) -> Fault:
    return LowSupply(*(_number(field, least=0) for field in fields))


_PLAIN: dict[str, Callable[[], Fault]] = {
    "no-chip": NoChip,
    "asleep": Asleep,
    "write-protected": WriteProtection,
}
_WITH_VALUE: dict[str, tuple[Callable[[list[str]], Fault], str]] = {
    "power-cut": (_power_cut, "OPERATION[:SEED]"),
    "link-error": (_link_failure, "CALL"),
    "read-flips": (_read_flips, "EVERY"),
    "stuck-bits": (_stuck_bits, "MEMORY:OFFSET:MASK:0|1"),
    "stuck-busy": (_stuck_busy, "MEMORY"),
    "other-chip": (_other_chip, "PART"),
    "low-supply": (_low_supply, "MILLIVOLTS"),
}
