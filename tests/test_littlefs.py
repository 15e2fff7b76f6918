"""LittleFS images: what goes in comes out, on any device, and nothing but FileSystemError for damage."""

from __future__ import annotations

import os
import random
import shutil
import struct
import sys
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import littlefs as reference
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.boards import SMALL, build_of, changed
from west_qspi.build.build import Build
from west_qspi.errors import (
    FileSystemError,
    FileUnreadable,
    FileUnwritable,
    FolderError,
    PackageMissing,
    QspiError,
)
from west_qspi.littlefs import (
    Entry,
    Image,
    LittleFsSettings,
    make_image,
    open_image,
    settings_from_build,
)
from west_qspi.littlefs.folder import stored_name
from west_qspi.littlefs.make import prove

USUAL = LittleFsSettings(4096, 64)
SIZE = 64 * 4096

posix = pytest.mark.skipif(os.name == "nt", reason="needs links, pipes and modes as POSIX has them")


# --- helpers ---------------------------------------------------------------------------------------


def fill(folder: Path, tree: dict[str, bytes | None]) -> Path:
    for name, data in tree.items():
        path = folder / name
        if data is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


def tree_of(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def tree_in(image: Image) -> dict[str, bytes | None]:
    return {item.path: None if item.is_dir else image.contents(item.path) for item in image.listing()}


def partition(pieces: tuple[tuple[int, bytes], ...], size: int, seed: int = 1) -> bytearray:
    """Return a partition that holds the pieces, and noise elsewhere."""
    held = bytearray(random.Random(seed).randbytes(size))
    put(held, pieces)
    return held


def put(held: bytearray, pieces: tuple[tuple[int, bytes], ...]) -> None:
    for offset, data in pieces:
        held[offset : offset + len(data)] = data


def opened(held: bytes | bytearray, sizes: LittleFsSettings | None = None) -> Image:
    return open_image(lambda at, size: bytes(held[at : at + size]), len(held), sizes, "image")


def mounted_by_reference(held: bytearray, sizes: LittleFsSettings) -> reference.LittleFS:
    made = reference.LittleFS(
        reference.UserContext(buffer=held),
        mount=False,
        block_size=sizes.block_size,
        block_count=sizes.block_count,
        read_size=sizes.read_size,
        prog_size=sizes.prog_size,
        cache_size=sizes.cache_size,
        lookahead_size=sizes.lookahead_size,
        block_cycles=sizes.block_cycles,
    )
    made.mount()
    return made


EXAMPLE: dict[str, bytes | None] = {
    "fonts": None,
    "fonts/small.bin": bytes(range(256)) * 40,
    "fonts/deep": None,
    "fonts/deep/er": None,
    "fonts/deep/er/x": b"x",
    "empty": None,
    "nothing.txt": b"",
    "short": b"sixty-four bytes or fewer stay in the metadata",
    "übung.txt": b"not ASCII",
    "with space": bytes(5000),
    "one block": b"1" * 3000,
}


# --- there and back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [
        USUAL,
        LittleFsSettings(65536, 32),
        LittleFsSettings(4096, 64, read_size=256, prog_size=256, cache_size=256),
        LittleFsSettings(4096, 64, cache_size=4096, block_cycles=-1),
        LittleFsSettings(2048, 128, read_size=1, prog_size=4, lookahead_size=8),
        LittleFsSettings(512, 256, read_size=1, prog_size=1, cache_size=512),
    ],
    ids=str,
)
def test_what_goes_in_comes_out(tmp_path: Path, sizes: LittleFsSettings) -> None:
    folder = fill(tmp_path / "in", EXAMPLE)
    held = partition(make_image(folder, sizes), sizes.block_size * sizes.block_count)
    for hint in (sizes, None):
        image = opened(held, hint)
        assert tree_in(image) == EXAMPLE
        assert (image.settings.block_size, image.settings.block_count) == (
            sizes.block_size,
            sizes.block_count,
        )
        image.extract(tmp_path / "out")
    assert tree_of(tmp_path / "out") == EXAMPLE


NAMES = st.text("abcäß .-_XYZ019", min_size=1, max_size=12).filter(lambda name: name.strip(". ") == name)
TREES = st.recursive(
    st.binary(max_size=9000),
    lambda inner: st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
).filter(lambda tree: isinstance(tree, dict))


def flattened(tree: dict[str, object], around: str = "") -> dict[str, bytes | None]:
    flat: dict[str, bytes | None] = {}
    folded = {name.casefold(): name for name in tree}
    for name in folded.values():  # one of the names that a file system without case takes for the same
        item = tree[name]
        if isinstance(item, dict):
            flat[around + name] = None
            flat |= flattened(item, f"{around}{name}/")
        else:
            assert isinstance(item, bytes)
            flat[around + name] = item
    return flat


