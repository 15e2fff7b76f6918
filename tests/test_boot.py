"""What makes a board boot, and what MCUboot might do instead: every mode and every state of a slot."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from buildgen import BuildOptions, make_build

from tests.helpers.boards import SMALL, build_of
from tests.helpers.imgtool import private_pem, sign
from tests.helpers.memtarget import MemoryTarget
from west_qspi.boot import (
    BootLayout,
    Hazard,
    Read,
    SlotPair,
    boot_layout,
    hazards,
    image_in,
    places_to_look_at,
)
from west_qspi.build.build import Build
from west_qspi.build.model import Partition, Slot, UpdateMode
from west_qspi.files import load
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import MemoryKind, Range
from west_qspi.trailer import TRAILER_TAIL, Flag, Magic, SwapType, Trailer, build_trailer

XIP = 0x1000_0000
SIZE = 0x4000
BODY = bytes(range(256)) * 4

ERASED = Trailer()
WAITING = Trailer(Magic.GOOD)  # as imgtool --pad writes it
CONFIRMED = Trailer(Magic.GOOD, Flag.SET)  # as imgtool --confirm writes it
ON_TRIAL = Trailer(Magic.GOOD, Flag.UNSET, Flag.SET)
KEPT = Trailer(Magic.GOOD, Flag.SET, Flag.SET)
HALF_SWAPPED = Trailer(Magic.GOOD, Flag.UNSET, Flag.UNSET, SwapType.TEST)
GARBLED = Trailer(Magic.BAD, Flag.SET, Flag.SET)

AT_ONCE = "holds an update that MCUboot would install at the next boot"
FOR_A_TEST = "holds an update that MCUboot would install for a test at the next boot"
SWAP_BACK = "holds an image under test that MCUboot would swap out again at the next boot"
GO_ON = "is in the middle of a swap that MCUboot would go on with at the next boot"


def slot(number: int, secondary: bool, start: int) -> Slot:
    kind = MemoryKind.EXTERNAL if start >= XIP else MemoryKind.APPLICATION
    name = f"{'secondary' if secondary else 'primary'}_{number}"
    offset = start - XIP if kind is MemoryKind.EXTERNAL else start
    return Slot(number, secondary, Partition(name, offset, SIZE, "region", kind, offset, Range(start, SIZE)))


PRIMARY, SECONDARY = slot(0, False, 0x1_0000), slot(0, True, XIP)
PRIMARY_1, SECONDARY_1 = slot(1, False, XIP + 0x4000), slot(1, True, XIP + 0x8000)


def layout(mode: UpdateMode | None, *, bootstrap: bool = False, split: bool = True) -> BootLayout:
    pairs = (SlotPair(0, PRIMARY, SECONDARY), SlotPair(1, PRIMARY_1, SECONDARY_1))
    return BootLayout(mode, bootstrap, (), pairs if split else pairs[:1], 1 if split else None)


def start_of(place: Slot) -> int:
    assert place.partition.bus is not None
    return place.partition.bus.start


def board() -> MemoryTarget:
    return MemoryTarget(chip_size=0x2_0000)


def reading(target: MemoryTarget) -> Read:
    return lambda part: target.held(part.start, part.size)


def put_trailer(target: MemoryTarget, place: Slot, trailer: Trailer) -> None:
    target.put(start_of(place) + SIZE - TRAILER_TAIL, build_trailer(trailer))


def put_image(target: MemoryTarget, place: Slot, version: str, body: bytes = BODY) -> None:
    target.put(start_of(place), sign(body, version=version, slot_size=SIZE))


def found(target: MemoryTarget, where: BootLayout) -> list[Hazard]:
    """Return the hazards that blanking a slot removes; the one that it does not has tests of its own."""
    return [hazard for hazard in hazards(where, reading(target)) if hazard.clear is not None]


def blank_of(hazard: Hazard) -> Range:
    assert hazard.clear is not None
    return hazard.clear


def clear(target: MemoryTarget, hazard: Hazard) -> None:
    target.put(blank_of(hazard).start, b"\xff" * blank_of(hazard).size)


# --- updates that wait -----------------------------------------------------------------------------

PENDING = [
    (UpdateMode.OVERWRITE, ERASED, ERASED, None),
    (UpdateMode.OVERWRITE, KEPT, ERASED, None),
    (UpdateMode.OVERWRITE, ERASED, GARBLED, None),
    (UpdateMode.OVERWRITE, ERASED, WAITING, (SECONDARY, AT_ONCE)),
    (UpdateMode.OVERWRITE, KEPT, CONFIRMED, (SECONDARY, AT_ONCE)),
    (UpdateMode.OVERWRITE, ON_TRIAL, ERASED, (PRIMARY, SWAP_BACK)),
    (UpdateMode.OVERWRITE, HALF_SWAPPED, ERASED, None),
    (UpdateMode.SWAP, ERASED, ERASED, None),
    (UpdateMode.SWAP, KEPT, GARBLED, None),
    (UpdateMode.SWAP, ERASED, WAITING, (SECONDARY, FOR_A_TEST)),
    (UpdateMode.SWAP, KEPT, WAITING, (SECONDARY, FOR_A_TEST)),
    (UpdateMode.SWAP, ERASED, CONFIRMED, (SECONDARY, AT_ONCE)),
    (UpdateMode.SWAP, ON_TRIAL, ERASED, (PRIMARY, SWAP_BACK)),
    (UpdateMode.SWAP, HALF_SWAPPED, ERASED, (PRIMARY, GO_ON)),
]


@pytest.mark.parametrize(("mode", "first", "second", "expected"), PENDING)
def test_what_waits_in_a_slot(
    mode: UpdateMode, first: Trailer, second: Trailer, expected: tuple[Slot, str] | None
) -> None:
    target = board()
    put_trailer(target, PRIMARY, first)
    put_trailer(target, SECONDARY, second)
    got = found(target, layout(mode))
    if expected is None:
        assert got == []
        return
    place, state = expected
    tail = Range(start_of(place) + SIZE - TRAILER_TAIL, TRAILER_TAIL)
    assert got == [Hazard(place.partition.name, state, tail)]
    clear(target, got[0])
    assert found(target, layout(mode)) == []


@pytest.mark.parametrize("mode", [UpdateMode.OVERWRITE, UpdateMode.SWAP])
def test_what_imgtool_pads_waits(mode: UpdateMode) -> None:
    target = board()
    target.put(start_of(SECONDARY), sign(BODY, "--pad", slot_size=SIZE))
    (hazard,) = found(target, layout(mode))
    assert hazard.slot == "secondary_0"
    clear(target, hazard)
    assert found(target, layout(mode)) == []


@pytest.mark.parametrize("mode", [UpdateMode.OVERWRITE, UpdateMode.SWAP])
def test_every_image_is_looked_at(mode: UpdateMode) -> None:
    target = board()
    put_trailer(target, SECONDARY_1, CONFIRMED)
    assert [hazard.slot for hazard in found(target, layout(mode))] == ["secondary_1"]
    put_trailer(target, SECONDARY, CONFIRMED)
    assert [hazard.slot for hazard in found(target, layout(mode))] == ["secondary_0", "secondary_1"]


def test_an_update_of_what_the_cpu_cannot_see_waits_all_the_same() -> None:
    # A network core's image is updated through RAM, so its primary slot has no bus address.
    where = replace(layout(UpdateMode.OVERWRITE), pairs=(SlotPair(1, None, SECONDARY),))
    target = board()
    assert found(target, where) == []
    put_trailer(target, SECONDARY, WAITING)
    assert [hazard.state for hazard in found(target, where)] == [AT_ONCE]


@pytest.mark.parametrize(
    ("mode", "first", "second"),
    list(
        product(
            [UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT, None],
            [ERASED, ON_TRIAL, HALF_SWAPPED],
            [WAITING, CONFIRMED, GARBLED],
        )
    ),
)
def test_where_nothing_is_installed_trailers_do_not_matter(
    mode: UpdateMode | None, first: Trailer, second: Trailer
) -> None:
    target = board()
    put_trailer(target, PRIMARY, first)
    put_trailer(target, SECONDARY, second)
    assert found(target, layout(mode)) == []


@pytest.mark.parametrize("mode", list(UpdateMode))
def test_with_one_slot_nothing_else_can_boot(mode: UpdateMode) -> None:
    target = board()
    put_trailer(target, PRIMARY, ON_TRIAL)
    where = BootLayout(mode, True, (), (SlotPair(0, PRIMARY, None),), None)
    assert found(target, where) == []
    assert list(places_to_look_at(where)) == []


# --- bootstrap -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [UpdateMode.OVERWRITE, UpdateMode.SWAP])
def test_bootstrap_would_install_what_is_in_the_second_slot(mode: UpdateMode) -> None:
    target = board()
    where = layout(mode, bootstrap=True)
    put_image(target, PRIMARY, "2.0.0+1")
    assert found(target, where) == []
    put_image(target, SECONDARY, "1.5.0+7")
    (hazard,) = found(target, where)
    assert hazard.slot == "secondary_0"
    assert hazard.state.startswith("holds image 1.5.0+7, which MCUboot (CONFIG_BOOT_BOOTSTRAP) would install")
    # It would be installed as soon as there is no boot key, so it must be gone before that.
    assert (hazard.clear, hazard.early) == (Range(XIP, 32), True)
    assert found(target, layout(mode, bootstrap=False)) == []
    clear(target, hazard)
    assert found(target, where) == []


def test_bootstrap_takes_no_damaged_image() -> None:
    target = board()
    put_image(target, SECONDARY, "1.5.0+7")
    target.put(XIP + 0x100, b"damage")
    assert found(target, layout(UpdateMode.OVERWRITE, bootstrap=True)) == []


def test_a_waiting_image_is_a_hazard_twice() -> None:
    target = board()
    target.put(XIP, sign(BODY, "--pad", slot_size=SIZE))
    got = found(target, layout(UpdateMode.OVERWRITE, bootstrap=True))
    # While its half of a pair still waits, a header alone must not go: nothing is taken before the boot key.
    assert [(hazard.slot, blank_of(hazard).size, hazard.early) for hazard in got] == [
        ("secondary_0", TRAILER_TAIL, False),
        ("secondary_0", 32, False),
    ]


# --- direct-xip ------------------------------------------------------------------------------------

DIRECT = [UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT]


def direct_board(flashed: str, fallback: str | None, half: str | None) -> MemoryTarget:
    target = board()
    put_image(target, PRIMARY, flashed)
    put_image(target, PRIMARY_1, flashed)
    if fallback is not None:
        put_image(target, SECONDARY, fallback)
    if half is not None:
        put_image(target, SECONDARY_1, half)
    return target


@pytest.mark.parametrize("mode", DIRECT)
@pytest.mark.parametrize(
    ("fallback", "half"),
    [
        (None, None),
        (None, "9.0.0+0"),  # nothing would start it
        ("1.2.2+0", "1.2.2+0"),
        ("1.2.3+0", "1.2.3+0"),  # of equals the first slot wins
        ("1.2.3+99", "1.2.3+99"),  # MCUboot does not compare build numbers
        ("0.255.65535+0", "0.255.65535+0"),
    ],
)
def test_a_complete_older_pair_is_a_fine_fallback(
    mode: UpdateMode, fallback: str | None, half: str | None
) -> None:
    assert found(direct_board("1.2.3+4", fallback, half), layout(mode)) == []


@pytest.mark.parametrize("mode", DIRECT)
@pytest.mark.parametrize("newer", ["1.2.4+0", "1.3.0+0", "2.0.0+0"])
def test_a_newer_pair_would_run_instead(mode: UpdateMode, newer: str) -> None:
    target = direct_board("1.2.3+4", newer, newer)
    assert found(target, layout(mode)) == [
        Hazard(
            "secondary_0",
            f"holds image {newer}, which MCUboot would start instead of 1.2.3+4",
            Range(XIP, 32),
            early=True,
        )
    ]
    clear(target, found(target, layout(mode))[0])
    assert found(target, layout(mode)) == []


@pytest.mark.parametrize("mode", DIRECT)
@pytest.mark.parametrize(
    ("half", "held"),
    [(None, "no valid image"), ("1.0.1+0", "image 1.0.1+0"), ("1.0.0+1", "image 1.0.0+1")],
)
def test_half_a_pair_must_never_start(mode: UpdateMode, half: str | None, held: str) -> None:
    target = direct_board("1.2.3+4", "1.0.0+0", half)
    (hazard,) = found(target, layout(mode))
    assert hazard.slot == "secondary_0"
    assert f"holds image 1.0.0+0, whose external half is missing (secondary_1 holds {held})" in hazard.state
    assert (hazard.clear, hazard.early) == (Range(XIP, 32), True)
    clear(target, hazard)
    assert found(target, layout(mode)) == []


def test_a_damaged_half_is_a_missing_half() -> None:
    target = direct_board("1.2.3+4", "1.0.0+0", "1.0.0+0")
    target.put(start_of(SECONDARY_1) + 0x100, b"damage")
    (hazard,) = found(target, layout(UpdateMode.DIRECT_XIP))
    assert "holds no valid image" in hazard.state


def test_a_damaged_fallback_is_none() -> None:
    target = direct_board("1.2.3+4", "9.0.0+0", None)
    target.put(XIP + 0x100, b"damage")
    assert found(target, layout(UpdateMode.DIRECT_XIP)) == []


def test_a_firmware_that_is_not_split_has_no_half_to_miss() -> None:
    where = layout(UpdateMode.DIRECT_XIP, split=False)
    assert found(direct_board("1.2.3+4", "1.0.0+0", None), where) == []
    assert len(found(direct_board("1.2.3+4", "1.2.4+0", None), where)) == 1


def test_with_nothing_flashed_nothing_runs_instead_of_it() -> None:
    target = board()
    put_image(target, SECONDARY, "9.0.0+0")
    put_image(target, SECONDARY_1, "9.0.0+0")
    assert found(target, layout(UpdateMode.DIRECT_XIP)) == []


# --- what a slot holds -----------------------------------------------------------------------------


def test_the_image_in_a_slot() -> None:
    target = board()
    assert image_in(SECONDARY, reading(target)) is None
    put_image(target, SECONDARY, "3.2.1+9")
    image = image_in(SECONDARY, reading(target))
    assert image is not None
    assert str(image.version) == "3.2.1+9"
    # 32 bytes of header, the body, and TLVs of 4 + 4 + 32 bytes at least.
    assert image.size >= 32 + len(BODY) + 40
    target.put(XIP + 32 + len(BODY) - 1, b"\x00")
    assert image_in(SECONDARY, reading(target)) is None


def test_an_image_must_end_inside_its_slot() -> None:
    target = board()
    image = sign(bytes(SIZE), slot_size=4 * SIZE)
    assert len(image) > SIZE
    target.put(XIP, image)
    assert image_in(SECONDARY, reading(target)) is None


def test_what_contradicts_itself_is_no_image() -> None:
    target = board()
    target.put(XIP, (Path(__file__).parent / "data" / "mcuboot" / "no-hash.bin").read_bytes())
    assert target.held(XIP, 4) == bytes.fromhex("3db8f396")
    assert image_in(SECONDARY, reading(target)) is None


def test_an_encrypted_image_counts_though_its_hash_cannot_be_checked() -> None:
    target = board()
    target.put(XIP, sign(BODY, slot_size=SIZE, encrypt_to=private_pem("p256", 5)))
    assert image_in(SECONDARY, reading(target)) is not None


def test_a_slot_off_the_bus_holds_nothing_that_counts() -> None:
    hidden = replace(SECONDARY, partition=replace(SECONDARY.partition, bus=None))
    assert image_in(hidden, reading(board())) is None


@pytest.mark.parametrize(
    ("trailer", "stays"),
    [
        (CONFIRMED, True),
        (KEPT, True),
        (WAITING, True),  # untried: MCUboot notes the try, and the image confirms itself
        (ON_TRIAL, False),  # tried, and not confirmed
        (GARBLED, False),
        (ERASED, False),
    ],
)
def test_direct_xip_with_revert_erases_what_is_not_confirmed(trailer: Trailer, stays: bool) -> None:
    target = board()
    put_image(target, PRIMARY, "1.0.0")
    put_trailer(target, PRIMARY, trailer)
    got = list(hazards(layout(UpdateMode.DIRECT_XIP_REVERT), reading(target)))
    assert [(hazard.slot, hazard.clear) for hazard in got] == ([] if stays else [("primary_0", None)])
    assert all("CONFIG_MCUBOOT_GENERATE_CONFIRMED_IMAGE" in hazard.state for hazard in got)
    # One slot alone is erased just the same; the other modes leave the image as it is.
    alone = BootLayout(UpdateMode.DIRECT_XIP_REVERT, False, (), (SlotPair(0, PRIMARY, None),), None)
    assert list(hazards(alone, reading(target))) == got
    assert list(hazards(layout(UpdateMode.DIRECT_XIP), reading(target))) == []


def test_only_the_application_s_primary_slot_must_be_confirmed() -> None:
    target = direct_board("1.2.3", "1.2.2", "1.2.2")
    put_trailer(target, PRIMARY, CONFIRMED)
    assert list(hazards(layout(UpdateMode.DIRECT_XIP_REVERT), reading(target))) == []


@pytest.mark.parametrize("confirm", [True, False])
def test_what_imgtool_confirms_is_confirmed(confirm: bool) -> None:
    target = board()
    target.put(start_of(PRIMARY), sign(BODY, *(["--confirm"] if confirm else []), slot_size=SIZE))
    got = list(hazards(layout(UpdateMode.DIRECT_XIP_REVERT), reading(target)))
    assert [hazard.slot for hazard in got] == ([] if confirm else ["primary_0"])


@pytest.mark.parametrize("trailer", [ERASED, ON_TRIAL, GARBLED])
def test_a_slot_without_an_image_has_nothing_to_confirm(trailer: Trailer) -> None:
    target = board()
    put_trailer(target, PRIMARY, trailer)
    assert list(hazards(layout(UpdateMode.DIRECT_XIP_REVERT), reading(target))) == []


def test_a_whole_pair_in_the_other_slot_is_no_fallback_for_another_network_core() -> None:
    target = direct_board("1.2.3", "1.2.2", "1.2.2")
    where = layout(UpdateMode.DIRECT_XIP)
    assert list(hazards(where, reading(target))) == []
    (hazard,) = hazards(where, reading(target), network_changes=True)
    assert hazard.slot == "secondary_0"
    assert "network core" in hazard.state
    clear(target, hazard)
    assert list(hazards(where, reading(target), network_changes=True)) == []


@pytest.mark.parametrize("mode", DIRECT)
@pytest.mark.parametrize("split", [True, False])
def test_another_network_core_matters_whether_or_not_the_image_is_split(
    mode: UpdateMode, split: bool
) -> None:
    target = direct_board("1.2.3", "9.0.0", "9.0.0" if split else None)
    put_trailer(target, PRIMARY, CONFIRMED)
    # Newer than what is flashed as well, but one reason to blank a slot is enough.
    got = list(hazards(layout(mode, split=split), reading(target), network_changes=True))
    assert [(hazard.slot, hazard.clear) for hazard in got] == [("secondary_0", Range(XIP, 32))]
    assert got[0].state.startswith("holds image 9.0.0+0, which MCUboot would start with another build's")


def test_another_network_core_does_not_matter_to_what_cannot_start() -> None:
    where = layout(UpdateMode.DIRECT_XIP)
    empty = direct_board("1.2.3", None, "1.2.2")
    assert list(hazards(where, reading(empty), network_changes=True)) == []
    damaged = direct_board("1.2.3", "1.2.2", "1.2.2")
    damaged.put(XIP + 0x100, b"damage")
    assert list(hazards(where, reading(damaged), network_changes=True)) == []
    half = direct_board("1.2.3", "1.2.2", None)
    (hazard,) = hazards(where, reading(half), network_changes=True)
    assert "external half is missing" in hazard.state


@pytest.mark.parametrize("mode", [UpdateMode.OVERWRITE, UpdateMode.SWAP, None])
def test_where_one_slot_is_run_from_another_network_core_is_no_hazard(mode: UpdateMode | None) -> None:
    target = direct_board("1.2.3", "1.2.2", "1.2.2")
    assert list(hazards(layout(mode), reading(target), network_changes=True)) == []


def test_only_ends_and_headers_are_looked_at_without_a_reason() -> None:
    expected = set()
    for start in (0x1_0000, XIP, XIP + 0x4000, XIP + 0x8000):
        expected |= {Range(start, 32), Range(start + SIZE - 128, 128)}
    assert set(places_to_look_at(layout(UpdateMode.SWAP))) == expected
    assert list(places_to_look_at(layout(None))) == []


def test_what_is_looked_at_is_enough_to_find_what_waits() -> None:
    where = layout(UpdateMode.SWAP)
    seen = list(places_to_look_at(where))
    target = board()
    put_trailer(target, SECONDARY_1, WAITING)

    def read(part: Range) -> bytes:
        assert any(place.covers(part) for place in seen)
        return target.held(part.start, part.size)

    assert [hazard.slot for hazard in hazards(where, read)] == ["secondary_1"]


# --- from a build ----------------------------------------------------------------------------------

NETWORK = Range(0x0100_0000, 0x4_0000)


def laid_out(options: BuildOptions) -> tuple[BootLayout, Firmware, dict[str, Range]]:
    build = build_of(options)
    files = [load(item.path) for item in build.flash_files()]
    firmware = Firmware.merged(segment for one in files for segment in one.segments)
    # The application core's partitions come first; in devicetree both cores use the same names.
    places = {part.name: part.bus for part in reversed(build.partitions) if part.bus is not None}
    return boot_layout(build, firmware), firmware, places


@pytest.mark.parametrize("partitions", ["pm", "dts"])
@pytest.mark.parametrize("mode", ["overwrite", "swap"])
def test_both_halves_and_the_radio_are_one_unit(mode: str, partitions: str) -> None:
    where, _, places = laid_out(replace(SMALL, mode=mode, partitions=partitions))
    number = where.xip_number
    assert number == (2 if mode == "overwrite" else 1)
    names = {
        "pm": ["mcuboot_primary", f"mcuboot_primary_{number}"],
        "dts": ["slot0_partition", f"slot{2 * number}_partition"],
    }[partitions]
    unit, loader = where.units
    assert (loader.key, loader.parts) == (Range(0, 8), (Range(0, 0x1_0000),))
    assert unit.key == Range(places[names[0]].start, 4)
    assert set(unit.parts) == {places[names[0]], places[names[1]], NETWORK}
    assert unit.name == " + ".join(names)
    assert where.mode is UpdateMode(mode)
    half = where.external_half(secondary=False)
    assert half is not None
    assert half.partition.name == names[1]


def test_without_a_radio_it_is_not_part_of_the_unit() -> None:
    where, _, places = laid_out(replace(SMALL, network=False))
    unit, _ = where.units
    assert set(unit.parts) == {places["mcuboot_primary"], places["mcuboot_primary_1"]}
    assert where.network == ()


def test_a_radio_updated_through_ram_has_a_second_slot_only() -> None:
    where, _, _ = laid_out(SMALL)
    radio = next(pair for pair in where.pairs if pair.number == 1)
    assert radio.primary is None
    assert radio.secondary is not None
    assert radio.secondary.partition.name == "mcuboot_secondary_1"


@pytest.mark.parametrize("soc", ["nrf5340", "nrf52840"])
def test_direct_xip_has_two_units_and_the_radio_belongs_to_the_first(soc: str) -> None:
    where, _, places = laid_out(replace(SMALL, mode="direct-xip", soc=soc))
    first, second, loader = where.units
    assert loader.name == "mcuboot"
    assert set(second.parts) == {places["mcuboot_secondary"], places["mcuboot_secondary_1"]}
    radio = {NETWORK} if soc == "nrf5340" else set()
    assert set(first.parts) == {places["mcuboot_primary"], places["mcuboot_primary_1"]} | radio
    assert second.key == Range(places["mcuboot_secondary"].start, 4)
    assert where.mode is UpdateMode.DIRECT_XIP
    for secondary, name in ((False, "mcuboot_primary_1"), (True, "mcuboot_secondary_1")):
        half = where.external_half(secondary)
        assert half is not None
        assert half.partition.name == name


def test_a_build_that_is_not_split_has_no_external_half() -> None:
    where, _, places = laid_out(replace(SMALL, split=False, network=False))
    assert where.xip_number is None
    assert where.external_half(secondary=False) is None
    unit, _ = where.units
    assert unit.parts == (places["mcuboot_primary"],)


def test_without_a_bootloader_the_vectors_are_the_key() -> None:
    where, firmware, _ = laid_out(replace(SMALL, mode="none"))
    (unit,) = where.units
    assert where.mode is None
    assert unit.key == Range(0, 8)
    assert unit.parts == firmware.ranges
    assert {part.start >> 24 for part in unit.parts} == {0x00, 0x01, 0x10}


@pytest.mark.parametrize(("start", "size"), [(0x1002, 0x100), (0x1000, 7)], ids=["unaligned", "too short"])
def test_bytes_that_are_no_vectors_are_no_key(start: int, size: int) -> None:
    build = build_of(replace(SMALL, mode="none"))
    data = Firmware((Segment(start, bytes(size), Origin("data.hex")),))
    assert boot_layout(build, data).units == ()


def test_eight_bytes_on_a_word_are_vectors_enough() -> None:
    build = build_of(replace(SMALL, mode="none"))
    data = Firmware((Segment(0x1004, bytes(8), Origin("data.hex")),))
    (unit,) = boot_layout(build, data).units
    assert (unit.key, unit.parts) == (Range(0x1004, 8), (Range(0x1004, 8),))


def test_the_slots_are_those_that_the_cpu_sees() -> None:
    where, _, _ = laid_out(SMALL)
    assert [slot.partition.name for slot in where.slots] == [
        "mcuboot_primary",
        "mcuboot_secondary",
        "mcuboot_secondary_1",
        "mcuboot_primary_2",
        "mcuboot_secondary_2",
    ]
    assert where.network == (NETWORK,)
    assert where.unseen == ()


@pytest.mark.parametrize("mode", ["overwrite", "direct-xip", "none"])
def test_the_radio_is_known_whatever_boots(mode: str) -> None:
    where, _, _ = laid_out(replace(SMALL, mode=mode))
    assert where.network == (NETWORK,)


def test_the_bootloader_comes_last_and_its_key_is_its_vectors() -> None:
    where, _, places = laid_out(replace(SMALL, mode="direct-xip", partitions="dts"))
    loader = where.units[-1]
    assert (loader.name, loader.key) == ("boot_partition", Range(0, 8))
    # The radio's own devicetree may have a partition of that name: the application core's counts.
    assert loader.parts == (places["boot_partition"],) == (Range(0, 0x1_0000),)
    assert [unit.name for unit in where.units].count("boot_partition") == 1


def test_a_firmware_without_application_flash_makes_nothing_boot() -> None:
    build = build_of(replace(SMALL, mode="none"))
    assert boot_layout(build, Firmware()).units == ()


def test_without_a_place_for_the_application_there_is_no_unit(tmp_path: Path) -> None:
    make_build(tmp_path / "build", SMALL)
    path = tmp_path / "build" / "partitions.yml"
    path.write_text(path.read_text().replace("mcuboot_primary:\n", "elsewhere:\n"))
    where = boot_layout(Build.load(tmp_path / "build"), Firmware())
    assert [unit.name for unit in where.units] == ["mcuboot"]
    assert (where.pairs[0].number, where.pairs[0].primary) == (0, None)


def test_slots_in_a_chip_on_plain_spi_are_named_as_unseen(tmp_path: Path) -> None:
    options = replace(SMALL, split=False)
    assert laid_out(options)[0].unseen == ()
    make_build(tmp_path / "build", options)
    path = tmp_path / "build" / "watch_app" / "zephyr" / "zephyr.dts"
    path.write_text(path.read_text().replace('"nordic,nrf-qspi"', '"nordic,nrf-spim"'))
    where = boot_layout(Build.load(tmp_path / "build"), Firmware())
    assert set(where.unseen) == {"mcuboot_secondary", "mcuboot_secondary_1"}
    assert [pair.secondary for pair in where.pairs] == [None]


def test_bootstrap_is_read_from_the_bootloader() -> None:
    assert laid_out(replace(SMALL, bootstrap=True))[0].bootstrap is True
    assert laid_out(SMALL)[0].bootstrap is False
