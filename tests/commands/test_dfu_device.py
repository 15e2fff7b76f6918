"""``qspi-dfu list``, ``upload`` and ``repair`` as a user runs them, over UDP and a pseudo-terminal."""

from __future__ import annotations

import _thread
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from zipfile import ZipFile

import pytest
from buildgen import BuildOptions

from tests.dfu.wire import bench, make_set
from tests.helpers.boards import SMALL, build_of, flash_board, new_board
from tests.helpers.cli import runner
from west_qspi.build.build import Build
from west_qspi.dfu.device import SmpDevice
from west_qspi.dfu.manifest import Manifest
from west_qspi.dfu.package import package_bytes
from west_qspi.dfu.state import Images
from west_qspi.memory import MemoryKind
from west_qspi.sim.device import Device
from west_qspi.sim.linkfaults import LinkFaults, Refusal
from west_qspi.sim.serving import Serial, Udp, serve
from west_qspi.sim.slots import layout_of
from west_qspi.sim.smpsettings import settings_of

NEWER = replace(SMALL, change=1, version="1.1.0")
SWAP = replace(SMALL, network=False, mode="swap")
SWAP_NEWER = replace(NEWER, network=False, mode="swap")
SWAP_NEXT = replace(SWAP, change=2, version="1.2.0")
DIRECT = replace(SMALL, network=False, mode="direct-xip")
DIRECT_NEWER = replace(NEWER, network=False, mode="direct-xip")


@contextmanager
def device_with(
    build: Build, transport: Udp | Serial | None = None, **allowed: bool
) -> Iterator[tuple[Device, list[str]]]:
    """Flash a board, switch it on, and yield it with the options that reach it."""
    board = new_board(build)
    flash_board(board, build)
    settings = replace(settings_of(build), confirm_any=True, **allowed)
    device = Device(board, layout_of(build), settings)
    with serve(device, transport or Udp()) as link:
        yield device, ["--port", link.path] if link.path else ["--udp", f"{link.host}:{link.port}"]


@pytest.fixture
def dfu(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return runner(capsys, "dfu")


def halves(device: Device, build: Build) -> list[bool]:
    """Tell for each half whether the device's primary slot holds this build's, byte by byte."""
    found = []
    for part in build.signed_parts:
        partition = part.slot.partition
        if part.slot.secondary or partition.memory is None:
            continue
        data = part.update.read_bytes()
        found.append(device.board.array(partition.memory).read(partition.offset, len(data)) == data)
    return found


def transports() -> list[Udp | Serial]:
    return [Udp(), Serial(log=b"*** Booting Zephyr OS ***\r\n")] if sys.platform != "win32" else [Udp()]


@pytest.mark.parametrize("transport", transports(), ids=lambda each: type(each).__name__.lower())
def test_an_update_from_a_package_runs_and_stays(dfu: Any, transport: Udp | Serial) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old, transport) as (device, to):
        done = dfu("upload", new.package_file, *to, "--confirm")
        assert done.status == 0, done.err
        assert "runs, and stays" in done.out
        device.power_cycle()
        assert halves(device, new) == [True, True]


def test_an_update_from_a_build_with_the_network_core(dfu: Any) -> None:
    old, new = build_of(SMALL), build_of(NEWER)
    with device_with(old) as (device, to):
        done = dfu("upload", "-d", new.path, *to, "--reset")
        assert done.status == 0, done.err
        assert "nothing brings back what runs now" in done.err
        assert "image 1: the device does not list what runs there" in done.err
        assert halves(device, new) == [True, True]
        body, offset = network_image(new)
        assert device.board.array(MemoryKind.NETWORK).read(offset, len(body)) == body


def network_image(build: Build) -> tuple[bytes, int]:
    """Return the body of the network core's image, and where the manifest has it in that core's flash."""
    with ZipFile(build.package_file) as archive:
        listed = json.loads(archive.read("manifest.json"))["files"]
        entry = next(each for each in listed if each["image_index"] == "1")
        data = archive.read(entry["file"])
    # The header's own words: its size is at 8, the body's at 12 (MCUboot, image.h).
    size, count = int.from_bytes(data[8:10], "little"), int.from_bytes(data[12:16], "little")
    return data[size : size + count], entry["load_address"] - 0x0100_0000


def test_direct_xip_takes_the_twins_for_the_slots_that_are_free(dfu: Any) -> None:
    old, new = build_of(DIRECT), build_of(DIRECT_NEWER)
    with device_with(old) as (device, to):
        done = dfu("upload", new.package_file, "-d", new.path, *to)
        assert done.status == 0, done.err
        assert "uploading is all that it takes" in done.err
        assert "until all are uploaded a restart would install a part of them only" in done.err
        assert halves(device, old) == [True, True]
        device.power_cycle()
        assert device.booted is not None
        assert device.booted.running == {0: 1, 1: 1}


