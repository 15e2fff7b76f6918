"""What goes wrong with tools that are not ours: Zephyr's runners, and what these run."""

from __future__ import annotations

from west_qspi.errors.flashing import CheckFailed, RunnerError, RunnerUnavailable

_AGAIN = "The same command again repairs what was left half done."


class NoZephyr(RunnerUnavailable):
    """Zephyr's package of runners is not on this machine."""

    hint = "Set ZEPHYR_BASE to Zephyr's folder, or choose a runner that does without it: -r pynrfjprog."


class RunnerUnusable(RunnerUnavailable):
    """Zephyr's package of runners, or what it needs, cannot be loaded by this Python."""

    hint = "Install what Zephyr needs for this Python: pip install -r zephyr/scripts/requirements-base.txt"


class RunnerToolMissing(RunnerUnavailable):
    """The program that a runner works with is not installed."""

    hint = "Install it, or add its folder to PATH; or choose another runner with -r."


class RunnerRefuses(RunnerError):
    """A runner does not do what it was asked to; ``reason`` is its own word."""

    name: str
    reason: str
    text = "runner '{name}' refuses: {reason}"
    hint = "Options behind '--' go to the runner as they are; -i says which board."


class RunnerBroken(RunnerError):
    """A runner broke down."""

    name: str
    reason: str
    text = "runner '{name}' broke down: {reason}"
    hint = _AGAIN


class ToolFailed(RunnerError):
    """The program that a runner works with failed; ``said`` is the end of what it printed."""

    name: str
    command: str
    status: int
    said: str
    text = "runner '{name}': '{command}' failed with exit status {status}: {said}"
    hint = f"Check the cable and that the board has power. {_AGAIN}"


class ToolHung(RunnerError):
    """A runner did not come to its end, and was ended with all that it had started."""

    name: str
    seconds: float
    text = "runner '{name}' did not end within {seconds:.0f} s; it and what it had started was ended"
    hint = f"Reconnect the probe. {_AGAIN}"


class ExternalOutOfReach(RunnerError):
    """The runner cannot program external flash, where a part of the firmware belongs; ``able`` can."""

    name: str
    able: str
    text = "runner '{name}' cannot program external flash, where a part of this firmware belongs"
    hint = "Choose one that can, with -r: {able}."


class ErasesTooMuch(RunnerError):
    """A runner of an old Zephyr erases all of the external flash, whatever is in it."""

    name: str
    text = "runner '{name}' of this Zephyr erases all of the external flash, data of others included"
    hint = "Choose another one with -r."


class NobodyReads(CheckFailed):
    """Only a part of linked images is to be flashed, and nothing can tell whether the board has the rest."""

    name: str
    text = "only a part is to be flashed by '{name}', and nobody can tell whether the board has the rest"
    hint = "Flash the whole firmware, or name a runner that reads the board: --prove-with."
