"""Probes and what can be wrong with them: each test has a board in that state, and Nordic's own library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers.chips import new_board
from tests.probe.bench import FIRST_SERIAL
from tests.probe.conftest import NewBench
from tests.probe.runs import opened, options
from west_qspi.errors import (
    JLinkMissing,
    LinkError,
    LowVoltage,
    NoProbe,
    PowerLost,
    ProbeFailed,
    ProbeGone,
    ProbeInUse,
    Protected,
    SeveralProbes,
    UnknownProbe,
    UsageError,
)
from west_qspi.probe import layout
from west_qspi.probe.choice import parse_host, probes
from west_qspi.probe.link import Core
from west_qspi.sim.faults import LinkFailure, LowSupply
from west_qspi.soc import NRF5340, NRF52840, Soc

RAM = 0x2000_0000
both_socs = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: str(soc.name))


# --- memory and ports ---


@both_socs
def test_memory_and_registers_are_read_and_written(probe: NewBench, soc: Soc) -> None:
    bench = probe(new_board(soc=soc))
    # All of an nRF52840's RAM, and for the nRF5340 more than goes in one call.
    data = bytes(range(256)) * (0x500 if soc is NRF5340 else 0x400)
    link = opened(bench)
    try:
        bus = link.bus(Core.APPLICATION)
        bus.write(RAM, data)
        assert bus.read(RAM, len(data)) == data
        bus.write_u32(RAM, 0x1234_5678)
        assert bus.read_u32(RAM) == 0x1234_5678
        assert bus.read(RAM, 0) == b""
    finally:
        link.close()
    assert bytes(bench.device.ram.data[: len(data)]) == bytes.fromhex("78563412") + data[4:]
    assert bench.device.hazards == []


def test_both_cores_of_an_nrf5340_are_reached_in_turn(probe: NewBench) -> None:
    link = opened(probe(new_board()))
    try:
        application, network = link.bus(Core.APPLICATION), link.bus(Core.NETWORK)
        application.write_u32(layout.NETWORK_FORCE_OFF, 0)
        for number in (1, 2):
            application.write_u32(RAM, number)
            network.write_u32(0x2100_0000, 10 * number)
            assert application.read_u32(RAM) == number
            assert network.read_u32(0x2100_0000) == 10 * number
    finally:
        link.close()


def test_a_reset_stops_the_core_or_lets_it_run(probe: NewBench) -> None:
    bench = probe(new_board())
    link = opened(bench)
    core = bench.device.cores[0]
    try:
        link.reset(halt=True)
        assert core.halted
        link.run()
        assert not core.halted
        link.reset(halt=False)
        assert not core.halted
    finally:
        link.close()
    assert not core.halted


def test_closing_leaves_a_halted_core_halted(probe: NewBench) -> None:
    bench = probe(new_board())
    link = opened(bench)
    link.reset(halt=True)
    link.close()
    assert bench.device.cores[0].halted


def test_a_round_trip_to_the_process_adds_no_modelled_call(probe: NewBench) -> None:
    bench = probe(new_board())
    link = opened(bench)
    try:
        bus = link.bus(Core.APPLICATION)
        bus.read_u32(RAM)
        with bench.cost() as cost:
            bus.write_u32(RAM, 1)
            bus.read_u32(RAM)
    finally:
        link.close()
    # As plain ``api.write`` and ``api.read`` take.
    assert cost.calls == 8
    assert cost.slept == 0


# --- which probe ---


@pytest.mark.parametrize("wanted", ["683000002", "000683000002", "*2", "68300000[2-9]", "?83000002"])
def test_a_probe_is_picked_by_its_number_or_a_pattern(probe: NewBench, wanted: str) -> None:
    bench = probe(new_board(), new_board())
    link = opened(bench, dev_id=wanted)
    try:
        assert link.identity == "J-Link 683000002"
        link.bus(Core.APPLICATION).write_u32(RAM, 7)
    finally:
        link.close()
    assert [device.ram.data[0] for device in bench.devices] == [0, 7]


def test_the_only_probe_is_taken_without_a_word(probe: NewBench) -> None:
    bench = probe(new_board())
    assert probes(options(bench)) == (str(FIRST_SERIAL),)
    opened(bench).close()


def test_without_a_probe_nothing_is_connected(probe: NewBench) -> None:
    bench = probe()
    assert probes(options(bench)) == ()
    with pytest.raises(NoProbe) as caught:
        opened(bench)
    assert "Connect the probe" in caught.value.advice


def test_another_number_than_those_connected_is_refused_and_they_are_named(probe: NewBench) -> None:
    with pytest.raises(UnknownProbe, match=r"683000001, 683000002") as caught:
        opened(probe(new_board(), new_board()), dev_id="12345")
    assert caught.value.device == "12345"


def test_several_probes_are_not_guessed_among(probe: NewBench) -> None:
    bench = probe(new_board(), new_board())
    with pytest.raises(SeveralProbes, match=r"683000001, 683000002") as caught:
        opened(bench, dev_id="683*")
    assert caught.value.advice == "Choose one with -i; qspi-flash takes several -i, or --all."
    assert bench.probe.calls.total() == 0


def test_the_user_is_asked_among_several(probe: NewBench) -> None:
    bench = probe(new_board(), new_board())
    asked = []

    def last(known: Sequence[str]) -> str:
        asked.append(tuple(known))
        return known[-1]

    link = opened(bench, choose=last)
    link.close()
    assert link.identity == "J-Link 683000002"
    assert asked == [("683000001", "683000002")]
    with pytest.raises(UsageError, match="none of the boards"):
        opened(bench, choose=lambda known: "")


def test_two_runs_do_not_share_a_probe(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board(), new_board())
    first = opened(bench, dev_id="*1", locks=tmp_path)
    with pytest.raises(ProbeInUse):
        opened(bench, dev_id="*1", locks=tmp_path)
    opened(bench, dev_id="*2", locks=tmp_path).close()
    first.close()
    opened(bench, dev_id="*1", locks=tmp_path).close()


def test_a_connection_that_fails_frees_the_probe(probe: NewBench, tmp_path: Path) -> None:
    board = new_board()
    board.arm([LowSupply(1200)])
    bench = probe(board)
    with pytest.raises(LowVoltage):
        opened(bench, locks=tmp_path)
    board.arm()
    opened(bench, locks=tmp_path).close()


def test_a_server_is_connected_by_its_address(probe: NewBench) -> None:
    bench = probe(new_board(), new_board())
    link = opened(bench, host="lab.example:19021")
    try:
        assert link.identity == f"J-Link {FIRST_SERIAL + 1}"
        link.bus(Core.APPLICATION).write_u32(RAM, 7)
    finally:
        link.close()
    assert [device.ram.data[0] for device in bench.devices] == [0, 7]


def test_a_server_that_does_not_answer_is_named(probe: NewBench) -> None:
    with pytest.raises(ProbeFailed, match=r"J-Link lab\.example:19030: connecting to the J-Link server"):
        opened(probe(new_board()), host="lab.example:19030")


def test_an_address_is_a_host_with_or_without_a_port() -> None:
    assert parse_host("lab.example") == ("lab.example", 19020)
    assert parse_host("10.0.0.7:4000") == ("10.0.0.7", 4000)
    for bad in (":19020", "lab:", "lab:x", "lab:0", "lab:65536"):
        with pytest.raises(UsageError):
            parse_host(bad)


# --- how ---


def test_without_a_wish_the_fastest_clock_of_the_socs_is_asked_for(probe: NewBench) -> None:
    bench = probe(new_board())
    opened(bench).close()
    assert bench.probe.kilohertz == 8000


def test_a_clock_that_is_wished_for_is_set(probe: NewBench) -> None:
    bench = probe(new_board())
    opened(bench, kilohertz=1500).close()
    assert bench.probe.kilohertz == 1500


def test_a_clock_that_does_not_work_is_lowered_unless_it_was_wished_for(
    probe: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = probe(new_board())
    charge = bench.probe.charge

    def over_a_long_cable(what: str, words: int) -> None:
        if bench.probe.kilohertz > 2500:
            raise LinkError("board", what)
        charge(what, words)

    monkeypatch.setattr(bench.probe, "charge", over_a_long_cable)
    link = opened(bench)
    assert link.kilohertz == bench.probe.kilohertz == 2000
    link.bus(Core.APPLICATION).write(RAM, b"good")
    link.close()
    assert bytes(bench.device.ram.data[:4]) == b"good"
    with pytest.raises(ProbeFailed) as caught:
        opened(bench, kilohertz=8000)
    assert "--speed" in caught.value.advice


def test_the_probes_firmware_is_not_brought_up_to_date(probe: NewBench) -> None:
    bench = probe(new_board())
    opened(bench).close()
    assert "DisableAutoUpdateFW" in bench.probe.commands
    assert "JLINKARM_UpdateFirmwareIfNewer" not in bench.probe.noted


def test_seggers_library_is_asked_for_where_it_is_missing(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    with pytest.raises(JLinkMissing, match="there is no file") as caught:
        opened(bench, library=tmp_path / "libjlinkarm.so")
    assert "--jlink-dll" in caught.value.advice
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"\x7fELF")
    with pytest.raises(JLinkMissing, match="could not be opened"):
        opened(bench, library=broken)
    foreign = tmp_path / "bibliothèque.so"
    foreign.write_bytes(bench.library.read_bytes())
    with pytest.raises(JLinkMissing, match="ASCII"):
        opened(bench, library=foreign)


# --- what goes wrong on the way ---


@both_socs
def test_a_locked_device_tells_so_and_its_ports_answer(probe: NewBench, soc: Soc) -> None:
    board = new_board(soc=soc)
    board.protect()
    link = opened(probe(board))
    control = 2 if soc is NRF5340 else 1
    try:
        assert link.read_port(control, layout.CONTROL_PROTECT) & 1 == 0
        with pytest.raises(Protected) as caught:
            link.bus(Core.APPLICATION).read(RAM, 4)
        with pytest.raises(Protected):
            link.reset(halt=True)
    finally:
        link.close()
    assert caught.value.cores == "application"
    assert "--recover" in caught.value.advice


def test_a_supply_that_is_too_low_is_told_in_millivolts(probe: NewBench) -> None:
    board = new_board()
    board.arm([LowSupply(1200)])
    with pytest.raises(LowVoltage) as caught:
        opened(probe(board))
    assert (caught.value.millivolts, caught.value.needed) == (1200, 1700)


def test_a_board_that_is_switched_off_is_a_supply_of_nothing(probe: NewBench) -> None:
    board = new_board()
    board.conditions.powered = False
    with pytest.raises(LowVoltage) as caught:
        opened(probe(board))
    assert caught.value.millivolts == 0


def test_power_that_is_lost_is_told_from_a_bad_link(probe: NewBench) -> None:
    bench = probe(new_board())
    link = opened(bench)
    try:
        bench.board.conditions.powered = False
        with pytest.raises(PowerLost):
            link.bus(Core.APPLICATION).read(RAM, 4)
    finally:
        link.close()


def test_a_probe_that_is_pulled_out_is_told_from_a_bad_link(probe: NewBench) -> None:
    bench = probe(new_board())
    link = opened(bench)
    try:
        bench.probe.answers = False
        with pytest.raises(ProbeGone, match=r"during writing 4 bytes at 0x20000000"):
            link.bus(Core.APPLICATION).write(RAM, b"1234")
    finally:
        link.close()


def test_one_fault_of_the_link_is_made_good_by_the_library_and_six_are_an_error(probe: NewBench) -> None:
    bench = probe(new_board())
    link = opened(bench)
    try:
        bus = link.bus(Core.APPLICATION)
        bench.board.arm([LinkFailure(3)])
        bus.write(RAM, b"good")
        assert bus.read(RAM, 4) == b"good"
        bench.probe.refusals["write memory"] = 6
        with pytest.raises(ProbeFailed) as caught:
            bus.write(RAM, b"lost")
        # The link itself is as it was.
        assert bus.read(RAM, 4) == b"good"
    finally:
        link.close()
    assert (caught.value.code, caught.value.during) == (-102, "writing 4 bytes at 0x20000000")


def test_a_failure_on_one_core_does_not_send_what_follows_to_the_other_one(probe: NewBench) -> None:
    bench = probe(new_board())
    link = opened(bench)
    try:
        application, network = link.bus(Core.APPLICATION), link.bus(Core.NETWORK)
        application.write_u32(layout.NETWORK_FORCE_OFF, 0)
        network.write_u32(0x2100_0000, 7)
        # To look at the supply, the connection is made anew, with the application core selected.
        with pytest.raises(ProbeFailed):
            network.read(0x7000_0000, 4)
        assert network.read_u32(0x2100_0000) == 7
        application.write_u32(RAM, 8)
        assert application.read_u32(RAM) == 8
    finally:
        link.close()


def test_an_address_where_nothing_is_does_not_end_the_connection(probe: NewBench) -> None:
    link = opened(probe(new_board()))
    try:
        with pytest.raises(ProbeFailed):
            link.bus(Core.APPLICATION).read(0x7000_0000, 4)
        assert link.bus(Core.APPLICATION).read(RAM, 4) == bytes(4)
    finally:
        link.close()