@settings(derandomize=True, deadline=None, max_examples=60)
@given(tree=TREES, large=st.booleans(), seed=st.integers(0, 1 << 16))
def test_any_tree_goes_there_and_back(tree: dict[str, object], large: bool, seed: int) -> None:
    flat = flattened(tree)
    sizes = LittleFsSettings(65536, 64) if large else LittleFsSettings(4096, 128)
    with TemporaryDirectory() as parent:
        folder = fill(Path(parent) / "in", {".": None, **flat})
        held = partition(make_image(folder, sizes), sizes.block_size * sizes.block_count, seed)
        assert tree_in(opened(held)) == flat
        opened(held).extract(Path(parent) / "out")
        assert tree_of(Path(parent) / "out") == flat


def test_the_listing_is_sorted_and_has_sizes(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"b/z": b"123", "a": b"", "b/a": bytes(4097), "c": None})
    assert opened(partition(make_image(folder, USUAL), SIZE)).listing() == (
        Entry("a", 0, False),
        Entry("b", 0, True),
        Entry("b/a", 4097, False),
        Entry("b/z", 3, False),
        Entry("c", 0, True),
    )


def test_an_empty_folder_is_an_empty_file_system_of_two_blocks(tmp_path: Path) -> None:
    pieces = make_image(tmp_path, USUAL)
    assert [(offset, len(data)) for offset, data in pieces] == [(0, 2 * 4096)]
    assert opened(partition(pieces, SIZE)).listing() == ()


def test_the_reference_reads_what_was_made_and_may_go_on_writing(tmp_path: Path) -> None:
    folder = fill(tmp_path, EXAMPLE)
    held = partition(make_image(folder, USUAL), SIZE)
    other = mounted_by_reference(held, USUAL)
    assert sorted(other.listdir("/")) == sorted({name.split("/")[0] for name in EXAMPLE})
    for name, data in EXAMPLE.items():
        if data is not None:
            with other.open(name, "rb") as file:
                assert file.read() == data
    with other.open("fonts/new", "wb") as file:
        file.write(b"n" * 9000)
    other.mkdir("more")
    other.unmount()
    expected = {**EXAMPLE, "fonts/new": b"n" * 9000, "more": None}
    assert tree_in(opened(held)) == expected


def test_what_the_reference_made_is_read(tmp_path: Path) -> None:
    held = bytearray(b"\xff" * SIZE)
    # The reference writes version 2.1 on the disk, and keeps files of up to its cache's size, here 512
    # bytes, in the metadata.
    sizes = replace(USUAL, cache_size=4096)
    other = reference.LittleFS(
        reference.UserContext(buffer=held), block_size=4096, block_count=64, cache_size=4096
    )
    other.mkdir("d")
    for name, size in (("d/inline", 500), ("long", 20000)):
        with other.open(name, "wb") as file:
            file.write(b"%c" % ord(name[0]) * size)
    other.unmount()
    expected = {"d": None, "d/inline": b"d" * 500, "long": b"l" * 20000}
    assert tree_in(opened(held, sizes)) == tree_in(opened(held, None)) == expected


# --- what the image depends on ---------------------------------------------------------------------


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    first = make_image(fill(tmp_path / "one", EXAMPLE), USUAL)
    backwards = fill(tmp_path / "two", dict(reversed(EXAMPLE.items())))
    for path in backwards.rglob("*"):
        os.utime(path, (1, 1))
    assert make_image(backwards, USUAL) == first


def test_the_superblock_is_of_disk_version_2_0_with_the_sizes_asked_for(tmp_path: Path) -> None:
    (_, data), *_ = make_image(fill(tmp_path, EXAMPLE), USUAL)
    for block in (0, 4096):
        assert data[block + 8 : block + 16] == b"littlefs"
        # SPEC.md: version (major in the upper half), block size, block count, name limit.
        assert struct.unpack_from("<IIII", data, block + 20) == (0x0002_0000, 4096, 64, 255)


def test_a_large_partition_with_few_files_gives_few_small_pieces(tmp_path: Path) -> None:
    sizes = LittleFsSettings(4096, 47 * 256)
    pieces = make_image(fill(tmp_path, {"a/b/c.bin": bytes(20_000), "d": b"1"}), sizes)
    # Two superblocks, two blocks for each of two folders, and 20000 bytes in blocks of 4096.
    assert sum(len(data) for _, data in pieces) == (2 + 2 * 2 + 5) * 4096
    assert len(pieces) <= 3


def test_pieces_are_whole_blocks_in_order_and_never_touch(tmp_path: Path) -> None:
    pieces = make_image(fill(tmp_path, EXAMPLE), USUAL)
    ends = [offset + len(data) for offset, data in pieces]
    assert all(offset % 4096 == 0 and len(data) % 4096 == 0 and data for offset, data in pieces)
    assert all(end < offset for end, (offset, _) in zip(ends, pieces[1:], strict=False))
    assert ends[-1] <= SIZE


