"""``board.json``, read with care."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from west_qspi.errors import SimulatedBoardError, UsageError
from west_qspi.extflash.parts import Part, Parts
from west_qspi.sim.faults import Fault, parse_fault
from west_qspi.sim.registers import ChipState

_T = TypeVar("_T")


class Record:
    """The values of one file; every method raises SimulatedBoardError for one that it cannot use."""

    def __init__(self, path: str, state: Mapping[str, Any]) -> None:
        self._path = path
        self._state = state

    def get(self, name: str, kind: type[_T]) -> _T:
        """Return a value of the right type."""
        value = self._state.get(name)
        if not isinstance(value, kind):
            raise self._error(name)
        return value

    def choice(self, name: str, known: Mapping[str, _T]) -> _T:
        """Return what a name stands for."""
        value = known.get(self.get(name, str).lower())
        if value is None:
            raise self._error(name)
        return value

    def part(self, name: str, parts: Parts) -> Part | None:
        """Return one of ``parts`` by its name, or None where there is none."""
        if self._state.get(name) is None:
            return None
        part = parts.named(self.get(name, str))
        if part is None:
            raise self._error(name)
        return part

    def names(self, name: str, known: Iterable[str]) -> tuple[str, ...]:
        """Return a list of known names."""
        values = self.get(name, list)
        if any(value not in known for value in values):
            raise self._error(name)
        return tuple(values)

    def numbers(self, name: str, kind: type) -> dict[str, Any]:
        """Return the fields of a dataclass that are numbers or flags, checked against their defaults."""
        values = self.get(name, dict)
        wanted = {item.name: item.default for item in fields(kind) if isinstance(item.default, (int, float))}
        for key, default in wanted.items():
            if not _is_alike(values.get(key), default):
                raise self._error(f"{name}.{key}")
        return {key: values[key] for key in wanted}

    def chip_state(self) -> ChipState:
        """Return the chip's registers."""
        state = ChipState(**self.numbers("chip", ChipState))
        if max(state.status, state.second, state.third) > 0xFF:
            raise self._error("chip")
        return state

    def seconds(self, name: str) -> float:
        """Return a time."""
        value = self._state.get(name)
        if not _is_alike(value, 0.0):
            raise self._error(name)
        return float(self._state[name])

    def erases(self) -> dict[int, int]:
        """Return how many blocks of each size were erased."""
        try:
            return {int(size): int(count) for size, count in dict(self._state["counters"]["erases"]).items()}
        except (KeyError, TypeError, ValueError):
            raise self._error("counters.erases") from None

    def faults(self) -> tuple[Fault, ...]:
        """Return a list of faults."""
        try:
            return tuple(parse_fault(str(text)) for text in self.get("faults", list))
        except UsageError as error:
            raise SimulatedBoardError(self._path, str(error)) from None

    def _error(self, name: str) -> SimulatedBoardError:
        value = self._state.get(name.split(".")[0])
        return SimulatedBoardError(self._path, f"'{name}' is not what it should be: {value!r}")


def _is_alike(value: object, default: float) -> bool:
    """Tell whether a value from a file can stand where ``default`` stands: a flag, a count or seconds."""
    if isinstance(default, bool) or isinstance(value, bool):
        return type(value) is type(default)
    if isinstance(value, float):
        return isinstance(default, float) and 0 <= value < math.inf
    return isinstance(value, int) and value >= 0
