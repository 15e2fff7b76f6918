"""One of Zephyr's runners as a tool: what it offers, and one shot of it, which programs one firmware."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

from west_qspi import hexfile
from west_qspi.errors import (
    Protected,
    RunnerBroken,
    RunnerRefuses,
    RunnerToolMissing,
    RunnerUnusable,
    ToolFailed,
    UnknownRunner,
    UsageError,
)
from west_qspi.events import Listener, Noticed
from west_qspi.extflash.configfile import Format, write_config
from west_qspi.extflash.configured import board_configs
from west_qspi.extflash.parts import PARTS
from west_qspi.zephyr.process import ask
from west_qspi.zephyr.workspace import runner_settings

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.build.model import Image
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.firmware import Firmware

CONFIGURATIONS = {"--ext-mem-config-file": Format.JSON, "--qspiini": Format.INI}
"""How runners are told of the external flash, and in which format."""

# Said anew for each shot, so nobody else may; those that are followed by a value, and those that are not.
_OURS_WITH_VALUE = (
    *("--bin-file", "--dev-id", "--elf-file", "--erase-mode", "--ext-erase-mode", "--file", "--file-type"),
    *("--hex-file", "--snr", "-f", "-i", "-t"),
)
_OURS = ("--erase", "--no-erase", "--no-reset", "--recover", "--reset")
# What nrfjprog (16) and Zephyr's runners for it and nrfutil (24) end with where access is locked.
# Source: Zephyr's runners/nrfjprog.py and nrf_common.py.
_PROTECTED = (16, 24)

_ASKING = 60.0
_LEAST_TIME = 120.0
_SLOWEST = 4096 / 1.5
"""Bytes per second that a tool manages at least: 4 KiB are erased in 0.5 s, the most in the table of parts,
and as long again for programming and for reading back."""
_WHOLE_CHIP = max(part.chip_erase_max for part in PARTS)
"""Seconds that erasing a chip takes at most."""


@dataclass(frozen=True)
class Tool:
    """A runner of a build: ``zephyr`` is Zephyr's folder, ``arguments`` are the user's own.

    ``dev_id`` picks the board, ``external`` is the chip for which a configuration is written where the board
    names none and the runner takes one; with ``configured`` that is the user's, and goes before the board's.
    """

    name: str
    zephyr: Path
    build: Build
    arguments: tuple[str, ...] = ()
    dev_id: str | None = None
    external: ExternalFlash | None = None
    configured: bool = False
    listen: Listener = field(default=lambda event: None, compare=False)

    def check(self) -> None:
        """Check that the build has it, and that the user's arguments leave to us what is ours.

        Raises UnknownRunner, UsageError.
        """
        known = self.build.application.runner_args
        if self.name not in known:
            raise UnknownRunner(self.name, ", ".join(known) or "none in this build")
        for argument in self.arguments:
            option = argument.partition("=")[0]
            if option in (*_OURS, *_OURS_WITH_VALUE):
                raise UsageError(f"{option} goes before the '--': it is not for the runner alone")

    @property
    def all_arguments(self) -> tuple[str, ...]:
        """The arguments of the board for the application, and the user's."""
        return (*self.build.application.runner_args[self.name], *self.arguments)

    def describe(self) -> Offer:
        """Return what it offers; raises what ``shoot`` raises."""
        answer = ask(self._request("describe"), _ASKING, self._heard)
        if answer["kind"] != "done":
            self._raise(answer, [])
        if "flash" not in answer["commands"]:
            raise RunnerRefuses(self.name, "it is not one that flashes")
        return Offer(frozenset(answer["options"]), frozenset(answer["able"]))

    def _request(self, what: str) -> dict[str, Any]:
        return {"do": what, "runner": self.name, "zephyr_base": str(self.zephyr)}

    def _heard(self, line: str) -> None:
        self.listen(Noticed("tool", f"{self.name}: {line}"))

    def shoot(self, offer: Offer, firmware: Firmware, *, network: bool = False, **how: bool) -> None:
        """Program a firmware, which is for one core; ``how`` are the choices of ``Offer.options_for``.

        It gets a copy of its own, because runners leave files beside what they program. Raises Protected,
        RunnerToolMissing, RunnerRefuses, RunnerBroken, RunnerUnusable, ToolFailed, ToolHung, UnknownRunner.
        """
        image = self._image(network)
        external = firmware.touches(self.build.soc.xip)
        last: deque[str] = deque(maxlen=3)

        def heard(line: str) -> None:
            last.append(line)
            self._heard(line)

        with TemporaryDirectory(prefix="west-qspi-") as folder:
            path = Path(folder, "firmware.hex")
            hexfile.write(path, firmware)
            board = self._board_arguments(offer, image, Path(folder) if external else None)
            told = offer.options_for(self.dev_id, external=external, **how)
            arguments = [*board, *self.arguments, *told]
            request = {**self._request("flash"), "arguments": arguments, "config": _config(image, path)}
            seconds = _LEAST_TIME + firmware.size / _SLOWEST + (_WHOLE_CHIP if how.get("erase") else 0)
            answer = ask(request, seconds, heard)
        if answer["kind"] != "done":
            self._raise(answer, list(last))

    def _image(self, network: bool) -> Image:
        """Return the image whose arguments and configuration are those of a core."""
        other = self.build.network if network else None
        return other if other is not None and other.flashed else self.build.application

    def _board_arguments(self, offer: Offer, image: Image, folder: Path | None) -> list[str]:
        """Return the board's arguments; with a ``folder``, also a file there that describes the chip."""
        arguments, stale = _without_ours(image.runner_args.get(self.name, ()))
        for option in stale:
            self.listen(
                Noticed("runner-args", f"{option}, which the board gives to {self.name}, is left out")
            )
        given, used = _options(self.arguments), _options(arguments) & CONFIGURATIONS.keys()
        board = next((item.path for item in board_configs(self.build) if item.runner == self.name), None)
        arguments = _without(arguments, tuple(CONFIGURATIONS))
        if board is not None and board.is_file() and not self.configured:
            # Said anew, because the build may have been moved since.
            return arguments + [text for option in used for text in (option, str(board))]
        for option, format in CONFIGURATIONS.items():
            if folder is not None and option in offer.options and option not in given:
                arguments += self._written(option, format, folder)
        return arguments

    def _written(self, option: str, format: Format, folder: Path) -> list[str]:
        """Return an option with a file that describes the external flash; nothing where that is not known."""
        if self.external is None:
            return []
        try:
            text = write_config(self.external, format, self.build.soc).text
        except ValueError as error:
            self.listen(Noticed("ext-mem-config", f"no configuration for {self.name}: {error}", warning=True))
            return []
        path = folder / f"chip.{format.value}"
        path.write_text(text, encoding="utf-8")
        return [option, str(path)]

    def _raise(self, answer: Mapping[str, Any], said: Sequence[str]) -> NoReturn:
        kind, text = answer["kind"], str(answer["text"])
        if kind == "tool-failed":
            status = int(answer["status"])
            if status in _PROTECTED:
                raise Protected(self.dev_id or "the board", f"as {self.name} says")
            raise ToolFailed(self.name, text, status, "; ".join(said) or "it said nothing")
        if kind == "program-missing":
            raise RunnerToolMissing(self.name, f"the program '{text}' was not found")
        if kind == "import":
            raise RunnerUnusable(self.name, text)
        if kind == "unknown":
            raise UnknownRunner(self.name, ", ".join(answer["known"]))
        if kind in ("refused", "exit"):
            raise RunnerRefuses(self.name, text)
        raise RunnerBroken(self.name, text)