def test_an_older_file_system_underneath_does_not_shine_through(tmp_path: Path) -> None:
    # The older one has the same folders in the same blocks, with revisions far above those of a new one:
    # where a block of a pair were left as it is, littlefs would take the older block for the newer.
    tree: dict[str, bytes | None] = {"a": None, "b": None, "c": None, "c/new": b"new"}
    pieces = make_image(fill(tmp_path, tree), USUAL)
    held = bytearray(b"\xff" * SIZE)
    older = reference.LittleFS(reference.UserContext(buffer=held), block_size=4096, block_count=64)
    for name in "abc":
        older.mkdir(name)
    for turn in range(300):
        for name in "abc":
            with older.open(f"{name}/stale", "wb") as file:
                file.write(b"%d" % turn * 10)
    older.unmount()
    stale = {name: bytes(held[at : at + 4096]) for name, at in enumerate(range(0, SIZE, 4096))}
    used = {offset // 4096 + n for offset, data in pieces for n in range(len(data) // 4096)}
    dirs = [block for block in stale.values() if b"stale" in block]
    assert dirs
    # Every block that the image does not bring is one of the older folders' blocks, in turn.
    for number in range(64):
        if number not in used:
            held[number * 4096 : (number + 1) * 4096] = dirs[number % len(dirs)]
    put(held, pieces)
    assert tree_in(opened(held)) == tree
    other = mounted_by_reference(held, USUAL)
    assert sorted(other.listdir("/c")) == ["new"]


def test_both_blocks_of_each_folder_are_part_of_the_image(tmp_path: Path) -> None:
    # SPEC.md: a directory is at least one metadata pair; the root's is blocks 0 and 1.
    for count in (1, 2, 5):
        fill(tmp_path, {f"folder {count}": None, **{f"folder {n}": None for n in range(count)}})
        folders = len(list(tmp_path.iterdir()))
        pieces = make_image(tmp_path, USUAL)
        assert sum(len(data) for _, data in pieces) == (2 + 2 * folders) * 4096


def test_the_proof_finds_bytes_that_differ_and_blocks_that_are_not_there(tmp_path: Path) -> None:
    tree: dict[str, bytes | None] = {"d": None, "f": b"F" * 5000}
    pieces = make_image(fill(tmp_path, tree), USUAL)
    prove(pieces, tree, USUAL, "it")
    swapped = tuple((at, data.replace(b"F" * 99, b"F" * 98 + b"G")) for at, data in pieces)
    with pytest.raises(FileSystemError, match=r"it: .* does not hold 'f'"):
        prove(swapped, tree, USUAL, "it")
    for other in ({**tree, "g": b""}, {"d": None}, {**tree, "f": None}):
        with pytest.raises(FileSystemError, match=r"does not hold '[fg]'"):
            prove(pieces, other, USUAL, "it")
    blocks = [(at + n, data[n : n + 4096]) for at, data in pieces for n in range(0, len(data), 4096)]
    for lost in range(len(blocks)):
        # Of the root's two blocks the older one is not needed to find all files, but it is looked at.
        with pytest.raises(FileSystemError, match=r"depends on block|does not hold|damaged"):
            prove(tuple(blocks[:lost] + blocks[lost + 1 :]), tree, USUAL, "it")


# --- what cannot be made ---------------------------------------------------------------------------


def test_what_does_not_fit_is_told_with_what_is_missing(tmp_path: Path) -> None:
    # 30000 bytes take 8 blocks: 7 hold 28672, and less the pointers between them. The folder takes 2, the
    # superblocks 2.
    folder = fill(tmp_path, {"d": None, "d/long": bytes(30_000)})
    make_image(folder, replace(USUAL, block_count=12))
    for count, missing in ((11, 1), (9, 3), (4, 8)):
        with pytest.raises(FileSystemError) as caught:
            make_image(folder, replace(USUAL, block_count=count))
        assert caught.value.path == str(folder)
        assert caught.value.reason == (
            f"30000 bytes in 1 file and 1 folder do not fit into {count} blocks of 4096 bytes: "
            f"about {missing * 4096} bytes more are needed"
        )


def test_a_full_file_system_is_told_wherever_it_gets_full(tmp_path: Path) -> None:
    tree: dict[str, bytes | None] = {f"d{n}/{'n' * 250}{n}": bytes(n * 300) for n in range(12)}
    fill(tmp_path, tree)
    for count in range(2, 200):
        full = ""
        try:
            make_image(tmp_path, LittleFsSettings(512, count, cache_size=512))
        except FileSystemError as error:
            full = error.reason
        if not full:
            break
        assert "do not fit into" in full
    # 12 folders and the root have two blocks each, and 19800 bytes take 39 or a few more.
    assert 26 + 39 <= count < 26 + 39 + 12 + 10


def test_the_longest_names_fit_the_smallest_blocks(tmp_path: Path) -> None:
    sizes = LittleFsSettings(512, 64, cache_size=512)
    tree: dict[str, bytes | None] = {letter * 255: letter.encode() * 64 for letter in "abcdef"}
    tree |= {"d" * 254: None}
    assert tree_in(opened(partition(make_image(fill(tmp_path, tree), sizes), 64 * 512))) == tree


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cache_size": 24}, "the cache size 24 is not a multiple of the read size 16"),
        ({"prog_size": 48}, "the cache size 64 is not a multiple of the program size 48"),
        ({"block_size": 4097}, "the block size 4097 is not a multiple of the cache size 64"),
        ({"block_size": 256}, "the block size 256 is below 512"),
        ({"cache_size": 8192}, "the block size 4096 is not a multiple of the cache size 8192"),
        ({"lookahead_size": 12}, "the lookahead size 12 is not a multiple of 8"),
        ({"block_count": 1}, "1 blocks of 4096 bytes are too few, it takes at least 2"),
        ({"block_count": 1 << 31}, "2147483648 blocks of 4096 bytes are too many"),
        ({"read_size": 0}, "the read size 0 is not from 1 to 2147483647"),
        ({"prog_size": -1}, "the program size -1 is not from 1 to 2147483647"),
        ({"block_size": 1 << 31}, "the block size 2147483648 is not from 1 to 2147483647"),
        ({"block_cycles": 0}, "the block cycles 0 are neither -1 nor from 1 to 2147483647"),
    ],
)
def test_sizes_that_littlefs_would_stop_the_program_for_are_refused(
    tmp_path: Path, change: dict[str, int], reason: str
) -> None:
    with pytest.raises(FileSystemError) as caught:
        make_image(tmp_path, replace(USUAL, **change))  # type: ignore[arg-type]
    assert (caught.value.path, caught.value.reason) == (str(tmp_path), reason)


