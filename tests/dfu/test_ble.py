"""Updates over Bluetooth LE: smpclient's own transport, with a stand-in for the radio.

Nothing here needs an adapter; the stand-in says in ``tests/helpers/fakeble.py`` what it relies on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.dfu.wire import Bench, bench, make_set
from tests.helpers.boards import build_of, flash_board, new_board
from tests.helpers.cli import runner
from tests.helpers.fakeble import Air, Peripheral, install
from tests.helpers.firmware import SWAP, as_model, newer, parts_of, would_boot
from west_qspi.dfu.address import Address
from west_qspi.dfu.device import SmpDevice
from west_qspi.dfu.link import Patience
from west_qspi.dfu.transport import SmpClientChannel
from west_qspi.dfu.update import Outcome, Wish, update
from west_qspi.errors import NothingMarked, SmpLinkLost
from west_qspi.events import ignore
from west_qspi.sim.device import Device
from west_qspi.sim.slots import layout_of
from west_qspi.sim.smpsettings import ServerSettings

NAME, ADDRESS = "Watch", "C0:FF:EE:00:00:01"
OLD, NEW = make_set("1.0.0"), make_set("1.1.0")


@pytest.fixture
def dfu(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return runner(capsys, "dfu")


def watch(**options: Any) -> Peripheral:
    """Return a board with the older build, in reach."""
    build = build_of(SWAP)
    board = new_board(build)
    flash_board(board, build)
    device = Device(board, layout_of(build), ServerSettings(confirm_any=True))
    return Peripheral(device, **{"name": NAME, "address": ADDRESS, **options})


def holds_newer(device: Device) -> bool:
    """Tell whether both primary slots hold the newer build, byte by byte."""
    found = []
    for number, data in parts_of(build_of(newer(SWAP))).items():
        place = device.layout.slot(2 * number)
        assert place is not None
        found.append(device.board.array(place.memory).read(place.offset, len(data)) == data)
    return found == [True, True]


@pytest.mark.parametrize("to", [NAME, ADDRESS, ADDRESS.lower()])
def test_an_update_runs_and_stays(dfu: Any, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    board = watch()
    install(monkeypatch, board)
    done = dfu("upload", build_of(newer(SWAP)).package_file, "--ble", to, "--confirm")
    assert done.status == 0, done.err
    assert "runs, and stays" in done.out
    assert holds_newer(board.device)
    board.device.power_cycle()
    assert holds_newer(board.device)
    assert would_boot(board.device, SWAP) == as_model(newer(SWAP))


def test_frames_fill_the_writes_that_the_connection_allows(dfu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for mtu in (23, 247, 498):
        board = watch(mtu=mtu)
        install(monkeypatch, board)
        assert dfu("upload", build_of(newer(SWAP)).package_file, "--ble", NAME, "--reset").status == 0
        assert board.longest == mtu - 3
        assert holds_newer(board.device)


def test_of_two_devices_with_one_name_the_address_tells(dfu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # bleak gives the first that it hears, and smpclient does not ask for more.
    first, second = watch(), watch(address="C0:FF:EE:00:00:02")
    install(monkeypatch, first, second)
    done = dfu("upload", build_of(newer(SWAP)).package_file, "--ble", second.address, "--confirm")
    assert done.status == 0, done.err
    assert (first.connections, holds_newer(first.device), holds_newer(second.device)) == (0, False, True)


@pytest.mark.parametrize("to", ["Clock", "C0:FF:EE:00:00:09"])
def test_a_device_that_is_not_found_is_told(dfu: Any, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    board = watch()
    install(monkeypatch, board)
    done = dfu("list", "--ble", to, "--timeout", "0.3")
    assert done.status == 1
    assert to in done.err
    assert "Traceback" not in done.err
    assert board.connections == 0


def test_a_device_without_smp_is_told(dfu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    board = watch(serves=False)
    install(monkeypatch, board)
    done = dfu("list", "--ble", NAME, "--timeout", "0.3")
    assert done.status == 1
    assert "SMP" in done.err
    assert "Traceback" not in done.err
    assert board.client is None


# --- the link breaks -------------------------------------------------------------------------------


@dataclass
class Flight:
    """A board with three small images, and our client to it."""

    board: Bench
    peripheral: Peripheral
    air: Air
    client: SmpDevice

    def bring(self, wish: Wish, wait: float = 10) -> Outcome:
        return update(self.client, NEW, wish, ignore, Patience(wait, 0.01)).outcome


@contextmanager
def over_the_air(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Flight]:
    board = bench(OLD)
    peripheral = Peripheral(board.device, NAME, ADDRESS, **options)
    air = install(monkeypatch, peripheral)
    client = SmpDevice(SmpClientChannel(Address("ble", NAME)), 2.0)
    with closing(client):
        client.reconnect()
        yield Flight(board, peripheral, air, client)


def test_a_link_that_is_lost_and_found_again_anywhere_is_no_interruption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A request to restart that got lost is made again after a while, which is ten seconds without this.
    monkeypatch.setattr("west_qspi.dfu.afterwards._HEARD", 0.3)
    with over_the_air(monkeypatch) as whole:
        assert whole.bring(Wish(confirm=True)) is Outcome.CONFIRMED
        writes = whole.peripheral.writes
    assert writes > 30
    for lost in range(2, writes + 1, 3):
        with over_the_air(monkeypatch, lost=(lost,), away=0.02) as one:
            assert one.bring(Wish(confirm=True)) is Outcome.CONFIRMED, lost
        # One until the link is lost, one after that, and one after the restart, which may be the same.
        assert 2 <= one.peripheral.connections <= 4, lost
        one.board.device.power_cycle()
        assert one.board.installed(OLD, NEW) == [NEW.path] * 3, lost


def test_a_link_that_stays_away_leaves_nothing_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    with over_the_air(monkeypatch, lost=(20,), away=1e9) as one:
        with pytest.raises((NothingMarked, SmpLinkLost)):
            one.bring(Wish(), wait=1)
        assert one.board.marked() == []
        assert len(one.air.scans) > 1
        # It is found again, and the same command goes on.
        one.peripheral.back_at = 0
        one.client.reconnect()
        assert one.bring(Wish()) is Outcome.MARKED
    one.board.device.power_cycle()
    assert one.board.installed(OLD, NEW) == [NEW.path] * 3


def test_an_answer_that_takes_long_costs_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    # An erase of a whole slot takes longer than the wait after which a request is sent again.
    monkeypatch.setattr("west_qspi.dfu.device._FIRST_WAIT", 0.05)
    with over_the_air(monkeypatch, delay=0.12) as one:
        images = one.client.images()
        assert {(each.image, each.slot) for each in images} == {(0, 0), (1, 0), (2, 0)}
        assert one.client.images() == images
        assert one.client.mode() is not None
    assert one.peripheral.connections == 1
    assert one.board.device.requests > 4
