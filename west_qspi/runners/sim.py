"""The runner ``sim``: programs the simulated board in a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.errors import NoDevice, UsageError
from west_qspi.extflash.parts import Part, Parts
from west_qspi.extflash.setup import FlashSetup
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault
from west_qspi.sim.folder import BoardFolder
from west_qspi.soc import NRF5340
from west_qspi.targets.simulated import SimulatedTarget, open_simulated

if TYPE_CHECKING:
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.runners import Describe, RunnerOptions
    from west_qspi.soc import Soc


class SimRunner:
    """Makes the board on first use, as the build describes it, and keeps it in its folder."""

    name = "sim"

    def connect(
        self, soc: Soc, external: ExternalFlash | None, options: RunnerOptions, *, use_external: bool
    ) -> SimulatedTarget:
        """Open the board in ``options.sim_board``.

        Raises UsageError for options that cannot be meant, NoDevice where the board is not the one asked for
        or another run uses it, and what ``open_simulated`` raises.
        """
        if options.sim_board is None:
            raise UsageError("the simulated board needs a folder: --sim-board DIR")
        faults = tuple(parse_fault(text) for text in options.sim_faults)
        setup = FlashSetup.of(external, options.parts) if external is not None and use_external else None

        def load(folder: Path) -> Board:
            if BoardFolder(folder).state_file.exists():
                board = Board.open(folder, options.parts)
            else:
                board = Board.create(folder, soc, _part_for(external, options.parts))
            # Before its chip is brought up, which may write a register that outlasts power.
            if options.dev_id is not None and not _matches(board.serial, options.dev_id):
                raise NoDevice(board.conditions.device, f"its serial number is not {options.dev_id}")
            return board

        return open_simulated(options.sim_board, setup, faults=faults, load=load, parts=options.parts)

    def identify(
        self, wires: ExternalFlash | None, options: RunnerOptions, describe: Describe
    ) -> SimulatedTarget:
        """Open the board in ``options.sim_board``, which must be there. Raises as ``connect`` does."""
        folder = options.sim_board
        if folder is None or not BoardFolder(folder).state_file.exists():
            place = f"--sim-board {folder}" if folder else "--sim-board DIR"
            raise UsageError(
                f"{place}: there is no simulated board yet, and without a build nobody knows which SoC and "
                "chip it shall have; give the build once (-d), which makes it"
            )
        target = self.connect(NRF5340, None, options, use_external=False)
        try:
            external = describe(target)
            if external is not None:
                target.use_external(external)
        except BaseException:
            target.close()
            raise
        return target

    def devices(self, options: RunnerOptions) -> tuple[str, ...]:
        """Return the board in ``options.sim_board``, if there is one. Raises SimulatedBoardError."""
        folder = options.sim_board
        if folder is None or not BoardFolder(folder).state_file.exists():
            return ()
        return (Board.open(folder, options.parts).conditions.device,)

    def boards(
        self, options: RunnerOptions, wanted: Sequence[str], *, every: bool
    ) -> dict[str, RunnerOptions]:
        """Return the boards in ``options.sim_boards``: each is named by its folder. Raises UsageError."""
        if wanted:
            raise UsageError("of several simulated boards each is named by its folder: --sim-board, not -i")
        folders = {folder.resolve(): folder for folder in options.sim_boards}
        if not folders:
            raise UsageError("several simulated boards need a folder each: --sim-board DIR --sim-board DIR")
        names = Counter(folder.name for folder in folders.values())
        return {
            folder.name if names[folder.name] == 1 else str(folder): replace(options, sim_board=folder)
            for folder in folders.values()
        }

    def other_way(self, options: RunnerOptions) -> RunnerOptions | None:
        """Know no other way than the one."""
        return None

    def state_folder(self, options: RunnerOptions) -> Path | None:
        """Return the board's own folder, so that a copy of it carries the journal along."""
        return options.sim_board


def _matches(serial: str, wanted: str) -> bool:
    """Compare as ``west flash`` does: leading zeros do not count, ``*`` and ``?`` are patterns."""
    return fnmatchcase(serial.lstrip("0"), wanted.lstrip("0"))


def _part_for(external: ExternalFlash | None, parts: Parts) -> Part | None:
    """Return the part that the description means: by its JEDEC id, else the first of its size."""
    if external is None:
        return None
    part = parts.by_id(external.jedec_id) if external.jedec_id else None
    return part or (parts.usual(external.size) if external.size else None)


def runner() -> SimRunner:
    """Return the runner."""
    return SimRunner()
