"""``qspi-flash --hex-file`` and ``qspi-read`` where there is no build, on simulated boards."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import SMALL, build_of, changed, read_board
from tests.helpers.chipfiles import ini_text
from tests.helpers.cli import Done, board_at, finish
from tests.helpers.loosefiles import halves, hex_options, hexes
from tests.probe.runs import missing
from west_qspi.__main__ import main
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840, Soc

NRF52 = changed(SMALL, soc="nrf52840", network=False)
LATER = changed(SMALL, seed=2, version="1.0.1")
XIP = 0x1000_0000


@dataclass
class Bench:
    """A folder without a build, and a board beside it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, command: str = "flash") -> Done:
        line = [command, "-r", "sim", "--sim-board", str(self.folder), *words]
        return finish(self.capsys, lambda: main(line))

    def has(self, part: str | None = "MX25R6435F", soc: Soc = NRF5340) -> Bench:
        board_at(self.folder, part, soc).save()
        return self

    @property
    def board(self) -> Board:
        return Board.open(self.folder)

    def holds(self, options: BuildOptions) -> bool:
        return missing(self.board, gather(build_of(options))) == []

    @property
    def untouched(self) -> bool:
        return self.board.counters.programs == 0 and not any(self.board.counters.erases.values())

    def fill(self, kind: MemoryKind, offset: int, data: bytes) -> None:
        with (self.folder / f"{kind.value}.bin").open("r+b") as stream:
            stream.seek(offset)
            stream.write(data)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    line = tmp_path / "line 3"
    line.mkdir()
    monkeypatch.chdir(line)
    return Bench(tmp_path / "board", capsys)


# --- which build is meant --------------------------------------------------------------------------


def test_a_simulated_board_has_to_be_there(bench: Bench) -> None:
    refused = bench(*hex_options(SMALL))
    assert refused.status == 2
    assert "nobody knows which SoC and chip it shall have" in refused.err
    assert not bench.folder.exists()
    unnamed = finish(bench.capsys, lambda: main(["flash", *hex_options(SMALL)]))
    assert unnamed.status == 2
    assert "choose one with -r" in unnamed.err


def test_a_build_in_the_default_place_is_used_and_named(bench: Bench) -> None:
    shutil.copytree(build_of(SMALL).path, Path("build"))
    done = bench(*hex_options(SMALL), "--skip-rebuild")
    assert done.status == 0
    assert f"--hex-file is taken to be of the build in {Path('build').absolute()}" in done.err
    assert "without a build" not in done.err
    assert bench.holds(SMALL)


def test_a_build_that_is_named_is_used_without_a_word(bench: Bench) -> None:
    build = build_of(SMALL)
    done = bench(*hex_options(SMALL), "--skip-rebuild", "-d", str(build.path))
    assert (done.status, done.err) == (0, "")
    assert bench.holds(SMALL)


def test_a_name_that_is_no_build_is_an_error_with_files_too(bench: Bench) -> None:
    refused = bench(*hex_options(SMALL), "-d", "nothing")
    assert refused.status == 1
    assert "nothing" in refused.err
    assert not bench.folder.exists()


def test_data_alone_still_need_a_build(bench: Bench) -> None:
    Path("data.bin").write_bytes(b"data")
    refused = bench.has()("--file", "data.bin@external+0x100000")
    assert refused.status == 1
    assert bench.untouched


# --- flashing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "soc"), [(SMALL, NRF5340), (NRF52, NRF52840)], ids=["nRF5340", "nRF52840"]
)
def test_data_outside_the_files_survive_and_one_memory_can_be_chosen(
    bench: Bench, options: BuildOptions, soc: Soc
) -> None:
    other = changed(options, external_changes=((0x800, b"new code"),))
    bench.has(soc=soc)
    # In the same sector as the image's end, and behind everything.
    bench.fill(MemoryKind.EXTERNAL, 0x12_5800, b"a user's letters")
    bench.fill(MemoryKind.APPLICATION, 0xFF000, b"settings")
    assert bench(*hex_options(options)).status == 0
    refused = bench(*hex_options(changed(options, seed=9)), "--only", "external")
    assert refused.status == 1
    assert "halves of two builds would meet" in refused.err
    assert bench.holds(options)
    # Where the rest is there already, one memory is enough.
    assert bench(*hex_options(other), "--only", "external").status == 0
    assert bench.holds(other)
    assert read_board(bench.board, MemoryKind.EXTERNAL, 0x12_5800, 16) == b"a user's letters"
    assert read_board(bench.board, MemoryKind.APPLICATION, 0xFF000, 8) == b"settings"


