"""The checks before a device is touched: builds that pass, and each way in which one would not boot."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from buildgen import BuildOptions, make_build

from tests.helpers.boards import SMALL, build_of
from tests.helpers.imgtool import private_pem, public_pem, sign
from west_qspi import hexfile
from west_qspi.build.build import Build
from west_qspi.data import Extra
from west_qspi.errors import (
    FileUnreadable,
    HalvesDiffer,
    ImageError,
    MisplacedData,
    OutsidePartition,
    SigningKeyError,
)
from west_qspi.events import Noticed
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import gather
from west_qspi.memory import Range
from west_qspi.preflight import check_job

SLOT, SLOT_SIZE = 0x1_0000, 0xD_4000
XIP_SLOT = 0x1012_0000
INTERNAL, EXTERNAL = 0, 1


def check(build: Build, *files: Path, only: tuple[str, ...] = ()) -> list[str]:
    """Check a build, or other files in its place, and return the names of the notices.

    With files for the application's halves goes the build's network core: linked images are all or nothing.
    """
    radio = build.path / "merged_CPUNET.hex"
    if files and radio.exists():
        files = (*files, radio)
    notices = list(check_job(build, gather(build, hex_files=files, only=only)))
    assert all(isinstance(notice, Noticed) and notice.message for notice in notices)
    return [notice.name for notice in notices]


def made(folder: Path, options: BuildOptions = SMALL) -> Build:
    """Return a build of this test's own, which it may change."""
    make_build(folder / "build", options)
    return Build.load(folder / "build")


def signed(build: Build, half: int, twin: bool = False) -> Path:
    return build.split_parts[half + 2 * twin].signed


def written(path: Path, *pieces: tuple[int, bytes]) -> Path:
    hexfile.write(path, Firmware(tuple(Segment(start, data, Origin("test")) for start, data in pieces)))
    return path


def content(path: Path) -> tuple[int, bytes]:
    (segment,) = hexfile.read(path).segments
    return segment.start, segment.data


# --- good builds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", ["pm", "dts"])
@pytest.mark.parametrize("mode", ["overwrite", "swap", "direct-xip", "none"])
@pytest.mark.parametrize("soc", ["nrf5340", "nrf52840"])
def test_a_good_build_passes(soc: str, mode: str, partitions: str) -> None:
    assert check(build_of(replace(SMALL, soc=soc, mode=mode, partitions=partitions))) == []


def test_a_build_with_its_twin_passes() -> None:
    assert check(build_of(replace(SMALL, mode="direct-xip", merge_twin=True))) == []


def test_a_build_that_is_not_split_passes() -> None:
    assert check(build_of(replace(SMALL, split=False))) == []


@pytest.mark.parametrize("only", ["application", "external", "network", "mcuboot_primary_2", "watch_app"])
def test_a_part_of_a_good_build_passes(only: str) -> None:
    assert check(build_of(SMALL), only=(only,)) == []


def test_data_alone_is_no_image() -> None:
    assert check(build_of(SMALL), only=("mcuboot",)) == []


def test_data_that_touches_the_images_is_not_taken_for_a_part_of_them(tmp_path: Path) -> None:
    build = build_of(SMALL)
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    _, image = content(signed(build, EXTERNAL))
    behind = Extra(tmp_path / "data.bin", f"{XIP_SLOT + len(image):#x}")
    with pytest.raises(MisplacedData, match="would overwrite mcuboot_primary_2"):
        gather(build, extras=[behind])
    assert list(check_job(build, gather(build, extras=[behind], force=True))) == []


# --- images that MCUboot would refuse --------------------------------------------------------------


@pytest.mark.parametrize("half", [INTERNAL, EXTERNAL])
def test_an_unsigned_half(half: int) -> None:
    build = build_of(SMALL)
    files = [signed(build, INTERNAL), signed(build, EXTERNAL)]
    files[half] = build.split_parts[half].unsigned
    with pytest.raises(ImageError) as caught:
        check(build, *files)
    assert caught.value.path == str(files[half])
    assert caught.value.address == (SLOT, XIP_SLOT)[half]
    assert "no MCUboot header" in caught.value.reason
    assert ("mcuboot_primary would", "mcuboot_primary_2 would")[half] in caught.value.reason


