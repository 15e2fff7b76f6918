"""The pins of the QSPI controller, in each of the ways that devicetrees have given them.

Sources: Zephyr's ``nrf-pinctrl.h`` (functions SCK 29, CSN 30, IO0 to IO3 31 to 34, which were found from bit
16, 17 or 24 on, by its version), and for trees from before pinctrl the binding ``nordic,nrf-qspi`` of Zephyr
2.7.
"""

from __future__ import annotations

from west_qspi.build.tree import Devicetree, Node

_FIRST_FUNCTION = 29
_FUNCTIONS = 6
# No value has a function of the QSPI in two of these places.
_FUNCTION_PLACES = (24, 17, 16)
_PIN = 0x7F
_DISCONNECTED = 0x7F


def qspi_pins(tree: Devicetree, controller: Node) -> tuple[int | None, ...]:
    """Return SCK, CSN and IO0 to IO3, each as pin + 32 * port or None; empty where the tree has none."""
    pins = dict(_psels(tree, controller)) or _properties(controller)
    return tuple(pins.get(function) for function in range(_FUNCTIONS)) if pins else ()


def _psels(tree: Devicetree, controller: Node) -> list[tuple[int, int | None]]:
    """Return (function, pin) pairs of the default state's groups."""
    state = tree.find(controller.reference("pinctrl-0"))
    found: list[tuple[int, int | None]] = []
    for group in state.children if state else ():
        for value in group.numbers("psels"):
            for place in _FUNCTION_PLACES:
                function = (value >> place) - _FIRST_FUNCTION
                if 0 <= function < _FUNCTIONS:
                    pin = value & _PIN
                    found.append((function, None if pin == _DISCONNECTED else pin))
    return found


def _properties(controller: Node) -> dict[int, int | None]:
    """Return what stood in properties of the controller before there was pinctrl."""
    lists = (controller.numbers("sck-pin"), controller.numbers("csn-pins"), controller.numbers("io-pins"))
    sck, csn, lines = lists
    places = [(0, sck[:1]), (1, csn[:1]), *((2 + index, (pin,)) for index, pin in enumerate(lines[:4]))]
    return {function: pins[0] for function, pins in places if pins}
