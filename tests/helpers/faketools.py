"""Programs that stand in for nrfjprog, nrfutil, JLinkExe and pyocd, and program a simulated board's folder.

They keep to what is known of the real ones, as far as Zephyr's runners use it: which option erases what, what
the defaults wipe, how a board is chosen, what they end with. They know nothing of this project's flashing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.helpers.processes import make_program
from west_qspi import hexfile
from west_qspi.errors import PowerLost, QspiError
from west_qspi.extflash.configfile import read_config
from west_qspi.extflash.derive import completed
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.setup import FlashSetup
from west_qspi.firmware import Firmware
from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.sim.board import Board
from west_qspi.sim.faults import Fault, parse_fault
from west_qspi.targets.simulated import SimulatedTarget, open_simulated

TOOLS = ("JLinkExe", "nrfjprog", "nrfutil", "pyocd")
PROJECT = Path(__file__).parents[2]

NETWORK, XIP = MemoryKind.NETWORK, MemoryKind.EXTERNAL
# nrfjprog's own QspiDefault.ini: the flash of Nordic's kits, with 24-bit addresses.
_DEFAULT = FlashSetup(size=8 << 20, read="read4io", write="pp4io")
_PROTECTED = 16


def make_tools(folder: Path, board: Path, names: Sequence[str] = TOOLS) -> Path:
    """Put the programs into a folder for PATH; they work on the board in ``board``.

    ``board`` may have a file ``cut`` beside it: after so many more changes of its flash the power fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        make_program(
            folder / name,
            "import sys\n"
            f"sys.path[:0] = [{str(PROJECT)!r}]\n"
            "from pathlib import Path\n"
            "from tests.helpers.faketools import main\n"
            f"sys.exit(main({name!r}, Path({str(board)!r}), sys.argv[1:]))\n",
        )
    return folder


def cut_file(board: Path) -> Path:
    """Return the file that holds after how many changes the power fails."""
    return board.with_name(f"{board.name}.cut")


def calls_file(board: Path) -> Path:
    """Return the file with a line for each call of a tool that changes the board."""
    return board.with_name(f"{board.name}.calls")


