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

from buildgen import BuildOptions, make_build
from buildgen.chips import CHIPS, MIB
from buildgen.options import MODES, PARTITION_SOURCES, SOC_NAMES

from west_qspi.errors import QspiError


def number(text: str) -> int:
    return int(text, 0)


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
    return parser


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    names = {field.name for field in fields(BuildOptions)}
    try:
        options = BuildOptions(**{name: value for name, value in vars(given).items() if name in names})
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
