"""Flash controllers left to Nordic's library, and how it takes over where drivers of our own fail."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.helpers.boards import (
    SMALL,
    build_of,
    new_board,
)
from tests.helpers.chips import new_board as board_with
from tests.helpers.cli import Done
from tests.probe import qspi
from tests.probe.conftest import NewBench, NewCommands
from tests.probe.device import BaseDevice
from tests.probe.direct import described
from tests.probe.runs import connected, missing
from west_qspi.errors import (
    ChipAbsent,
    ChipAsleep,
    FlashBusy,
    IllegalAccess,
    QuadDisabled,
    WriteProtected,
)
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.extflash.setup import FlashSetup
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.probe.layout import HFCLK192M_DIVIDER
from west_qspi.probe.vendor import VendorController
from west_qspi.sim.board import Board
from west_qspi.sim.faults import WriteProtection, parse_fault
from west_qspi.soc import NRF5340, NRF52840, Soc

APPLICATION, NETWORK, UICR, EXTERNAL = (
    MemoryKind.APPLICATION,
    MemoryKind.NETWORK,
    MemoryKind.UICR,
    MemoryKind.EXTERNAL,
)
QUAD = described(FlashSetup(read="read4io", write="pp4io"))
NOISE = random.Random(3)
both_socs = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: str(soc.name))


@both_socs
def test_every_memory_is_erased_programmed_and_read(probe: NewBench, soc: Soc) -> None:
    bench = probe(board_with(soc=soc))
    board, page = bench.board, NOISE.randbytes(0x1000)
    kinds = [APPLICATION, EXTERNAL] + [NETWORK] * soc.has_network_core
    for kind in kinds:
        board.array(kind).write(0x1_0000, bytes(0x1000))
    with connected(bench, QUAD, "vendor") as target:
        target.prepare_to_program()
        for kind in kinds:
            memory = target.memories[kind]
            sector = memory.geometry.sector
            for offset in range(0x1_0000, 0x1_1000, sector):
                target.erase(memory, offset, sector)
            for offset in range(0, 0x1000, memory.geometry.page):
                target.program(memory, 0x1_0000 + offset, page[offset : offset + memory.geometry.page])
            assert target.read(memory, 0x1_0001, 0xFFD) == page[1:0xFFE]
        target.program(target.memories[UICR], 0x80, b"12345678")
        assert target.read(target.memories[UICR], 0x7E, 5) == b"\xff\xff123"
    assert [board.array(kind).read(0x1_0000, 0x1000) == page for kind in kinds] == [True] * len(kinds)
    assert board.array(UICR).read(0x80, 8) == b"12345678"
    assert bench.device.hazards == []


def test_a_whole_memory_is_erased_and_uicr_left_alone(probe: NewBench) -> None:
    bench = probe(board_with(soc=NRF52840))
    board = bench.board
    board.array(UICR).write(0x80, b"keep")
    for kind in (APPLICATION, EXTERNAL):
        board.array(kind).write(0x2_0000, bytes(16))
    with connected(bench, QUAD, "vendor") as target:
        for kind in (APPLICATION, EXTERNAL):
            target.erase(target.memories[kind], 0, target.memories[kind].size)
    for kind in (APPLICATION, EXTERNAL):
        assert board.array(kind).read(0x2_0000, 16) == b"\xff" * 16
    assert board.array(UICR).read(0x80, 4) == b"keep"
    assert board.array(UICR).read(0, 4) == b"\xff" * 4


@pytest.mark.parametrize("size", [0x1000, 0x8000, 0x1_0000])
def test_external_flash_is_erased_in_blocks_of_every_size(probe: NewBench, size: int) -> None:
    bench = probe(board_with())
    array = bench.board.array(EXTERNAL)
    array.write(0, bytes(0x3_0000))
    with connected(bench, QUAD, "vendor") as target:
        target.erase(target.memories[EXTERNAL], 0x1_0000, size)
    assert array.read(0x1_0000, size) == b"\xff" * size
    assert array.read(0, 0x1_0000) == bytes(0x1_0000)
    assert array.read(0x1_0000 + size, 0x1000) == bytes(0x1000)


@both_socs
def test_that_drivers_of_our_own_look_at_the_chip_first_leaves_nothing_behind(
    probe: NewBench, soc: Soc, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for looks in (True, False):
        if not looks:
            monkeypatch.setattr(VendorController, "_look", lambda self: None)
        bench = probe(board_with(soc=soc))
        with connected(bench, QUAD, "vendor") as target:
            target.prepare_to_program()
            target.read(target.memories[EXTERNAL], 0, 16)
            found.append({at: value for at, value in bench.device.qspi.values.items() if value})
    assert found[0] == found[1]


@both_socs
def test_ram_and_clock_are_as_they_were(probe: NewBench, soc: Soc) -> None:
    bench = probe(board_with(soc=soc))
    device: BaseDevice = bench.device
    device.ram.data[:] = before = NOISE.randbytes(len(device.ram.data))
    bus = device.memory_ports[0].bus
    divider = bus.read(HFCLK192M_DIVIDER, 4) if soc is NRF5340 else b""
    with connected(bench, QUAD, "vendor") as target:
        target.prepare_to_program()
        target.program(target.memories[EXTERNAL], 0, bytes(256))
        assert target.read(target.memories[EXTERNAL], 0, 0x3000)[:256] == bytes(256)
    assert device.ram.data == before
    assert not device.qspi.get(qspi.ENABLE)
    if soc is NRF5340:
        assert bus.read(HFCLK192M_DIVIDER, 4) == divider


@both_socs
def test_a_chip_of_64_mib_is_reached_to_its_end(probe: NewBench, soc: Soc) -> None:
    bench = probe(board_with("MX25U51245G", soc))
    setup = FlashSetup(read="read4io", write="pp4io", address_bytes=4, entry=FourByteEntry.B7)
    data = NOISE.randbytes(256)
    last = 0x400_0000 - 256
    with connected(bench, described(setup), "vendor") as target:
        memory = target.memories[EXTERNAL]
        assert target.external_uses_4_bytes() is True
        target.prepare_to_program()
        target.program(memory, last, data)
        assert target.read(memory, last, 256) == data
    array = bench.board.array(EXTERNAL)
    assert array.read(last, 256) == data
    # Where 3 bytes of the address would have led.
    assert array.read(0xFF_FF00, 256) == b"\xff" * 256


def test_what_is_out_of_reach_of_3_byte_addresses_is_refused(probe: NewBench) -> None:
    # The library looks at the first address only.
    bench = probe(board_with("MX25U51245G"))
    setup = FlashSetup(read="read4io", write="pp4io", address_bytes=3)
    with connected(bench, described(setup), "vendor") as target:
        memory = target.memories[EXTERNAL]
        with pytest.raises(IllegalAccess):
            target.erase(memory, 0x100_0000, 0x1000)
    assert bench.board.counters.modifying == 0


def test_a_protected_chip_is_refused_where_the_library_would_say_nothing(probe: NewBench) -> None:
    board = board_with()
    board.arm([WriteProtection()])
    bench = probe(board)
    with connected(bench, QUAD, "vendor") as target:
        with pytest.raises(QuadDisabled):
            target.prepare_to_program()
        with pytest.raises(WriteProtected):
            target.erase(target.memories[EXTERNAL], 0, 0x1000)


@pytest.mark.parametrize(
    ("fault", "error"), [("no-chip", ChipAbsent), ("asleep", ChipAsleep), ("stuck-busy=external", FlashBusy)]
)
def test_a_chip_that_the_library_would_wait_for_in_vain_is_told_at_once(
    probe: NewBench, fault: str, error: type[Exception]
) -> None:
    board = board_with()
    board.arm([parse_fault(fault)])
    bench = probe(board)
    with bench.cost() as cost, pytest.raises(error), connected(bench, QUAD, "vendor"):
        pytest.fail("it is connected")
    # The library takes 900 s.
    assert cost.seconds < 15


def test_a_command_that_is_longer_than_the_library_sends_is_refused(probe: NewBench) -> None:
    with (
        connected(probe(board_with()), QUAD, "vendor") as target,
        pytest.raises(IllegalAccess, match="has 16 bytes"),
    ):
        target._controller.command(0x5A, bytes(4), read=12)


# --- from one to the other ---


def test_where_our_own_drivers_cannot_start_the_librarys_go_on(
    probe: NewBench,
    commands: NewCommands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = build_of(SMALL)
    bench = probe(new_board(build))
    peripheral = bench.device.qspi
    activate = peripheral._activate
    # A peripheral that needs its pins: our own drivers wake it up without them first.
    monkeypatch.setattr(
        peripheral,
        "_activate",
        lambda: activate() and not all(peripheral.get(pin) & 0x8000_0000 for pin in qspi.PINS),
    )
    run = commands(bench)
    refused = run("flash", build, "--engine", "direct")
    assert refused.status == 1
    assert "still busy" in refused.err
    bench.device.reset()
    done = run("flash", build)
    assert done.status == 0
    assert "still busy" in done.err
    assert "going on with Nordic's own routines" in done.err
    assert missing(bench.board, gather(build)) == []


def test_what_our_own_drivers_cannot_prove_the_librarys_write_again(
    probe: NewBench,
    commands: NewCommands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = build_of(SMALL)

    def flash_by(engine: str) -> tuple[Done, Board]:
        bench = probe(new_board(build))
        monkeypatch.setattr(bench.device.qspi, "_write_flash", without_the_last_word(bench.device.qspi))
        return commands(bench)("flash", build, "--engine", engine), bench.board

    refused, board = flash_by("direct")
    assert refused.status == 1
    assert "not what was written" in refused.err
    done, board = flash_by("auto")
    assert done.status == 0
    assert "trying it once more another way" in done.err
    assert missing(board, gather(build)) == []


def without_the_last_word(peripheral: qspi.Qspi) -> Callable[[], bool]:
    """Return a way to write that loses the end of what is longer than the library ever has it."""
    write = peripheral._write_flash

    def lose_it() -> bool:
        size = peripheral.get(qspi.WRITE_COUNT)
        if size > 0x1000:
            peripheral.values[qspi.WRITE_COUNT] = size - 4
        return write()

    return lose_it
