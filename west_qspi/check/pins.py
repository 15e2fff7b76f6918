"""The pins that a devicetree gives to peripherals, from the ``psels`` of its pin control groups.

Source: Zephyr, ``include/zephyr/dt-bindings/pinctrl/nrf-pinctrl.h``: ``NRF_PSEL(FUNCTION, PORT, PIN)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from west_qspi.check.devicetree import Node, View
from west_qspi.check.model import Spot
from west_qspi.check.parse.dtsource import SourceProperty
from west_qspi.extflash.model import Pins

_PSEL = re.compile(
    r"NRF_PSEL\(\s*(?P<signal>\w{1,40})\s*,\s*(?P<port>[01])\s*,\s*(?P<pin>\d{1,2})\s*\)", re.ASCII
)
_REFERENCE = re.compile(r"&(\w+)")
_SIGNALS = ("SCK", "CSN", "IO0", "IO1", "IO2", "IO3")


@dataclass(frozen=True)
class Selected:
    """One signal, such as ``QSPI_SCK``, and its pin as pin + 32 * port; ``spot`` is the line it stands on."""

    signal: str
    number: int
    spot: Spot

    def __str__(self) -> str:
        return f"P{self.number // 32}.{self.number % 32:02}"


def selected_pins(view: View, label: str) -> tuple[Selected, ...]:
    """Return the pins that a peripheral has by its ``pinctrl-0``; none where that is not in these files."""
    peripheral = view.node(label)
    control = peripheral.get("pinctrl-0") if peripheral else None
    groups = _REFERENCE.findall(control.text) if control else [f"{label}_default"]
    nodes = (view.node(group) for group in groups)
    return tuple(item for node in nodes if node for item in _pins(node))


def _pins(node: Node) -> Iterator[Selected]:
    """Yield what a group selects; a place that is described again has its last word only."""
    last: dict[str, SourceProperty] = {}
    for child in node.children():
        found = child.get("psels")
        if found is not None:
            last[child.name] = found
    for item in last.values():
        for match in _PSEL.finditer(item.text):
            below = item.text.count("\n", 0, match.start())
            spot = Spot(item.spot.path, item.spot.line + below, item.spot.column if not below else 1)
            yield Selected(match["signal"], int(match["port"]) * 32 + int(match["pin"]), spot)


def qspi_pins(view: View) -> Pins | None:
    """Return the QSPI's pins where these files say all of the first four, else None."""
    found = {item.signal.removeprefix("QSPI_"): item.number for item in selected_pins(view, "qspi")}
    if not {"SCK", "CSN", "IO0", "IO1"} <= found.keys():
        return None
    return Pins(*(found.get(signal) for signal in _SIGNALS))