@pytest.mark.parametrize("half", [INTERNAL, EXTERNAL])
@pytest.mark.parametrize("place", [0x200, 0x1000, 0x2FFF])
def test_a_damaged_half(tmp_path: Path, half: int, place: int) -> None:
    build = build_of(SMALL)
    files = [signed(build, INTERNAL), signed(build, EXTERNAL)]
    start, data = content(files[half])
    data = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    files[half] = written(tmp_path / "damaged.hex", (start, data))
    with pytest.raises(ImageError) as caught:
        check(build, *files)
    assert (caught.value.path, caught.value.address) == (str(files[half]), (SLOT, XIP_SLOT)[half])
    assert caught.value.reason == "the content does not match its hash"


@pytest.mark.parametrize("cut", [0x20, 0x1000, -1])
def test_a_half_that_is_cut_off(tmp_path: Path, cut: int) -> None:
    build = build_of(SMALL)
    start, data = content(signed(build, EXTERNAL))
    short = written(tmp_path / "short.hex", (start, data[:cut]))
    with pytest.raises(ImageError) as caught:
        check(build, signed(build, INTERNAL), short)
    assert (caught.value.path, caught.value.address) == (str(short), XIP_SLOT)


@pytest.mark.parametrize("missing", [INTERNAL, EXTERNAL])
def test_a_missing_half(tmp_path: Path, missing: int) -> None:
    build = made(tmp_path)
    shutil.copy(signed(build, 1 - missing), build.path / "merged.hex")
    with pytest.raises(ImageError) as caught:
        check(build)
    assert caught.value.path == ("mcuboot_primary", "mcuboot_primary_2")[missing]
    assert caught.value.address == (SLOT, XIP_SLOT)[missing]
    assert "this half of the split image is not in what is flashed" in caught.value.reason


def test_a_build_that_flashes_no_application(tmp_path: Path) -> None:
    build = made(tmp_path)
    shutil.copy(build.path / "merged_CPUNET.hex", build.path / "merged.hex")
    with pytest.raises(ImageError) as caught:
        check(build)
    assert caught.value.address == SLOT
    assert "nothing is flashed to mcuboot_primary + mcuboot_primary_2" in caught.value.reason


def test_what_need_not_be_whole_may_leave_the_application_out(tmp_path: Path) -> None:
    """Data, a bootloader or a radio may be flashed alone, if that was asked for."""
    build = build_of(SMALL)
    data = written(tmp_path / "data.hex", (0x1032_0000, b"settings"))
    loader = build.path / "mcuboot" / "zephyr" / "zephyr.hex"
    for file in (data, loader):
        assert list(check_job(build, gather(build, hex_files=[file]))) == []
    assert list(check_job(build, gather(build, domains=["ipc_radio"]))) == []


def test_linked_images_of_several_files_are_named() -> None:
    build = build_of(SMALL)
    (notice,) = check_job(build, gather(build, hex_files=[signed(build, EXTERNAL)]))
    assert notice.name == "pairing"
    assert str(signed(build, EXTERNAL)) in notice.message
    assert str(build.path / "merged.hex") in notice.message
    assert "their versions only" in notice.message


@pytest.mark.parametrize("half", [INTERNAL, EXTERNAL])
def test_the_other_half_of_a_hex_file_is_looked_for_in_the_build(half: int) -> None:
    build = build_of(SMALL)
    assert check(build, signed(build, half)) == ["pairing"]


def test_halves_of_two_versions(tmp_path: Path) -> None:
    old = build_of(SMALL)
    new = build_of(replace(SMALL, version="1.0.1+5"))
    with pytest.raises(HalvesDiffer) as caught:
        check(old, signed(old, INTERNAL), signed(new, EXTERNAL))
    assert (caught.value.first, caught.value.first_version) == ("mcuboot_primary", "1.0.0+0")
    assert (caught.value.second, caught.value.second_version) == ("mcuboot_primary_2", "1.0.1+5")
    # Together the new halves are fine, whichever build they are compared with.
    assert check(old, signed(new, INTERNAL), signed(new, EXTERNAL)) == ["pairing"]


