"""``qspi-config generate`` and ``convert``: configurations written from a build, or from one another."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from west_qspi.build.build import Build
from west_qspi.commands import Context, build_dir, build_dir_or_none, typed
from west_qspi.commands.board import known_parts
from west_qspi.console import Console
from west_qspi.errors import UsageError
from west_qspi.events import Noticed
from west_qspi.extflash.configfile import Format, Written, read_config, write_config
from west_qspi.extflash.configured import unlike_devicetree
from west_qspi.extflash.derive import chip_of, completed
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.parts import Parts
from west_qspi.fileio import replace_bytes
from west_qspi.soc import NRF5340, SOCS, Soc

NO_CHIP = "the build's devicetree has no external flash"

_LONGEST_DELAY = 255


def soc_of(args: argparse.Namespace, build: Build | None) -> Soc | None:
    """Return the SoC that is named or else the build's; None where there is neither."""
    if args.soc:
        return SOCS[args.soc]
    return build.soc if build else None


# --- generate --------------------------------------------------------------------------------------


def generate_config(args: argparse.Namespace, context: Context, console: Console) -> int:
    """Write a configuration from the build, and tell where that is not the devicetree's word."""
    output = typed(args.output, context) if args.output else None
    format = _format(args.format, output)
    build = Build.load(build_dir(args, context))
    flash = _chip(build, known_parts(args, context))
    for notice in _unlike_devicetree(build, flash):
        console.listen(notice)
    written = _written(_portable(flash, build.path), format, build.soc, not args.no_comments)
    _deliver(console, written, format, output)
    return 0


def _chip(build: Build, parts: Parts) -> ExternalFlash:
    node = build.external_flash
    if node is None:
        raise UsageError(NO_CHIP)
    flash = chip_of(build, parts)
    if flash is None:
        raise UsageError(f"the external flash is on plain SPI, and only written for the QSPI: {node.path}")
    if not flash.size:
        raise UsageError(f"the size of the external flash is not known: {node.path} needs 'size'")
    return flash


def _unlike_devicetree(build: Build, flash: ExternalFlash) -> Iterator[Noticed]:
    """Yield what is written otherwise than the devicetree has it, as that cannot be right or does not fit."""
    node = build.external_flash
    if node is None:
        return
    yield from unlike_devicetree(build, flash)
    rate = 32 if build.soc is NRF5340 else 16
    if (node.sck_delay or 0) * rate > _LONGEST_DELAY * 1000:
        text = f"'sck-delay' of {node.sck_delay} ns is more than {_LONGEST_DELAY} periods of {rate} MHz"
        yield Noticed("devicetree", f"{text}, the most that a file can hold: that is written")


def _portable(flash: ExternalFlash, folder: Path) -> ExternalFlash:
    """Return it with sources that name files from a folder on: what is written is kept in git."""
    root = f"{folder.as_posix()}/"
    sources = {
        fact: source._replace(origin=source.origin.replace("\\", "/").removeprefix(root))
        for fact, source in flash.sources.items()
    }
    return replace(flash, sources=sources)


def _format(named: str | None, output: Path | None) -> Format:
    """Return the format that an option or a suffix names; two that contradict each other are a mistake."""
    suffix = output.suffix[1:].lower() if output else ""
    known = [item.value for item in Format]
    if named and suffix in known and named != suffix:
        raise UsageError(f"--format {named}, but the name of {output} is one of {suffix}")
    if not named and suffix not in known:
        raise UsageError(
            f"which format? Give --format, or a file name that ends in one of {', '.join(known)}"
        )
    return Format(named or suffix)


def _written(flash: ExternalFlash, format: Format, soc: Soc, comments: bool) -> Written:
    try:
        return write_config(flash, format, soc, comments=comments)
    except ValueError as error:
        raise UsageError(f"cannot be written as {format.value}: {error}") from None


def _deliver(console: Console, written: Written, format: Format, output: Path | None) -> None:
    """Write the file, or show it, and say what it does not hold."""
    for sentence in written.lost:
        console.listen(Noticed("lost", sentence))
    value = {"type": "config", "format": format.value, "lost": list(written.lost)}
    if output is None:
        console.result({**value, "file": None, "text": written.text}, written.text.splitlines())
    else:
        replace_bytes(output, [written.text.encode()])
        console.result({**value, "file": str(output)}, [f"written: {output}"])


# --- convert ---------------------------------------------------------------------------------------


def convert_config(args: argparse.Namespace, context: Context, console: Console) -> int:
    """Turn one format into another, and tell what that loses."""
    path, output = typed(args.input, context), typed(args.output, context)
    format = _format(args.format, output)
    if os.path.realpath(path) == os.path.realpath(output):
        raise UsageError(f"{output} is the file to be converted: name another one to write")
    flash = read_config(path)
    for source in flash.unknown:
        console.listen(Noticed("lost", f"{source} means nothing to its tool, and is left out"))
    build = None if args.soc else build_dir_or_none(args, context)[1]
    flash, soc = _portable(flash, path.parent), soc_of(args, build)
    written = [_converted(flash, format, each, args) for each in ([soc] if soc else SOCS.values())]
    if any(each.text != written[0].text for each in written):
        raise UsageError("what becomes of the clock depends on the SoC: say which with --soc")
    _deliver(console, written[0], format, output)
    return 0


def _converted(flash: ExternalFlash, format: Format, soc: Soc, args: argparse.Namespace) -> Written:
    return _written(completed(flash, soc), format, soc, not args.no_comments)
