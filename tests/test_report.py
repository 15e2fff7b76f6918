"""The report's numbers, against a plan small enough to count by hand."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest

from tests.helpers.memtarget import MemoryTarget
from west_qspi.boot import BootLayout, SlotPair
from west_qspi.build.model import Partition, Slot, UpdateMode
from west_qspi.events import Advanced, Event, Finished, Noticed, Operation, Started, ignore
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import Job
from west_qspi.memory import MemoryKind, Range
from west_qspi.plan.model import Action, Plan, Sector, SectorState, Step
from west_qspi.report import FlashReport, Outcome, Share, Times, make_report, partition_ranges
from west_qspi.soc import NRF5340

XIP = 0x1000_0000
APPLICATION, EXTERNAL = MemoryKind.APPLICATION, MemoryKind.EXTERNAL
TARGET = MemoryTarget()
FLASH, CHIP = TARGET.memories[APPLICATION], TARGET.memories[EXTERNAL]

NOISE = random.Random(7).randbytes(0x3000)
INTERNAL_BYTES, EXTERNAL_BYTES, LOOSE_BYTES = NOISE[:0x1800], NOISE[0x1800:0x2A00], NOISE[0x2A00:0x2A10]
WANTED = Firmware(
    (
        Segment(0x1_0000, INTERNAL_BYTES, Origin("app.hex")),
        Segment(XIP + 0xF00, EXTERNAL_BYTES, Origin("app.hex")),
        Segment(XIP + 0x8000, LOOSE_BYTES, Origin("data.bin")),
    )
)


def partition(
    name: str, address: int, size: int, memory: MemoryKind | None, members: tuple[str, ...] = ()
) -> Partition:
    base = XIP if memory is EXTERNAL else 0
    bus = Range(base + address, size) if memory else None
    region = "external_flash" if memory is EXTERNAL else "flash_primary"
    return Partition(name, address, size, region, memory, address, bus, members)


PRIMARY = partition("mcuboot_primary", 0x1_0000, 0x1_0000, APPLICATION, ("mcuboot_pad", "app"))
PRIMARY_1 = partition("mcuboot_primary_1", 0, 0x2000, EXTERNAL)
PARTITIONS = (
    partition("external_flash", 0x4000, 0x1_C000, EXTERNAL),  # what Partition Manager calls the rest
    partition("storage", 0x2000, 0x2000, EXTERNAL),
    partition("app", 0x1_0200, 0xFE00, APPLICATION),
    PRIMARY,
    PRIMARY_1,
    partition("mcuboot", 0, 0x1_0000, APPLICATION),
    partition("everything", 0, 0x10_0000, APPLICATION, ("mcuboot", "mcuboot_primary")),
    partition("sram", 0x2000_0000, 0x8000, None),
)


def job(wanted: Firmware = WANTED) -> Job:
    pairs = (
        SlotPair(0, Slot(0, False, PRIMARY), None),
        SlotPair(1, Slot(1, False, PRIMARY_1), None),
    )
    layout = BootLayout(UpdateMode.SINGLE_SLOT, False, (), pairs, 1)
    return Job(NRF5340, wanted, Firmware(), layout, None, PARTITIONS, whole=True)


def programmed(memory: MemoryKind, offset: int, size: int) -> Step:
    return Step(Action.PROGRAM, TARGET.memories[memory], offset, size, "wanted bytes", bytes(size))


PLAN = Plan(
    (
        Step(Action.INVALIDATE, FLASH, 0x1_0000, 4, "must not boot", bytes(4)),
        Step(Action.ERASE, CHIP, 0, 0x1000, "holds other bytes"),
        programmed(EXTERNAL, 0, 0x1000),
        programmed(EXTERNAL, 0x2000, 0x100),
        programmed(EXTERNAL, 0x8000, 0x10),
        Step(Action.VERIFY, CHIP, 0, 0x1000, "read back", bytes(0x1000)),
        Step(Action.ERASE, FLASH, 0x1_1000, 0x1000, "holds other bytes"),
        programmed(APPLICATION, 0x1_1000, 0x800),
        Step(Action.COMMIT, FLASH, 0x1_0000, 4, "complete", NOISE[:4]),
    ),
    (
        Sector(FLASH, 0x1_0000, SectorState.SAME, False),
        Sector(FLASH, 0x1_1000, SectorState.DIFFERENT, True),
        Sector(CHIP, 0, SectorState.DIFFERENT, True),
        Sector(CHIP, 0x1000, SectorState.SAME, False),
        Sector(CHIP, 0x2000, SectorState.BLANK, False),
        Sector(CHIP, 0x8000, SectorState.UNKNOWN, False),
    ),
)


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def times() -> Times:
    collected = Times()
    listen = collected.listening(ignore)
    listen(Finished(Operation.ERASE, "application", 0x1000, 0.5))
    listen(Finished(Operation.PROGRAM, "application", 0x804, 0.25))
    listen(Finished(Operation.PROGRAM, "external", 0x1110, 2.0))
    listen(Finished(Operation.PROGRAM, "external", 0x10, 0.125))
    return collected


def reported(outcome: Outcome, plan: Plan = PLAN, wanted: Firmware = WANTED) -> FlashReport:
    return make_report(TARGET, job(wanted), plan, outcome, times())


# --- numbers ---------------------------------------------------------------------------------------


def test_what_was_done_to_each_memory() -> None:
    report = reported(Outcome.PROVEN)
    assert report.memories == (
        Share(
            name="application",
            range=Range(0, 0x10_0000),
            wanted=0x1800,
            sectors=2,
            same=1,
            erased=0x1000,
            written=0x800 + 4,  # with the boot key at the end; clearing it before writes nothing wanted
            skipped=0x1000,
            sha256=sha256(INTERNAL_BYTES),
            seconds=0.75,
        ),
        Share(
            name="external",
            range=Range(XIP, 0x2_0000),
            wanted=0x1200 + 0x10,
            sectors=4,
            same=1,
            erased=0x1000,
            written=0x1000 + 0x100 + 0x10,
            skipped=0x1000,
            sha256=sha256(EXTERNAL_BYTES, LOOSE_BYTES),
            seconds=2.125,
        ),
    )
    assert (report.device, report.soc, report.seconds) == ("bench", "nRF5340", 2.875)
    assert (report.outcome, report.differing) == (Outcome.PROVEN, ())


def test_what_was_done_to_each_partition() -> None:
    assert reported(Outcome.PROVEN).partitions == (
        Share(
            "mcuboot_primary",
            Range(0x1_0000, 0x1_0000),
            wanted=0x1800,
            sectors=2,
            same=1,
            erased=0x1000,
            written=0x804,
            skipped=0x1000,
            sha256=sha256(INTERNAL_BYTES),
        ),
        Share(
            "mcuboot_primary_1",
            Range(XIP, 0x2000),
            wanted=0x1100,
            sectors=2,
            same=1,
            erased=0x1000,
            written=0x1000,
            skipped=0x1000,
            sha256=sha256(EXTERNAL_BYTES[:0x1100]),
        ),
        Share(
            "storage",
            Range(XIP + 0x2000, 0x2000),
            wanted=0x100,
            sectors=1,
            same=0,
            erased=0,
            written=0x100,
            skipped=0,
            sha256=sha256(EXTERNAL_BYTES[0x1100:]),
        ),
        Share(
            "(no partition)",
            Range(XIP + 0x8000, 0x10),
            wanted=0x10,
            sectors=1,
            same=0,
            erased=0,
            written=0x10,
            skipped=0,
            sha256=sha256(LOOSE_BYTES),
        ),
    )


def test_a_dry_run_has_estimates_only() -> None:
    report = reported(Outcome.PLANNED)
    assert [share.seconds for share in report.memories] == [None, None]
    # Erases: 40 ms and 87 ms. Pages: 16 + 1 + 1 of 1 ms, and 8 + 1 + 1 of 64 words at 43 us.
    # Over the wire: 0x1000 + 0x100 + 0x10 + 0x1000 at 1 MB/s, and 0x800 + 4 + 4 in 11.5 us a word.
    external = 0.040 + 18 * 0.001 + 8464e-6
    internal = 0.087 + 10 * 64 * 43e-6 + (0x808 / 4) * 11.5e-6
    assert report.seconds == pytest.approx(external + internal)
    assert report.differing == ()


def test_what_differs_is_named_by_partition() -> None:
    assert reported(Outcome.DIFFERENT).differing == (
        ("mcuboot_primary", Range(0x1_1000, 0x1000)),
        ("mcuboot_primary_1", Range(XIP, 0x1000)),
        ("storage", Range(XIP + 0x2000, 0x1000)),
        ("(no partition)", Range(XIP + 0x8000, 0x10)),
    )


def test_neighbouring_differences_are_one() -> None:
    sectors = tuple(Sector(FLASH, at, SectorState.DIFFERENT, False) for at in (0x1_0000, 0x1_1000))
    wanted = WANTED.within(FLASH.bus)
    report = reported(Outcome.DIFFERENT, Plan((), sectors), wanted)
    assert report.differing == (("mcuboot_primary", Range(0x1_0000, 0x2000)),)
    assert [share.name for share in report.memories] == ["application"]


def test_a_memory_that_the_device_lacks_is_left_out() -> None:
    report = make_report(MemoryTarget(chip_size=None), job(), Plan((), ()), Outcome.PLANNED, Times())
    assert [share.name for share in report.memories] == ["application"]
    assert [share.name for share in report.partitions] == ["mcuboot_primary"]


# --- partitions ------------------------------------------------------------------------------------


def test_slots_come_whole_and_loose_bytes_last() -> None:
    assert list(partition_ranges(job())) == [
        ("mcuboot_primary", Range(0x1_0000, 0x1_0000)),
        ("mcuboot_primary_1", Range(XIP, 0x2000)),
        ("storage", Range(XIP + 0x2000, 0x2000)),
        ("(no partition)", Range(XIP + 0x8000, 0x10)),
    ]


def test_without_slots_partitions_are_as_declared() -> None:
    bare = job()
    bare = replace(bare, layout=BootLayout(None, False, (), (), None))
    assert list(partition_ranges(bare)) == [
        ("storage", Range(XIP + 0x2000, 0x2000)),
        ("mcuboot_primary_1", Range(XIP, 0x2000)),
        ("app", Range(0x1_0200, 0xFE00)),
        ("(no partition)", Range(0x1_0000, 0x200)),
        ("(no partition)", Range(XIP + 0x8000, 0x10)),
    ]


# --- times -----------------------------------------------------------------------------------------


def test_times_are_collected_on_the_way() -> None:
    heard: list[Event] = []
    events: list[Event] = [
        Started(Operation.READ, "external", 8),
        Advanced(Operation.READ, "external", 8),
        Finished(Operation.READ, "external", 8, 1.0),
        Finished(Operation.READ, "external", 8, 0.5),
        Finished(Operation.VERIFY, "external", 8, 0.25),
        Finished(Operation.READ, "uicr", 8, 4.0),
        Noticed("n", "m"),
    ]
    collected = Times()
    for event in events:
        collected.listening(heard.append)(event)
    assert heard == events
    assert collected.seconds == {
        (Operation.READ, "external"): 1.5,
        (Operation.VERIFY, "external"): 0.25,
        (Operation.READ, "uicr"): 4.0,
    }
    assert (collected.of("external"), collected.of("uicr"), collected.of("network")) == (1.75, 4.0, 0)
