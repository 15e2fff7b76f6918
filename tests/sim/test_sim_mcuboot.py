"""The simulated board's MCUboot, against an independent model of its decisions, and through power cuts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from buildgen import BuildOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import imgtool
from tests.helpers.boards import build_of
from tests.helpers.bootmodel import NOTHING, Boots, Otherwise
from tests.helpers.firmware import (
    DIRECT,
    OVERWRITE,
    SWAP,
    as_model,
    device_with,
    newer,
    parts_of,
    would_boot,
)
from west_qspi.build.model import UpdateMode
from west_qspi.errors import PowerLost, UsageError
from west_qspi.extflash.parts import part_named
from west_qspi.mcuboot import parse_image
from west_qspi.memory import MemoryKind
from west_qspi.sim import swap
from west_qspi.sim.board import Board
from west_qspi.sim.device import Device
from west_qspi.sim.faults import PowerCut
from west_qspi.sim.mcuboot import boot
from west_qspi.sim.slots import Area, FirmwareLayout, ImageSlots, Place
from west_qspi.soc import NRF5340
from west_qspi.trailer import Flag, Magic, Pending, Trailer


def area(device: Device, index: int) -> Area:
    place = device.layout.slot(index)
    assert place is not None
    return Area(device.board, place)


def put(device: Device, parts: dict[int, bytes], *, permanent: bool = False) -> None:
    """Write an update to the secondary slots and ask for it, as an application would."""
    for number, data in parts.items():
        slot = area(device, 2 * number + 1)
        slot.erase(0, slot.size)
        slot.program(0, data)
        swap.request(slot, permanent=permanent)


def in_primaries(device: Device, options: BuildOptions) -> Boots:
    """Return which halves lie in the primary slots, by the hashes that they store."""
    digests = []
    for number in (0, device.layout.external_number or 0):
        image = area(device, 2 * number).image()
        assert image is not None
        assert image.hash_ok
        digests.append(image.digest or b"")
    return Boots(*digests)


@pytest.mark.parametrize("options", [SWAP, OVERWRITE], ids=lambda options: options.mode)
@pytest.mark.parametrize("permanent", [False, True])
def test_what_is_asked_for_is_what_the_model_expects(options: BuildOptions, permanent: bool) -> None:
    device = device_with(options)
    put(device, parts_of(build_of(newer(options))), permanent=permanent)
    for _ in range(3):
        expected = would_boot(device, options)
        device.reset()
        assert device.booted is not None
        assert in_primaries(device, options) == expected
        assert device.runs
    stays = permanent or options is OVERWRITE
    assert expected == as_model(newer(options) if stays else options)


def test_a_confirmed_update_stays() -> None:
    device = device_with(SWAP)
    put(device, parts_of(build_of(newer(SWAP))))
    device.reset()
    for number in (0, 1):
        swap.set_image_ok(area(device, 2 * number))
    assert would_boot(device, SWAP) == as_model(newer(SWAP))
    device.reset()
    assert in_primaries(device, SWAP) == as_model(newer(SWAP))


def test_a_swap_keeps_every_byte_of_both_images() -> None:
    device, old, new = device_with(SWAP), parts_of(build_of(SWAP)), parts_of(build_of(newer(SWAP)))
    put(device, new)
    device.reset()
    for number in (0, 1):
        assert area(device, 2 * number).read(0, len(new[number])) == new[number]
        assert area(device, 2 * number + 1).read(0, len(old[number])) == old[number]
        left = swap.trailer_of(area(device, 2 * number))
        assert (left.magic, left.copy_done, left.image_ok) == (Magic.GOOD, Flag.SET, Flag.UNSET)
        assert swap.trailer_of(area(device, 2 * number + 1)).magic is Magic.UNSET


def test_an_update_with_a_wrong_byte_is_erased_and_the_old_pair_runs() -> None:
    device, parts = device_with(SWAP), parts_of(build_of(newer(SWAP)))
    spoilt = bytearray(parts[0])
    spoilt[0x800] ^= 1
    put(device, {0: bytes(spoilt)})
    device.reset()
    assert device.booted is not None
    assert device.booted.refused == (0,)
    assert area(device, 1).blank
    assert in_primaries(device, SWAP) == as_model(SWAP)


def test_a_trailer_alone_changes_nothing() -> None:
    device = device_with(SWAP)
    swap.request(area(device, 1), permanent=False)
    device.reset()
    assert device.booted is not None
    assert (device.booted.refused, device.booted.done) == ((), {})
    assert in_primaries(device, SWAP) == as_model(SWAP)


def test_the_network_core_gets_the_body_of_its_image() -> None:
    device = device_with(OVERWRITE)
    body = bytes(range(256)) * 12
    update = imgtool.sign(body, header_size=0x200, slot_size=0x40000)
    device.board.array(MemoryKind.NETWORK).write(0x2000, b"old" * 100)
    put(device, {1: update})
    device.reset()
    assert device.board.array(MemoryKind.NETWORK).read(0, len(body)) == body
    assert device.booted is not None
    assert device.booted.done == {1: Pending.PERMANENT}
    device.reset()
    assert device.booted.done == {}


@pytest.mark.parametrize("mode", [SWAP, OVERWRITE], ids=lambda options: options.mode)
def test_an_empty_primary_slot_is_filled_where_mcuboot_bootstraps(mode: BuildOptions) -> None:
    options = replace(mode, bootstrap=True)
    device = device_with(options)
    parts = parts_of(build_of(newer(options)))
    for number, data in parts.items():
        area(device, 2 * number).erase(0, 0x1000)
        area(device, 2 * number + 1).program(0, data)
    expected = would_boot(device, options)
    device.reset()
    assert in_primaries(device, options) == expected == as_model(newer(options))
    device.reset()
    assert in_primaries(device, options) == expected


def test_nothing_starts_without_a_valid_image() -> None:
    device = device_with(SWAP)
    area(device, 0).erase(0, 0x1000)
    device.reset()
    assert not device.runs
    assert device.booted is not None
    assert device.booted.running is None
    assert would_boot(device, SWAP) is NOTHING


def test_a_board_without_the_flash_that_a_build_uses_is_refused() -> None:
    layout = device_with(SWAP).layout
    with pytest.raises(UsageError) as caught:
        Device(Board.create(None, NRF5340, None), layout)
    assert "no external flash" in str(caught.value)


# --- images that depend on each other ---

_PART = "MX25R6435F"
PAIR = FirmwareLayout(
    UpdateMode.SWAP,
    (
        ImageSlots(0, Place(MemoryKind.APPLICATION, 0, 0x8000), Place(MemoryKind.EXTERNAL, 0, 0x8000)),
        ImageSlots(
            1, Place(MemoryKind.EXTERNAL, 0x8000, 0x8000), Place(MemoryKind.EXTERNAL, 0x1_0000, 0x8000)
        ),
    ),
)


def test_an_update_waits_for_what_it_depends_on() -> None:
    board = Board.create(None, NRF5340, part_named(_PART))
    for index in (0, 2):
        place = PAIR.slot(index)
        assert place is not None
        board.array(place.memory).write(place.offset, imgtool.sign(b"old" * 100, version="1.0.0"))
    device = Device(board, PAIR)
    needy = imgtool.sign(b"new" * 100, "--dependencies", "(1, 2.0.0+0)", version="2.0.0")
    put(device, {0: needy})
    device.reset()
    assert device.booted is not None
    assert (device.booted.waiting, device.booted.done) == ((0,), {})
    assert area(device, 0).image() == parse_image(imgtool.sign(b"old" * 100, version="1.0.0"))
    put(device, {1: imgtool.sign(b"both" * 100, version="2.0.0")})
    device.reset()
    assert device.booted.done == {0: Pending.TEST, 1: Pending.TEST}
    assert area(device, 0).image() == parse_image(needy)


def board_of(layout: FirmwareLayout, content: dict[int, bytes]) -> Board:
    """Return a board with these bytes in its slots."""
    board = Board.create(None, NRF5340, part_named(_PART))
    for index, data in content.items():
        place = layout.slot(index)
        assert place is not None
        board.array(place.memory).write(place.offset, data)
    return board


def one_image(primary: int, secondary: int, mode: UpdateMode = UpdateMode.SWAP) -> FirmwareLayout:
    """Return a layout of one image with slots of so many sectors."""
    first = Place(MemoryKind.APPLICATION, 0, primary * 0x1000)
    return FirmwareLayout(mode, (ImageSlots(0, first, Place(MemoryKind.EXTERNAL, 0, secondary * 0x1000)),))


def filling(sectors: int, version: str) -> bytes:
    """Return an image of exactly so many sectors."""
    small = len(imgtool.sign(bytes(16), version=version, slot_size=0x40000))
    body = sectors * 0x1000 - small + 16
    data = imgtool.sign(bytes(range(1, 241)) * 200, version=version, slot_size=0x40000)
    data = imgtool.sign((data * 2)[:body], version=version, slot_size=0x40000)
    assert len(data) == sectors * 0x1000
    return data


def test_the_sector_that_a_swap_needs_more_is_the_primary_slots() -> None:
    # Nine sectors and eight: one is the trailer's in each, and the ninth is the room to move.
    layout, new = one_image(9, 8), filling(7, "2.0.0")
    device = Device(board_of(layout, {0: filling(7, "1.0.0")}), layout)
    put(device, {0: new})
    device.reset()
    assert area(device, 0).read(0, len(new)) == new
    put(device, {0: filling(8, "3.0.0")[:-0x20]})
    device.reset()
    assert device.booted is not None
    assert device.booted.refused == (0,)
    assert area(device, 0).read(0, len(new)) == new


@pytest.mark.parametrize("sectors", [(8, 9), (10, 8)])
def test_slots_of_different_sizes_are_never_swapped(sectors: tuple[int, int]) -> None:
    layout = one_image(*sectors)
    device = Device(board_of(layout, {0: filling(2, "1.0.0")}), layout)
    put(device, {0: filling(2, "2.0.0")})
    device.reset()
    assert device.booted is not None
    assert (device.booted.done, device.booted.refused) == ({}, ())
    assert area(device, 0).read(0, 0x2000) == filling(2, "1.0.0")
    assert swap.trailer_of(area(device, 1)).magic is Magic.GOOD


@pytest.mark.parametrize("mode", [OVERWRITE, replace(SWAP, bootstrap=True)], ids=lambda options: options.mode)
def test_what_was_copied_ends_with_the_magic_number(mode: BuildOptions) -> None:
    device = device_with(mode)
    put(device, parts_of(build_of(newer(mode))))
    for number in (0, device.layout.external_number or 0):
        area(device, 2 * number).erase(0, 0x1000)
        if mode.bootstrap:
            swap.erase_request(area(device, 2 * number + 1))
    device.reset()
    held = [swap.trailer_of(area(device, 2 * number)) for number in (0, device.layout.external_number or 0)]
    assert [each.magic for each in held] == [Magic.GOOD] * 2
    assert [each.image_ok for each in held] == [Flag.SET if mode.bootstrap else Flag.UNSET] * 2


def test_an_empty_slot_that_is_filled_keeps_no_other_image_from_going_back() -> None:
    layout = replace(PAIR, bootstrap=True)
    images = {version: imgtool.sign(b"code" * 100, version=version) for version in ("1.0.0", "2.0.0")}
    device = Device(board_of(layout, {0: images["1.0.0"], 2: images["1.0.0"]}), layout)
    put(device, {0: images["2.0.0"]})
    device.reset()
    area(device, 2).erase(0, 0x1000)
    area(device, 3).program(0, images["2.0.0"])
    device.reset()
    assert area(device, 0).image() == parse_image(images["1.0.0"])
    assert area(device, 2).image() == parse_image(images["2.0.0"])


# --- direct-XIP ---


def test_direct_xip_erases_an_image_that_is_not_valid_and_takes_the_other() -> None:
    layout = one_image(8, 8, UpdateMode.DIRECT_XIP)
    old, new = imgtool.sign(b"old" * 100, version="1.0.0"), imgtool.sign(b"new" * 100, version="2.0.0")
    spoilt = new[:0x40] + b"?" + new[0x41:]
    device = Device(board_of(layout, {0: old, 1: spoilt}), layout)
    assert device.booted is not None
    assert (device.booted.running, device.booted.refused) == ({0: 0}, (0,))
    assert area(device, 1).blank


def test_direct_xip_passes_over_what_lacks_something_that_it_depends_on() -> None:
    layout = replace(PAIR, mode=UpdateMode.DIRECT_XIP)
    old = imgtool.sign(b"old" * 100, version="1.0.0")
    needy = imgtool.sign(b"new" * 100, "--dependencies", "(1, 2.0.0+0)", version="2.0.0")
    device = Device(board_of(layout, {0: old, 1: needy, 2: old}), layout)
    assert device.booted is not None
    assert (device.booted.running, device.booted.waiting) == ({0: 0, 1: 0}, (0,))
    assert area(device, 1).image() == parse_image(needy)
    area(device, 3).program(0, imgtool.sign(b"new" * 100, version="2.0.0"))
    device.reset()
    assert device.booted.running == {0: 1, 1: 1}


def test_direct_xip_takes_the_higher_version_that_is_made_for_its_slot() -> None:
    device, new = device_with(DIRECT), build_of(newer(DIRECT))
    twin = {part.slot.number: part.update.read_bytes() for part in new.split_parts if part.slot.secondary}
    wrong = parts_of(new)
    for parts, slot in ((wrong, 0), (twin, 1)):
        for number, data in parts.items():
            place = area(device, 2 * number + 1)
            place.erase(0, place.size)
            place.program(0, data)
        expected = would_boot(device, DIRECT)
        device.reset()
        assert device.booted is not None
        assert device.booted.running == {0: slot, 1: slot}
        held = area(device, slot).image()
        assert isinstance(expected, Boots)
        assert held is not None
        assert held.digest == expected.internal_digest


def test_direct_xip_with_revert_tries_an_unconfirmed_image_once() -> None:
    layout = replace(PAIR, mode=UpdateMode.DIRECT_XIP_REVERT, images=PAIR.images[:1])
    board = Board.create(None, NRF5340, part_named(_PART))
    images = [imgtool.sign(b"old" * 100, version="1.0.0"), imgtool.sign(b"new" * 100, version="2.0.0")]
    for index, data in enumerate(images):
        place = layout.slot(index)
        assert place is not None
        board.array(place.memory).write(place.offset, data)
        swap.request(Area(board, place), permanent=index == 0)
    assert [boot(board, layout).running for _ in range(3)] == [{0: 1}, {0: 0}, {0: 0}]
    second = layout.slot(1)
    assert second is not None
    assert Area(board, second).blank


# --- power cuts ---


def operations_of_an_update(options: BuildOptions) -> int:
    """Count the modifying operations of the boot that installs an update."""
    device = device_with(options)
    put(device, parts_of(build_of(newer(options))))
    before = device.board.counters.modifying
    device.reset()
    return device.board.counters.modifying - before


@pytest.mark.no_cover
@pytest.mark.parametrize("options", [SWAP, OVERWRITE], ids=lambda options: options.mode)
@pytest.mark.parametrize("seed", range(3))
def test_power_may_fail_anywhere_in_an_update(options: BuildOptions, seed: int) -> None:
    count = operations_of_an_update(options)
    start = device_with(options)
    put(start, parts_of(build_of(newer(options))))
    expected = as_model(newer(options))
    # The last operation of a swap is another test's.
    for cut in range(1 + seed, count + (options is OVERWRITE), 3):
        board = start.board.copy()
        board.arm([PowerCut(cut, seed)])
        with pytest.raises(PowerLost):
            boot(board, start.layout)
        device = Device(board, start.layout)
        assert in_primaries(device, options) == expected, cut
        assert device.runs, cut


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(2))
def test_power_may_fail_anywhere_in_a_revert(seed: int) -> None:
    start = device_with(SWAP)
    put(start, parts_of(build_of(newer(SWAP))))
    start.reset()
    probe = start.board.copy()
    before = probe.counters.modifying
    boot(probe, start.layout)
    count = probe.counters.modifying - before
    for cut in range(1 + seed, count + 1, 2):
        board = start.board.copy()
        board.arm([PowerCut(cut, seed)])
        device = Device(board, start.layout)
        assert in_primaries(device, SWAP) == as_model(SWAP), cut
        device.reset()
        assert in_primaries(device, SWAP) == as_model(SWAP), cut
        assert device.runs, cut


def test_a_last_note_that_is_half_written_parts_the_halves_as_mcuboots_rules_have_it() -> None:
    count = operations_of_an_update(SWAP)
    start = device_with(SWAP)
    put(start, parts_of(build_of(newer(SWAP))))
    board = start.board.copy()
    board.arm([PowerCut(count)])
    device = Device(board, start.layout)
    # Neither erased nor set: nothing of this image is resumed, so the other's revert is not seen to be false.
    assert swap.trailer_of(area(device, 2)).copy_done is Flag.BAD
    assert device.booted is not None
    assert device.booted.done == {0: Pending.REVERT}
    assert not device.runs


def cut_in(start: Device, found: Callable[[Board], bool], seeds: int = 1) -> Board:
    """Return a board whose power failed in a boot, at the first point that leaves what is looked for."""
    for cut, seed in product(range(1, 200), range(seeds)):
        board = start.board.copy()
        board.arm([PowerCut(cut, seed)])
        with pytest.raises(PowerLost):
            boot(board, start.layout)
        board.power_cycle()
        if found(board):
            return board
    raise AssertionError("no cut leaves this")


def trailers(board: Board, layout: FirmwareLayout) -> list[Trailer]:
    """Return the trailers of image 0's slots."""
    places = [layout.slot(index) for index in (0, 1)]
    return [swap.trailer_of(Area(board, place)) for place in places if place is not None]