def test_data_go_where_they_were_put(bench: Bench) -> None:
    Path("a.bin").write_bytes(b"first" * 60)
    Path("b.bin").write_bytes(b"other" * 60)
    places = ["--file", "a.bin@external+0x600000", "--file", f"b.bin@{XIP + 0x70_0000:#x}"]
    done = bench.has()(*hex_options(SMALL), *places)
    assert done.status == 0
    assert "a.bin: 300 bytes at offset 0x600000 in external flash, bus address 0x10600000" in done.err
    assert read_board(bench.board, MemoryKind.EXTERNAL, 0x60_0000, 300) == b"first" * 60
    assert read_board(bench.board, MemoryKind.EXTERNAL, 0x70_0000, 300) == b"other" * 60
    # Only data change: what boots is not touched on the way, so that cutting the power does not matter.
    Path("a.bin").write_bytes(b"third" * 60)
    cut = bench(*hex_options(SMALL), *places, "--sim-fault", "power-cut=1")
    assert cut.status == 1
    assert bench.holds(SMALL)


def test_erase_makes_all_else_blank(bench: Bench) -> None:
    bench.has()
    bench.fill(MemoryKind.EXTERNAL, 0x70_0000, b"old")
    bench.fill(MemoryKind.APPLICATION, 0xFF000, b"old")
    refused = bench("--hex-file", str(halves(SMALL)[False]), "--erase")
    assert refused.status == 1
    assert "what the board starts with" in refused.err
    assert bench.untouched
    assert bench(*hex_options(SMALL), "--erase").status == 0
    assert read_board(bench.board, MemoryKind.EXTERNAL, 0x70_0000, 3) == b"\xff" * 3
    assert read_board(bench.board, MemoryKind.APPLICATION, 0xFF000, 3) == b"\xff" * 3
    assert bench.holds(SMALL)


def test_recovering_without_network_firmware_says_what_it_takes(bench: Bench) -> None:
    bench.has().fill(MemoryKind.NETWORK, 0, b"radio")
    done = bench("--hex-file", str(hexes(SMALL)[-1]), "--recover")
    assert done.status == 0
    assert "the network core's flash is erased too" in done.err
    assert read_board(bench.board, MemoryKind.NETWORK, 0, 5) == b"\xff" * 5


def test_internal_flash_alone_needs_no_chip(bench: Bench) -> None:
    bare = changed(SMALL, mode="none", network=False, split=False)
    done = bench.has(part=None)(*hex_options(bare))
    assert done.status == 0
    assert "JEDEC id" not in done.err
    assert bench.holds(bare)


def test_machines_read_what_was_not_checked(bench: Bench) -> None:
    lines = bench.has()(*hex_options(SMALL), "--json").out.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["name"] for event in events if event["type"] == "noticed"] == ["chip", "not-checked"]
    assert events[-1]["outcome"] == "proven"
    names = {share["name"] for share in events[-1]["partitions"]}
    assert "image 1.0.0+0" in names


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--domain", "mcuboot"], "--domain mcuboot"),
        (["--dir", "littlefs_storage=data"], "--dir"),
        (["--only", "mcuboot_primary"], "--only mcuboot_primary"),
        (["--file", "x.bin@settings_storage"], "--file"),
        (["--clear-pending"], "--clear-pending"),
    ],
)
def test_options_that_need_a_build_are_wrong_usage(bench: Bench, words: list[str], said: str) -> None:
    refused = bench.has()(*hex_options(SMALL), *words)
    assert refused.status == 2
    assert said in refused.err
    assert "this needs a build" in refused.err
    assert bench.untouched


@pytest.mark.parametrize("place", ["external+much", "0x10g", "application+-4"])
def test_places_with_no_number_are_wrong_usage(bench: Bench, place: str) -> None:
    refused = bench.has()(*hex_options(SMALL), "--file", f"x.bin@{place}")
    assert refused.status == 2
    assert "is not a number" in refused.err
    # Nobody had to connect to find that out.
    assert "JEDEC id" not in refused.err


