"""A runner of Zephyr's as a runner of ours, together with one of ours that reads what it has programmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.errors import (
    ErasesTooMuch,
    ExternalOutOfReach,
    NoDevice,
    RunnerUnavailable,
    SeveralProbes,
    TargetError,
)
from west_qspi.events import Noticed
from west_qspi.runners import Runner, get_runner, runner_names
from west_qspi.zephyr.reach import erases_all_external, reach_of, reaches_external
from west_qspi.zephyr.target import ToolTarget
from west_qspi.zephyr.tool import CONFIGURATIONS, Offer, Tool

if TYPE_CHECKING:
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.firmware import Firmware
    from west_qspi.runners import RunnerOptions
    from west_qspi.soc import Soc
    from west_qspi.targets import Target

# Those that reach the same boards as Zephyr's, the quicker one first.
_READERS = ("pynrfjprog", "nrfutil")


def check_reach(tool: Tool, offer: Offer, *, external: bool, erase: bool) -> None:
    """Check that a tool can program what is wanted, and no more; tell what is weaker with it.

    ``external`` tells that there is something for external flash, ``erase`` that all of it may go. Raises
    ExternalOutOfReach, ErasesTooMuch.
    """
    reach = reach_of(tool.name)
    if external and not reaches_external(tool.name, tool.all_arguments):
        known = (*runner_names(), *tool.build.application.runner_args)
        able = (name for name in known if name in runner_names() or reach_of(name).external is True)
        raise ExternalOutOfReach(tool.name, ", ".join(dict.fromkeys(able)))
    if external and not erase and erases_all_external(tool.name, offer.options):
        raise ErasesTooMuch(tool.name)
    if external and not CONFIGURATIONS.keys() & offer.options and reach.external is True:
        text = f"{tool.name} of this Zephyr cannot be told of the external flash, and takes it for a kit's"
        tool.listen(Noticed("ext-mem-config", text, warning=True))
    if not (reach.holds and offer.may_reset):
        text = f"{tool.name} starts the board after each of its steps: what runs then may write to its flash"
        tool.listen(Noticed("order", text))


def find_reader(tool: Tool, offer: Offer, options: RunnerOptions, named: str | None) -> Reading | None:
    """Return what reads the board that the tool programs; None where there is nothing that surely does.

    ``named`` is the user's choice. A runner is only taken if it and the tool can be told the same probe:
    otherwise another board of the same kind would be read, and perhaps be found to be right. Raises
    UnknownRunner, SeveralProbes, NoDevice for a board that is named and not there, and for a named runner
    what it raises.
    """
    names = (named,) if named else tuple(name for name in _READERS if name in runner_names())
    for name in names:
        reader = get_runner(name)
        try:
            found = reader.devices(options)
        except (RunnerUnavailable, TargetError):
            if named:
                raise
            continue
        numbers = [device for device in found if device.isdigit()]
        if not numbers:
            # The simulated board is not behind a probe: its folder says which one it is.
            if named and name == "sim":
                return Reading(reader, options, options.dev_id)
            continue
        if "dev_id" not in offer.able:
            tool.listen(Noticed("reader", f"{tool.name} cannot be told which board, so none is read"))
            return None
        number = _one_of(numbers, options)
        return Reading(reader, replace(options, dev_id=number), number)
    return None


@dataclass(frozen=True)
class Reading:
    """A runner that reads, the options with which it does so, and the board that the tool must be told."""

    runner: Runner
    options: RunnerOptions
    dev_id: str | None


def _one_of(numbers: Sequence[str], options: RunnerOptions) -> str:
    wanted = (options.dev_id or "*").lstrip("0")
    fitting = [number for number in numbers if fnmatchcase(number.lstrip("0"), wanted)]
    if not fitting:
        raise NoDevice(f"board {options.dev_id}", f"there are only {', '.join(numbers)}")
    if len(fitting) == 1:
        return fitting[0]
    chosen = options.choose(fitting)
    if chosen not in fitting:
        raise SeveralProbes("boards", f"several could be meant: {', '.join(fitting)}")
    return chosen


class ZephyrRunner:
    """Has a tool program and a runner of ours read."""

    def __init__(self, tool: Tool, offer: Offer, reading: Reading) -> None:
        self.name = tool.name
        self._tool, self._offer, self._reading = replace(tool, dev_id=reading.dev_id), offer, reading

    def connect(
        self, soc: Soc, external: ExternalFlash | None, options: RunnerOptions, *, use_external: bool
    ) -> ToolTarget:
        """Connect to the board; raises what the reading runner raises."""
        reading = self._reading

        def open_reader() -> Target:
            return reading.runner.connect(soc, external, reading.options, use_external=use_external)

        def shoot(firmware: Firmware, network: bool) -> None:
            self._tool.shoot(self._offer, firmware, network=network)

        return ToolTarget(open_reader, shoot)

    def devices(self, options: RunnerOptions) -> tuple[str, ...]:
        """Return the devices that the reading runner reaches. Raises RunnerUnavailable."""
        return self._reading.runner.devices(options)

    def other_way(self, options: RunnerOptions) -> RunnerOptions | None:
        """Know no other way: it is the tool that programs."""
        return None

    def state_folder(self, options: RunnerOptions) -> Path | None:
        """Return where the reading runner has its journals: they are for the same board."""
        return self._reading.runner.state_folder(self._reading.options)
