#!/usr/bin/env python3
"""Make a complete NCS build directory without the SDK: split image, MCUboot, network core, all signed.

Made again over an older one, with another --change for instance, it stands for 'west build'.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from buildgen import BuildOptions, ChipNode, make_build
from buildgen.chipnode import PSEL_SHIFTS
from buildgen.chips import CHIPS, MIB
from buildgen.options import CONFIG_ARGUMENTS, MODES, PARTITION_SOURCES, SOC_NAMES, Data

from west_qspi.errors import QspiError


def number(text: str) -> int:
    return int(text, 0)


def page(text: str) -> int | None:
    return None if text == "none" else number(text)


def data(text: str) -> Data:
    name, _, place = text.partition("=")
    size, at, address = place.partition("@")
    return (name, number(size), number(address)) if at else (name, number(size))


def config(text: str) -> tuple[str, str]:
    runner, _, file = text.partition("=")
    return runner, file


def _parser() -> argparse.ArgumentParser:
    usual = BuildOptions()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path, help="the build directory to make")
    add, switch = parser.add_argument, argparse.BooleanOptionalAction
    add("--soc", choices=SOC_NAMES, default=usual.soc)
    add("--network", action=switch, default=usual.network, help="a network core image, where there is one")
    add("--mode", choices=MODES, default=usual.mode, help="what MCUboot does; none: no MCUboot")
    add("--partitions", choices=PARTITION_SOURCES, default=usual.partitions, help="where the map comes from")
    add("--split", action=switch, default=usual.split, help="code in external flash as well")
    add("--signed", action=switch, default=usual.signed, help="signatures, or only hashes")
    add("--key", type=Path, metavar="FILE", help="P-256 key (default: signing-key.pem beside the build)")
    add("--bootstrap", action=switch, default=usual.bootstrap, help="MCUboot may install what it finds")
    add("--merge-twin", action=switch, default=usual.merge_twin, help="direct-xip: both slots in merged.hex")
    sizes = sorted({chip.size // MIB for chip in CHIPS.values()})
    add("--flash-size", type=number, choices=sizes, help="of the chip, in MiB (default 8)")
    add("--chip", choices=sorted(CHIPS), help="the part (default: the usual one of that size)")
    for name in ("internal", "external", "network"):
        size = getattr(usual, f"{name}_size")
        add(f"--{name}-size", type=number, default=size, metavar="BYTES", help=f"of code (default {size:#x})")
    add("--seed", type=number, default=usual.seed, help="another number gives other code")
    add("--change", type=number, default=usual.change, help="another number: the same code, a little edited")
    add("--version", default=usual.version, help="of the images: MAJOR.MINOR.REVISION[+BUILD]")
    add("--app", default=usual.app, help="name of the application's image")
    add("--board", help="name of the board, without qualifiers")
    place = "NAME=SIZE[@ADDRESS]"
    add("--data", type=data, action="append", metavar=place, help="a data partition in external flash")
    add("--fstab", action=switch, default=usual.fstab, help="littlefs_storage is mounted by devicetree")
    add("--elf", action=switch, default=usual.elf, help="with the linked programs of application and MCUboot")
    add("--layout-page", type=page, default=usual.layout_page, metavar="BYTES", help="a number, or none")
    runners = " or ".join(CONFIG_ARGUMENTS)
    about = f"what the board passes to a runner: {runners}"
    add("--board-config", type=config, action="append", metavar="RUNNER=FILE", help=about)
    _add_chip_node(parser)
    return parser


def _add_chip_node(parser: argparse.ArgumentParser) -> None:
    usual = ChipNode()
    group = parser.add_argument_group("what the board says of the chip, by default what suits the part")
    add, switch = group.add_argument, argparse.BooleanOptionalAction
    add("--address-32", action=switch, help="4-byte addresses; without: no enter-4byte-addr either")
    add("--enter-4byte", type=number, metavar="MASK", help="1: B7, 2: B7 after a write enable; -1: left out")
    for name in ("--read-opcode", "--write-opcode", "--quad-enable"):
        add(name, metavar="WORD", help="Zephyr's word; an empty one: left out")
    add("--frequency", type=number, metavar="HZ", help="-1: left out")
    add("--size-in-bytes", action=switch, default=usual.size_in_bytes, help="that property instead of size")
    add("--cpol-cpha", action=switch, default=usual.cpol_cpha, help="SPI mode 3")
    add("--sck-delay-ns", type=number, metavar="NS")
    add("--rx-delay", type=number, metavar="STEPS")
    add("--jedec", action=switch, default=usual.jedec, help="with the JEDEC id")
    add("--sfdp", action=switch, default=usual.sfdp, help="with sfdp-bfp (MX25R6435F only)")
    add("--psel-shift", type=number, choices=PSEL_SHIFTS, default=usual.psel_shift, help="(default 24)")
    add("--pinctrl", action=switch, default=usual.pinctrl, help="without: pins as before Zephyr 3.0")


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    values = vars(given)
    values["data"] = tuple(given.data or ())
    values["ext_mem_config"] = tuple(given.board_config or ())
    try:
        values["chip_node"] = ChipNode(**{item.name: values[item.name] for item in fields(ChipNode)})
        options = BuildOptions(
            **{item.name: values[item.name] for item in fields(BuildOptions) if item.name in values}
        )
        made = make_build(given.directory, options)
    except QspiError as error:
        print(f"make_build.py: {error}", file=sys.stderr)
        if error.advice:
            print(error.advice, file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        print(f"make_build.py: {error.name} is missing: pip install imgtool", file=sys.stderr)
        return 1
    root = given.directory.absolute()
    for path in sorted(path for path in made if path.suffix in (".hex", ".bin", ".zip")):
        print(f"{path.stat().st_size:>10}  {path.relative_to(root).as_posix()}")
    kind = f"{options.soc}, {options.mode}, {options.partitions}, {options.chip_part.name}"
    print(f"{len(made)} files in {given.directory} ({kind}; change {options.change})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