@dataclass(frozen=True)
class Offer:
    """What a runner of this Zephyr offers: option strings, and the names of capabilities."""

    options: frozenset[str]
    able: frozenset[str]

    @property
    def may_reset(self) -> bool:
        """Tell whether it can be told not to reset the board at its end."""
        return "--no-reset" in self.options and "reset" in self.able

    def options_for(
        self,
        dev_id: str | None,
        *,
        external: bool,
        erase: bool = False,
        recover: bool = False,
        reset: bool = False,
    ) -> list[str]:
        """Return the options of one shot; what is not offered is left out.

        Its defaults are not relied on: they have changed from release to release.
        """
        told: list[str] = []
        if dev_id is not None and "dev_id" in self.able:
            told += ["--dev-id", dev_id]
        if "--erase-mode" in self.options:
            told += ["--erase-mode", "all" if erase else "ranges"]
            if external and "--ext-erase-mode" in self.options:
                told += ["--ext-erase-mode", "all" if erase else "ranges"]
        elif erase:
            told.append("--erase")
        if recover:
            told.append("--recover")
        if self.may_reset:
            told.append("--reset" if reset else "--no-reset")
        return told


def _without_ours(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return arguments without those that each shot sets anew, and the names of these."""
    ours = [argument.partition("=")[0] for argument in arguments]
    found = [option for option in ours if option in (*_OURS, *_OURS_WITH_VALUE)]
    kept = [argument for argument in _without(arguments, _OURS_WITH_VALUE) if argument not in _OURS]
    return kept, found


def _options(arguments: Sequence[str]) -> set[str]:
    return {argument.partition("=")[0] for argument in arguments}


def _without(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return arguments without these options and their values."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in options:
            skip = True
        elif argument.partition("=")[0] not in options:
            kept.append(argument)
    return kept


def _config(image: Image, hex_file: Path) -> dict[str, object]:
    """Return the fields of Zephyr's RunnerConfig: with no other output than the hex file to fall back on."""
    settings = runner_settings(image)
    elf = image.hex_file.with_suffix(".elf")
    return {
        "build_dir": str(image.directory),
        "board_dir": str(settings.get("board_dir") or image.directory),
        "elf_file": str(elf) if elf.is_file() else None,
        "hex_file": str(hex_file),
        "gdb": settings.get("gdb"),
        "openocd": settings.get("openocd"),
        "openocd_search": settings.get("openocd_search") or [],
    }
