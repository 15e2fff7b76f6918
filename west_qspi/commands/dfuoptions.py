"""The options of ``qspi-dfu list``, ``upload`` and ``repair``: where the device is, and what is wanted."""

from __future__ import annotations

import argparse
from pathlib import Path

from west_qspi.dfu.address import BAUD, PORT, Address, udp_address
from west_qspi.errors import UsageError

_TIMEOUT, _WAIT = 10.0, 120.0
_LONGEST = 86_400.0


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


def add_repair_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``repair``."""
    _add_package(parser)
    parser.add_argument(
        "--reset", action="store_true", help="restart the device, and check that all images run"
    )
    parser.add_argument(
        "--confirm", action="store_true", help="restart it, and keep the new images once all of them run"
    )
    _add_device_options(parser)


def add_upload_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``upload``."""
    parser.add_argument(
        "--again", action="store_true", help="upload also what is in its slot already, by its hash"
    )
    parser.add_argument(
        "--require-dependency",
        action="store_true",
        help="send nothing unless MCUboot itself would refuse each image without the others",
    )
    add_repair_options(parser)


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``list``."""
    parser.add_argument("--zip", metavar="FILE", type=Path, help="say which images are those of this package")
    _add_device_options(parser)


def address_of(args: argparse.Namespace) -> Address:
    """Return where the device is by the options; raises UsageError."""
    if args.udp is not None:
        return udp_address(args.udp)
    if args.ble is not None:
        return Address("ble", args.ble)
    if args.baud <= 0:
        raise UsageError(f"--baud {args.baud}: a baud rate is more than 0")
    return Address("serial", args.port, args.baud)
