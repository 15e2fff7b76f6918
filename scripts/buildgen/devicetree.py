"""``zephyr.dts`` of each image: memories, the QSPI controller and its chip, and the partitions.

With Partition Manager the partitions under the internal flash are those of the board and mean nothing; with
devicetree partitions they are the map. Sources of the form: Zephyr's board files for the nRF5340 DK and the
nRF52840 DK, and sdk-nrf's sample ``nrf5340/extxip_smp_svr``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from buildgen.chipnode import chip_properties
from buildgen.layout import Domain
from buildgen.options import BuildOptions

# Label, "label" property, address and size of a partition, from the start of its device.
_Entry = tuple[str, str, int, int]

_BOARD_LABELS = (
    ("boot_partition", "mcuboot"),
    ("slot0_partition", "image-0"),
    ("slot1_partition", "image-1"),
    ("storage_partition", "storage"),
)
_BOARD_PLACES = {
    "nrf5340": ((0x0, 0x10000), (0x10000, 0x70000), (0x80000, 0x70000), (0xF8000, 0x8000)),
    "nrf52840": ((0x0, 0xC000), (0xC000, 0x76000), (0x82000, 0x76000), (0xF8000, 0x8000)),
    "network": ((0x0, 0xC000), (0xC000, 0x12000), (0x1E000, 0x12000), (0x3A000, 0x6000)),
}
_SLOT = re.compile(r"mcuboot_(primary|secondary)(?:_(\d+))?")
# What Partition Manager alone has: paddings and apps in their slots, gaps, and what is left of a region.
_ONLY_PM = re.compile(r"mcuboot_pad|mcuboot_.*_(?:pad|app)|EMPTY_\d+|external_flash")
# QSPI functions SCK, CSN and IO0 to IO3 (29 to 34) with their pins on the development kits.
_PINS = {"nrf5340": (17, 18, 13, 14, 15, 16), "nrf52840": (19, 17, 20, 21, 22, 23)}
_CELLS = ("#address-cells = < 0x1 >;", "#size-cells = < 0x1 >;")


def application_dts(options: BuildOptions, domain: Domain, runs_from: str) -> bytes:
    """Return the devicetree of an application core image; ``runs_from`` is the label of its partition."""
    dual = options.soc_part.has_network_core
    chosen = [f"zephyr,code-partition = &{runs_from};"]
    if options.managed:
        chosen.append(f"nordic,pm-ext-flash = &{options.chip_part.label};")
        # Boards that declare a partition in the chip delete the one of that label in internal flash.
        moved = domain.data if options.fstab else ()
        parts = _fixed(entry for entry in _board_entries(options.soc) if entry[0] not in moved)
    else:
        parts = _mapped(_entries(domain, "flash_primary"))
    flash = _flash("flash0", 0x0, 0x100000, 0x1000, parts, mapped=not options.managed)
    peripherals = [
        *_controller(0x39000 if dual else 0x4001_E000, "nrf53" if dual else "nrf52", flash),
        *_qspi(options, domain, 0x2B000 if dual else 0x4002_9000),
    ]
    if dual:
        window = "ranges = < 0x0 0x50000000 0x10000000 >;"
        peripherals = _node("peripheral@50000000", *_CELLS, window, *peripherals)
    ram = _ram("sram0", 0x2000_0000, 0x80000 if dual else 0x40000)
    core = "cpuapp" if dual else ""
    more = _pinctrl(options) if options.chip_node.pinctrl else []
    if options.fstab and runs_from != "boot_partition":
        more = [*more, *_fstab()]
    return _tree(options, core, ("flash0", "sram0"), chosen, [*ram, *peripherals], more)


def network_dts(options: BuildOptions) -> bytes:
    """Return the devicetree of the network core's image."""
    if options.managed:
        parts = _fixed(_board_entries("network"))
    else:
        parts = _mapped([("slot0_partition", "image-0", 0x0, 0x40000)])
    flash = _flash("flash1", 0x0100_0000, 0x40000, 0x800, parts, mapped=not options.managed)
    soc = [*_ram("sram1", 0x2100_0000, 0x10000), *_controller(0x4108_0000, "nrf53", flash)]
    chosen = ["zephyr,code-partition = &slot0_partition;"]
    return _tree(options, "cpunet", ("flash1", "sram1"), chosen, soc, [])


def _tree(
    options: BuildOptions,
    core: str,
    memories: tuple[str, str],
    chosen: list[str],
    soc: list[str],
    more: list[str],
) -> bytes:
    flash, ram = memories
    name = "-".join(filter(None, (options.board_name, options.soc, core)))
    family = "nrf53" if options.soc_part.has_network_core else "nrf52"
    part = "-".join(filter(None, (options.soc, core)))
    root = _node(
        "/",
        *_CELLS,
        f'model = "{options.board_name} {options.soc} {core}";',
        f'compatible = "made,{name}";',
        *_node("chosen", f"zephyr,flash = &{flash};", f"zephyr,sram = &{ram};", *chosen),
        *_node(
            "soc",
            *_CELLS,
            f'compatible = "nordic,{part}-qkaa", "nordic,{part}", "nordic,{family}", "simple-bus";',
            "ranges;",
            *soc,
        ),
        *more,
    )
    return "".join(f"{line}\n" for line in ("/dts-v1/;", "", *root)).encode()


def _node(head: str, *body: str) -> list[str]:
    return [f"{head} {{", *(f"\t{line}" for line in body), "};"]


