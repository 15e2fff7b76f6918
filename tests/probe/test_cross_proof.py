"""What our engines write, Nordic's library finds byte by byte; what it programs, they prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import SMALL, MemoryJournal, build_of, changed, new_board
from tests.probe.errors import VERIFY_ERROR, fails_with
from tests.probe.files import ENTER_4_BYTE, QUAD_ENABLE, WRITE_ENABLE, configuration
from tests.probe.runs import missing
from tests.probe.shared import SharedSession, shared_session
from tests.probe.test_internal_flash import options
from west_qspi import hexfile
from west_qspi.build.build import Build
from west_qspi.data import Extra
from west_qspi.extflash.derive import chip_of
from west_qspi.flasher import compare
from west_qspi.job import Job, gather
from west_qspi.memory import MemoryKind, Range
from west_qspi.report import Outcome

EXTERNAL = MemoryKind.EXTERNAL
NETWORK = Range(0x0100_0000, 0x4_0000)
BOTH_STATUS_BYTES = (0x01, 0x00, 0x02)
"""How Winbond's parts enable quad mode (S2B1v1)."""


@dataclass(frozen=True)
class Chip:
    """A part, and how Nordic's library has to be told of it; sizes are in MiB."""

    name: str
    size: int
    write: str
    quad: Sequence[int]

    def __str__(self) -> str:
        return self.name

    def file(self, path: Path) -> str:
        """Write the configuration for Nordic's library; the status write is last, as it takes time."""
        large = self.size > 16
        return configuration(
            path,
            mem_size=self.size << 20,
            write_mode=self.write,
            address_mode="BIT32" if large else "BIT24",
            instructions=[*([ENTER_4_BYTE] if large else []), WRITE_ENABLE, self.quad],
        )


CHIPS = (
    Chip("MX25R6435F", 8, "PP4IO", QUAD_ENABLE),
    Chip("MX25L51245G", 64, "PP4IO", QUAD_ENABLE),
    Chip("W25Q128JV", 16, "PP4O", BOTH_STATUS_BYTES),
    Chip("W25Q256JV", 32, "PP4O", BOTH_STATUS_BYTES),
)
both_socs = pytest.mark.parametrize("soc", ["nrf5340", "nrf52840"])
every_chip = pytest.mark.parametrize("chip", CHIPS, ids=str)


def build_for(soc: str, chip: Chip) -> Build:
    choice: BuildOptions = changed(
        SMALL, soc=soc, network=soc == "nrf5340", chip=chip.name, flash_size=chip.size
    )
    return build_of(choice)


def job_for(build: Build, chip: Chip, folder: Path) -> Job:
    """Return a job with data beyond 16 MiB where the chip has room there."""
    (folder / "far.bin").write_bytes(bytes(range(1, 256)) * 20)
    far = [Extra(folder / "far.bin", hex(build.soc.xip.start + 0x101_0000))] if chip.size > 16 else []
    return gather(build, extras=far)


def files(job: Job, folder: Path) -> list[str]:
    """Write what a job flashes into files: the library wants one of its own for the network core."""
    parts = {"network": job.wanted.within(NETWORK), "others": job.wanted.without([NETWORK])}
    for name, firmware in parts.items():
        hexfile.write(folder / f"{name}.hex", firmware)
    return [str(folder / f"{name}.hex") for name, firmware in parts.items() if firmware]


def compared(session: SharedSession, build: Build, job: Job, engine: str) -> Outcome:
    """Have one of the engines compare a job with what the board holds."""
    target = session.connect(chip_of(build), engine)
    try:
        return compare(target, job, MemoryJournal()).outcome
    finally:
        target.close()


@both_socs
@every_chip
def test_nordic_s_library_verifies_what_was_flashed_here(
    jlink_library: Path, soc: str, chip: Chip, tmp_path: Path
) -> None:
    build = build_for(soc, chip)
    job, read = job_for(build, chip, tmp_path), options().VerifyAction.VERIFY_READ
    with shared_session(jlink_library, new_board(build)) as session:
        cells = session.bench.board
        for engine in ("direct", "vendor"):
            assert session.flash(engine, new_board(build), build, job=job).outcome is Outcome.PROVEN
            session.api.qspi_configure_ini(chip.file(tmp_path / "chip.toml"))
            for file in files(job, tmp_path):
                session.api.verify_file(file, read)
        # Its word is worth something: it finds a single bit, the highest address included.
        for segment in (job.wanted.segments[0], job.wanted.segments[-1]):
            memory = build.soc.memory_map(None).at(segment.start)
            kind = memory.kind if memory else EXTERNAL
            at = memory.offset(segment.start) if memory else segment.start - build.soc.xip.start
            byte = cells.array(kind).read(at, 1)
            cells.array(kind).write(at, bytes([byte[0] ^ 1]))
            with fails_with(VERIFY_ERROR):
                session.api.verify_file(str(tmp_path / "others.hex"), read)
            cells.array(kind).write(at, byte)


@both_socs
@every_chip
def test_what_nordic_s_library_programs_is_proven_here(
    jlink_library: Path, soc: str, chip: Chip, tmp_path: Path
) -> None:
    build = build_for(soc, chip)
    job = job_for(build, chip, tmp_path)
    with shared_session(jlink_library, new_board(build)) as session:
        board = session.bench.board
        session.api.qspi_configure_ini(chip.file(tmp_path / "chip.toml"))
        for file in files(job, tmp_path):
            session.api.program_file(file)
        assert session.bench.device.hazards == []
        assert missing(board, job) == []
        changes = board.counters.modifying
        last = job.wanted.ranges[-1].end - 1 - build.soc.xip.start
        for engine in ("direct", "vendor"):
            assert compared(session, build, job, engine) is Outcome.PROVEN
            byte = board.array(EXTERNAL).read(last, 1)
            board.array(EXTERNAL).write(last, bytes([byte[0] ^ 0x80]))
            assert compared(session, build, job, engine) is Outcome.DIFFERENT
            board.array(EXTERNAL).write(last, byte)
        assert board.counters.modifying == changes