def test_a_torn_magic_number_and_another_cut_part_the_halves_in_a_revert() -> None:
    start = device_with(SWAP)
    old, new = as_model(SWAP), as_model(newer(SWAP))
    assert isinstance(old, Boots)
    assert isinstance(new, Boots)
    put(start, parts_of(build_of(newer(SWAP))))
    start.reset()
    # MCUboot makes a revert look like an update first. That note is torn here, so that it is not made again.
    torn = cut_in(start, lambda board: trailers(board, start.layout)[1].magic is Magic.BAD)
    once = Device(torn.copy(), start.layout)
    assert in_primaries(once, SWAP) == old
    torn.arm([PowerCut(1)])
    device = Device(torn, start.layout)
    assert in_primaries(device, SWAP) == Boots(new.internal_digest, old.external_digest)
    assert not device.runs


def test_a_permanent_update_that_is_cut_twice_before_it_moves_anything_parts_the_halves() -> None:
    start = device_with(SWAP)
    old, new = as_model(SWAP), as_model(newer(SWAP))
    assert isinstance(old, Boots)
    assert isinstance(new, Boots)
    put(start, parts_of(build_of(newer(SWAP))), permanent=True)

    def begun(board: Board) -> bool:
        first, second = trailers(board, start.layout)
        return first.magic is Magic.GOOD and second.magic is Magic.UNSET

    # The request has gone over to the primary slot, whose trailer the next boot erases to begin anew.
    board = cut_in(start, begun)
    once = Device(board.copy(), start.layout)
    assert in_primaries(once, SWAP) == new
    board.arm([PowerCut(1)])
    device = Device(board, start.layout)
    assert in_primaries(device, SWAP) == Boots(old.internal_digest, new.external_digest)
    assert not device.runs