def test_a_file_and_a_missing_folder_are_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="this is not a folder"):
        make_image(tmp_path / "file", USUAL)
    with pytest.raises(FileUnreadable, match="No such file or directory"):
        make_image(tmp_path / "none", USUAL)


def test_a_name_is_up_to_255_bytes_of_utf_8_long(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"n" * 255: b"1"})
    assert tree_in(opened(partition(make_image(folder, USUAL), SIZE))) == {"n" * 255: b"1"}
    # 128 letters of two bytes each; the host's own file system may take letters where littlefs takes bytes.
    with pytest.raises(FolderError, match="this name has 256 bytes, and littlefs takes 255"):
        stored_name("ä" * 128, tmp_path)
    assert stored_name("ä" * 127, tmp_path) == "ä" * 127


@posix
def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", {"real/file": b"data"})
    (folder / "file").symlink_to("real/file")
    (folder / "again").symlink_to(folder / "real")
    expected = {"real": None, "real/file": b"data", "file": b"data", "again": None, "again/file": b"data"}
    assert tree_in(opened(partition(make_image(folder, USUAL), SIZE))) == expected
    (tmp_path / "secret").write_bytes(b"outside")
    (folder / "out").symlink_to("../secret")
    with pytest.raises(FolderError) as caught:
        make_image(folder, USUAL)
    assert caught.value.path == str(folder / "out")
    assert "out of the folder" in caught.value.reason


@posix
@pytest.mark.parametrize(
    ("target", "reason"),
    [("nowhere", "leads nowhere"), (".", "a folder that it is in"), ("..", "a folder that it is in")],
)
def test_links_that_lead_nowhere_or_in_a_circle_are_refused(tmp_path: Path, target: str, reason: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "link").symlink_to(target)
    with pytest.raises(FolderError, match=reason) as caught:
        make_image(tmp_path, USUAL)
    assert caught.value.path == str(tmp_path / "sub" / "link")


@posix
def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(FileUnreadable, match="Too many levels of symbolic links") as caught:
        make_image(tmp_path, USUAL)
    assert caught.value.path == str(tmp_path / "link")


@posix
def test_a_pipe_is_neither_a_file_nor_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FolderError, match="neither a file nor a folder") as caught:
        make_image(tmp_path, USUAL)
    assert caught.value.path == str(tmp_path / "pipe")


@posix
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes no such names")
def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\xfe")).touch()
    with pytest.raises(FolderError, match="not UTF-8"):
        make_image(tmp_path, USUAL)


# --- damage ----------------------------------------------------------------------------------------


def test_noise_blank_flash_and_nothing_are_no_file_system() -> None:
    for held in (random.Random(7).randbytes(SIZE), b"\xff" * SIZE, bytes(SIZE), b"", b"littlefs"):
        for sizes in (USUAL, None):
            with pytest.raises(FileSystemError) as caught:
                opened(held, sizes)
            assert caught.value.path == "image"
            assert caught.value.reason.startswith("there is no littlefs")