@pytest.mark.parametrize(
    ("soc", "options", "said"),
    [
        (NRF52840, SMALL, "lies in no memory of the nRF52840"),
        (NRF5340, NRF52, "goes past the end of the external flash"),
    ],
)
def test_files_for_the_other_soc_are_refused(
    bench: Bench, soc: Soc, options: BuildOptions, said: str
) -> None:
    refused = bench.has(soc=soc)(*hex_options(options))
    assert refused.status == 1
    assert said in refused.err
    assert bench.untouched


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no data"),
        (b":00000001FF\n", "holds no data"),
        (b":10000000FF\n", "merged.hex:1"),
        (b"\x00\x01 no hex file", "needs an address"),
        (None, "cannot be read"),
    ],
    ids=["empty", "no data", "damaged", "raw", "missing"],
)
def test_files_that_cannot_be_used_are_refused(bench: Bench, content: bytes | None, said: str) -> None:
    if content is not None:
        Path("merged.hex").write_bytes(content)
    refused = bench.has()("--hex-file", "merged.hex")
    assert refused.status == 1
    assert "merged.hex" in refused.err
    assert said in refused.err
    assert bench.untouched


def test_files_that_would_not_boot_are_refused_and_left_to_who_insists(bench: Bench) -> None:
    ours, other = halves(SMALL), halves(LATER)
    mixed = ["--hex-file", str(ours[False]), "--hex-file", str(other[True])]
    refused = bench.has()(*mixed)
    assert refused.status == 1
    assert "has version 1.0.0+0, but" in refused.err
    alone = bench("--hex-file", str(ours[True]))
    assert alone.status == 1
    assert "halves of two builds could meet" in alone.err
    radio = bench("--hex-file", str(hexes(SMALL)[0]))
    assert radio.status == 1
    assert "firmware of the network core is there, but no application" in radio.err
    assert bench.untouched
    assert bench(*mixed, "--no-check").status == 0
    assert bench("--hex-file", str(ours[True]), "--force").status == 0
    assert bench("--hex-file", str(ours[True]), "--verify-only").status == 0
    assert bench("--hex-file", str(other[True]), "--verify-only").status == 1


def test_signatures_are_proven_where_a_key_is_given(bench: Bench) -> None:
    key = build_of(SMALL).signature_key
    refused = bench.has()(*hex_options(changed(SMALL, signed=False)), "--key", str(key))
    assert refused.status == 1
    assert "it is not signed" in refused.err
    gone = bench(*hex_options(SMALL), "--key", "gone.pem")
    assert gone.status == 1
    assert "gone.pem: cannot be read" in gone.err
    Path("text.pem").write_text("no key")
    text = bench(*hex_options(SMALL), "--key", "text.pem")
    assert text.status == 1
    assert "not a usable signing key" in text.err
    assert bench.untouched
    done = bench(*hex_options(SMALL), "--key", str(key))
    assert done.status == 0
    assert "signatures" not in done.err


def test_a_configuration_without_flash_and_one_that_is_broken_are_refused(bench: Bench) -> None:
    bench.has()
    for text, said in (
        (ini_text(MemSize="0x0"), "there is no external flash"),
        ("[[", "chip.ini"),
        (None, "cannot be read"),
    ):
        if text is None:
            Path("chip.ini").unlink()
        else:
            Path("chip.ini").write_text(text)
        refused = bench(*hex_options(SMALL), "--ext-mem-config", "chip.ini")
        assert refused.status == 1
        assert said in refused.err
    assert bench.untouched


def test_a_configuration_with_24_bits_keeps_data_below_16_mib(bench: Bench) -> None:
    Path("chip.ini").write_text(ini_text(MemSize="0x4000000"))
    Path("high.bin").write_bytes(b"high")
    words = [*hex_options(SMALL), "--file", "high.bin@external+0x1000000", "--ext-mem-config", "chip.ini"]
    refused = bench.has("MX25L51245G")(*words)
    assert refused.status == 1
    assert "needs 32-bit addresses" in refused.err
    assert bench.untouched


def test_a_board_without_a_chip_is_told_so(bench: Bench) -> None:
    refused = bench.has(part=None)(*hex_options(SMALL))
    assert refused.status == 1
    assert "no external flash answers" in refused.err
    assert bench.untouched


