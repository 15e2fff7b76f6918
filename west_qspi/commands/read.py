"""``qspi-read``: read a partition or a range off the board, and files out of a file system."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from west_qspi import hexfile
from west_qspi.areas import Area, area_at, area_on, check_area, partitions_in
from west_qspi.build.build import Build
from west_qspi.commands import Context, add_build_options, build_dir, guarded
from west_qspi.commands.board import (
    add_board_options,
    add_chip_options,
    chip,
    interruptible,
    known_parts,
    runner_of,
    runner_options,
)
from west_qspi.commands.loose import configuration, is_without_build
from west_qspi.console import Console
from west_qspi.data import both_spellings
from west_qspi.errors import UsageError
from west_qspi.events import Listener, Noticed, ignore
from west_qspi.fileio import replace_bytes
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.flasher import tell_pending
from west_qspi.job import check_range
from west_qspi.littlefs import Entry
from west_qspi.loose import is_external, needs_partition
from west_qspi.looserun import Way, identified
from west_qspi.memory import Range
from west_qspi.preparation import check_board
from west_qspi.reading import read_proven
from west_qspi.render import hexdump, human_size, table
from west_qspi.soc import Soc
from west_qspi.work import connected

NAME = "qspi-read"
HELP = "read a partition or a range off the board, or files out of its LittleFS"
DESCRIPTION = """\
Read a partition, or a range, into a file, or the files of a LittleFS partition into a folder.

Everything is read twice: two reads that differ are an error, and nothing is written then. A .hex file gets
bus addresses. Without -o, bytes are shown as a dump and a file system as a list.