@pytest.mark.parametrize("block_size", [512, 4096, 65536])
@pytest.mark.parametrize("hinted", [True, False])
@pytest.mark.parametrize("at", [0, 9, 24, 28, 50], ids=["revision", "magic", "size", "count", "end"])
def test_one_good_superblock_is_enough(tmp_path: Path, block_size: int, hinted: bool, at: int) -> None:
    sizes = LittleFsSettings(block_size, 64)
    good = partition(make_image(fill(tmp_path, {"f": b"1"}), sizes), 64 * block_size)
    found = []
    for damaged in (0, 1):
        held = bytearray(good)
        held[damaged * block_size + at] ^= 0x10
        found.append(tree_in(opened(held, sizes if hinted else None)))
    # The two blocks are the root folder's as well. Only the newer one knows of the file: without it, littlefs
    # goes back to what there was before.
    assert sorted(found, key=len) == [{}, {"f": b"1"}]


def test_two_damaged_superblocks_are_told(tmp_path: Path) -> None:
    held = partition(make_image(fill(tmp_path, {"f": b"1"}), USUAL), SIZE)
    for block in (0, 4096):
        held[block + 45] ^= 1
    with pytest.raises(FileSystemError, match="image: the file system is damaged"):
        opened(held)


def test_a_file_system_that_is_longer_than_its_partition_is_cut_off(tmp_path: Path) -> None:
    held = partition(make_image(fill(tmp_path, EXAMPLE), USUAL), SIZE)
    with pytest.raises(FileSystemError, match="cut off: it has 64 blocks of 4096 bytes"):
        opened(held[:-1])
    # One that says so itself: the file that holds the partition ends before it.
    with pytest.raises(FileSystemError, match="cut off: 0 of 32 bytes are there at 0x200"):
        open_image(lambda at, size: bytes(held[:44][at : at + size]), SIZE, None, "image")


def test_a_file_system_shorter_than_its_partition_is_read(tmp_path: Path) -> None:
    held = partition(make_image(fill(tmp_path, EXAMPLE), USUAL), 2 * SIZE)
    assert tree_in(opened(held)) == EXAMPLE


@settings(derandomize=True, deadline=None, max_examples=300)
@given(flips=st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 7)), min_size=1, max_size=40))
def test_damage_anywhere_is_told_and_never_more(flips: list[tuple[int, int]]) -> None:
    held, blocks = damaged_example()
    for where, bit in flips:
        # Half of them hit the first bytes of a block, where metadata is.
        block = blocks[where % len(blocks)]
        held[block * 4096 + (where >> 8) % (200 if where & 0x80 else 4096)] ^= 1 << bit
    with suppress(FileSystemError):
        tree_in(opened(held))