# --- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["external+0x600000", "0x10600000", "0x600000"])
def test_a_range_is_read_without_a_build(bench: Bench, place: str) -> None:
    bench.has().fill(MemoryKind.EXTERNAL, 0x60_0000, b"written by the firmware")
    done = bench(place, "23", "-o", "out.bin", command="read")
    assert done.status == 0
    assert Path("out.bin").read_bytes() == b"written by the firmware"


def test_a_memory_is_read_to_its_end(bench: Bench) -> None:
    bench.has().fill(MemoryKind.APPLICATION, 0xFF000, b"settings")
    done = bench("application+0xFF000", "-o", "out.bin", command="read")
    assert done.status == 0
    assert Path("out.bin").read_bytes() == b"settings".ljust(0x1000, b"\xff")
    # It is the SoC's own memory, so that nobody looks for a chip.
    assert "JEDEC id" not in done.err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["external+0x600000", "0"], 2, "nothing there"),
        (["0x10600000"], 2, "how many bytes?"),
        (["external+0x7FFFFF", "2"], 1, "goes past the end of the external flash"),
        (["application+0xFF000", "0x2000"], 1, "in no memory"),
        (["littlefs_storage"], 1, "build"),
        (["--dir", "littlefs_storage"], 1, "build"),
    ],
)
def test_what_cannot_be_read_without_a_build_is_refused(
    bench: Bench, words: list[str], status: int, said: str
) -> None:
    refused = bench.has()(*words, "-o", "out.bin", command="read")
    assert refused.status == status
    assert said in refused.err
    assert not Path("out.bin").exists()


@pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=["nRF5340", "nRF52840"])
def test_all_is_erased_without_a_build(bench: Bench, soc: Soc) -> None:
    options = SMALL if soc is NRF5340 else NRF52
    assert bench.has(soc=soc)(*hex_options(options)).status == 0
    bench.fill(MemoryKind.UICR, 0x80, b"customer")
    planned = bench("--all", "--dry-run", command="erase")
    assert planned.status == 0
    assert bench.holds(options)
    # Cut off, nothing starts from what is left.
    cut = bench("--all", "--yes", "--sim-fault", "power-cut=5", command="erase")
    assert cut.status == 1
    assert read_board(bench.board, MemoryKind.APPLICATION, 0, 8) in (bytes(8), b"\xff" * 8)
    done = bench("--all", "--yes", command="erase")
    assert done.status == 0
    assert "MX25R6435F" in done.err
    for kind, size in ((MemoryKind.APPLICATION, 0x10_0000), (MemoryKind.EXTERNAL, 0x80_0000)):
        assert not read_board(bench.board, kind, 0, size).strip(b"\xff")
    if soc is NRF5340:
        assert not read_board(bench.board, MemoryKind.NETWORK, 0, 0x4_0000).strip(b"\xff")
    assert read_board(bench.board, MemoryKind.UICR, 0x80, 8) == b"customer"


def test_one_memory_is_not_erased_where_nobody_knows_what_runs_from_it(bench: Bench) -> None:
    assert bench.has()(*hex_options(SMALL)).status == 0
    assert bench("--external", "--yes", command="erase").status == 1
    assert bench("mcuboot_primary", "--yes", command="erase").status == 1
    assert bench.holds(SMALL)


def test_data_over_the_firmware_is_refused_in_a_comparison_too(bench: Bench) -> None:
    Path("x.bin").write_bytes(bytes(16))
    refused = bench.has()(*hex_options(SMALL), "--file", "x.bin@external+0x120400", "--verify-only")
    assert refused.status == 1
    assert "disagree at 0x10120400" in refused.err


def test_info_needs_no_build(bench: Bench) -> None:
    shown = bench.has(soc=NRF52840)("--json", command="info")
    value = json.loads(shown.out)
    assert (value["soc"], value["external"]["part"]) == ("nRF52840", "MX25R6435F")


def test_several_boards_are_flashed_without_a_build(bench: Bench, tmp_path: Path) -> None:
    other = Bench(tmp_path / "other", bench.capsys).has("W25Q128JV")
    done = bench.has()(*hex_options(SMALL), "--sim-board", str(other.folder))
    assert done.status == 0
    assert bench.holds(SMALL)
    # Each has a chip of its own.
    assert other.holds(SMALL)
