"""All of a run with a tool, from the question whether it is fit for the job to the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from west_qspi.errors import ErasesTooMuch, ExternalOutOfReach, UsageError
from west_qspi.events import Listener, Noticed
from west_qspi.runners import runner_names
from west_qspi.work import Aim, Stopping, reported
from west_qspi.zephyr.blind import flash_blind
from west_qspi.zephyr.reach import erases_all_external, reach_of, reaches_external
from west_qspi.zephyr.target import ToolJournal, ToolTarget
from west_qspi.zephyr.tool import CONFIGURATIONS, Offer, Tool

if TYPE_CHECKING:
    from west_qspi.job import Job
    from west_qspi.policy import Policy
    from west_qspi.report import FlashReport
    from west_qspi.zephyr.reader import Reading


def check_reach(tool: Tool, offer: Offer, *, external: bool) -> None:
    """Check that a tool can program what is wanted, and no more; tell what is weaker with it.

    ``external`` tells that there is something for external flash. Raises ExternalOutOfReach, ErasesTooMuch.
    """
    reach = reach_of(tool.name)
    if external and not reaches_external(tool.name, tool.all_arguments):
        ours = [name for name in runner_names() if name != "sim"]
        theirs = [name for name in tool.build.application.runner_args if reach_of(name).external is True]
        raise ExternalOutOfReach(tool.name, ", ".join(dict.fromkeys([*ours, *theirs])))
    if external and erases_all_external(tool.name, offer.options):
        raise ErasesTooMuch(tool.name)
    if external and not CONFIGURATIONS.keys() & offer.options and reach.external is True:
        text = f"{tool.name} of this Zephyr cannot be told of the external flash, and takes it for a kit's"
        tool.listen(Noticed("ext-mem-config", text, warning=True))
    if not (reach.holds and offer.may_reset):
        text = f"{tool.name} starts the board after each of its steps: what runs then may write to its flash"
        tool.listen(Noticed("order", text))


@dataclass(frozen=True)
class ZephyrWork:
    """A job for the board that a tool programs; ``reading`` says who reads it, None for nobody.

    ``carry_out`` raises what ``flash``, ``compare``, ``preview`` or ``flash_blind`` raise, and UsageError
    where nobody reads and something is to be compared.
    """

    tool: Tool
    offer: Offer
    reading: Reading | None
    job: Job
    policy: Policy
    aim: Aim

    def carry_out(self, listen: Listener, stopping: Stopping) -> FlashReport:
        """Do it."""
        reading = self.reading
        if reading is None:
            if self.aim is not Aim.FLASH:
                raise UsageError(
                    "nothing here can read the board, so nothing can be compared: see --prove-with"
                )
            with stopping() as stop:
                return flash_blind(self.tool, self.offer, self.job, self.policy, listen=listen, stop=stop)
        tool, journal = replace(self.tool, dev_id=reading.dev_id), ToolJournal(reading.journal)
        target = ToolTarget(
            lambda: reading.connect(self.job), lambda part, other: tool.shoot(self.offer, part, network=other)
        )
        try:
            return reported(target, self.job, self.policy, journal, self.aim, listen, stopping)
        finally:
            target.close()
