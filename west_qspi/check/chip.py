"""The external flash of a variant: as far as a board's name and the devicetree at hand tell."""

from __future__ import annotations

from dataclasses import dataclass

from west_qspi.check.boards import Board
from west_qspi.check.devicetree import Node, View
from west_qspi.check.model import Spot


@dataclass(frozen=True)
class Chip:
    """The external flash as far as it is known; ``size`` in bytes, ``size_spot`` where that is said.

    ``bus`` is ``qspi`` or ``spi``, None where nothing tells.
    """

    label: str
    node: Node | None
    size: int | None
    jedec_id: bytes | None
    size_spot: Spot | None
    bus: str | None = None

    @property
    def capacity(self) -> int | None:
        """The size that its JEDEC id stands for, or None."""
        if not self.jedec_id:
            return None
        from west_qspi.extflash.parts import capacity_from_id

        return capacity_from_id(self.jedec_id)


def find_chip(view: View, board: Board | None) -> Chip | None:
    """Return the flash that Partition Manager or the QSPI uses; None where nothing tells."""
    chosen = view.chosen("nordic,pm-ext-flash")
    label = chosen.reference if chosen else None
    if label is None and board and board.chip:
        label = board.chip
    if label is None:
        qspi = [node for node in view.chips if "nordic,qspi-nor" in node.compatible and not node.disabled]
        label = qspi[0].label if qspi else None
    if label is None:
        return None
    node = view.node(label)
    size, spot = _size(node) if node else (None, None)
    bus = _bus(node) if node else None
    jedec = node.get("jedec-id") if node else None
    jedec_id = jedec.data if jedec else None
    if board and board.chip == label:
        size, jedec_id, bus = size or board.size, jedec_id or board.jedec_id, bus or "qspi"
    return Chip(label, node, size, jedec_id if jedec_id and len(jedec_id) == 3 else None, spot, bus)


def _bus(node: Node) -> str | None:
    """Return the bus of a chip, as its driver tells: each of the two serves only one."""
    for name, bus in (("nordic,qspi-nor", "qspi"), ("jedec,spi-nor", "spi")):
        if name in node.compatible:
            return bus
    return None


def _size(node: Node) -> tuple[int | None, Spot | None]:
    """Return a chip's size in bytes, and where that is said; the property ``size`` is in bits."""
    bits, size = node.get("size"), node.get("size-in-bytes")
    if size is not None and size.number is not None:
        return size.number, size.spot
    if bits is not None:
        return (bits.number // 8 if bits.number is not None else None), bits.spot
    return None, None
