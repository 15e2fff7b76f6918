"""What an image is configured with, as far as its sources or its build tell: yes, no, or not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from west_qspi.check.model import Spot
from west_qspi.check.parse.kconf import Setting


@dataclass(frozen=True)
class Config:
    """The effective settings of one image; of several for a symbol the last one counts.

    ``complete`` tells that these are all: then what is absent is n. Without it, it is not known, because a
    default, a ``select`` or another file may set it.
    """

    settings: Mapping[str, Setting] = field(default_factory=dict)
    complete: bool = False
    spot: Spot | None = None

    @classmethod
    def merged(cls, settings: Iterable[Setting], spot: Spot | None = None) -> Config:
        """Take settings in the order in which the build applies them."""
        return cls({setting.symbol: setting for setting in settings}, spot=spot)

    def get(self, symbol: str) -> Setting | None:
        """Return the last word on a symbol, or None; the prefix ``CONFIG_`` may be left out."""
        return self.settings.get(_full(symbol))

    def on(self, symbol: str) -> bool | None:
        """Tell whether a symbol is y; None where that is not known."""
        setting = self.get(symbol)
        if setting is None:
            return False if self.complete else None
        return setting.value == "y"

    def number(self, symbol: str) -> int | None:
        """Return a symbol's number, or None."""
        setting = self.get(symbol)
        return setting.number if setting else None

    def at(self, *symbols: str) -> Spot | None:
        """Return where the first of these symbols that is set stands, else where the settings begin."""
        return next((found.spot for symbol in symbols if (found := self.get(symbol))), self.spot)


def _full(symbol: str) -> str:
    return symbol if symbol.startswith(("CONFIG_", "SB_CONFIG_")) else f"CONFIG_{symbol}"
