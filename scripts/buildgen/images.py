"""The hex and bin files of every image, and what is merged of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from buildgen import payload
from buildgen.layout import HEADER, NETWORK_IMAGE, Domain, slot_name
from buildgen.options import BuildOptions
from buildgen.program import bootloader_elf, program_elf, with_tables
from buildgen.signing import Signer
from west_qspi.errors import UsageError
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.hexfile import dumps

TWIN = "mcuboot_secondary_app"

_MCUBOOT_SIZE = 0xB3A4


@dataclass(frozen=True)
class Piece:
    """One linked piece of code: its bytes, the bus address it runs at, and the slot that it goes to.

    ``kind`` is the word in its file names, empty for an image that is not split. ``chip_address`` is its
    slot's address in the map's own terms, ``number`` the MCUboot image number.
    """

    image: str
    kind: str
    code: bytes
    bus: int
    slot: str
    slot_size: int
    chip_address: int
    number: int
    secondary: bool

    @property
    def stem(self) -> str:
        """The beginning of the names of its files."""
        return ".".join(filter(None, (f"{self.image}/zephyr/zephyr", self.kind)))


def application_pieces(options: BuildOptions, domain: Domain) -> list[Piece]:
    """Return the application's halves, then those of its direct-XIP twin."""
    pieces = _linked(options, domain, options.app, secondary=False)
    return pieces + (_linked(options, domain, TWIN, secondary=True) if options.direct_xip else [])


def firmware_files(options: BuildOptions, pieces: list[Piece], signer: Signer) -> dict[str, bytes]:
    """Return all hex and bin files of all images by their path in the build directory."""
    files: dict[str, bytes] = {}
    merged: list[tuple[int, bytes]] = []
    if options.bootloader:
        code = payload.image(f"{options.seed} mcuboot", _MCUBOOT_SIZE, 0, 0x2000_3000)
        files["mcuboot/zephyr/zephyr.hex"] = _hex((0, code))
        if options.elf:
            files["mcuboot/zephyr/zephyr.elf"] = bootloader_elf(code)
        merged.append((0, code))
    for image in dict.fromkeys(piece.image for piece in pieces):
        own = [piece for piece in pieces if piece.image == image]
        files[f"{image}/zephyr/zephyr.hex"] = _hex(*((piece.bus, piece.code) for piece in own))
        if options.elf:
            codes, bases = [piece.code for piece in own], [piece.bus for piece in own]
            elf = program_elf(codes, bases, options.relocated, options.misplaced)
            files[f"{image}/zephyr/zephyr.elf"] = elf
        placed = [(piece.bus, piece.code) for piece in own]
        if options.bootloader:
            placed = []
            for piece in own:
                signed = _signed(options, piece, signer)
                placed.append((piece.bus - HEADER, signed))
                files |= _files_of(piece, signed)
            files[f"{image}/zephyr/zephyr.signed.hex"] = _hex(*placed)
        if image != TWIN or options.merge_twin:
            merged += placed
    if options.managed:
        files["merged.hex"] = _hex(*merged)
    if options.has_network:
        files |= _network_files(options, signer)
    return files


def _linked(options: BuildOptions, domain: Domain, image: str, secondary: bool) -> list[Piece]:
    """Link the application for the primary or the secondary slots; without MCUboot there are no slots."""
    header = HEADER if options.bootloader else 0
    number = options.xip_number
    slots = [(0, slot_name(0, secondary) if options.bootloader else "app")]
    if options.split:
        slots.append((number or 0, slot_name(number, secondary) if number is not None else "xip_code"))
    places = [domain[name] for _, name in slots]
    bases = [places[0].address + header]
    bases += [options.soc_part.xip.start + place.address + header for place in places[1:]]
    sizes = [options.internal_size, options.external_size]
    for place, size, half in zip(places, sizes, ("internal", "external"), strict=False):
        if header + size > place.size:
            raise UsageError(f"{half} size {size:#x} does not fit '{place.name}' ({place.size:#x} bytes)")

    # Both slots get the same code, as from one compiler run; only the addresses in it differ.
    seeds = [f"{options.seed} internal", f"{options.seed} external"]
    calls = [payload.entries(*work) for work in zip(seeds, sizes, bases, strict=False)]
    inner = payload.image(seeds[0], sizes[0], bases[0], 0x2001_8000, calls[1] if options.split else ())
    codes = [_changed(inner, options.change, options.internal_changes)]
    if options.split:
        outer = payload.half(seeds[1], sizes[1], bases[1], calls[0])
        codes.append(_changed(outer, options.change, options.external_changes))
    if options.elf:
        codes = with_tables(codes, bases, options.relocated)
    kinds = ("internal", "external") if options.split and options.bootloader else ("", "")
    return [
        Piece(image, kind, code, bus, place.name, place.size, place.address, slot[0], secondary)
        for kind, code, bus, place, slot in zip(kinds, codes, bases, places, slots, strict=False)
    ]


def _changed(code: bytes, change: int, changes: tuple[tuple[int, bytes], ...]) -> bytes:
    try:
        return payload.changed(code, change, changes)
    except ValueError as error:
        raise UsageError(f"changes: {error}") from None


def _signed(options: BuildOptions, piece: Piece, signer: Signer) -> bytes:
    more = []
    if options.mode == "overwrite":
        more = ["--overwrite-only"]
    elif options.direct_xip:
        # MCUboot compares this with where it finds the image: the address in the map, also for QSPI.
        more = ["--rom-fixed", hex(piece.chip_address)]
    return signer.sign(piece.code, options.version, piece.slot_size, *more)


def _files_of(piece: Piece, signed: bytes) -> dict[str, bytes]:
    files = {f"{piece.stem}.signed.bin": signed}
    if piece.kind:
        files[f"{piece.stem}.hex"] = _hex((piece.bus, piece.code))
        files[f"{piece.stem}.signed.hex"] = _hex((piece.bus - HEADER, signed))
    else:
        files[f"{piece.stem}.bin"] = piece.code
    return files


def _network_files(options: BuildOptions, signer: Signer) -> dict[str, bytes]:
    folder, base = f"{NETWORK_IMAGE}/zephyr", 0x0100_0000
    if options.network_size > 0x40000 - HEADER:
        raise UsageError(f"network size {options.network_size:#x} does not fit the network core's flash")
    code = payload.image(f"{options.seed} network", options.network_size, base, 0x2100_8000)
    files = {f"{folder}/zephyr.hex": _hex((base, code)), f"{folder}/zephyr.bin": code}
    if options.managed:
        files["merged_CPUNET.hex"] = files[f"{folder}/zephyr.hex"]
    if options.updates_network:
        signed = signer.sign(code, options.version, 0x40000, "--overwrite-only")
        files[f"{folder}/zephyr.signed.bin"] = signed
    return files


def _hex(*pieces: tuple[int, bytes]) -> bytes:
    origin = Origin("made")
    return dumps(Firmware.merged(Segment(address, data, origin) for address, data in pieces))


def update_files(pieces: list[Piece]) -> Iterator[tuple[Piece, str, str]]:
    """Yield each piece with its signed bin and the name that the DFU package gives it."""
    for piece in pieces:
        name = f"{piece.image}.{piece.kind}.bin" if piece.kind else f"{piece.image}.signed.bin"
        yield piece, f"{piece.stem}.signed.bin", name