def test_halves_that_differ_in_the_build_number_only() -> None:
    first, second = (build_of(replace(SMALL, version=f"1.0.0+{number}")) for number in (1, 2))
    with pytest.raises(HalvesDiffer) as caught:
        check(first, signed(first, INTERNAL), signed(second, EXTERNAL))
    assert (caught.value.first_version, caught.value.second_version) == ("1.0.0+1", "1.0.0+2")


def test_the_twin_must_be_whole_too() -> None:
    options = replace(SMALL, mode="direct-xip", network=False)
    build, other = build_of(options), build_of(replace(options, version="2.0.0"))
    pair = (signed(build, INTERNAL), signed(build, EXTERNAL))
    assert check(build, *pair) == ["pairing"]
    with pytest.raises(ImageError) as missing:
        check(build, *pair, signed(build, INTERNAL, twin=True))
    assert missing.value.path == "mcuboot_secondary_1"
    assert "is not in what is flashed" in missing.value.reason
    with pytest.raises(HalvesDiffer) as differ:
        check(build, *pair, signed(build, INTERNAL, twin=True), signed(other, EXTERNAL, twin=True))
    assert (differ.value.first, differ.value.second) == ("mcuboot_secondary", "mcuboot_secondary_1")
    # The two pairs may be of two versions: each is whole.
    newer = (signed(other, INTERNAL, twin=True), signed(other, EXTERNAL, twin=True))
    assert check(build, *pair, *newer) == ["pairing", "pairing"]


