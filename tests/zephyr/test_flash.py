"""Flashing through Zephyr's runners: what the board holds in the end, and what is said of it."""

from __future__ import annotations

import random

import pytest

from tests.helpers.boards import SMALL, changed, fill, foreign_partitions, partition_bytes
from tests.helpers.faketools import cut_file
from tests.helpers.nrfutil_runs import install
from tests.helpers.zephyrtree import FORMS
from tests.zephyr.conftest import Bench, NewBench
from west_qspi.errors import ErasesTooMuch
from west_qspi.firmware import Firmware
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.zephyr.tool import Offer, Tool
from west_qspi.zephyr.work import check_reach

EXTERNAL, APPLICATION = MemoryKind.EXTERNAL, MemoryKind.APPLICATION


def holds(bench: Bench, firmware: Firmware) -> bool:
    """Tell whether the board holds all bytes of a firmware."""
    board, soc = bench.board(), bench.build.soc
    chip = board.chip
    places = [(memory.kind, memory.bus) for memory in soc.internal]
    found = True
    for segment in firmware.segments:
        for kind, bus in [*places, (EXTERNAL, soc.xip)]:
            if bus.covers(segment.range):
                assert kind is not EXTERNAL or chip is not None
                data = board.array(kind).read(segment.start - bus.start, len(segment.data))
                found = found and data == segment.data
    return found


def wanted(bench: Bench) -> Firmware:
    return gather(bench.build).wanted


# --- what ends well --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_first_flash_is_proven(bench: NewBench, form: str) -> None:
    here = bench(form=form)
    before = set(here.build_folder.rglob("*"))
    done = here.run()
    assert (done.status, "programmed and proven" in done.out) == (0, True), done.err
    assert holds(here, wanted(here))
    # Runners leave files beside what they program.
    assert set(here.build_folder.rglob("*")) == before


