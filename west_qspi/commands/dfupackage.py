"""``qspi-dfu pack`` and ``inspect``: packages for updates, made from builds and held against them."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.commands import Context, build_dir, build_dir_or_none, typed
from west_qspi.console import Console
from west_qspi.errors import QspiError, UsageError
from west_qspi.events import Noticed
from west_qspi.fileio import opened, replace_bytes

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.dfu.inspection import Key
    from west_qspi.dfu.linked import LinkedImage

PACKAGE_NAME = "qspi_dfu.zip"
"""What a package is called in its build directory, beside the one that the SDK makes."""


def add_pack_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``pack``."""
    about = f"default: {PACKAGE_NAME} in the build directory, where an older one is replaced"
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=about)
    parser.add_argument("--force", action="store_true", help="let -o replace a file")
    _add_check_options(parser)


def add_inspect_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``inspect``."""
    parser.add_argument("package", type=Path, metavar="ZIP", help="such as dfu_application.zip")
    _add_check_options(parser)


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="what the images are signed with, either half in PEM; default: the build's own",
    )
    parser.add_argument(
        "--require-dependency",
        action="store_true",
        help="MCUboot itself must refuse each image without the others: dependency TLVs",
    )


def run_pack(args: argparse.Namespace, context: Context, console: Console) -> int:
    """Make a package of a build, and write it if nothing is wrong with it."""
    from west_qspi.build.build import Build
    from west_qspi.dfu.inspection import inspect
    from west_qspi.dfu.linked import linked_images
    from west_qspi.dfu.pack import pack
    from west_qspi.dfu.package import package_bytes
    from west_qspi.dfuview import package_json, package_lines

    build = Build.load(build_dir(args, context))
    usual = build.path / PACKAGE_NAME
    output = typed(args.output, context) if args.output else usual
    package = pack(build, str(output))
    content = package_bytes(package.manifest, package.data)
    if output.is_dir():
        raise UsageError(f"{output} is a directory: name the file in it")
    if not args.force and output.exists() and output.resolve() != usual.resolve():
        raise UsageError(f"{output} is there already: --force replaces it")
    found = inspect(
        package,
        linked_images(build),
        _key(args, context, build, console),
        require_dependency=args.require_dependency,
    )
    if not found.bad:
        replace_bytes(output, [content])
    last = "nothing was written" if found.bad else f"written: {output}"
    value = {**package_json(found), "written": not found.bad}
    console.result(value, [*package_lines(found, console.style), last])
    return 1 if found.bad else 0


def run_inspect(args: argparse.Namespace, context: Context, console: Console) -> int:
    """Show a package and what is wrong with it, by itself and for the build if one is in reach."""
    from west_qspi.dfu.inspection import inspect
    from west_qspi.dfu.linked import package_name
    from west_qspi.dfu.package import read_package
    from west_qspi.dfuview import package_json, package_lines

    package = read_package(typed(args.package, context))
    build, linked = _build(args, context, console)
    key = _key(args, context, build, console)
    name = package_name(build) if build is not None else ""
    found = inspect(package, linked, key, require_dependency=args.require_dependency, name=name)
    console.result(package_json(found), package_lines(found, console.style))
    return 1 if found.bad else 0


def _build(
    args: argparse.Namespace, context: Context, console: Console
) -> tuple[Build | None, tuple[LinkedImage, ...]]:
    """Return the build and its images; one that was not asked for and is of no use is only noted."""
    from west_qspi.dfu.linked import linked_images

    try:
        directory, build = build_dir_or_none(args, context)
        if build is not None:
            linked = linked_images(build)
            if args.build_dir is None:
                console.listen(Noticed("compared", f"compared with the build in {directory}"))
            return build, linked
        reason = "no build is in reach; -d DIR names one"
    except QspiError as error:
        if args.build_dir is not None:
            raise
        reason = str(error)
    console.listen(Noticed("not-compared", f"partitions and images are not compared with a build: {reason}"))
    return None, ()


def _key(args: argparse.Namespace, context: Context, build: Build | None, console: Console) -> Key | None:
    """Return the key that is named, or else the build's; say why where there is none to go by."""
    from west_qspi.dfu.inspection import Key

    named = typed(args.key, context) if args.key else None
    path = named or (build.signature_key if build else None)
    if path is not None and (named or find_spec("cryptography") is not None):
        with opened(path) as stream:
            return Key(stream.read(), str(path))
    reason = (
        "no key is named, by --key or by a build" if path is None else "the package 'cryptography' is missing"
    )
    console.listen(Noticed("signature", f"signatures are not checked: {reason}"))
    return None