def damaged_example() -> tuple[bytearray, list[int]]:
    with TemporaryDirectory() as folder:
        pieces = make_image(fill(Path(folder), EXAMPLE), USUAL)
    blocks = [offset // 4096 + n for offset, data in pieces for n in range(len(data) // 4096)]
    return partition(pieces, SIZE), blocks


def test_folders_that_hold_each_other_are_damage_and_not_endless(tmp_path: Path) -> None:
    held = partition(make_image(fill(tmp_path, {"d": None}), USUAL), SIZE)
    rewrite(held, kind=DIRSTRUCT, value=struct.pack("<II", 0, 1))  # a pointer to the root's blocks
    image = opened(held)
    with pytest.raises(FileSystemError, match="the file system is damaged at 'd/d/d/d"):
        image.listing()
    with pytest.raises(FileSystemError, match="the file system is damaged at 'd/d/d/d"):
        image.extract(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_larger_than_its_file_system_is_damage(tmp_path: Path) -> None:
    held = partition(make_image(fill(tmp_path, {"f": bytes(5000)}), USUAL), SIZE)
    rewrite(held, kind=CTZSTRUCT, value=struct.pack("<II", 2, 0x7FFF_FFFF))
    assert opened(held).listing() == (Entry("f", 0x7FFF_FFFF, False),)
    with pytest.raises(FileSystemError, match=r"image: f: .* 2147483647 bytes cannot be in it"):
        opened(held).contents("f")


DIRSTRUCT, CTZSTRUCT, CRC = 0x200, 0x202, 0x500


def rewrite(
    held: bytearray, *, kind: int = -1, value: bytes = b"", name: bytes = b"", new_name: bytes = b""
) -> None:
    """Change the root folder's metadata, with checksums that are right (SPEC.md, "Metadata tags")."""
    for begin in (0, 4096):
        block = held[begin : begin + 4096]
        if name:
            block = block.replace(name, new_name)
        at, previous, start = 4, 0xFFFF_FFFF, 0
        while at < len(block):
            tag = struct.unpack_from(">I", block, at)[0] ^ previous
            if tag >> 31:
                break
            found, size = tag >> 20 & 0x7FF, tag & 0x3FF
            if found == kind:
                block[at + 4 : at + 4 + len(value)] = value
            previous = tag
            if found & 0x7FE == CRC:
                struct.pack_into("<I", block, at + 4, zlib.crc32(block[start : at + 4]) ^ 0xFFFF_FFFF)
                previous, start = tag ^ (found & 1) << 31, at + 4 + size
            at += 4 + size
        held[begin : begin + 4096] = block


class DeviceGone(QspiError):
    """A stand-in for what a target raises."""

    text = "gone"


@pytest.mark.parametrize("raised", [DeviceGone(), KeyboardInterrupt()])
def test_what_reading_raises_comes_through(tmp_path: Path, raised: BaseException) -> None:
    held = partition(make_image(fill(tmp_path, EXAMPLE), USUAL), SIZE)
    good = set()

    def counting(at: int, size: int) -> bytes:
        good.add(at)
        return bytes(held[at : at + size])

    tree_in(open_image(counting, SIZE, None, "image"))
    for bad in sorted(good):

        def failing(at: int, size: int, bad: int = bad) -> bytes:
            if at == bad:
                raise raised
            return bytes(held[at : at + size])

        with pytest.raises(type(raised)):
            tree_in(open_image(failing, SIZE, None, "image"))


def test_blocks_are_read_once_and_only_those_that_matter(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"large": bytes(100_000), "small": b"1"})
    held = partition(make_image(folder, USUAL), SIZE)
    reads: list[tuple[int, int]] = []

    def read(at: int, size: int) -> bytes:
        reads.append((at, size))
        return bytes(held[at : at + size])

    image = open_image(read, SIZE, None, "image")
    assert [entry.path for entry in image.listing()] == ["large", "small"]
    assert image.contents("small") == b"1"
    # Only the root's two blocks are needed so far, beside the look at the superblock.
    assert [at for at, size in reads if size == 4096] in ([0, 4096], [4096, 0])
    image.contents("large")
    image.contents("large")
    blocks = [at for at, size in reads if size == 4096]
    assert len(blocks) == len(set(blocks))


def test_what_is_not_a_file_cannot_be_read(tmp_path: Path) -> None:
    image = opened(partition(make_image(fill(tmp_path, EXAMPLE), USUAL), SIZE))
    for path, reason in (
        ("none", "there is no such file or folder"),
        ("fonts", "this is a folder"),
        ("short/x", "a part of the path is not a folder"),
    ):
        with pytest.raises(FileSystemError) as caught:
            image.contents(path)
        assert (caught.value.path, caught.value.reason) == (f"image: {path}", reason)


# --- into a folder ---------------------------------------------------------------------------------


def foreign(names: list[str]) -> bytearray:
    """Return an image of the reference's making, with names that no folder would give."""
    held = bytearray(b"\xff" * SIZE)
    made = reference.LittleFS(reference.UserContext(buffer=held), block_size=4096, block_count=64)
    for name in names:
        with made.open(name, "wb") as file:
            file.write(b"evil")
    made.unmount()
    return held


def test_extracting_replaces_files_and_leaves_others_alone(tmp_path: Path) -> None:
    image = opened(partition(make_image(fill(tmp_path / "in", EXAMPLE), USUAL), SIZE))
    out = fill(tmp_path / "out", {"short": b"old and longer " * 99, "other": b"mine", "fonts/mine": b"too"})
    assert image.extract(out) == image.listing()
    assert tree_of(out) == {**EXAMPLE, "other": b"mine", "fonts/mine": b"too"}
    assert image.missing_in_image(out) == ("fonts/mine", "other")


def test_a_new_folder_holds_what_the_image_holds_and_no_more(tmp_path: Path) -> None:
    image = opened(partition(make_image(fill(tmp_path / "in", EXAMPLE), USUAL), SIZE))
    assert image.missing_in_image(tmp_path / "out") == ()
    image.extract(tmp_path / "out")
    assert image.missing_in_image(tmp_path / "out") == ()


@posix
def test_links_in_a_folder_are_told_and_not_followed(tmp_path: Path) -> None:
    image = opened(partition(make_image(fill(tmp_path / "in", {"a": b"1"}), USUAL), SIZE))
    out = fill(tmp_path / "out", {"a": b"2", "empty": None, "sub/b": b"3"})
    (out / "folder").symlink_to(".")
    (out / "sub" / "nowhere").symlink_to("nothing")
    assert image.missing_in_image(out) == ("folder", "sub/b", "sub/nowhere")


@posix
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    image = opened(partition(make_image(fill(tmp_path / "in", {"a": b"1"}), USUAL), SIZE))
    out = fill(tmp_path / "out", {"sub/b": b"3"})
    (out / "sub").chmod(0)
    try:
        with pytest.raises(FileUnreadable) as caught:
            image.missing_in_image(out)
    finally:
        (out / "sub").chmod(0o755)
    assert caught.value.path == str(out / "sub")


def test_a_name_with_a_backslash_is_not_written(tmp_path: Path) -> None:
    image = opened(foreign(["good", "..\\..\\evil"]))
    assert len(image.listing()) == 2
    with pytest.raises(FileSystemError, match="not a name to write a file under"):
        image.extract(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_of_dots_or_with_a_slash_is_not_written(tmp_path: Path) -> None:
    # littlefs itself makes no such names, so a good image's are changed in place, with the checksums.
    held = foreign(["ab"])
    for name in (b"..", b"/x", b"a/"):
        changed_name = bytearray(held)
        rewrite(changed_name, name=b"ab", new_name=name)
        image = opened(changed_name)
        if name == b"..":
            # Like "." and "..", which every folder shows.
            assert image.listing() == ()
            image.extract(tmp_path / "out")
        else:
            with pytest.raises(FileSystemError, match="the file system is damaged"):
                image.extract(tmp_path / "out")
    assert tree_of(tmp_path) == {"out": None}


def test_a_name_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    held = foreign(["ab"])
    rewrite(held, name=b"ab", new_name=b"\xff\xfe")
    with pytest.raises(FileSystemError, match="a name in it is not UTF-8"):
        opened(held).listing()


@posix
def test_nothing_is_written_through_a_link_that_leads_out(tmp_path: Path) -> None:
    image = opened(partition(make_image(fill(tmp_path / "in", {"a/b": b"1", "c": b"2"}), USUAL), SIZE))
    outside = fill(tmp_path / "outside", {"c": b"kept"})
    for link, target in (("a", outside), ("c", outside / "c")):
        out = tmp_path / f"out {link}"
        out.mkdir()
        (out / link).symlink_to(target)
        with pytest.raises(FolderError, match="this link leads out of"):
            image.extract(out)
        assert tree_of(outside) == {"c": b"kept"}


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    image = opened(partition(make_image(fill(tmp_path / "in", {"a/b": b"1"}), USUAL), SIZE))
    out = fill(tmp_path / "out", {"a": b"a file"})
    with pytest.raises(FileUnwritable) as caught:
        image.extract(out)
    assert caught.value.path == str(out / "a")
    assert tree_of(out) == {"a": b"a file"}


def test_without_the_package_its_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = partition(make_image(tmp_path, USUAL), SIZE)
    monkeypatch.setitem(sys.modules, "littlefs", None)
    for use in (lambda: make_image(tmp_path, USUAL), lambda: opened(held)):
        with pytest.raises(PackageMissing, match="littlefs-python"):
            use()


# --- what a build says -----------------------------------------------------------------------------

QSPI_PAGE = "CONFIG_NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE"
SPI_PAGE = "CONFIG_SPI_NOR_FLASH_LAYOUT_PAGE_SIZE"


def edited(
    tmp_path: Path, config: str = "", fstab: str = "", source: str = "dts", spi: bool = False
) -> Build:
    """Return a copy of a made build with lines added to the application's .config and devicetree."""
    made = build_of(changed(SMALL, partitions=source))
    folder = tmp_path / "build"
    shutil.copytree(made.path, folder)
    zephyr = folder / made.application.directory.relative_to(made.path) / "zephyr"
    symbols = (zephyr / ".config").read_text("utf-8").splitlines()
    assert any(line.startswith(f"{QSPI_PAGE}=") for line in symbols)
    kept = [line for line in symbols if not line.startswith(f"{QSPI_PAGE}=")]
    (zephyr / ".config").write_text("\n".join([*kept, config, ""]), "utf-8")
    tree = (zephyr / "zephyr.dts").read_text("utf-8")
    if spi:
        tree = tree.replace('"nordic,nrf-qspi"', '"nordic,nrf-spim"')
    end = tree.rindex("};")
    (zephyr / "zephyr.dts").write_text(f"{tree[:end]} fstab {{ {fstab} }}; {tree[end:]}", "utf-8")
    return Build.load(folder)


def sizes_of(build: Build, name: str) -> LittleFsSettings:
    return settings_from_build(build, build.partition(name))


def test_the_block_is_the_page_of_the_flash_drivers_layout(tmp_path: Path) -> None:
    # The made builds' littlefs_storage has 0x200000 bytes.
    found = sizes_of(edited(tmp_path, f"{QSPI_PAGE}=8192\n{SPI_PAGE}=16384"), "littlefs_storage")
    assert (found.block_size, found.block_count, found.source) == (8192, 256, QSPI_PAGE)


def test_a_large_page_is_used_and_remarked_on(tmp_path: Path) -> None:
    found = sizes_of(edited(tmp_path, f"{QSPI_PAGE}=65536"), "littlefs_storage")
    assert (found.block_size, found.block_count) == (65536, 32)
    assert found.source.startswith(QSPI_PAGE)
    assert "4096 would be usual" in found.source


def test_without_a_page_size_the_block_is_a_sector(tmp_path: Path) -> None:
    found = sizes_of(edited(tmp_path), "littlefs_storage")
    assert (found.block_size, found.block_count) == (4096, 512)
    assert found.source == f"the flash's erase sector, because the build has no {QSPI_PAGE}"


def test_a_chip_on_plain_spi_has_its_own_page_size(tmp_path: Path) -> None:
    build = edited(tmp_path, f"{QSPI_PAGE}=65536\n{SPI_PAGE}=8192", source="pm", spi=True)
    external = next(item for item in build.partitions if item.name == "littlefs_storage")
    found = settings_from_build(build, external)
    assert (found.block_size, found.source) == (8192, SPI_PAGE)


def test_internal_flash_has_its_own_pages() -> None:
    # nRF5340 Product Specification, "NVMC": pages of 4 KiB in the application core, 2 KiB in the other.
    build = build_of(changed(SMALL, partitions="dts"))
    application = sizes_of(build, "factory_data")
    assert (application.block_size, application.block_count) == (4096, 0x10000 // 4096)
    network = next(item for item in build.partitions if item.memory and item.memory.value == "network")
    found = settings_from_build(build, network)
    assert (found.block_size, found.block_count) == (2048, network.size // 2048)


def test_a_partition_that_is_not_in_flash_has_no_file_system() -> None:
    with pytest.raises(FileSystemError, match="sram_primary: this partition is in no flash"):
        sizes_of(build_of(SMALL), "sram_primary")


ENTRY = """
    {name} {{
        compatible = "zephyr,fstab,littlefs"; mount-point = "/lfs"; partition = < &{partition} >;
        read-size = < {size} >; prog-size = < 32 >; cache-size = < 128 >; lookahead-size = < 64 >;
        block-cycles = < {cycles} >; {status}
    }};"""


def entry(partition: str, size: int = 32, cycles: str = "100", status: str = "", name: str = "lfs1") -> str:
    return ENTRY.format(partition=partition, size=size, cycles=cycles, status=status, name=name)


def small_sizes(found: LittleFsSettings) -> tuple[int, ...]:
    return (found.read_size, found.prog_size, found.cache_size, found.lookahead_size, found.block_cycles)


DEFAULTS = (16, 16, 64, 32, 512)  # Zephyr's Kconfig.littlefs
FROM_ENTRY = (32, 32, 128, 64, 100)


def test_without_entry_and_kconfig_the_defaults_of_zephyr_count() -> None:
    assert small_sizes(sizes_of(build_of(SMALL), "littlefs_storage")) == DEFAULTS


def test_the_fstab_entry_of_the_partition_counts_first(tmp_path: Path) -> None:
    fstab = entry("raw_assets", 64, name="lfs0") + entry("littlefs_storage")
    build = edited(tmp_path, "CONFIG_FS_LITTLEFS_READ_SIZE=8", fstab)
    assert small_sizes(sizes_of(build, "littlefs_storage")) == FROM_ENTRY
    assert sizes_of(build, "raw_assets").read_size == 64
    assert sizes_of(build, "settings_storage").read_size == 8


def test_kconfig_counts_where_there_is_no_entry(tmp_path: Path) -> None:
    symbols = {"READ_SIZE": 4, "PROG_SIZE": 8, "CACHE_SIZE": 256, "LOOKAHEAD_SIZE": 16, "BLOCK_CYCLES": 7}
    config = "\n".join(f"CONFIG_FS_LITTLEFS_{name}={value}" for name, value in symbols.items())
    assert small_sizes(sizes_of(edited(tmp_path, config), "littlefs_storage")) == (4, 8, 256, 16, 7)


def test_an_entry_that_is_disabled_does_not_count(tmp_path: Path) -> None:
    build = edited(tmp_path, fstab=entry("littlefs_storage", status='status = "disabled";'))
    assert small_sizes(sizes_of(build, "littlefs_storage")) == DEFAULTS


@pytest.mark.parametrize(
    ("devicetree", "kconfig", "cycles"),
    [("0xffffffff", "7", -1), ("0", "7", 7), ("0", "0", -1), ("0", "-5", -1), ("1", "7", 1)],
)
def test_block_cycles_below_one_switch_levelling_off(
    tmp_path: Path, devicetree: str, kconfig: str, cycles: int
) -> None:
    # littlefs_init_cfg: 0 in the entry stands for Kconfig's; what is not positive then becomes -1.
    fstab = entry("littlefs_storage", cycles=devicetree)
    build = edited(tmp_path, f"CONFIG_FS_LITTLEFS_BLOCK_CYCLES={kconfig}", fstab)
    assert sizes_of(build, "littlefs_storage").block_cycles == cycles


def test_partition_manager_maps_the_only_entry_to_littlefs_storage(tmp_path: Path) -> None:
    build = edited(tmp_path, fstab=entry("storage_partition"), source="pm")
    assert small_sizes(sizes_of(build, "littlefs_storage")) == FROM_ENTRY
    assert small_sizes(sizes_of(build, "raw_assets")) == DEFAULTS


def test_of_two_entries_for_other_partitions_none_is_taken(tmp_path: Path) -> None:
    fstab = entry("storage_partition", name="lfs1") + entry("slot1_partition", name="lfs2")
    build = edited(tmp_path, fstab=fstab, source="pm")
    assert small_sizes(sizes_of(build, "littlefs_storage")) == DEFAULTS