@pytest.mark.parametrize("seed", [0, 2])
def test_nrfutil_proves_what_another_tool_has_programmed(
    bench: NewBench, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    here = bench()
    if seed:
        here.flash_directly()
        here.use(changed(SMALL, seed=seed))
    tools = install(here.folder / "nordic")
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    monkeypatch.setenv("FAKE_NRFUTIL_BOARDS", str(here.board_folder))
    done = here.run(reader="nrfutil")
    assert (done.status, "programmed and proven" in done.out) == (0, True), done.err
    assert holds(here, wanted(here))
    assert done.err.count("cannot ask the external flash what it is") == 1


def test_what_is_there_already_is_not_programmed_again(bench: NewBench) -> None:
    here = bench()
    here.flash_directly()
    done = here.run()
    assert (done.status, "nothing had to be written" in done.out) == (0, True)
    assert here.calls() == []


@pytest.mark.parametrize("form", ["3.4", "main"])
def test_a_small_change_leaves_everything_else_alone(bench: NewBench, form: str) -> None:
    here = bench(form=form)
    here.flash_directly()
    board = here.board()
    held = fill(board, foreign_partitions(here.build, gather(here.build)), seed=5)
    board.save()
    counters = here.board().counters
    erased = counters.copy()
    here.use(changed(SMALL, change=1))
    done = here.run()
    assert done.status == 0, done.err
    assert holds(here, wanted(here))
    after = here.board()
    for partition, content in held.values():
        assert partition_bytes(after, partition) == content
    # Of the 24 sectors of the image, a change of a few bytes in each half does not take the half.
    assert sum(after.counters.erases.values()) - sum(erased.erases.values()) < 12


def test_the_network_core_is_programmed_by_its_own_domain(bench: NewBench) -> None:
    here = bench()
    here.run()
    cores = [
        ("CP_NETWORK" in call, "--qspisectorerase" in call) for call in here.calls() if "--program" in call
    ]
    assert (True, False) in cores
    network = wanted(here).within(here.build.soc.internal[-1].bus)
    assert network
    assert holds(here, network)


def test_a_chip_above_16_mib_is_programmed_with_the_configuration_that_is_written_for_it(
    bench: NewBench,
) -> None:
    options = changed(SMALL, network=False, flash_size=64)
    here = bench(options, part="MX25U51245G")
    data = here.folder / "data.bin"
    data.write_bytes(random.Random(1).randbytes(0x3000))
    done = here.run("--file", f"{data}@0x2000000", "--force")
    assert done.status == 0, done.err
    assert holds(here, wanted(here))
    assert here.board().array(EXTERNAL).read(0x200_0000, 0x3000) == data.read_bytes()


def test_a_runner_that_cannot_be_told_of_a_large_chip_does_not_pass_for_good(bench: NewBench) -> None:
    here = bench(changed(SMALL, network=False, flash_size=64), "3.7", part="MX25U51245G")
    data = here.folder / "data.bin"
    data.write_bytes(random.Random(1).randbytes(0x3000))
    done = here.run("--file", f"{data}@0x2000000", "--force")
    assert done.status == 1
    assert "cannot be told of the external flash" in done.err
    assert "proven" not in done.out


def test_a_data_file_goes_into_its_partition_and_nowhere_else(bench: NewBench) -> None:
    here = bench()
    here.flash_directly()
    partition = here.build.partition("littlefs_storage")
    before = here.board().array(EXTERNAL).read(0, partition.offset)
    data = here.folder / "fs.bin"
    data.write_bytes(b"littlefs" * 700)
    done = here.run("--file", f"{data}@littlefs_storage")
    assert done.status == 0, done.err
    after = here.board().array(EXTERNAL)
    assert after.read(partition.offset, 5600) == data.read_bytes()
    assert after.read(0, partition.offset) == before


def test_bytes_of_others_in_a_sector_survive(bench: NewBench) -> None:
    here = bench()
    here.flash_directly()
    partition = here.build.partition("littlefs_storage")
    board = here.board()
    board.array(EXTERNAL).write(partition.offset, b"foreign!" * 512)
    board.save()
    data = here.folder / "part.bin"
    data.write_bytes(b"\x11" * 256)
    assert here.run("--file", f"{data}@littlefs_storage+0x100").status == 0
    found = here.board().array(EXTERNAL).read(partition.offset, 0x1000)
    assert found == b"foreign!" * 32 + b"\x11" * 256 + b"foreign!" * 448


def test_the_tool_is_told_the_board_and_the_users_own_arguments(bench: NewBench) -> None:
    here = bench()
    serial = here.board().serial
    assert here.run("-i", serial, "--", "--softreset").status == 0
    assert all(f"--snr {serial}" in call for call in here.calls())


# --- reading only ----------------------------------------------------------------------------------


def test_a_dry_run_and_a_comparison_change_nothing(bench: NewBench) -> None:
    here = bench()
    dry = here.run("--dry-run")
    assert (dry.status, "dry run: nothing was changed" in dry.out) == (0, True)
    compared = here.run("--verify-only")
    assert (compared.status, "does not hold what was asked for" in compared.out) == (1, True)
    assert here.calls() == []


@pytest.mark.parametrize("option", ["--dry-run", "--verify-only"])
def test_without_a_reader_nothing_can_be_compared(bench: NewBench, option: str) -> None:
    here = bench()
    done = here.run(option, reader="none")
    assert done.status == 2
    assert "nothing here can read the board" in done.err
    assert here.calls() == []


# --- nobody reads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["3.4", "main"])
def test_what_nobody_reads_is_not_called_proven(bench: NewBench, form: str) -> None:
    here = bench(form=form)
    done = here.run(reader="none")
    assert done.status == 1
    assert "programmed, not proven" in done.out
    assert holds(here, wanted(here))


def test_unproven_can_be_good_enough(bench: NewBench) -> None:
    here = bench()
    assert here.run("--unproven-ok", reader="none").status == 0
    assert holds(here, wanted(here))


def test_with_nobody_to_read_half_of_linked_images_is_refused(bench: NewBench) -> None:
    here = bench()
    done = here.run("--only", "external", reader="none")
    assert done.status == 1
    assert "nobody can tell whether the board has the rest" in done.err
    assert here.calls() == []


def test_erase_takes_everything_when_it_is_asked_for(bench: NewBench) -> None:
    here = bench()
    here.flash_directly()
    board = here.board()
    board.array(EXTERNAL).write(0x7F_0000, b"old data")
    board.save()
    assert here.run("--erase", "--unproven-ok", reader="none").status == 0
    assert holds(here, wanted(here))
    assert here.board().array(EXTERNAL).read(0x7F_0000, 8) == b"\xff" * 8


def test_erase_with_a_reader_takes_everything_too(bench: NewBench) -> None:
    here = bench()
    here.flash_directly()
    board = here.board()
    board.array(EXTERNAL).write(0x7F_0000, b"old data")
    board.save()
    done = here.run("--erase")
    assert done.status == 0, done.err
    assert holds(here, wanted(here))
    assert here.board().array(EXTERNAL).read(0x7F_0000, 8) == b"\xff" * 8


# --- boards that are not as they should be ---------------------------------------------------------


def test_another_board_than_the_one_that_is_named_is_left_alone(bench: NewBench) -> None:
    here = bench()
    done = here.run("-i", "4711")
    assert done.status == 1
    assert "serial number is not 4711" in done.err
    blind = here.run("-i", "4711", reader="none")
    assert (blind.status, "no debugger with serial number 4711" in blind.err) == (1, True)
    assert not here.board().array(APPLICATION).read(0, 0x10_0000).strip(b"\xff")


def test_a_board_with_another_soc_is_left_alone(bench: NewBench) -> None:
    here = bench(soc="nrf52840")
    done = here.run()
    assert (done.status, "the build is for the nRF5340" in done.err) == (1, True)
    assert here.calls() == []


@pytest.mark.parametrize("reader", ["sim", "none"])
def test_a_protected_board_is_recovered_only_if_that_was_asked_for(bench: NewBench, reader: str) -> None:
    here = bench()
    board = here.board()
    board.protect()
    board.save()
    refused = here.run(reader=reader)
    assert (refused.status, "access is protected" in refused.err) == (1, True), refused.err
    assert "--recover" in refused.err
    assert here.board().protected
    done = here.run("--recover", "--unproven-ok", reader=reader)
    assert done.status == 0, done.err
    assert holds(here, wanted(here))


def test_a_power_cut_in_the_tool_is_told_and_mended(bench: NewBench) -> None:
    here = bench()
    here.flash_directly()
    here.use(changed(SMALL, seed=7, version="1.0.1"))
    cut_file(here.board_folder).write_text("20")
    done = here.run()
    assert done.status == 1
    assert "nrfjprog --program" in done.err
    assert "the board does not boot until a flash is finished" in done.err
    assert "proven" not in done.out
    again = here.run()
    assert again.status == 0, again.err
    assert holds(here, wanted(here))


def test_a_tool_that_reports_success_and_does_nothing_is_found_out(bench: NewBench) -> None:
    here = bench()
    script = here.folder / "bin" / "nrfjprog"
    script.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    done = here.run("-i", here.board().serial)
    assert done.status == 1
    assert "not what was written" in done.err
    assert "proven" not in done.out


def test_zephyrs_old_nrfutil_would_take_all_of_the_external_flash(bench: NewBench) -> None:
    here = bench()
    offer = Offer(frozenset({"--softreset"}), frozenset({"dev_id"}))
    tool = Tool("nrfutil", here.zephyr, here.build)
    with pytest.raises(ErasesTooMuch):
        check_reach(tool, offer, external=True)
    check_reach(tool, offer, external=False)