def _reg(*cells: int) -> str:
    return f"reg = < {' '.join(map(hex, cells))} >;"


def _ram(label: str, address: int, size: int) -> list[str]:
    return _node(f"{label}: memory@{address:x}", 'compatible = "mmio-sram";', _reg(address, size))


def _controller(address: int, family: str, flash: list[str]) -> list[str]:
    return _node(
        f"flash_controller: flash-controller@{address:x}",
        f'compatible = "nordic,{family}-flash-controller";',
        _reg(address, 0x1000),
        *_CELLS,
        *flash,
    )


def _flash(label: str, base: int, size: int, page: int, parts: list[str], mapped: bool) -> list[str]:
    # Only with `ranges` do the partitions' addresses become those of the bus.
    translation = (*_CELLS, f"ranges = < 0x0 {base:#x} {size:#x} >;") if mapped else ()
    return _node(
        f"{label}: flash@{base:x}",
        'compatible = "soc-nv-flash";',
        f"erase-block-size = < {page:#x} >;",
        "write-block-size = < 0x4 >;",
        _reg(base, size),
        *translation,
        *parts,
    )


def _qspi(options: BuildOptions, domain: Domain, address: int) -> list[str]:
    window, chip = options.soc_part.xip, options.chip_part
    return _node(
        f"qspi: qspi@{address:x}",
        'compatible = "nordic,nrf-qspi";',
        "#address-cells = < 0x1 >;",
        "#size-cells = < 0x0 >;",
        f"reg = < {address:#x} 0x1000 >, < {window.start:#x} {window.size:#x} >;",
        'reg-names = "qspi", "qspi_mm";',
        'status = "okay";',
        *_pins(options),
        *_node(
            f"{chip.label}: {chip.name.lower()}@0",
            *chip_properties(chip, options.chip_node),
            *_chip_partitions(options, domain),
        ),
    )


def _chip_partitions(options: BuildOptions, domain: Domain) -> list[str]:
    entries = _entries(domain, "external_flash")
    if options.managed and not options.fstab:
        return []
    if options.managed:
        # The label is what a file system's node refers to; Partition Manager goes by the name of it.
        entries = [entry for entry in entries if entry[0] in domain.data]
    return _fixed(entries)


def _pins(options: BuildOptions) -> list[str]:
    """Return the controller's properties for its pins."""
    if options.chip_node.pinctrl:
        return ["pinctrl-0 = < &qspi_default >;", 'pinctrl-names = "default";']
    sck, csn, *lines = _PINS[options.soc]
    cells = ", ".join(f"< {pin:#x} >" for pin in lines)
    return [f"sck-pin = < {sck:#x} >;", f"io-pins = {cells};", f"csn-pins = < {csn:#x} >;"]


def _pinctrl(options: BuildOptions) -> list[str]:
    shift, pins = options.chip_node.psel_shift, _PINS[options.soc]
    psels = ", ".join(f"< {function << shift | pin:#x} >" for function, pin in enumerate(pins, 29))
    group = _node("group1", f"psels = {psels};", "nordic,drive-mode = < 0x3 >;")
    return _node(
        "pinctrl: pin-controller",
        'compatible = "nordic,nrf-pinctrl";',
        *_node("qspi_default: qspi_default", *group),
    )


def _fstab() -> list[str]:
    return _node(
        "fstab",
        'compatible = "zephyr,fstab";',
        *_node(
            "lfs1: lfs1",
            'compatible = "zephyr,fstab,littlefs";',
            'mount-point = "/lvgl_lfs";',
            "partition = < &littlefs_storage >;",
            "automount;",
            "read-size = < 0x10 >;",
            "prog-size = < 0x10 >;",
            "cache-size = < 0x40 >;",
            "lookahead-size = < 0x20 >;",
            "block-cycles = < 0x200 >;",
        ),
    )


def _board_entries(core: str) -> list[_Entry]:
    return [(*names, *place) for names, place in zip(_BOARD_LABELS, _BOARD_PLACES[core], strict=True)]


def _entries(domain: Domain, region: str) -> list[_Entry]:
    """Translate Partition Manager's names into those of devicetree partitions."""
    has_slots = any(_SLOT.fullmatch(place.name) for place in domain.places)
    found = []
    for place in domain.places:
        if place.region != region or _ONLY_PM.fullmatch(place.name) or (place.name == "app" and has_slots):
            continue
        slot = _SLOT.fullmatch(place.name)
        names = (place.name, place.name)
        if place.name == "mcuboot":
            names = ("boot_partition", "mcuboot")
        elif slot or place.name == "app":
            number = 2 * int(slot[2] or 0) + (slot[1] == "secondary") if slot else 0
            names = (f"slot{number}_partition", f"image-{number}")
        found.append((*names, place.address, place.size))
    return sorted(found, key=lambda entry: entry[2])


def _fixed(entries: Iterable[_Entry]) -> list[str]:
    nodes = [line for entry in entries for line in _partition(*entry)]
    return _node("partitions", 'compatible = "fixed-partitions";', *_CELLS, *nodes)


def _mapped(entries: Iterable[_Entry]) -> list[str]:
    mark = 'compatible = "zephyr,mapped-partition";'
    nodes = [line for entry in entries for line in _partition(*entry, mark)]
    return _node("partitions", *_CELLS, "ranges;", *nodes)


def _partition(label: str, text: str, address: int, size: int, *more: str) -> list[str]:
    return _node(f"{label}: partition@{address:x}", *more, f'label = "{text}";', _reg(address, size))