def test_a_swap_that_has_moved_nothing_yet_is_not_begun_anew_with_a_broken_image() -> None:
    start = device_with(SWAP)
    put(start, parts_of(build_of(newer(SWAP))))
    board = cut_in(start, lambda board: trailers(board, start.layout)[1].magic is Magic.UNSET)
    place = start.layout.slot(1)
    assert place is not None
    board.array(place.memory).write(place.offset + 0x800, bytes(16))
    assert boot(board, start.layout).refused == (0,)
    first, second = trailers(board, start.layout)
    assert (first.image_ok, second.magic) == (Flag.SET, Magic.UNSET)
    assert Area(board, place).blank


def test_the_flag_of_an_image_that_is_torn_keeps_it_from_going_back_with_the_others() -> None:
    start = device_with(SWAP)
    old, new = as_model(SWAP), as_model(newer(SWAP))
    assert isinstance(old, Boots)
    assert isinstance(new, Boots)
    put(start, parts_of(build_of(newer(SWAP))))

    def torn(board: Board) -> bool:
        first, _ = trailers(board, start.layout)
        return first.magic is Magic.GOOD and first.copy_done is Flag.BAD

    board = cut_in(start, torn, seeds=8)
    device = Device(board, start.layout)
    assert in_primaries(device, SWAP) == new
    device.reset()
    assert in_primaries(device, SWAP) == Boots(new.internal_digest, old.external_digest)