def test_direct_xip_goes_to_and_fro_where_the_server_knows_its_slots(dfu: Any) -> None:
    builds = [build_of(DIRECT), build_of(DIRECT_NEWER), build_of(replace(DIRECT, change=2, version="1.2.0"))]
    with device_with(builds[0], follows_slots=True) as (device, to):
        for slot, build in ((1, builds[1]), (0, builds[2])):
            done = dfu("upload", build.package_file, "-d", build.path, *to)
            assert done.status == 0, done.err
            device.power_cycle()
            assert device.booted is not None
            assert device.booted.running == {0: slot, 1: slot}
        assert halves(device, builds[2]) == [True, True]


def test_a_list_names_partitions_and_where_images_are_from(dfu: Any) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old) as (_, to):
        assert dfu("upload", new.package_file, *to).status == 0
        done = dfu("list", "-d", old.path, "--zip", new.package_file, *to)
        assert done.status == 0
        rows = [line.split() for line in done.out.splitlines()[1:5]]
        assert [row[:4] for row in rows] == [
            ["0", "0", "mcuboot_primary", "1.0.0+0"],
            ["0", "1", "mcuboot_secondary", "1.1.0+0"],
            ["1", "0", "mcuboot_primary_1", "1.0.0+0"],
            ["1", "1", "mcuboot_secondary_1", "1.1.0+0"],
        ]
        assert [row[-1] for row in rows] == [str(old.path), str(new.package_file)] * 2
        assert "update pending" in done.out


def test_a_build_that_is_half_done_is_not_what_a_device_is_judged_by(dfu: Any, tmp_path: Path) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    shutil.copytree(old.path, tmp_path / "build")
    half = tmp_path / "build" / "watch_app" / "zephyr" / "zephyr.internal.signed.bin"
    shutil.copy(new.path / "watch_app" / "zephyr" / half.name, half)
    with device_with(old) as (_, to):
        done = dfu("list", *to)
        assert (done.status, "settled" in done.out) == (0, True)
        assert "they are not of one build" in done.err
        half.write_bytes(b"")
        done = dfu("list", *to)
        assert (done.status, "mcuboot_primary_1" in done.out) == (0, True)
        assert dfu("list", "-d", "build", *to).status == 1
        (tmp_path / "build" / "watch_app" / "zephyr" / ".config").write_bytes(b"\xff\xfe\x00")
        done = dfu("list", *to)
        assert (done.status, "settled" in done.out) == (0, True)


def test_what_is_half_marked_is_told_and_repaired(dfu: Any) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old) as (device, to):
        device.set_faults(LinkFaults(refusals=(Refusal(2, 1, 0, 11, 2),)))
        done = dfu("upload", new.package_file, *to)
        assert done.status == 1
        assert "Do not restart the device" in done.err
        device.set_faults()
        listed = dfu("list", "--zip", new.package_file, "--json", *to)
        value = json.loads(listed.out)
        assert (listed.status, value["situation"], value["sound"]) == (1, "half marked", False)
        assert dfu("repair", new.package_file, *to).status == 0
        device.power_cycle()
        assert halves(device, new) == [True, True]


def test_marks_of_another_build_are_replaced_only_where_the_firmware_allows_it(dfu: Any) -> None:
    old, new, next_one = build_of(SWAP), build_of(SWAP_NEWER), build_of(SWAP_NEXT)
    for allowed in (False, True):
        with device_with(old, erase_pending=allowed) as (device, to):
            assert dfu("upload", new.package_file, *to).status == 0
            refused = dfu("upload", next_one.package_file, *to)
            assert refused.status == 1
            assert "CONFIG_MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING" in refused.err
            done = dfu("repair", next_one.package_file, *to)
            assert done.status == (0 if allowed else 1), done.err
            assert "of another set is marked" in done.err
            device.power_cycle()
            assert halves(device, next_one if allowed else new) == [True, True]


def test_what_runs_is_kept_by_a_repair_with_its_own_package(dfu: Any) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old, erase_pending=True) as (device, to):
        assert dfu("upload", new.package_file, *to).status == 0
        done = dfu("repair", old.package_file, *to)
        assert done.status == 0, done.err
        assert "what was marked is taken back" in done.out
        device.power_cycle()
        assert halves(device, old) == [True, True]
        assert dfu("list", *to).status == 0


