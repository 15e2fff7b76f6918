"""``qspi-dfu list``, ``upload`` and ``repair``: what has to do with a device over SMP."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.commands import Context, build_dir, build_dir_or_none
from west_qspi.console import Console
from west_qspi.dfu.link import Device, Patience, persist
from west_qspi.dfu.transport import BAUD, PORT, Address, udp_address
from west_qspi.dfu.updateset import UpdateSet
from west_qspi.errors import MissingOutput, NoSmpDevice, SmpLinkLost, UsageError
from west_qspi.events import Listener

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.dfu.update import UpdateReport, Wish

Way = Callable[["Device", UpdateSet, "Wish", Listener, Patience], "UpdateReport"]

_TIMEOUT, _WAIT = 10.0, 120.0
_LONGEST = 86_400.0


@dataclass(frozen=True)
class Subcommand:
    """One of ``qspi-dfu``'s commands: its name, words, options, and what runs it."""

    name: str
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Context, Console], int]


# --- options ---------------------------------------------------------------------------------------


def _add_device_options(parser: argparse.ArgumentParser) -> None:
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--port", metavar="DEV", help="the serial port, such as /dev/ttyACM0 or COM3")
    way.add_argument("--udp", metavar="HOST[:PORT]", help=f"the host; port {PORT} if none is given")
    way.add_argument("--ble", metavar="NAME|ADDRESS", help="the Bluetooth LE device")
    parser.add_argument(
        "--baud", metavar="RATE", type=int, default=BAUD, help=f"baud rate of --port (default: {BAUD})"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=_TIMEOUT,
        help="how long an answer may take (default: %(default).0f)",
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=_WAIT,
        help="how long the device may be out of reach, or restart (default: %(default).0f)",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _LONGEST:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds between 0 and {_LONGEST:.0f}")
    return value


def _add_package(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "package",
        nargs="?",
        metavar="ZIP",
        type=Path,
        help="the package, such as dfu_application.zip; default: the images of the build",
    )


def _add_update_options(parser: argparse.ArgumentParser) -> None:
    _add_package(parser)
    parser.add_argument(
        "--reset", action="store_true", help="restart the device, and check that all images run"
    )
    parser.add_argument(
        "--confirm", action="store_true", help="restart it, and keep the new images once all of them run"
    )
    _add_device_options(parser)


def _add_upload_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--again", action="store_true", help="upload also what is in its slot already, by its hash"
    )
    _add_update_options(parser)


def _add_list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--zip", metavar="FILE", type=Path, help="say which images are those of this package"
    )
    _add_device_options(parser)


# --- what they share -------------------------------------------------------------------------------


def _address(args: argparse.Namespace) -> Address:
    if args.udp is not None:
        return udp_address(args.udp)
    if args.ble is not None:
        return Address("ble", args.ble)
    if args.baud <= 0:
        raise UsageError(f"--baud {args.baud}: a baud rate is more than 0")
    return Address("serial", args.port, args.baud)


@contextmanager
def _connected(args: argparse.Namespace) -> Iterator[Device]:
    """Connect to the device, and let it go in the end. Raises NoSmpDevice, UsageError, PackageMissing."""
    from west_qspi.dfu.device import SmpDevice
    from west_qspi.dfu.transport import SmpClientChannel

    device = SmpDevice(SmpClientChannel(_address(args)), args.timeout)
    try:
        try:
            device.reconnect()
        except SmpLinkLost as error:
            raise NoSmpDevice(device.name, error.reason) from None
        yield device
    finally:
        device.close()


def _from_package(path: Path) -> UpdateSet:
    from west_qspi.dfu.package import read_package
    from west_qspi.dfu.updateset import set_of

    return set_of(read_package(path))


def _from_build(build: Build) -> UpdateSet:
    from west_qspi.dfu.pack import pack
    from west_qspi.dfu.updateset import set_of

    return set_of(pack(build, str(build.path)))


def _wanted(args: argparse.Namespace, context: Context) -> tuple[UpdateSet, Build | None]:
    """Return the set that is meant, and the build if there is one to say more of the device.

    A build that only happens to be near says nothing of a package.
    """
    from west_qspi.build.build import Build
    from west_qspi.dfu.ready import check_ready

    build = None
    if args.package is None or args.build_dir is not None:
        build = Build.load(build_dir(args, context))
    if args.package is not None:
        wanted = _from_package(context.cwd / args.package)
    else:
        assert build is not None
        wanted = _from_build(build)
    check_ready(wanted, build)
    return wanted, build


# --- the commands ----------------------------------------------------------------------------------


def _list(args: argparse.Namespace, context: Context, console: Console) -> int:
    from west_qspi.dfu.state import judge
    from west_qspi.updateview import images_json, images_lines

    known = [_from_package(context.cwd / args.zip)] if args.zip is not None else []
    _, build = build_dir_or_none(args, context)
    names = {}
    if build is not None:
        names = {(slot.number, int(slot.secondary)): slot.partition.name for slot in build.slots}
        try:
            known.append(_from_build(build))
        except (MissingOutput, UsageError):
            # A build that was only configured still has the partitions' names.
            if args.build_dir is not None and args.zip is None:
                raise
    with _connected(args) as device:
        images = persist(device, _patience(args), device.images)
        judged = judge(images, known)
        console.result(
            images_json(device.name, images, names, known, judged),
            images_lines(images, names, known, judged, console.style),
        )
    return 0 if judged.situation.sound else 1


def _patience(args: argparse.Namespace) -> Patience:
    return Patience(wait=args.wait)


def _upload(args: argparse.Namespace, context: Context, console: Console) -> int:
    from west_qspi.dfu.update import update

    return _bring(args, context, console, update)


def _repair(args: argparse.Namespace, context: Context, console: Console) -> int:
    from west_qspi.dfu.update import repair

    return _bring(args, context, console, repair)


def _bring(args: argparse.Namespace, context: Context, console: Console, way: Way) -> int:
    from west_qspi.dfu.update import Wish
    from west_qspi.updateview import report_json, report_lines

    wanted, build = _wanted(args, context)
    wish = Wish(args.reset, args.confirm, getattr(args, "again", False), mode=build.mode if build else None)
    with _connected(args) as device:
        report = way(device, wanted, wish, console.listen, _patience(args))
        console.result(report_json(report), report_lines(report, console.style))
    return 0


SUBCOMMANDS = (
    Subcommand(
        "list",
        "show the device's images, how they stand, and which build or package they are from",
        """\
List the images on a device over SMP, and say whether what runs, and what the next boot installs, fits together.

Exit status: 0 it does, 1 half of something is marked, confirmed or running, or no answer; 2 wrong usage.
""",
        _add_list_options,
        _list,
    ),
    Subcommand(
        "upload",
        "bring all images of an update onto a device, and mark them only when all are there",
        """\
Upload all images that only work together to their slots over SMP. What is there already is skipped; after a
lost link it goes on. Only when every image is there are they marked for a test at the next boot. No slot is
erased but those that are uploaded to.

Exit status: 0 as asked for, 1 not: the message says what the device holds; 2 wrong usage.
""",
        _add_upload_options,
        _upload,
    ),
    Subcommand(
        "repair",
        "bring a device whose update stopped half-way to one set",
        """\
Bring a device to one consistent set of images: upload and mark what is missing, confirm the rest of what is
confirmed in part, or go back by a restart (--reset). Marks cannot be taken back over SMP.

Exit status: 0 one set, 1 not: the message says what the device holds; 2 wrong usage.
""",
        _add_update_options,
        _repair,
    ),
)