def test_an_image_larger_than_its_slot(tmp_path: Path) -> None:
    build = build_of(replace(SMALL, split=False, network=False))
    key = build.signature_key
    assert key is not None
    body = bytes(range(256)) * (SLOT_SIZE // 256)
    image = sign(body, header_size=0x200, slot_size=2 * SLOT_SIZE, key=key.read_bytes())
    large = written(tmp_path / "large.hex", (SLOT, image))
    with pytest.raises(OutsidePartition) as caught:
        check(build, large)
    error = caught.value
    assert (error.origin, error.partition) == (str(large), "mcuboot_primary")
    assert (error.start, error.end, error.limit) == (SLOT, SLOT + len(image), SLOT + SLOT_SIZE)
    fitting = written(tmp_path / "fitting.hex", (SLOT, sign(BODY, header_size=0x200, key=key.read_bytes())))
    assert check(build, fitting) == []


BODY = bytes(range(256)) * 8


# --- signatures ------------------------------------------------------------------------------------


def test_images_signed_with_another_key(tmp_path: Path) -> None:
    build = build_of(SMALL)
    (tmp_path / "other.pem").write_bytes(private_pem("p256", 7))
    other = made(tmp_path, replace(SMALL, key=tmp_path / "other.pem"))
    assert check(other) == []
    with pytest.raises(ImageError) as caught:
        check(build, signed(other, INTERNAL), signed(other, EXTERNAL))
    assert caught.value.path == str(signed(other, INTERNAL))
    assert caught.value.reason == "it is signed with another key"
    with pytest.raises(ImageError) as caught:
        check(build, signed(build, INTERNAL), signed(other, EXTERNAL))
    assert (caught.value.path, caught.value.address) == (str(signed(other, EXTERNAL)), XIP_SLOT)


def test_images_with_a_hash_only_where_the_bootloader_wants_a_signature() -> None:
    build, unsigned = build_of(SMALL), build_of(replace(SMALL, signed=False))
    with pytest.raises(ImageError) as caught:
        check(build, signed(unsigned, INTERNAL), signed(unsigned, EXTERNAL))
    assert (caught.value.path, caught.value.reason) == (str(signed(unsigned, INTERNAL)), "it is not signed")


def test_without_signatures_there_is_nothing_to_check_them_with() -> None:
    assert check(build_of(replace(SMALL, signed=False))) == ["signature"]


def test_a_key_that_is_not_here_is_told_once(tmp_path: Path) -> None:
    build = made(tmp_path)
    (tmp_path / "signing-key.pem").unlink()
    notices = list(check_job(build, gather(build)))
    assert [notice.name for notice in notices] == ["signature"]
    assert "not checked" in notices[0].message
    # Hashes and versions are checked all the same.
    with pytest.raises(ImageError):
        check(build, build.split_parts[INTERNAL].unsigned, signed(build, EXTERNAL))


def test_without_cryptography_signatures_are_said_to_be_unchecked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("west_qspi.preflight.find_spec", lambda name: None)
    notices = list(check_job(build_of(SMALL), gather(build_of(SMALL))))
    assert [notice.name for notice in notices] == ["signature"]
    assert "cryptography" in notices[0].message
    # A key that was asked for is used or the run ends: nobody shall take a check for done that was not.
    key = tmp_path / "other.pem"
    key.write_bytes(public_pem("p256", 9))
    with pytest.raises(ImageError, match="signed with another key"):
        list(check_job(build_of(SMALL), gather(build_of(SMALL)), key))


def test_the_public_half_of_the_key_is_enough(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(private_pem("p256", 8))
    build = made(tmp_path, replace(SMALL, key=tmp_path / "own.pem"))
    (tmp_path / "own.pem").write_bytes(public_pem("p256", 8))
    assert check(build) == []


@pytest.mark.parametrize(
    ("key", "reason"),
    [(b"no key at all", "not a key in PEM format"), (private_pem("p224"), "MCUboot takes RSA")],
)
def test_a_key_that_mcuboot_could_not_use(tmp_path: Path, key: bytes, reason: str) -> None:
    build = made(tmp_path)
    (tmp_path / "signing-key.pem").write_bytes(key)
    with pytest.raises(SigningKeyError, match=reason) as caught:
        check(build)
    assert caught.value.path == str(tmp_path / "signing-key.pem")


def test_a_key_that_cannot_be_read(tmp_path: Path) -> None:
    build = made(tmp_path)
    (tmp_path / "signing-key.pem").unlink()
    (tmp_path / "signing-key.pem").mkdir()
    with pytest.raises(FileUnreadable) as caught:
        check(build)
    assert caught.value.path == str(tmp_path / "signing-key.pem")


def test_a_named_key_counts_instead_of_the_build_s(tmp_path: Path) -> None:
    build = build_of(SMALL)
    own = build.signature_key
    assert own is not None
    (tmp_path / "other.pem").write_bytes(public_pem("p256", 9))
    assert list(check_job(build, gather(build), own)) == []
    with pytest.raises(ImageError, match="signed with another key"):
        list(check_job(build, gather(build), tmp_path / "other.pem"))
    with pytest.raises(FileUnreadable) as unreadable:
        list(check_job(build, gather(build), tmp_path / "none.pem"))
    assert unreadable.value.path == str(tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_bytes(b"no key")
    with pytest.raises(SigningKeyError) as unusable:
        list(check_job(build, gather(build), tmp_path / "bad.pem"))
    assert unusable.value.path == str(tmp_path / "bad.pem")


def test_a_named_key_makes_up_for_one_that_is_not_here(tmp_path: Path) -> None:
    build = made(tmp_path)
    key = (tmp_path / "signing-key.pem").rename(tmp_path / "kept.pem")
    assert [notice.name for notice in check_job(build, gather(build))] == ["signature"]
    assert list(check_job(build, gather(build), key)) == []


# --- what is checked -------------------------------------------------------------------------------


def test_without_a_bootloader_no_image_is_checked(tmp_path: Path) -> None:
    build = build_of(replace(SMALL, mode="none"))
    anything = written(tmp_path / "any.hex", (0, b"\x00\x80\x00\x20\x01\x02\x00\x00"), (XIP_SLOT, b"x"))
    assert check(build, anything) == []


def test_companions_are_checked_with_what_was_selected() -> None:
    """With --only one half is written, but the other one must belong to it."""
    old = build_of(SMALL)
    new = build_of(replace(SMALL, version="3.0.0"))
    files = (signed(old, INTERNAL), signed(new, EXTERNAL), old.path / "merged_CPUNET.hex")
    job = gather(old, hex_files=files, only=("external",))
    # Of the internal half only the key is written, which makes the two boot.
    assert job.wanted.within(Range(SLOT, SLOT_SIZE)).size == 4
    with pytest.raises(HalvesDiffer):
        list(check_job(old, job))