def test_a_package_with_parts_of_two_builds_is_refused_before_the_device_is_asked(
    dfu: Any, tmp_path: Path
) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    mixed = tmp_path / "mixed.zip"
    with ZipFile(new.package_file) as one, ZipFile(old.package_file) as other, ZipFile(mixed, "w") as result:
        for name in one.namelist():
            result.writestr(name, (other if "external" in name else one).read(name))
    with device_with(old) as (device, to):
        done = dfu("upload", mixed, *to)
        assert done.status == 1
        assert "mixed.zip" in done.err
        assert device.requests == 0


@pytest.mark.parametrize("linked", [False, True], ids=["loose", "tied"])
def test_images_that_mcuboot_would_install_alone_can_be_refused(
    dfu: Any, tmp_path: Path, linked: bool
) -> None:
    board, new = bench(make_set("1.0.0")), make_set("1.1.0", linked=linked)
    package = package_bytes(
        Manifest("new", tuple(part.entry for part in new.parts)), {part.file: part.data for part in new.parts}
    )
    (tmp_path / "new.zip").write_bytes(package)
    with serve(board.device, Udp()) as link:
        done = dfu("upload", "new.zip", "--require-dependency", "--udp", f"{link.host}:{link.port}")
    assert done.status == (0 if linked else 1), done.err
    assert ("imgtool sign --dependencies" in done.err) is not linked
    assert (board.device.requests > 0) is linked
    assert board.marked() == ([0, 1, 2] if linked else [])


def test_progress_and_result_are_lines_of_json(dfu: Any) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old) as (_, to):
        done = dfu("upload", new.package_file, "--json", *to)
        lines = [json.loads(line) for line in done.out.splitlines()]
        assert [line["total"] for line in lines if line["type"] == "finished"] == [
            part["size"] for part in reversed(lines[-1]["parts"])
        ]
        assert lines[-1]["type"] == "update"
        assert lines[-1]["outcome"] == "marked"
        assert {part["done"] for part in lines[-1]["parts"]} == {"uploaded"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("list",), 2),
        (("list", "--udp", "127.0.0.1:9", "--port", "/dev/null"), 2),
        (("list", "--udp", "127.0.0.1:99999"), 2),
        (("list", "--udp", "127.0.0.1:9", "--timeout", "0"), 2),
        (("list", "--udp", "127.0.0.1:9", "--timeout", "soon"), 2),
        (("list", "--udp", "127.0.0.1:9", "--wait", "-1"), 2),
        (("list", "--port", "/dev/nothing-there", "--baud", "0"), 2),
        (("list", "--udp", "127.0.0.1:9", "--timeout", "0.2"), 1),
        (("list", "--udp", "no such host", "--timeout", "0.2"), 1),
        (("list", "--port", "/dev/nothing-there", "--timeout", "0.2"), 1),
        (("list", "--port", ".", "--timeout", "0.2"), 1),
        (("upload", "missing.zip", "--udp", "127.0.0.1:9"), 1),
        (("upload", "--udp", "127.0.0.1:9"), 1),
        (("repair", "missing.zip", "--udp", "127.0.0.1:9"), 1),
    ],
)
def test_what_cannot_be_meant_or_reached_is_told(dfu: Any, arguments: tuple[str, ...], status: int) -> None:
    done = dfu(*arguments)
    assert done.status == status, done.err
    assert "error: " in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("transport", transports(), ids=lambda each: type(each).__name__.lower())
def test_a_device_that_talks_nonsense_is_told(dfu: Any, transport: Udp | Serial, tmp_path: Path) -> None:
    package = build_of(SWAP_NEWER).package_file
    with device_with(build_of(SWAP), transport) as (device, to):
        for seed in range(8):
            random = Random(seed)
            answers = [random.randbytes(random.randrange(1, 60)) for _ in range(2)]
            # As right as a header can be, for another question, or with a body that is none.
            answers.append(
                bytes([0x09, 0, 0, 4, 0, seed % 3, random.randrange(256), 0]) + random.randbytes(4)
            )
            device.handle = lambda frame, answers=answers: answers  # type: ignore[method-assign, misc]
            for words in (("list",), ("upload", package), ("repair", package)):
                done = dfu(*words, *to, "--timeout", "0.2", "--wait", "0.3")
                assert done.status == 1
                assert "error: " in done.err
                assert "Traceback" not in done.err


def test_a_slow_link_is_only_slow(dfu: Any) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old) as (device, to):
        device.set_faults(LinkFaults(delay=0.02, repeat_every=5))
        assert dfu("upload", new.package_file, "--confirm", *to).status == 0
        assert halves(device, new) == [True, True]