def test_a_board_that_gets_no_power_back_answers_nothing_until_it_does() -> None:
    device = device_with(SWAP, power_returns=False)
    put(device, parts_of(build_of(newer(SWAP))))
    device.board.arm([PowerCut(20)])
    device.reset()
    assert not device.runs
    assert device.booted is None
    device.power_cycle()
    assert device.runs
    expected: Boots | Otherwise = as_model(newer(SWAP))
    assert in_primaries(device, SWAP) == expected


# --- any order of things ---

ACTS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 1), st.sampled_from(["1.0.0", "2.0.0", "broken"])),
    st.tuples(st.sampled_from(["test", "permanent"]), st.integers(0, 1), st.just("")),
    st.tuples(st.sampled_from(["confirm", "erase"]), st.integers(0, 1), st.just("")),
    st.tuples(st.just("reset"), st.just(0), st.just("")),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([SWAP, OVERWRITE]), st.lists(ACTS, max_size=12))
def test_whatever_was_asked_for_the_model_foresees_what_runs(
    options: BuildOptions, acts: list[tuple[str, int, str]]
) -> None:
    device = device_with(options)
    external = device.layout.external_number or 0
    for act, half, version in [*acts, ("reset", 0, "")]:
        number = external if half else 0
        primary, secondary = area(device, 2 * number), area(device, 2 * number + 1)
        if act == "write":
            data = bytearray(parts_of(build_of(options if version == "1.0.0" else newer(options)))[number])
            data[0x900] ^= version == "broken"
            secondary.erase(0, secondary.size)
            secondary.program(0, bytes(data))
        elif act in ("test", "permanent"):
            swap.request(secondary, permanent=act == "permanent")
        elif act == "confirm":
            swap.set_image_ok(primary)
        elif act == "erase":
            secondary.erase(0, secondary.size)
        else:
            expected = would_boot(device, options)
            device.reset()
            assert in_primaries(device, options) == expected
            halves = {area(device, 2 * each).header() for each in (0, external)}
            assert device.runs is (len({header.version for header in halves if header}) == 1)
