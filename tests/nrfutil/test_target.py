"""The target over nrfutil: what it refuses, in which order work is done, and answers that make no sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.helpers.boards import SMALL, build_of, new_board, read_board, write_board
from tests.helpers.fake_nrfutil import Fake
from tests.helpers.nrfutil_runs import InProcess, connected
from west_qspi.errors import (
    IllegalAccess,
    NrfutilDied,
    NrfutilFailed,
    NrfutilMissing,
    Protected,
    UnknownDevice,
)
from west_qspi.extflash.derive import chip_of
from west_qspi.memory import MemoryKind
from west_qspi.nrfutil.lines import Ended, Line
from west_qspi.nrfutil.tool import Ran
from west_qspi.runners import RunnerOptions
from west_qspi.runners.nrfutil import NrfutilRunner, ToolTarget
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340

APPLICATION, NETWORK, UICR, EXTERNAL = (
    MemoryKind.APPLICATION,
    MemoryKind.NETWORK,
    MemoryKind.UICR,
    MemoryKind.EXTERNAL,
)
PROTECTED = Ran(1, (Ended(False, "unavailable due to readback protection", 24),), "")


@pytest.fixture
def board() -> Board:
    return new_board(build_of(SMALL))


@contextmanager
def target_of(board: Board) -> Iterator[ToolTarget]:
    build = build_of(SMALL)
    with connected(Fake([board]), build.soc, chip_of(build)) as target:
        yield target


class Scripted(InProcess):
    """The stand-in, but for commands that have an answer of their own."""

    def __init__(self, board: Board, answers: dict[str, Ran]) -> None:
        super().__init__(Fake([board]))
        self._answers = answers

    def run(self, arguments: Sequence[str], limit: float, told: Callable[[Line], None]) -> Ran:
        for word in arguments:
            if word in self._answers:
                return self._answers[word]
        return super().run(arguments, limit, told)


def scripted(board: Board, **answers: Ran) -> ToolTarget:
    tool = Scripted(board, {name.replace("_", "-"): ran for name, ran in answers.items()})
    return NrfutilRunner(tool).connect(NRF5340, None, RunnerOptions(), use_external=False)


# --- memories ---


@pytest.mark.parametrize(
    ("kind", "offset", "size"),
    [
        *((EXTERNAL, 0, 0x800), (EXTERNAL, 0x800, 0x1000), (EXTERNAL, 0, 0x1_0000)),
        *((EXTERNAL, 0x80_0000, 0x1000), (APPLICATION, 0x100, 0x1000), (NETWORK, 0, 0x1000)),
        *((UICR, 0, 0x1000), (UICR, 0, 0x100)),
    ],
)
def test_what_is_no_block_of_the_memory_is_not_erased(
    board: Board, kind: MemoryKind, offset: int, size: int
) -> None:
    with target_of(board) as target, pytest.raises(IllegalAccess):
        target.erase(target.memories[kind], offset, size)
    assert board.counters.modifying == 0


@pytest.mark.parametrize(
    ("kind", "offset", "size"),
    [(EXTERNAL, 2, 4), (EXTERNAL, 0, 3), (EXTERNAL, 0xFC, 8), (APPLICATION, 0, 0), (NETWORK, 0x4_0000, 4)],
)
def test_what_is_not_within_a_page_is_not_programmed(
    board: Board, kind: MemoryKind, offset: int, size: int
) -> None:
    with target_of(board) as target:
        with pytest.raises(IllegalAccess):
            target.program(target.memories[kind], offset, bytes(size))
        target.settle()
    assert board.counters.modifying == 0


def test_a_memory_that_was_not_asked_for_is_not_there(board: Board) -> None:
    build = build_of(SMALL)
    with target_of(board) as target:
        memory = target.memories[EXTERNAL]
    with (
        connected(Fake([board]), build.soc, None) as target,
        pytest.raises(IllegalAccess, match="no external"),
    ):
        target.read(memory, 0, 4)


def test_any_bytes_can_be_read(board: Board) -> None:
    write_board(board, EXTERNAL, 0x100, bytes(range(64)))
    with target_of(board) as target:
        memory = target.memories[EXTERNAL]
        assert target.read(memory, 0x101, 1) == b"\x01"
        assert target.read(memory, 0x103, 6) == bytes(range(3, 9))
        assert target.read(memory, 0x100, 0) == b""
        assert target.read(memory, memory.size - 1, 1) == b"\xff"


def test_a_read_finds_what_was_asked_for_before(board: Board) -> None:
    write_board(board, EXTERNAL, 0, bytes(0x2000))
    with target_of(board) as target:
        memory = target.memories[EXTERNAL]
        target.erase(memory, 0, 0x1000)
        target.program(memory, 4, b"four")
        assert target.waiting == 4
        assert target.read(memory, 0, 12) == b"\xff\xff\xff\xfffour\xff\xff\xff\xff"
        assert target.waiting == 0
        assert target.read(memory, 0x1000, 4) == bytes(4)


def test_what_is_programmed_twice_or_erased_again_is_done_in_that_order(board: Board) -> None:
    with target_of(board) as target:
        memory = target.memories[EXTERNAL]
        target.program(memory, 0, b"\xf0\xf0\xf0\xf0")
        target.program(memory, 0, b"\x0f\xff\xff\xff")
        assert target.read(memory, 0, 4) == b"\x00\xf0\xf0\xf0"
        target.erase(memory, 0, 0x1000)
        target.program(memory, 0, b"new!")
        target.erase(memory, 0, 0x1000)
        target.program(memory, 8, b"last")
        assert target.read(memory, 0, 12) == b"\xff" * 8 + b"last"


def test_each_memory_is_reached_through_its_core(board: Board) -> None:
    with target_of(board) as target:
        for kind in (NETWORK, EXTERNAL, UICR, APPLICATION):
            target.program(target.memories[kind], 0x40, kind.value[:4].encode())
        target.settle()
    for kind in (NETWORK, EXTERNAL, UICR, APPLICATION):
        assert read_board(board, kind, 0x40, 4) == kind.value[:4].encode()


def test_much_is_done_in_several_calls_which_keep_blocks_whole(board: Board) -> None:
    write_board(board, EXTERNAL, 0, bytes(0x30_0000))
    data = bytes(range(1, 256)) + b"\x01"
    with target_of(board) as target:
        memory = target.memories[EXTERNAL]
        for offset in range(0, 0x30_0000, 0x1000):
            target.erase(memory, offset, 0x1000)
            for page in range(0, 0x1000, 0x100):
                target.program(memory, offset + page, data)
        assert target.waiting < 0x30_0000  # so some of it is done already
        target.settle()
    assert read_board(board, EXTERNAL, 0, 0x30_0000) == data * 0x3000


def test_a_locked_board_lets_nothing_through_but_recover(board: Board) -> None:
    board.protect("application")
    with target_of(board) as target:
        memory = target.memories[APPLICATION]
        assert target.protected == ("application",)
        assert "J-Link" in target.identity
        for call in (
            lambda: target.read(memory, 0, 4),
            lambda: target.erase(memory, 0, 0x1000),
            lambda: target.program(memory, 0, b"four"),
            target.settle,
            target.reset,
            target.external_id,
            target.inspect_external,
            target.prepare_to_program,
        ):
            with pytest.raises(Protected):
                call()
        target.recover()
        assert board.protected == ()
        assert target.read(memory, 0, 4) == b"\xff" * 4


def test_firmware_runs_again_where_memories_were_only_read(board: Board) -> None:
    build, fake = build_of(SMALL), Fake([board])
    with connected(fake, build.soc, chip_of(build)) as target:
        assert target.identity
        assert fake.running == {}  # to ask what it is stops nothing
        target.read(target.memories[APPLICATION], 0, 4)
        assert fake.running == {board.serial: False}
    assert fake.running == {board.serial: True}


def test_firmware_does_not_run_where_something_was_changed_and_nobody_said_so(board: Board) -> None:
    build, fake = build_of(SMALL), Fake([board])
    with connected(fake, build.soc, chip_of(build)) as target:
        target.program(target.memories[APPLICATION], 0, b"four")
        target.settle()
    assert fake.running == {board.serial: False}


def test_after_a_failure_the_tool_is_not_asked_for_more(board: Board) -> None:
    fake = Fake([board])
    with connected(fake, NRF5340, None) as target:
        target.read(target.memories[APPLICATION], 0, 4)
        fake.faults = frozenset({"fail-7"})
        with pytest.raises(NrfutilFailed):
            target.read(target.memories[APPLICATION], 0, 4)
    assert fake.running == {board.serial: False}


# --- answers ---


def test_an_answer_without_what_was_read_is_no_answer(board: Board) -> None:
    target = scripted(board, read=Ran(0, (Ended(True, data={"memoryData": []}),), ""))
    with pytest.raises(NrfutilDied, match="does not hold what was asked for"):
        target.read(target.memories[APPLICATION], 0, 4)
    target.close()


def test_a_device_that_says_only_that_it_is_locked_counts_as_the_one_that_is_meant(board: Board) -> None:
    target = scripted(board, device_info=PROTECTED, protection_get=PROTECTED)
    assert (target.soc, target.protected) == (NRF5340, ("network", "application"))
    target.close()


def test_without_a_build_nothing_is_meant(board: Board) -> None:
    runner = NrfutilRunner(Scripted(board, {"device-info": PROTECTED}))
    with pytest.raises(UnknownDevice, match="locked"):
        runner.identify(None, RunnerOptions(), lambda target: None)


def test_a_device_whose_ficr_says_nothing_either_is_not_known(board: Board) -> None:
    nothing = Ran(0, (Ended(True),), "")
    failed = Ran(1, (Ended(False, "Bus fault", 7),), "")
    with pytest.raises(UnknownDevice, match="FICR"):
        scripted(board, device_info=nothing, read=failed)


def test_a_version_that_says_no_number_is_taken_for_the_newest(board: Board) -> None:
    version = Ran(0, (), "nrfutil-device (development)")
    runner = NrfutilRunner(Scripted(board, {"--version": version}))
    target = runner.connect(NRF5340, None, RunnerOptions(), use_external=False)
    target.program(target.memories[APPLICATION], 0, b"four")
    target.settle()
    target.close()
    assert read_board(board, APPLICATION, 0, 4) == b"four"


def test_no_list_of_devices_is_a_list_without_any(board: Board) -> None:
    runner = NrfutilRunner(
        Scripted(board, {"list": Ran(0, (Ended(True, data={"devices": [None, {}]}),), "")})
    )
    assert runner.devices(RunnerOptions()) == ()
    broken = NrfutilRunner(Scripted(board, {"list": Ran(1, (), "Error: JLinkARM is not installed")}))
    with pytest.raises(NrfutilFailed, match="JLinkARM is not installed"):
        broken.devices(RunnerOptions())
    hanging = NrfutilRunner(Scripted(board, {"--version": Ran(None, (), "")}))
    with pytest.raises(NrfutilMissing, match="did not end"):
        hanging.devices(RunnerOptions())
