"""What a build's devicetree says about flash: the external chip and its XIP window, and the partitions.

Sources: Zephyr's devicetree bindings ``nordic,qspi-nor``, ``nordic,nrf-qspi``, ``jedec,spi-nor``,
``fixed-partitions``, ``fixed-subpartitions`` and ``zephyr,mapped-partition``.
"""

from __future__ import annotations

import re

from west_qspi.build.model import FlashNode, Partition
from west_qspi.build.pinctrl import qspi_pins
from west_qspi.build.tree import Devicetree, Node
from west_qspi.errors import BrokenBuildFile
from west_qspi.memory import MemoryKind, Range
from west_qspi.soc import Soc

_QSPI = "nordic,nrf-qspi"
_FIXED = {"fixed-partitions", "fixed-subpartitions"}
_MAPPED = "zephyr,mapped-partition"
_WELL_KNOWN = re.compile(r"slot\d+_partition|boot_partition")


def external_flash(tree: Devicetree, soc: Soc | None, chosen_first: bool) -> FlashNode | None:
    """Return the external flash, or None where the tree has none.

    It is the enabled child of the enabled QSPI controller, or what ``nordic,pm-ext-flash`` chooses; with
    ``chosen_first`` (Partition Manager goes by that alone) the latter comes before the former. ``soc`` gives
    the XIP window where the controller's ``reg`` does not. Raises BrokenBuildFile.
    """
    chosen = tree.chosen("nordic,pm-ext-flash")
    chosen = chosen if chosen and tree.enabled(chosen) else None
    on_qspi = _qspi_chip(tree)
    node = (chosen or on_qspi) if chosen_first else (on_qspi or chosen)
    return _flash_node(tree, node, soc) if node else None


def partitions(
    tree: Devicetree, external: FlashNode | None, soc: Soc | None, image: str
) -> tuple[Partition, ...]:
    """Return the partitions of all enabled flash devices, in the order of the file.

    An address is the bus address for internal flash, and the offset in the device for any other. ``external``
    is the chip that counts as the external flash; partitions of further devices have no memory.
    """
    found = []
    for node in tree.nodes.values():
        if _is_partition(tree, node) and tree.enabled(node):
            found.append(_partition(tree, node, external, soc, image))
    return tuple(found)


def partition_name(node: Node) -> str:
    """Return the name that a partition goes by: its label in the source, with the well-known ones first."""
    known = (label for label in node.labels if _WELL_KNOWN.fullmatch(label))
    return next(known, None) or next(iter(node.labels), None) or node.string("label") or node.name


def _qspi_chip(tree: Devicetree) -> Node | None:
    for controller in tree.compatible(_QSPI):
        for child in controller.children:
            if "reg" in child and tree.enabled(child):
                return child
    return None


def _flash_node(tree: Devicetree, node: Node, soc: Soc | None) -> FlashNode:
    controller = tree.parent(node)
    on_qspi = controller is not None and _QSPI in controller.compatible
    bits, size = node.number("size"), node.number("size-in-bytes")
    frequency = node.number("sck-frequency")
    return FlashNode(
        path=node.path,
        label=next(iter(node.labels), None),
        compatible=next(iter(node.compatible), ""),
        on_qspi=on_qspi,
        size=bits // 8 if bits is not None else size,
        jedec_id=_jedec_id(tree, node),
        address_bytes=4 if "address-size-32" in node else 3,
        enter_4byte=node.number("enter-4byte-addr"),
        quad_enable=node.string("quad-enable-requirements") or "S1B6",
        read_opcode=node.string("readoc") or "fastread",
        write_opcode=node.string("writeoc") or "pp",
        page_size=512 if "ppsize-512" in node else 256,
        frequency=frequency if frequency is not None else node.number("spi-max-frequency"),
        has_dpd="has-dpd" in node,
        xip=_window(tree, controller, soc) if on_qspi and controller else None,
        spi_mode=_spi_mode(tree, node),
        sck_delay=node.number("sck-delay"),
        rx_delay=node.number("rx-delay"),
        pins=qspi_pins(tree, controller) if on_qspi and controller else (),
        sfdp=node.data("sfdp-bfp"),
        file=str(tree.path),
        lines={name: item.line for name, item in node.properties.items()},
    )


def _spi_mode(tree: Devicetree, node: Node) -> int:
    polarity, phase = "cpol" in node, "cpha" in node
    if polarity != phase:
        line = node.properties["cpol" if polarity else "cpha"].line
        reason = f"{node.path} has only one of 'cpol' and 'cpha': NOR flash knows SPI modes 0 and 3"
        raise BrokenBuildFile(str(tree.path), line, reason)
    return 3 if polarity else 0


def _jedec_id(tree: Devicetree, node: Node) -> bytes | None:
    found = node.data("jedec-id")
    if found is not None and len(found) != 3:
        line = node.properties["jedec-id"].line
        raise BrokenBuildFile(str(tree.path), line, f"'jedec-id' of {node.path} should have 3 bytes")
    return found


def _window(tree: Devicetree, controller: Node, soc: Soc | None) -> Range | None:
    named = dict(zip(controller.strings("reg-names"), tree.reg(controller), strict=False))
    if "qspi_mm" in named:
        return Range(*named["qspi_mm"])
    return soc.xip if soc else None


def _is_partition(tree: Devicetree, node: Node) -> bool:
    around = tree.parent(node)
    if around is None or "reg" not in node:
        return False
    return _MAPPED in node.compatible or not _FIXED.isdisjoint(around.compatible)


def _partition(
    tree: Devicetree, node: Node, external: FlashNode | None, soc: Soc | None, image: str
) -> Partition:
    reg = tree.reg(node)
    if len(reg) != 1:
        line = node.properties["reg"].line
        raise BrokenBuildFile(str(tree.path), line, f"'reg' of {node.path} should be an address and a size")
    address, size = reg[0]
    device = None
    for around in tree.ancestors(node):
        if not _is_partition(tree, around) and "reg" in around:
            device = around
            break
        if "ranges" in around:
            address = tree.translated(address, around)
        elif _is_partition(tree, around):
            address += tree.reg(around)[0][0]

    memory, offset, bus = None, 0, None
    if device and "soc-nv-flash" in device.compatible:
        base = tree.reg(device)[0][0]
        # With `ranges` the flash says itself how its children map; fixed partitions count from its start.
        address = tree.translated(address, device) if "ranges" in device else base + address
        home = next((item for item in soc.internal if address in item.bus), None) if soc else None
        memory = home.kind if home else MemoryKind.APPLICATION
        offset = address - (home.bus.start if home else base)
        bus = Range(address, size)
    elif device and external and device.path == external.path:
        memory, offset = MemoryKind.EXTERNAL, address
        bus = Range(external.xip.start + offset, size) if external.xip else None

    members = tuple(partition_name(child) for child in node.children if _is_partition(tree, child))
    region = (next(iter(device.labels), None) or device.name) if device else ""
    return Partition(partition_name(node), address, size, region, memory, offset, bus, members, image)
