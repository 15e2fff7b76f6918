"""Jobs from files alone: what is found in them, by which bytes they boot, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import SMALL, build_of, changed
from tests.helpers.imgtool import private_pem, sign
from tests.helpers.loosefiles import halves, hexes
from tests.helpers.scenarios import firmware
from west_qspi import hexfile
from west_qspi.build.build import Build
from west_qspi.data import Extra
from west_qspi.errors import (
    BeyondAddressMode,
    BeyondChip,
    EraseTakesImages,
    FirmwareConflict,
    HalfAlone,
    HalvesDiffer,
    ImageError,
    OutsideMemories,
    UsageError,
)
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import Job, gather
from west_qspi.loose import (
    LooseFiles,
    check_images,
    gather_files,
    load_files,
    needs_external,
    not_checked,
    refuse_build_options,
    refuse_erase,
)
from west_qspi.looseimages import find_images
from west_qspi.memory import MemoryKind, Range
from west_qspi.soc import NRF5340, NRF52840

XIP = 0x1000_0000
SLOT, HALF = 0x1_0000, 0x1012_0000  # where the builds of these tests have them
START = Range(0, 8)
CHIP = ExternalFlash(Kind.DEVICE, "chip", size=0x80_0000)
NRF52 = changed(SMALL, soc="nrf52840", network=False)
DTS = changed(SMALL, partitions="dts")
LATER = changed(SMALL, seed=2, version="1.0.1")


def job_of(paths: Sequence[Path], *extras: str, **choices: object) -> Job:
    given = load_files(paths, [Extra.parse(text) for text in extras])
    return gather_files(given, NRF5340, CHIP, **choices)  # type: ignore[arg-type]


def given(*pieces: tuple[int, bytes]) -> LooseFiles:
    return LooseFiles(firmware(*pieces), ())


def slots_of(build: Build) -> list[tuple[MemoryKind | None, int]]:
    return [(slot.partition.memory, slot.bus.start) for slot in build.slots if not slot.secondary]


# --- images ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [SMALL, NRF52, DTS], ids=["nRF5340", "nRF52840", "devicetree"])
def test_images_are_found_where_the_build_has_its_slots(options: BuildOptions) -> None:
    build = build_of(options)
    found = list(find_images(load_files(hexes(options), []).firmware, build.soc))
    filled = [where for where in slots_of(build) if where in [(each.kind, each.address) for each in found]]
    assert [(each.kind, each.address) for each in found] == filled
    assert {each.kind for each in found} == {MemoryKind.APPLICATION, MemoryKind.EXTERNAL}
    assert {str(each.image.version) for each in found if each.image} == {"1.0.0+0"}


def test_an_image_takes_all_that_imgtool_made() -> None:
    signed = sign(bytes(range(256)) * 8)
    (found,) = find_images(firmware((0x8000, signed), (0x8000 + len(signed), b"rest")), NRF5340)
    assert found.range == Range(0x8000, len(signed))


@pytest.mark.parametrize(
    ("address", "header_size"),
    [
        (0x8004, 0x200),  # no slot begins there
        (0x8000, 0x1F),  # less than the header's own fields
        (0x8000, 0xFFFF),  # more than any page
        (0x0100_0000, 0x200),  # the network core's, which MCUboot starts nothing from
    ],
)
def test_what_only_has_the_magic_number_is_no_image(address: int, header_size: int) -> None:
    content = b"\x3d\xb8\xf3\x96" + bytes(4) + header_size.to_bytes(2, "little") + bytes(60)
    assert list(find_images(firmware((address, content)), NRF5340)) == []


def test_what_is_inside_an_image_is_not_another_one() -> None:
    inner = sign(b"inner" * 100)
    body = bytes(0x1000 - 0x20) + inner  # at the next page's start
    found = list(find_images(firmware((0x8000, sign(body))), NRF5340))
    assert [each.address for each in found] == [0x8000]


# --- what boots ------------------------------------------------------------------------------------


def test_the_first_words_of_application_flash_are_the_key_of_everything() -> None:
    job = job_of(hexes(SMALL))
    (unit,) = job.layout.units
    assert unit.key == START
    for segment in job.wanted.segments:
        assert any(part.covers(segment.range) for part in unit.parts)
    assert not job.companions


def test_without_them_the_headers_in_application_flash_are_the_keys() -> None:
    job = job_of([hexes(DTS)[-1]])  # the application's own hex: both halves
    (unit,) = job.layout.units
    assert unit.key == Range(SLOT, 4)
    assert any(HALF in part for part in unit.parts)


def test_each_of_several_images_in_application_flash_has_its_key() -> None:
    twins = changed(SMALL, mode="direct-xip", merge_twin=True)
    whole = load_files(hexes(twins), []).firmware
    job = gather_files(LooseFiles(whole.without([Range(0, SLOT)]), ()), NRF5340, CHIP)
    assert [unit.key.start for unit in job.layout.units] == [
        slot.bus.start for slot in build_of(twins).slots if slot.number == 0
    ]
    assert len(job.layout.units) == 2


def test_without_headers_the_lowest_vectors_are_the_key() -> None:
    job = gather_files(given((0x2000, bytes(100)), (0x9000, bytes(100))), NRF5340, None)
    assert [unit.key for unit in job.layout.units] == [Range(0x2000, 8)]


def test_data_for_external_flash_belongs_to_nothing_that_boots(tmp_path: Path) -> None:
    (tmp_path / "map.bin").write_bytes(b"streets" * 100)
    job = job_of(hexes(SMALL), f"{tmp_path / 'map.bin'}@external+0x600000")
    (unit,) = job.layout.units
    data = Range(XIP + 0x60_0000, 700)
    assert job.wanted.read(data) == b"streets" * 100
    assert not any(part.overlaps(data) for part in unit.parts)
    assert "offset 0x600000 in external flash" in job.notices[0].message


def test_a_signed_half_that_is_given_a_place_belongs_to_what_boots(tmp_path: Path) -> None:
    (tmp_path / "half.bin").write_bytes(sign(b"code" * 100, version="1.0.0"))
    job = job_of(hexes(SMALL), f"{tmp_path / 'half.bin'}@external+0x600000")
    assert any(XIP + 0x60_0000 in part for part in job.layout.units[0].parts)


def test_one_memory_alone_takes_its_key_along_and_expects_the_rest_to_be_there() -> None:
    whole = job_of(hexes(SMALL))
    job = job_of(hexes(SMALL), only=["external"])
    assert job.wanted.covers(START)
    assert {segment.start for segment in job.wanted.segments} == {0, HALF}
    assert job.wanted.size + job.companions.size == whole.wanted.size


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domains", "folders", "only", "extras", "said"),
    [
        (["mcuboot"], [], [], [], "--domain mcuboot"),
        ([], ["littlefs_storage=data"], [], [], "--dir"),
        ([], [], ["external", "mcuboot_primary"], [], "--only mcuboot_primary"),
        ([], [], [], ["data.bin@settings_storage"], "--file data.bin@settings_storage"),
        ([], [], [], ["data.bin@external_flash+0x100"], "--file data.bin@external_flash+0x100"),
    ],
)
def test_options_that_need_a_build_say_so(
    domains: list[str], folders: list[str], only: list[str], extras: list[str], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_build_options(domains, folders, only, [Extra.parse(text) for text in extras])
    assert str(caught.value).startswith(f"{said}: this needs a build")


def test_options_that_need_none_are_left_alone() -> None:
    refuse_build_options([], [], ["external", "uicr"], [Extra.parse("a.hex"), Extra.parse("b@external+1")])


def test_only_a_memory_that_the_files_fill_can_be_chosen() -> None:
    with pytest.raises(UsageError, match="no bytes there"):
        job_of(hexes(SMALL), only=["uicr"])


def test_a_file_for_the_other_soc_is_refused() -> None:
    for_5340 = load_files(hexes(SMALL)[-1:], [])
    with pytest.raises(OutsideMemories) as outside:
        needs_external(for_5340, NRF52840)
    assert (outside.value.start, outside.value.soc) == (HALF, "nRF52840")
    # The nRF52840's window lies in that of the nRF5340, 32 MiB behind its start.
    for_52840 = load_files(hexes(NRF52), [])
    assert needs_external(for_52840, NRF5340)
    with pytest.raises(BeyondChip):
        gather_files(for_52840, NRF5340, CHIP)


def test_bytes_past_what_a_configuration_addresses_are_refused() -> None:
    configured = ExternalFlash(Kind.INI, "chip.ini", size=0x400_0000, address_bytes=3)
    with pytest.raises(BeyondAddressMode):
        gather_files(given((XIP + 0x100_0000, b"data")), NRF5340, configured)


def test_internal_files_need_no_external_flash(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(b"data")
    inside = load_files(hexes(SMALL)[:1], [Extra(path, "0xFF000")])
    assert not needs_external(inside, NRF5340)
    # An address in no memory is an offset in the external flash.
    assert needs_external(load_files([], [Extra(path, "0x200000")]), NRF5340)
    assert needs_external(load_files([], [Extra(path, "external")]), NRF5340)


@pytest.mark.parametrize(
    ("file", "half"),
    [
        (lambda: halves(SMALL)[True], "an image at 0x10120000, in external flash,"),
        (lambda: hexes(SMALL)[0], "firmware of the network core"),
    ],
    ids=["external half", "network core"],
)
def test_a_part_without_its_application_is_refused_unless_forced(file: Callable[[], Path], half: str) -> None:
    path = file()
    with pytest.raises(HalfAlone) as caught:
        job_of([path])
    assert (caught.value.origin, caught.value.half) == (str(path), half)
    assert job_of([path], half=True).wanted.size > 0x800


def test_a_bootloader_with_an_external_half_alone_is_refused() -> None:
    mcuboot = hexes(DTS)[0]
    with pytest.raises(HalfAlone):
        job_of([mcuboot, halves(SMALL)[True]])


def test_both_halves_of_one_build_are_taken_and_of_two_builds_refused() -> None:
    ours, other = halves(SMALL), halves(LATER)
    check_images(job_of([ours[False], ours[True]]))
    with pytest.raises(HalvesDiffer) as caught:
        check_images(job_of([ours[False], other[True]]))
    assert (caught.value.first_version, caught.value.second_version) == ("1.0.0+0", "1.0.1+0")
    assert str(other[True]) in caught.value.second


@pytest.mark.parametrize("where", [SLOT + 0x300, HALF + 0x300], ids=["internal", "external"])
def test_an_image_that_was_changed_after_it_was_signed_is_refused(where: int) -> None:
    whole = load_files(hexes(SMALL), []).firmware
    spot = Range(where, 1)
    byte = bytes([whole.read(spot)[0] ^ 1])
    broken = Firmware.merged([*whole.without([spot]).segments, Segment(where, byte, Origin("broken.hex"))])
    with pytest.raises(ImageError, match="does not match its hash"):
        check_images(gather_files(LooseFiles(broken, ()), NRF5340, CHIP))


def test_an_image_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = load_files(hexes(SMALL), []).firmware
    cut = whole.without([Range(HALF + 0x2000, 0x10_0000)])
    path = tmp_path / "cut.hex"
    hexfile.write(path, cut)
    with pytest.raises(ImageError) as caught:
        check_images(job_of([path]))
    assert (caught.value.path, caught.value.address) == (str(path), HALF)


def test_signatures_are_proven_with_the_key_that_is_given() -> None:
    build, job = build_of(SMALL), job_of(hexes(SMALL))
    key = build.signature_key
    assert key is not None
    check_images(job, (key.read_bytes(), str(key)))
    with pytest.raises(ImageError, match="another key"):
        check_images(job, (private_pem("p256", 1), "other.pem"))
    unsigned = job_of(hexes(changed(SMALL, signed=False)))
    check_images(unsigned)
    with pytest.raises(ImageError, match="not signed"):
        check_images(unsigned, (key.read_bytes(), str(key)))


def test_data_over_the_firmware_is_refused_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(0x100))
    place = f"{path}@external+0x120400"
    with pytest.raises(FirmwareConflict):
        job_of(hexes(SMALL), place)
    assert job_of(hexes(SMALL), place, force=True).wanted.read(Range(HALF + 0x400, 0x100)) == bytes(0x100)


def test_erasing_all_is_for_files_that_bring_back_what_the_board_starts_with() -> None:
    refuse_erase(job_of(hexes(SMALL)), "--erase")
    with pytest.raises(EraseTakesImages, match="--recover"):
        refuse_erase(job_of([hexes(DTS)[-1]]), "--recover")


# --- what nobody can tell --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "signatures", "said", "unsaid"),
    [
        (lambda: hexes(SMALL), False, ["halves", "signatures"], ["network", "another half", "bootloader"]),
        (lambda: hexes(SMALL)[1:], True, ["halves", "network"], ["signatures", "another half"]),
        (
            lambda: [halves(SMALL)[False]],
            False,
            ["another half", "network", "signatures", "bootloader"],
            ["halves"],
        ),
    ],
    ids=["all", "no network core", "internal half"],
)
def test_what_is_not_checked_is_said(
    files: Callable[[], list[Path]], signatures: bool, said: list[str], unsaid: list[str]
) -> None:
    job = job_of(files())
    message = not_checked(job, checked=True, signatures=signatures).message
    assert all(word in message for word in [*said, "for this board", "partitions", "waits in a slot"])
    assert not any(word in message for word in unsaid)


def test_the_same_bytes_are_wanted_as_with_the_build() -> None:
    for options in (SMALL, DTS, changed(SMALL, mode="none", network=False)):
        build = build_of(options)
        with_build = gather(build).wanted
        without = gather_files(load_files(hexes(options), []), build.soc, chip_of(build)).wanted
        assert [(part.start, part.data) for part in with_build.segments] == [
            (part.start, part.data) for part in without.segments
        ]
