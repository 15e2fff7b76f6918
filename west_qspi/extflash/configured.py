"""Which programmer configuration a flash goes by, and what is to be said about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.errors import ConfigurationError
from west_qspi.events import Noticed
from west_qspi.extflash import opcodes as op
from west_qspi.extflash.described import from_devicetree
from west_qspi.extflash.model import ExternalFlash, Kind

if TYPE_CHECKING:
    from west_qspi.build.build import Build

# How Zephyr's runners are told of such a file.
_OPTIONS = ("--ext-mem-config-file", "--qspiini")


@dataclass(frozen=True)
class BoardConfig:
    """A file that the board passes to a runner; it may not be on this machine."""

    runner: str
    path: Path


def board_configs(build: Build) -> tuple[BoardConfig, ...]:
    """Return the files in the arguments of the build's runners, the one that flashes first."""
    image = build.application
    runners = sorted(image.runner_args, key=lambda name: name != image.runner)
    return tuple(
        BoardConfig(runner, build.relocation.locate(text, image.directory / "zephyr"))
        for runner in runners
        for text in _files(image.runner_args[runner])
    )


def _files(arguments: tuple[str, ...]) -> Iterator[str]:
    for argument, following in zip(arguments, (*arguments[1:], ""), strict=False):
        name, equals, value = argument.partition("=")
        if name in _OPTIONS and (value if equals else following):
            yield value if equals else following


def configured_by(build: Build, named: Path | None) -> tuple[ExternalFlash | None, tuple[Noticed, ...]]:
    """Return what a programmer configuration says, with what is worth knowing; None where there is none.

    ``named`` is the user's; without it, it is the first of the board's that is on this machine. Raises
    FileUnreadable, ConfigurationError.
    """
    notices = []
    path = named
    boards = () if named else board_configs(build)
    found = next((board for board in boards if board.path.is_file()), None)
    for board in boards[: boards.index(found)] if found else boards:
        text = f"{board.path}, which the board names for {board.runner}, is not here"
        notices.append(Noticed("ext-mem-config", text if found else f"{text}; going by the devicetree"))
    if found:
        path = found.path
        notices.append(Noticed("ext-mem-config", f"using {path}, which the board names for {found.runner}"))
    if path is None:
        return None, tuple(notices)
    flash, said = configured_alone(path)
    return flash, (*notices, *said, *_differences(build, flash))


def configured_alone(path: Path) -> tuple[ExternalFlash, tuple[Noticed, ...]]:
    """Return what a programmer configuration says, with what is worth knowing about the file by itself.

    Raises FileUnreadable, ConfigurationError.
    """
    from west_qspi.extflash.configfile import read_config

    flash = read_config(path)
    if flash.kind is Kind.JSON and flash.peripheral != "QSPI":
        at = flash.source("peripheral")
        raise ConfigurationError(at.origin, at.line, f"the chip is on {flash.peripheral}, and not on QSPI")
    unknown = (
        Noticed("ext-mem-config", f"{source} means nothing to its tool, and is passed over", warning=True)
        for source in flash.unknown
    )
    return flash, (*unknown, *_not_sent(flash))


def _not_sent(flash: ExternalFlash) -> Iterator[Noticed]:
    """Yield the custom instructions that stand for none of what is done anyway."""
    from west_qspi.extflash.instructions import WRITE_ENABLES, enables_quad

    for item in flash.instructions or ():
        if item.opcode not in (op.WAKE, op.ENTER_4_BYTE, *WRITE_ENABLES) and not enables_quad(item):
            text = f"{flash.source('instructions')}: the instruction {item} is not sent"
            yield Noticed("ext-mem-config", text, warning=True)


def _differences(build: Build, flash: ExternalFlash) -> Iterator[Noticed]:
    from west_qspi.extflash.compare import Level, differences

    node = build.external_flash
    if node is None:
        return
    for item in differences(flash, from_devicetree(node, build.soc), build.soc):
        if item.level is not Level.NOTE:
            where = f"{flash.source(item.fact)}: {item.found}; devicetree: {item.reference}"
            yield Noticed("ext-mem-config", f"{where}: {item.text}", warning=True)


def unlike_devicetree(build: Build, flash: ExternalFlash) -> Iterator[Noticed]:
    """Yield where the devicetree drives the chip in a way that cannot be right, or not for all of it."""
    from west_qspi.extflash.compare import Level, differences
    from west_qspi.extflash.words import fact_name

    node = build.external_flash
    for item in differences(from_devicetree(node, build.soc), flash, build.soc) if node else ():
        if item.level is not Level.NOTE:
            where = f"devicetree: {fact_name(item.fact)} {item.found}, but this chip needs {item.reference}"
            yield Noticed("devicetree", f"{where}: {item.text}", warning=True)