def test_ctrl_c_says_what_the_device_holds(dfu: Any) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old) as (device, to):
        device.set_faults(LinkFaults(delay=0.05))
        timer = threading.Timer(0.6, _thread.interrupt_main)
        timer.start()
        done = dfu("upload", new.package_file, "--confirm", *to)
        timer.join()
        assert done.status == 1
        assert "stopped; the next boot changes nothing" in done.err
        assert "image 0 slot 0: 1.0.0+0 (active confirmed)" in done.err
        device.set_faults()
        device.power_cycle()
        assert halves(device, old) == [True, True]
        assert dfu("upload", new.package_file, "--confirm", *to).status == 0
        assert halves(device, new) == [True, True]


def test_who_stops_twice_is_not_told_that_nothing_was_changed(
    dfu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old) as (device, to):
        listed = SmpDevice.images

        def images(client: SmpDevice) -> Images:
            if device.requests > 4:
                raise KeyboardInterrupt
            return listed(client)

        monkeypatch.setattr(SmpDevice, "images", images)
        done = dfu("upload", new.package_file, *to)
        assert done.status == 1
        assert "nobody knows what is marked" in done.err
        assert "nothing was changed" not in done.err


def test_who_stops_between_two_marks_is_told_not_to_restart(
    dfu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old) as (device, to):
        mark = SmpDevice.mark
        done_before: list[bytes] = []

        def marked(client: SmpDevice, digest: bytes) -> None:
            if done_before:
                raise KeyboardInterrupt
            done_before.append(digest)
            mark(client, digest)

        monkeypatch.setattr(SmpDevice, "mark", marked)
        done = dfu("upload", new.package_file, *to)
        assert done.status == 1
        assert "half marked, and must not restart" in done.err
        monkeypatch.undo()
        assert dfu("upload", new.package_file, *to).status == 0
        device.power_cycle()
        assert halves(device, new) == [True, True]


def test_the_set_before_comes_back_by_upload_and_reset(dfu: Any) -> None:
    old, new = build_of(SWAP), build_of(SWAP_NEWER)
    with device_with(old) as (device, to):
        assert dfu("upload", new.package_file, "--reset", *to).status == 0
        done = dfu("upload", old.package_file, *to)
        assert (done.status, "goes back to this set at the next restart" in done.out) == (0, True)
        assert done.out.count("comes back") == 2
        done = dfu("upload", old.package_file, "--reset", *to)
        assert (done.status, "went back to the images before" in done.out) == (0, True)
        assert halves(device, old) == [True, True]


@pytest.mark.parametrize(
    ("shown", "status", "says"),
    [(True, 0, "runs, and stays"), (False, 1, "nothing is proven or confirmed")],
    ids=["shown", "not shown"],
)
def test_a_restart_that_proves_nothing_is_no_success(dfu: Any, shown: bool, status: int, says: str) -> None:
    old, new = build_of(DIRECT), build_of(DIRECT_NEWER)
    with device_with(old, follows_slots=shown) as (device, to):
        done = dfu("upload", new.package_file, *to, "--reset", "--wait", "2")
        assert (done.status, says in done.out) == (status, True)
        assert device.booted is not None
        assert device.booted.running == {0: 1, 1: 1}


@pytest.mark.parametrize(
    ("runs", "sent", "says"),
    [
        (SWAP, replace(SWAP_NEWER, split=False), "the set has nothing for it"),
        (replace(SMALL, mode="overwrite"), SWAP_NEWER, "the set has nothing for it"),
        (SWAP, DIRECT_NEWER, "the set is for the slots that it runs from (direct-XIP)"),
        (DIRECT, SWAP_NEWER, "MCUboot starts images where they are (direct-XIP)"),
        (DIRECT, replace(DIRECT, change=1), "is not newer than 1.0.0+0"),
    ],
)
def test_what_would_not_run_is_refused_without_any_build(
    dfu: Any, runs: BuildOptions, sent: BuildOptions, says: str
) -> None:
    old, new = build_of(runs), build_of(sent)
    with device_with(old) as (device, to):
        for command in ("upload", "repair"):
            done = dfu(command, new.package_file, "--confirm", *to)
            assert (done.status, says in done.err, "nothing was uploaded" in done.err) == (1, True, True)
        device.power_cycle()
        assert halves(device, old)[:1] == [True]
        assert device.runs


def test_a_port_that_is_none_is_told_at_once(dfu: Any, tmp_path: Path) -> None:
    began = time.monotonic()
    done = dfu("list", "--port", tmp_path / "ttyACM7")
    assert "there is no such port; this machine has " in done.err
    # An answer may take ten seconds, but a port is there or not.
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("module", "option"),
    [("udp", "--udp"), ("ble", "--ble"), ("serial", "--port")],
)
def test_a_package_that_is_missing_is_told(
    dfu: Any, module: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"smpclient.transport.{module}", None)
    done = dfu("list", option, "127.0.0.1")
    assert done.status == 1
    assert 'pip install "smpclient[ble,serial]"' in done.err
