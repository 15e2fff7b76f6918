"""What every error of ours is made of: fields, a text over them, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**options: bool) -> Any:
        """Do nothing: it only tells type checkers how the classes below are made."""
        return lambda cls: cls


@dataclass_transform(eq_default=False)
class QspiError(Exception):
    """Base of everything this project raises on purpose.

    A subclass is its annotated fields, a ``text`` over them and, where there is one thing to do, a ``hint``.
    It is made like a dataclass. Real ones would cost each command some 10 ms at its start, a third of all
    that it imports.
    """

    text: ClassVar[str] = ""
    hint: ClassVar[str] = ""
    exit_code: ClassVar[int] = 1
    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        # Annotations are strings here; those of class variables say so.
        own = (name for name, kind in cls.__annotations__.items() if "ClassVar" not in kind)
        cls._fields = (*cls._fields, *own)

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values)
        given = dict(zip(self._fields, values, strict=False))
        if len(values) > len(self._fields) or given.keys() & named.keys() or named.keys() - set(self._fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._fields)}")
        self.__dict__.update(given, **named)
        missing = [name for name in self._fields if not hasattr(self, name)]
        if missing:
            raise TypeError(f"{type(self).__name__} lacks {', '.join(missing)}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(self._values().values())

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields}

    def __str__(self) -> str:
        return self.text.format_map(self._values())

    @property
    def advice(self) -> str:
        """What to do about it, or an empty string."""
        return self.hint.format_map(self._values())

    def as_json(self) -> dict[str, Any]:
        """Return name, message, advice and data, as ``--json`` prints them."""
        data = {
            name: value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
            for name, value in self._values().items()
        }
        return {"error": type(self).__name__, "message": str(self), "advice": self.advice, "data": data}


def at_line(path: str, line: int, reason: str) -> str:
    """Write what is wrong with a file behind its path and line, which is 0 where it is not known."""
    return f"{path}:{line}: {reason}" if line else f"{path}: {reason}"
