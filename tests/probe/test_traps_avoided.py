"""What Nordic's library walks into on a board, and a run of ours on the same board does not.

Each test first shows the library at it, and then both of our engines. ``docs/testing.md`` lists all traps and
where they are tested.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, MemoryJournal, build_of, changed, flash_board, new_board
from tests.probe.bench import Bench
from tests.probe.conftest import NewBench, NewCommands
from tests.probe.errors import VERIFY_ERROR, fails_with
from tests.probe.files import ENTER_4_BYTE, QUAD_ENABLE, WRITE_ENABLE, configuration, hex_file
from tests.probe.runs import missing
from tests.probe.shared import SharedSession, shared_session
from tests.probe.test_internal_flash import options
from west_qspi import errors
from west_qspi.build.build import Build
from west_qspi.data import Extra
from west_qspi.extflash.derive import chip_of
from west_qspi.flasher import compare
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.policy import Policy
from west_qspi.report import Outcome
from west_qspi.sim.board import Board
from west_qspi.targets import Target

APPLICATION, UICR, EXTERNAL = MemoryKind.APPLICATION, MemoryKind.UICR, MemoryKind.EXTERNAL
PLAIN = changed(SMALL, network=False)
LARGE = changed(PLAIN, chip="MX25L51245G", flash_size=64)
MIB16 = 0x100_0000
OPEN = bytes.fromhex("FA50FA50")
NOISE = random.Random(4).randbytes(0x1000)
both_engines = pytest.mark.parametrize("engine", ["direct", "vendor"])


def external_file(build: Build, path: Path) -> str:
    """Write what a build has for the external flash as Intel HEX."""
    wanted = gather(build).wanted.within(build.soc.xip)
    return hex_file(path, *((segment.start, segment.data) for segment in wanted.segments))


def holds_external(board: Board, build: Build) -> bool:
    """Tell whether the chip holds what a build has for it."""
    array, wanted = board.array(EXTERNAL), gather(build).wanted.within(build.soc.xip)
    return all(
        array.read(segment.start - build.soc.xip.start, len(segment.data)) == segment.data
        for segment in wanted.segments
    )


def program_and_settle(target: Target, offset: int) -> None:
    """Program a page of the chip now."""
    target.program(target.memories[EXTERNAL], offset, NOISE[:256])
    target.settle()


@both_engines
def test_a_hash_passes_what_is_not_on_the_chip_and_we_do_not(
    jlink_library: Path, engine: str, tmp_path: Path
) -> None:
    build = build_of(PLAIN)
    board = new_board(build)
    flash_board(board, build)
    start = gather(build).wanted.within(build.soc.xip).ranges[0].start - build.soc.xip.start
    board.array(EXTERNAL).write(start + 0x300, bytes(16))
    with shared_session(jlink_library, board) as session:
        session.api.qspi_configure_ini(configuration(tmp_path / "chip.toml"))
        session.api.verify_file(
            external_file(build, tmp_path / "app.hex"), options().VerifyAction.VERIFY_HASH
        )
        target = session.connect(chip_of(build), engine)
        assert compare(target, gather(build), MemoryJournal()).outcome is Outcome.DIFFERENT
        target.close()


@both_engines
def test_a_write_across_16_mib_wraps_around_and_ours_is_refused(
    jlink_library: Path, engine: str, tmp_path: Path
) -> None:
    board = new_board(build_of(LARGE))
    flash, array = chip_of(build_of(LARGE)), board.array(EXTERNAL)
    assert flash is not None
    three_bytes = replace(flash, address_bytes=3, enter_4byte=None)
    with shared_session(jlink_library, board) as session:
        file = configuration(
            tmp_path / "chip.toml", mem_size=64 << 20, instructions=[WRITE_ENABLE, QUAD_ENABLE]
        )
        session.api.qspi_configure_ini(file)
        session.api.qspi_start()
        session.api.qspi_write(MIB16 - 8, NOISE[:16])
        session.api.qspi_uninit()
        assert array.read(0, 8) == NOISE[8:16]
        array.fill(0, 16)

        target = session.connect(three_bytes, engine)
        chip = target.memories[EXTERNAL]
        target.program(chip, MIB16 - 256, NOISE[:256])
        target.settle()
        with pytest.raises(errors.IllegalAccess, match="out of reach"):
            program_and_settle(target, MIB16)
        with pytest.raises(errors.IllegalAccess, match="out of reach"):
            target.erase(chip, MIB16, 0x1000)
        target.close()
    assert array.read(0, 0x1000) == b"\xff" * 0x1000


# --- files that are programmed without a word --------------------------------------------------------


def quad_off(board: Board) -> None:
    """Leave the chip as it comes from the factory."""


def protected(board: Board) -> None:
    assert board.chip is not None
    # All block protection bits of a Macronix part, and quad enable.
    board.chip.state.status = 0x7C


def not_erased(board: Board) -> None:
    assert board.chip is not None
    board.chip.state.status = 0x40
    board.array(EXTERNAL).write(0x12_0000, bytes(0x8000))


SILENT = {
    "no quad enable": (PLAIN, quad_off, {"instructions": ()}),
    "an opcode that the chip does not know": (
        changed(PLAIN, chip="W25Q128JV", flash_size=16),
        quad_off,
        {"instructions": (WRITE_ENABLE, (0x31, 0x02)), "write_mode": "PP4IO"},
    ),
    "3-byte mode": (
        LARGE,
        quad_off,
        {
            "instructions": (WRITE_ENABLE, QUAD_ENABLE),
            "address_mode": "BIT32",
            "mem_size": 64 << 20,
        },
    ),
    "not erased": (PLAIN, not_erased, {"instructions": ()}),
    "block protection": (PLAIN, protected, {"instructions": ()}),
}


@both_engines
@pytest.mark.parametrize("cause", SILENT)
def test_what_the_library_programs_without_a_word_we_program_or_refuse(
    jlink_library: Path, engine: str, cause: str, tmp_path: Path
) -> None:
    choice, prepare, settings = SILENT[cause]
    build = build_of(choice)
    board = new_board(build)
    prepare(board)
    with shared_session(jlink_library, board) as session:
        untouched = board.copy()
        session.api.qspi_configure_ini(configuration(tmp_path / "chip.toml", **settings))  # type: ignore[arg-type]
        file = external_file(build, tmp_path / "app.hex")
        session.api.program_file(file)
        assert not holds_external(board, build)
        with fails_with(VERIFY_ERROR):
            session.api.verify_file(file, options().VerifyAction.VERIFY_READ)

        if cause == "block protection":
            with pytest.raises(errors.WriteProtected):
                session.flash(engine, untouched, build)
            assert untouched.array(EXTERNAL).read(0, 0x20_0000) == b"\xff" * 0x20_0000
        else:
            assert session.flash(engine, untouched, build).outcome is Outcome.PROVEN
            assert holds_external(untouched, build)


@both_engines
def test_4_byte_mode_gets_lost_behind_a_status_write_and_with_us_it_does_not(
    jlink_library: Path, engine: str, tmp_path: Path
) -> None:
    build = build_of(LARGE)
    board = new_board(build)
    assert board.chip is not None
    (tmp_path / "far.bin").write_bytes(NOISE)
    job = gather(build, extras=[Extra(tmp_path / "far.bin", "0x11700000")])
    instructions = [WRITE_ENABLE, QUAD_ENABLE, ENTER_4_BYTE]
    file = configuration(
        tmp_path / "chip.toml", mem_size=64 << 20, address_mode="BIT32", instructions=instructions
    )
    with shared_session(jlink_library, board) as session:
        fresh = board.copy()
        # The status write takes 10 ms; an instruction of the library takes 14 calls.
        session.bench.probe.call_time = 0.1e-3
        session.api.qspi_configure_ini(file)
        session.api.qspi_start()
        assert not board.chip.state.four_byte
        session.api.qspi_uninit()
        assert session.flash(engine, fresh, build, job=job).outcome is Outcome.PROVEN
    assert fresh.array(EXTERNAL).read(0x170_0000, len(NOISE)) == NOISE
    assert missing(fresh, job) == []


@both_engines
def test_a_sector_that_two_pieces_share_is_erased_once(
    jlink_library: Path, engine: str, tmp_path: Path
) -> None:
    build = build_of(PLAIN)
    board = new_board(build)
    place = build.partition("raw_assets")
    board.array(EXTERNAL).write(place.offset, bytes(0x1000))
    for name in ("first", "second"):
        (tmp_path / name).write_bytes(name.encode() * 4)
    extras = [
        Extra(tmp_path / "first", "raw_assets"),
        Extra(tmp_path / "second", "raw_assets+0x800"),
    ]
    with shared_session(jlink_library, board) as session:
        sectors = options().EraseAction.ERASE_SECTOR
        two = [(build.soc.xip.start + place.offset + at, b"data" * 4) for at in (0, 0x800)]
        ours = board.copy()
        session.api.qspi_configure_ini(configuration(tmp_path / "chip.toml"))
        session.api.erase_file(hex_file(tmp_path / "two.hex", *two), sectors, sectors)
        assert board.counters.erases == {0x1000: 2}
        session.flash(engine, ours, build, job=gather(build, extras=extras, only=["raw_assets"]))
    assert ours.counters.erases == {0x1000: 1}
    assert ours.array(EXTERNAL).read(place.offset + 0x800, 12) == b"secondsecond"


def test_an_empty_file_is_refused_and_the_next_run_works(
    probe: NewBench, commands: NewCommands, tmp_path: Path
) -> None:
    # What it does to the library: test_traps.py, test_an_empty_file_ends_the_session.
    build = build_of(PLAIN)
    bench = probe(new_board(build))
    run = commands(bench)
    empty = hex_file(tmp_path / "empty.hex")
    for engine in ("direct", "vendor"):
        refused = run("flash", build, "--hex-file", empty, "--engine", engine)
        assert refused.status != 0
        assert "empty.hex" in refused.err
        assert "Traceback" not in refused.err
    assert bench.board.counters.modifying == 0
    assert run("flash", build).status == 0


# --- access protection -------------------------------------------------------------------------------


@pytest.fixture
def locking(jlink_library: Path) -> Iterator[SharedSession]:
    """A session with a device that judges its protection at each reset by pin or power, by its UICR."""
    with shared_session(jlink_library, new_board(build_of(PLAIN)), locks=True) as session:
        yield session


@both_engines
@pytest.mark.parametrize("words", [OPEN, bytes(4)], ids=["open", "locked from the next reset on"])
def test_erasing_all_changes_how_a_device_is_protected_and_with_us_it_does_not(
    locking: SharedSession, engine: str, words: bytes
) -> None:
    build = build_of(PLAIN)
    theirs, device = locking.bench.board, locking.bench.device
    uicr = theirs.array(UICR)
    for at, data in ((0x00, words), (0x1C, words), (0x80, b"number 7")):
        uicr.write(at, data)
    ours = theirs.copy()
    locking.api.erase_all()
    # Whatever its owner wanted, it is open from now on, and what else was in UICR is gone.
    assert uicr.read(0x00, 4) == uicr.read(0x1C, 4) == OPEN
    assert uicr.read(0x80, 8) == b"\xff" * 8

    locking.flash(engine, ours, build, policy=Policy(mass_erase=True), cycle=False)
    uicr = ours.array(UICR)
    assert uicr.read(0x00, 4) == uicr.read(0x1C, 4) == words
    assert uicr.read(0x80, 8) == b"number 7"
    assert not locking.bench.board.protected
    device.power_cycle()
    assert bool(locking.bench.board.protected) is (words != OPEN)


@pytest.mark.parametrize("engine", ["auto", "vendor"])
def test_recovering_leaves_a_device_that_locks_itself_again_and_we_say_so(
    jlink_library: Path, commands: NewCommands, engine: str
) -> None:
    # What the library does, and does not say: test_connecting.py, test_erase_all_writes_the_words ...
    build = build_of(PLAIN)
    board = new_board(build)
    with Bench(jlink_library, board, locks=True) as bench:
        bench.device.power_cycle()
        assert board.protected
        done = commands(bench)("flash", build, "--recover", "--engine", engine)
        assert done.status == 0
        assert "a reset by pin or power locks it again" in done.err
        assert missing(board, gather(build)) == []
        assert not board.protected
        bench.device.power_cycle()
        assert board.protected
