"""The runner ``sim``: programs the simulated board in a folder."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from west_qspi.errors import NoDevice, UsageError
from west_qspi.extflash.parts import PARTS, Part, part_by_id
from west_qspi.extflash.setup import FlashSetup
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault
from west_qspi.targets.simulated import SimulatedTarget, open_simulated

if TYPE_CHECKING:
    from west_qspi.build.model import FlashNode
    from west_qspi.runners import RunnerOptions
    from west_qspi.soc import Soc


class SimRunner:
    """Makes the board on first use, as the build describes it, and keeps it in its folder."""

    name = "sim"

    def connect(
        self, soc: Soc, external: FlashNode | None, options: RunnerOptions, *, use_external: bool
    ) -> SimulatedTarget:
        """Open the board in ``options.sim_board``; raises NoDevice where it is not the one asked for."""
        if options.sim_board is None:
            raise UsageError("the simulated board needs a folder: --sim-board DIR")
        faults = tuple(parse_fault(text) for text in options.sim_faults)
        if not (options.sim_board / "board.json").exists():
            Board.create(options.sim_board, soc, _part_for(external)).save()
        setup = FlashSetup.from_node(external) if external is not None and use_external else None
        target = open_simulated(options.sim_board, setup, faults=faults)
        if options.dev_id is not None and not _matches(target.board.serial, options.dev_id):
            target.close()
            raise NoDevice(target.identity, f"its serial number is not {options.dev_id}")
        return target


def _matches(serial: str, wanted: str) -> bool:
    """Compare as ``west flash`` does: leading zeros do not count, ``*`` and ``?`` are patterns."""
    return fnmatchcase(serial.lstrip("0"), wanted.lstrip("0"))


def _part_for(external: FlashNode | None) -> Part | None:
    """Return the part that the devicetree means: by its JEDEC id, else the first of its size."""
    if external is None or not external.on_qspi:
        return None
    if external.jedec_id is not None:
        part = part_by_id(external.jedec_id)
        if part is not None:
            return part
    return next((part for part in PARTS if part.size == external.size), None)


def runner() -> SimRunner:
    """Return the runner."""
    return SimRunner()