Exit status: 0 read, 1 not read or not to be trusted, 2 wrong usage.
"""

_DUMPED = 0x1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "place",
        nargs="?",
        metavar="PLACE",
        help="PARTITION[+OFFSET], MEMORY+OFFSET, or an ADDRESS on the bus or in the external flash",
    )
    parser.add_argument("size", nargs="?", metavar="SIZE", help="bytes; default: to the partition's end")
    parser.add_argument("--dir", metavar="PARTITION", help="list or extract the LittleFS in this partition")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="FILE.bin or FILE.hex, or a folder")
    add_build_options(parser)
    add_board_options(parser)
    add_chip_options(parser)


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    return guarded(_run, args, context)


def _run(args: argparse.Namespace, context: Context, console: Console) -> int:
    if (args.place is None) == (args.dir is None):
        raise UsageError("say what to read: a PARTITION or an ADDRESS, or --dir PARTITION")
    output = context.cwd / args.output if args.output is not None else None
    if output is not None and args.dir is None and output.suffix.lower() not in (".bin", ".hex"):
        raise UsageError(f"-o {args.output}: its name should end in .bin or .hex, which says what to write")
    if args.dir is None and is_without_build(args, context) and not needs_partition(args.place):
        return _read_loose(args, context, console, output)
    directory = build_dir(args, context)
    parts = known_parts(args, context)
    build = Build.load(directory)
    runner = runner_of(args, context, build)
    external = chip(args, context, build, parts, console)
    files_in = build.partition(args.dir) if args.dir is not None else None
    where = "--dir" if args.dir else "qspi-read"
    area = area_at(build, args.dir or args.place, args.size, external, where)
    check_area(build, area, external)
    _tell_extent(console, build, area)
    outside = area.range if area.range.overlaps(build.soc.xip) else None
    options = runner_options(args, context, directory, parts, console)
    with connected(runner, options, build.soc, external, use_external=outside is not None) as (
        target,
        journal,
    ):
        check_board(target, build.soc, external, outside, area.name)
        tell_pending(target, journal, console.listen)
        with interruptible(console) as stop:

            def read(part: Range, listen: Listener) -> bytes:
                return read_proven(target, part, listen=listen, stop=stop)

            if files_in is None:
                _keep(console, build.soc, area, read(area.range, console.listen), output)
                return 0

            from west_qspi import littlefs

            def quietly(offset: int, size: int) -> bytes:
                return read(Range(area.range.start + offset, size), ignore)

            settings = littlefs.settings_from_build(build, files_in)
            image = littlefs.open_image(quietly, area.range.size, settings, args.dir)
            entries = image.listing() if output is None else image.extract(output)
            stale = image.missing_in_image(output) if output is not None else ()
            if stale:
                text = f"in {output}, and not on the board: {', '.join(stale)}"
                console.listen(Noticed("stale", text, warning=True))
            _show_files(console, args.dir, entries, output)
    return 0


def _read_loose(args: argparse.Namespace, context: Context, console: Console, output: Path | None) -> int:
    """Read where there is no build: the device says what it is."""
    parts, where = known_parts(args, context), "qspi-read"
    runner = runner_of(args, context, None)
    options = runner_options(args, context, context.cwd, parts, console)
    way = Way(runner.name, options, configuration(args, context, console), console.listen)
    with identified(way, lambda soc: is_external(args.place, soc, where)) as (target, external, journal):
        area = area_on(target, args.place, args.size, external, where)
        check_range(area.range, area.name, target.soc, external)
        outside = area.range if area.range.overlaps(target.soc.xip) else None
        check_board(target, target.soc, external, outside, area.name)
        tell_pending(target, journal, console.listen)
        with interruptible(console) as stop:
            data = read_proven(target, area.range, listen=console.listen, stop=stop)
        _keep(console, target.soc, area, data, output)
    return 0


def _tell_extent(console: Console, build: Build, area: Area) -> None:
    """Say so where other bytes than those of one partition are read."""
    names = partitions_in(build, area.range)
    if names and not any(_covers(build, name, area.range) for name in names):
        text = f"{area.name}: more than one partition's bytes, here are {', '.join(names)}"
        console.listen(Noticed("extent", text))


def _covers(build: Build, name: str, part: Range) -> bool:
    bus = build.partition(name).bus
    return bus is not None and bus.covers(part)


def _keep(console: Console, soc: Soc, area: Area, data: bytes, output: Path | None) -> None:
    """Write what was read to its file, or show it."""
    digest = hashlib.sha256(data).hexdigest()
    start = area.range.start
    if output is None and len(data) > _DUMPED:
        lines = [*hexdump(data[:_DUMPED], start), f"... {len(data) - _DUMPED} bytes more; -o FILE keeps all"]
    elif output is None:
        lines = hexdump(data, start)
    elif output.suffix.lower() == ".hex":
        hexfile.write(output, Firmware((Segment(start, data, Origin(area.name)),)))
        lines = []
    else:
        replace_bytes(output, [data])
        lines = []
    kept = f" in {output}" if output else ""
    summary = f"{area.name}: {human_size(len(data))} at {both_spellings(soc, start)}{kept}; read twice, alike"
    value = {
        "type": "read",
        "name": area.name,
        "start": start,
        "end": area.range.end,
        "sha256": digest,
        "file": str(output) if output else None,
    }
    console.result(value, [*lines, summary, f"sha-256 {digest}"])


def _show_files(console: Console, name: str, entries: tuple[Entry, ...], output: Path | None) -> None:
    rows = [
        (entry.path + ("/" if entry.is_dir else ""), "" if entry.is_dir else str(entry.size))
        for entry in entries
    ]
    files = [entry for entry in entries if not entry.is_dir]
    total = human_size(sum(entry.size for entry in files))
    done = f"extracted to {output}" if output else "listed; -o FOLDER extracts them"
    value = {
        "type": "files",
        "name": name,
        "folder": str(output) if output else None,
        "entries": [{"path": entry.path, "size": entry.size, "folder": entry.is_dir} for entry in entries],
    }
    lines = table(("file", "bytes"), rows) if rows else []
    console.result(value, [*lines, f"{name}: {len(files)} files, {total}, {done}"])


def _shown(path: str) -> str:
    """Write a name from somebody else's file system so that it cannot drive the terminal."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in path)