class Refused(Exception):
    """The tool ends with this status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def main(name: str, folder: Path, arguments: list[str]) -> int:
    try:
        _MAINS[name](folder, arguments)
    except Refused as end:
        _say(f"ERROR: {end}")
        return end.status
    except QspiError as error:
        _say(f"ERROR: {error}")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# --- what all of them do ---------------------------------------------------------------------------


class Connection:
    """The board, connected to; what it does is done when it returns."""

    def __init__(self, folder: Path, serial: str | None, setup: FlashSetup = _DEFAULT) -> None:
        self.folder = folder
        board = Board.open(folder)
        if serial is not None and serial.lstrip("0") != board.serial.lstrip("0"):
            raise Refused(40, f"no debugger with serial number {serial}")
        if board.protected:
            raise Refused(_PROTECTED, "access is protected")
        self._before = board.counters.modifying
        self.target: SimulatedTarget = open_simulated(folder, setup, faults=self._faults(), load=Board.open)

    def _faults(self) -> list[Fault]:
        path = cut_file(self.folder)
        left = int(path.read_text()) if path.exists() else 0
        return [parse_fault(f"power-cut={left}")] if left else []

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.target.board.faults = ()
        path = cut_file(self.folder)
        if path.exists() and int(path.read_text()):
            done = self.target.board.counters.modifying - self._before
            left = 0 if isinstance(error, PowerLost) else int(path.read_text()) - done
            path.write_text(str(left))
        with suppress(QspiError):
            self.target.close()

    def erase_all(self, kind: MemoryKind) -> None:
        memory = self.target.memories.get(kind)
        if memory is not None:
            self.target.erase(memory, 0, memory.size)

    def program(self, firmware: Firmware, *, erase: bool) -> None:
        """Program all of it, after an erase of the sectors that it touches."""
        if any(segment.range.overlaps(self.target.soc.xip) for segment in firmware.segments):
            self.target.prepare_to_program()
        for segment in firmware.segments:
            memory = self.target.memories.at(segment.start)
            if memory is None or segment.range.end > memory.bus.end:
                raise Refused(1, f"{segment.range} is in no memory")
        for memory in self.target.memories:
            inside = firmware.within(memory.bus)
            if erase and memory.geometry.erase:
                for start in dict.fromkeys(_sectors(inside, memory)):
                    self.target.erase(memory, start, memory.geometry.sector)
            for segment in inside.segments:
                self._write(memory, segment.start - memory.bus.start, segment.data)

    def _write(self, memory: Memory, offset: int, data: bytes) -> None:
        word = memory.geometry.word
        lead = offset % word
        data = b"\xff" * lead + data
        data += b"\xff" * (-len(data) % word)
        for piece in Range(offset - lead, len(data)).pieces(memory.geometry.page):
            at = piece.start - (offset - lead)
            part = data[at : at + piece.size]
            if part.strip(b"\xff"):
                self.target.program(memory, piece.start, part)


def _sectors(firmware: Firmware, memory: Memory) -> list[int]:
    return [
        block.start
        for part in firmware.ranges
        for block in part.shifted(-memory.bus.start).blocks(memory.geometry.sector)
    ]


def _told(folder: Path, name: str, arguments: Sequence[str]) -> None:
    with calls_file(folder).open("a", encoding="utf-8") as stream:
        stream.write(" ".join([name, *arguments]) + "\n")


def _setup(folder: Path, path: str | None) -> tuple[FlashSetup, ExternalFlash | None]:
    if path is None:
        return _DEFAULT, None
    config = completed(read_config(Path(path)), Board.open(folder).soc)
    return FlashSetup.of(config), config


# --- nrfjprog --------------------------------------------------------------------------------------


def _nrfjprog(folder: Path, arguments: list[str]) -> None:
    given = _options(arguments, ("--program", "--qspiini", "-f", "--coprocessor", "--snr"))
    if "--ids" in given:
        _say(Board.open(folder).serial.lstrip("0"))
        return
    _told(folder, "nrfjprog", arguments)
    if "--recover" in given:
        board = Board.open(folder)
        board.recover()
        board.save()
        return
    setup, config = _setup(folder, given.get("--qspiini"))
    with Connection(folder, given.get("--snr"), setup) as link:
        if "--program" not in given:
            return
        firmware = hexfile.read(Path(given["--program"]))
        core = MemoryKind.NETWORK if given.get("--coprocessor") == "CP_NETWORK" else MemoryKind.APPLICATION
        firmware = _for_core(firmware, link, core)
        size = config.size if config is not None else _DEFAULT.size
        xip = link.target.soc.xip
        if firmware.within(xip) and firmware.within(xip).ranges[-1].end - xip.start > (size or 0):
            raise Refused(1, "data stretches out of the XIP area")
        if "--chiperase" in given:
            link.erase_all(core)
        if "--qspichiperase" in given:
            link.erase_all(XIP)
        internal = firmware.without([xip])
        link.program(firmware.within(xip), erase="--qspisectorerase" in given)
        link.program(internal, erase="--sectorerase" in given or "--sectoranduicrerase" in given)


def _for_core(firmware: Firmware, link: Connection, core: MemoryKind) -> Firmware:
    """One core does not see the other one's flash: data for it is an error."""
    network = link.target.memories.get(NETWORK)
    other = firmware.within(network.bus) if network is not None else Firmware()
    if core is NETWORK and other.size != firmware.size:
        raise Refused(1, "data for the application core")
    if core is not NETWORK and other:
        raise Refused(1, "data for the network core")
    return firmware


