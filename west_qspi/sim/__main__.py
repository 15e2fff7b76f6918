"""``python -m west_qspi.sim``: switch the simulated board of a folder on, and let clients update it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from west_qspi.build.build import Build
from west_qspi.errors import QspiError
from west_qspi.sim.serving import SMP_PORT, Serial, Udp, board_with_firmware, serve

_POLL = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m west_qspi.sim",
        description="Switch a simulated board on: MCUboot starts what is in its flash, and mcumgr answers.",
    )
    parser.add_argument("--sim-board", metavar="DIR", type=Path, required=True, help="the board's folder")
    parser.add_argument(
        "-d", "--build-dir", metavar="DIR", type=Path, required=True, help="the build that was flashed"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--udp", metavar="HOST:PORT", default=f"127.0.0.1:{SMP_PORT}", help="where to listen; the default"
    )
    way.add_argument("--serial", action="store_true", help="make a pseudo-terminal instead, and say which")
    args = parser.parse_args(argv)
    try:
        return _serve(args, parser)
    except QspiError as error:
        sys.stderr.write(f"{error}\n{error.advice}\n" if error.advice else f"{error}\n")
        return error.exit_code


def _serve(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    transport = Serial() if args.serial else _address(args.udp, parser)
    build = Build.load(args.build_dir)
    with board_with_firmware(args.sim_board, build) as device, serve(device, transport) as link:
        state = "runs" if device.runs else "does not start: there is nothing whole to run"
        sys.stdout.write(f"{link.path or f'{link.host}:{link.port}'}: the firmware {state}\n")
        sys.stdout.flush()
        while not end.wait(_POLL) and not link.ended.is_set():
            pass
    return 0


def _address(text: str, parser: argparse.ArgumentParser) -> Udp:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        parser.error(f"'{text}' is not HOST:PORT")
    return Udp(host, int(port))


if __name__ == "__main__":
    raise SystemExit(main())
