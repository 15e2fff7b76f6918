"""QX304 to QX315: what devicetree says of the chip of external flash."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.check.devicetree import Node
from west_qspi.check.model import Edit, Severity
from west_qspi.check.rule import DEVZONE, ZEPHYR, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant
from west_qspi.extflash.opcodes import REACH_OF_3_BYTES
from west_qspi.memory import Range

_WINBOND = {0xEF: "Winbond", 0xC8: "GigaDevice", 0x1F: "Adesto", 0x9D: "ISSI"}
_QUAD_DEFAULT = "S1B6"


def _described(variant: Variant) -> Node | None:
    """Return the node of the external flash, where files here describe it."""
    return variant.chip.node if variant.chip else None


@rule("QX304", "dt-size-vs-jedec", Severity.ERROR, f"{ZEPHYR}pull/86985")
def dt_size_vs_jedec(variant: Variant) -> Iterator[Hit]:
    """The chip's ``size`` is not what its JEDEC id stands for.

    The property is in bits. Partition Manager divides it by eight and gets a region that is too small, or one
    that goes past the chip.

    Fix: write the chip's bytes times eight, or ``size-in-bytes``.

    Bad:
        jedec-id = [c2 28 17]; size = <0x800000>;
    Good:
        jedec-id = [c2 28 17]; size = <0x4000000>;
    """
    chip = variant.chip
    if chip is None or chip.size is None or chip.size_spot is None or chip.capacity is None:
        return
    if chip.size == chip.capacity:
        return
    bits = chip.capacity * 8
    if chip.size * 8 == chip.capacity:
        why = "bytes are written where bits belong"
    elif chip.size > chip.capacity:
        why = "that is more than the chip has"
    else:
        why = "the rest of the chip is not used"
    name = chip.jedec_id.hex(" ") if chip.jedec_id else ""
    text = f"size makes {chip.size:#x} bytes, but JEDEC id {name} has {chip.capacity:#x}: {why}"
    smaller = chip.size < chip.capacity and chip.size * 8 != chip.capacity
    yield Hit(
        chip.size_spot, text, f"Write size = <{bits:#x}>.", severity=Severity.WARNING if smaller else None
    )


@rule("QX305", "dt-24bit-past-16mib", Severity.ERROR, f"{DEVZONE}104860/")
def dt_24bit_past_16mib(variant: Variant) -> Iterator[Hit]:
    """The chip is larger than 16 MiB, and the driver sends it 24-bit addresses.

    What lies past 16 MiB is read and written 16 MiB below: a file system up there overwrites slots and code.

    Fix: add ``address-size-32`` and ``enter-4byte-addr`` to the chip's node.

    Bad:
        &mx25u51245g { size = <0x20000000>; };
    Good:
        &mx25u51245g { size = <0x20000000>; address-size-32; enter-4byte-addr = <1>; };
    """
    node = _described(variant)
    if node is None or "address-size-32" in node:
        return
    size = variant.chip.size if variant.chip else None
    if size is not None and size <= REACH_OF_3_BYTES:
        return  # what lies past its end is QX103's
    beyond = [
        entry for entry in variant.external if (entry.end or 0) > REACH_OF_3_BYTES and entry.name != EXTERNAL
    ]
    beyond = [entry for entry in beyond if not entry.is_container]
    if not beyond and size is None:
        return
    fix = "Add address-size-32; and enter-4byte-addr = <0x01>;"
    if not beyond:
        text = f"the chip has {size:#x} bytes and 24-bit addresses: only 16 MiB are reached"
        yield Hit(node.spot, text, fix, severity=Severity.WARNING)
    for entry in beyond:
        start = max(entry.address or 0, REACH_OF_3_BYTES)
        alias = Range.between(start - REACH_OF_3_BYTES, (entry.end or 0) - REACH_OF_3_BYTES)
        hit = [
            other.name
            for other in variant.external
            if other is not entry
            and not other.is_container
            and Range(other.address or 0, other.size or 0).overlaps(alias)
        ]
        onto = f", onto {', '.join(hit)}" if hit else ""
        text = (
            f"'{entry.name}' ends at {entry.end:#x}: with 24-bit addresses what is past "
            f"{REACH_OF_3_BYTES:#x} goes to {alias.start:#x}-{alias.end:#x}{onto}"
        )
        yield Hit(node.spot, text, fix)


@rule("QX306", "dt-32bit-on-small-chip", Severity.ERROR, f"{DEVZONE}123044/")
def dt_32bit_on_small_chip(variant: Variant) -> Iterator[Hit]:
    """A chip of 16 MiB or less is sent 32-bit addresses.

    It takes three of the four bytes, and what is read is shifted or empty.

    Fix: remove ``address-size-32`` and ``enter-4byte-addr``.

    Bad:
        &w25q128 { size = <0x8000000>; address-size-32; };
    Good:
        &w25q128 { size = <0x8000000>; };
    """
    node, chip = _described(variant), variant.chip
    found = node.get("address-size-32") if node else None
    if chip is None or found is None or chip.size is None or chip.size > REACH_OF_3_BYTES:
        return
    text = f"32-bit addresses for a chip of {chip.size:#x} bytes, which takes 24-bit ones only"
    yield Hit(found.spot, text, "Remove address-size-32 and enter-4byte-addr.")


@rule("QX307", "enter-4byte-addr-missing", Severity.WARNING, f"{DEVZONE}127423/")
def enter_4byte_addr_missing(variant: Variant) -> Iterator[Hit]:
    """32-bit addresses are sent, and nothing puts the chip into 4-byte mode.

    Most parts begin with 3-byte addresses after power-up; ``enter-4byte-addr`` is a mask: bit 0 sends B7,
    bit 1 a write enable before it.

    Fix: add ``enter-4byte-addr = <0x01>``.

    Bad:
        address-size-32;
    Good:
        address-size-32; enter-4byte-addr = <0x01>;
    """
    node = _described(variant)
    found = node.get("address-size-32") if node else None
    if node is None or found is None:
        return
    entry = node.get("enter-4byte-addr")
    if entry is None and "sfdp-bfp" not in node:
        yield Hit(
            found.spot,
            "address-size-32 without enter-4byte-addr: the chip stays in 3-byte mode",
            "Add enter-4byte-addr = <0x01>;",
        )
    elif entry is not None and entry.number is not None and not entry.number & 0b11:
        text = f"enter-4byte-addr {entry.number:#x} has neither bit 0 (B7) nor bit 1 (write enable, B7)"
        yield Hit(entry.spot, text, "Write <0x01>.", severity=Severity.ERROR)


@rule("QX308", "opcode-not-supported", Severity.WARNING, f"{ZEPHYR}issues/29272")
def opcode_not_supported(variant: Variant) -> Iterator[Hit]:
    """``writeoc`` names a program command that this maker's parts do not have.

    Macronix programs with four lines by 38 (pp4io), most others by 32 (pp4o); two lines (pp2o) almost nobody.

    Fix: write the one that the part knows, or pp.

    Bad:
        jedec-id = [ef 40 18]; writeoc = "pp4io";
    Good:
        jedec-id = [ef 40 18]; writeoc = "pp4o";
    """
    node, chip = _described(variant), variant.chip
    found = node.get("writeoc") if node else None
    if found is None or chip is None or not chip.jedec_id or not found.strings:
        return
    maker, write = chip.jedec_id[0], found.strings[0]
    wrong = {"pp2o"} | ({"pp4o"} if maker == 0xC2 else {"pp4io"} if maker in _WINBOND else set())
    if write in wrong:
        right = "pp4io" if maker == 0xC2 else "pp4o"
        edit = Edit(found.spot.path, found.spot.line, f'"{write}"', f'"{right}"')
        text = f"'{write}' is not a command of this part ({chip.jedec_id.hex(' ')})"
        yield Hit(found.spot, text, f'Write "{right}", or "pp".', () if write == "pp2o" else (edit,))


@rule("QX309", "quad-enable-mismatch", Severity.WARNING, f"{DEVZONE}119285/")
def quad_enable_mismatch(variant: Variant) -> Iterator[Hit]:
    """Four lines are used, and the quad enable bit is looked for where this maker does not have it.

    The default is S1B6, bit 6 of the status register, as Macronix and ISSI have it; Winbond, GigaDevice and
    Adesto have bit 1 of the second one. Reads come back with constant bits, and programs do nothing.

    Fix: write the maker's requirement.

    Bad:
        jedec-id = [ef 40 18]; readoc = "read4io";
    Good:
        jedec-id = [ef 40 18]; readoc = "read4io"; quad-enable-requirements = "S2B1v1";
    """
    node, chip = _described(variant), variant.chip
    if node is None or chip is None or not chip.jedec_id:
        return
    lines = [item for name in ("readoc", "writeoc") if (item := node.get(name)) and item.strings]
    from west_qspi.extflash.setup import data_lines

    quad = [item for item in lines if data_lines(item.strings[0], "") == 4]
    if not quad:
        return
    found = node.get("quad-enable-requirements")
    said = found.strings[0] if found and found.strings else _QUAD_DEFAULT
    second = chip.jedec_id[0] in (0xEF, 0xC8, 0x1F)
    if second != said.startswith("S2") and (second or chip.jedec_id[0] in (0xC2, 0x9D)):
        right = "S2B1v1" if second else _QUAD_DEFAULT
        spot = found.spot if found else quad[0].spot
        part = chip.jedec_id.hex(" ")
        text = f"quad-enable-requirements is {said}, but parts with JEDEC id {part} need {right}"
        yield Hit(spot, text, f'Write quad-enable-requirements = "{right}";')


@rule("QX315", "sfdp-density-vs-size", Severity.ERROR, f"{DEVZONE}118417/")
def sfdp_density_vs_size(variant: Variant) -> Iterator[Hit]:
    """``sfdp-bfp`` is the table of another chip: its density is not the size.

    Mostly it is the development kit's MX25R6435F, copied along with its node.

    Fix: remove the property, or read the table of the chip that is on the board.

    Bad:
        size = <0x8000000>; sfdp-bfp = [e5 20 f1 ff  ff ff ff 03 ...];
    Good:
        size = <0x4000000>; sfdp-bfp = [e5 20 f1 ff  ff ff ff 03 ...];
    """
    node, chip = _described(variant), variant.chip
    found = node.get("sfdp-bfp") if node else None
    data = found.data if found else None
    if found is None or chip is None or chip.size is None or data is None or len(data) < 8:
        return
    word = int.from_bytes(data[4:8], "little")
    bits = 1 << (word & 0x7FFF_FFFF) if word >> 31 and word & 0x7FFF_FFFF < 40 else word + 1
    if bits != chip.size * 8:
        text = f"sfdp-bfp tells of a chip of {bits // 8:#x} bytes, but size makes {chip.size:#x}"
        yield Hit(found.spot, text, "Remove sfdp-bfp, or read it from the chip that is there.")