def _options(arguments: Sequence[str], with_value: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    rest = iter(arguments)
    for argument in rest:
        found[argument] = next(rest) if argument in with_value else ""
    return found


# --- nrfutil ---------------------------------------------------------------------------------------


def _nrfutil(folder: Path, arguments: list[str]) -> None:
    """Carry out ``list`` and a batch, as Zephyr calls them; newer ones have the batch put together here."""
    with_value = ("--batch-path", "--batch-file", "--core", "--firmware", "--options", "--reset-kind")
    files = ("--x-append-batch", "--append-batch", "--x-family", "--x-ext-mem-config-file")
    given = _options(arguments, (*with_value, *files, "--serial-number"))
    if "list" in given:
        device = {"serialNumber": Board.open(folder).serial.zfill(12), "traits": {"jlink": True}}
        _say(json.dumps({"type": "task_end", "data": {"data": {"devices": [device]}}}))
        return
    batch = given.get("--x-append-batch") or given.get("--append-batch")
    if batch is not None:
        _append(Path(batch), given)
        return
    _told(folder, "nrfutil", arguments)
    path = given.get("--batch-path") or given["--batch-file"]
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    setup, _ = _setup(folder, given.get("--x-ext-mem-config-file"))
    with Connection(folder, given.get("--serial-number"), setup) as link:
        for each in content["operations"]:
            if each["operation"]["type"] == "program":
                _program_one(link, each)
    _say(json.dumps({"type": "batch_end", "data": {"error": None}}))


def _append(path: Path, given: dict[str, str]) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"operations": []}
    operation: dict[str, object] = {"type": "program" if "program" in given else "reset"}
    if "program" in given:
        operation["firmware"] = {"file": given["--firmware"]}
        operation["options"] = dict(item.split("=") for item in given["--options"].split(","))
    content["operations"].append({"core": given.get("--core", "Application"), "operation": operation})
    path.write_text(json.dumps(content), encoding="utf-8")


def _program_one(link: Connection, each: dict[str, Any]) -> None:
    operation = each["operation"]
    options = operation.get("options", operation)
    core = NETWORK if each.get("core", "").upper().endswith("NETWORK") else MemoryKind.APPLICATION
    firmware = _for_core(hexfile.read(Path(operation["firmware"]["file"])), link, core)
    xip = link.target.soc.xip
    # Not told how, it erases all.
    chip = options.get("chip_erase_mode", "ERASE_ALL")
    external = options.get("ext_mem_erase_mode", options.get("qspi_erase_mode", "ERASE_NONE"))
    if chip == "ERASE_ALL":
        link.erase_all(core)
    if external == "ERASE_ALL":
        link.erase_all(XIP)
    ranges = ("ERASE_PAGES", "ERASE_PAGES_INCLUDING_UICR", "ERASE_RANGES_TOUCHED_BY_FIRMWARE")
    link.program(firmware.within(xip), erase=external in ranges)
    link.program(firmware.without([xip]), erase=chip in ranges)


# --- JLinkExe and pyocd ----------------------------------------------------------------------------


def _jlink(folder: Path, arguments: list[str]) -> None:
    given = _options(arguments, ("-CommanderScript", "-USB", "-if", "-speed", "-device", "-nogui"))
    _told(folder, "JLinkExe", arguments)
    script = Path(given["-CommanderScript"]).read_text(encoding="utf-8").splitlines()
    with Connection(folder, given.get("-USB")) as link:
        for line in script:
            command, _, rest = line.partition(" ")
            if command == "erase":
                link.erase_all(MemoryKind.APPLICATION)
            if command in ("loadfile", "loadbin"):
                firmware = hexfile.read(Path(rest.strip('"')))
                link.program(_internal_only(firmware, link), erase=True)


def _pyocd(folder: Path, arguments: list[str]) -> None:
    given = _options(arguments, ("-e", "-t", "-u", "-a", "-f", "-da", "--config", "-c"))
    if "flash" not in given:
        return
    _told(folder, "pyocd", arguments)
    with Connection(folder, given.get("-u")) as link:
        if given["-e"] == "chip":
            link.erase_all(MemoryKind.APPLICATION)
        firmware = hexfile.read(Path(arguments[-1]))
        link.program(_internal_only(firmware, link), erase=given["-e"] == "sector")


def _internal_only(firmware: Firmware, link: Connection) -> Firmware:
    if firmware.touches(link.target.soc.xip):
        raise Refused(1, "no flash algorithm for external flash")
    return firmware


_MAINS = {"nrfjprog": _nrfjprog, "nrfutil": _nrfutil, "JLinkExe": _jlink, "pyocd": _pyocd}
