"""A program that behaves like ``nrfutil device`` as far as the runner relies on it, over simulated boards.

What is relied on, with where it is known from ("docs": Nordic's nrfutil guides; "Zephyr": its runner for
nrfutil; "apps": pc-nrfconnect-shared):

- ``nrfutil [--json] device [--x-ext-mem-config-file F] COMMAND [options]``; the file goes before the command
  (docs). ``--json``: one object a line on stdout (docs, Zephyr).
- ``--serial-number``, padded with zeros or not; without it, all devices are meant (docs).
- ``--core Application|Network`` (docs, Zephyr): a core reaches its own flash, the application core also UICR,
  FICR and, through the QSPI, the XIP window.
- ``program --firmware F --options chip_erase_mode=..,ext_mem_erase_mode=..,verify=..,reset=..`` (docs). Left
  out, ``chip_erase_mode`` is ERASE_ALL. For ``ext_mem_erase_mode`` no default is documented: here it is
  ERASE_ALL too, and so is that of UICR, which goes with all of its core.
- ERASE_RANGES_TOUCHED_BY_FIRMWARE erases the pages in which the file has bytes; in external flash these are
  ``page_size`` of the configuration (docs: it is the unit of erasing).
- ``erase --pages START-END``, END exclusive, XIP addresses too; ``--all-external``; with neither, all (docs).
- ``read --address A --bytes N --width 8|16|32`` answers with ``memoryData`` (apps); through the QSPI in the
  XIP window.
- A failure is a ``task_end`` with result "fail", a ``batch_end`` with an error's code (24: protection, 25:
  verification; Zephyr), text on stderr and exit status 1 (seen in DevZone threads). Arguments that are not
  known: status 2 and a sentence on stderr (clap).
- Versions: ``qspi_erase_mode`` before 2.7.8; ``--x-qspi-config-file`` and ``x-read`` in old ones, with
  aliases later. Which version came with which of the latter is not known: 2.8.0 and 2.12.0 stand for it here.

Not known, and so to be chosen: whether MODE32BIT has the chip enter its 4-byte mode (here: yes, unless the
fault ``stays-in-3-byte-mode`` is on). Nothing sets the quad enable bit.

As a program, it takes its boards from the folders in ``FAKE_NRFUTIL_BOARDS``, and ``FAKE_NRFUTIL_VERSION``,
``FAKE_NRFUTIL_FAULTS`` (see ``Fake.faults``) and ``FAKE_NRFUTIL_CUT`` from the environment: the count of
modifying operations in a board's life at which its power fails.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO

from west_qspi.errors import PowerLost, QspiError
from west_qspi.extflash import opcodes as op
from west_qspi.memory import MemoryKind, Range
from west_qspi.sim.board import Board
from west_qspi.sim.chip import NorChip
from west_qspi.sim.faults import PowerCut

START_TIME = 1.5
"""Modelled seconds that each call takes before it does anything."""

_BUSY_LIMIT = 300.0
_RATE = 4_000_000 / 46 * 4
# Where FICR has the device's number and its part, and what the latter is.
_FICR = {"nRF5340": (0x00FF_0204, 0x00FF_020C, 0x5340), "nRF52840": (0x1000_0060, 0x1000_0100, 0x5_2840)}
_ALIASES_FROM = (2, 12, 0)
_RENAMED = (2, 7, 8)
_EXTERNAL_CONFIG_FROM = (2, 8, 0)
_PINS_5340 = {"sck": 17, "csn": 18, "io0": 13, "io1": 14, "io2": 15, "io3": 16}


class Usage(Exception):
    """Arguments that the parser refuses."""


class Failure(Exception):
    """A task that fails: a message, the class of it, and the number."""

    def __init__(self, message: str, kind: str = "Generic", code: int = 1) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code


@dataclass
class Call:
    """What the arguments say."""

    command: str = ""
    json: bool = False
    config: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)

    @property
    def core(self) -> str:
        return self.values.get("--core", "Application").lower()


_COMMANDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "list": ((), ()),
    "device-info": ((), ()),
    "protection-get": ((), ()),
    "read": (("--address", "--bytes", "--width"), ("--direct",)),
    "erase": (("--pages",), ("--all", "--all-external")),
    "program": (("--firmware", "--options"), ()),
    "recover": ((), ()),
    "halt": ((), ()),
    "reset": (("--reset-kind",), ()),
}


@dataclass
class Fake:
    """The tool with the boards that are connected.

    ``faults`` are words, some with ``@COMMAND`` behind them: hang, die, quit, panic, orphan, daemon (of the
    process); lazy, wide, all, fail-CODE, stays-in-3-byte-mode (of the work); unknown, split, chatty, silent,
    pieces, other-soc (of the output). ``wide`` erases blocks of 64 KiB for each page, ``all`` takes every
    erase of ranges for one of all; ``silent`` leaves out what ``device-info`` and ``protection-get`` are for,
    ``pieces`` reads in several blocks, ``other-soc`` has the device be one without QSPI.
    ``running`` tells by serial number whether firmware runs.
    """

    boards: Sequence[Board]
    version: tuple[int, int, int] = (2, 17, 5)
    faults: frozenset[str] = frozenset()
    cut: int = 0
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    running: dict[str, bool] = field(default_factory=dict)
    calls: int = 0
    _json: bool = False

    # --- arguments and output ---

    def main(self, arguments: Sequence[str]) -> int:
        """Carry out one call; return the exit status."""
        self.calls += 1
        if list(arguments) == ["device", "--version"]:
            self.out.write(f"nrfutil-device {'.'.join(map(str, self.version))} (2fd02f1 2026-01-01)\n")
            return 0
        try:
            call = self._parse(list(arguments))
        except Usage as error:
            self.err.write(f"error: {error}\n\nUsage: nrfutil device [OPTIONS] <COMMAND>\n")
            return 2
        self._json = call.json
        if "chatty" in self.faults:
            self.err.write("warning: a new version of nrfutil is available\n")
        if "unknown" in self.faults:
            self._put("moon_phase", {"phase": "waxing"})
            self.out.write("not JSON at all\n[1, 2]\n{\n")
        if call.command == "list":
            return self._list()
        return self._on_boards(call)

    def _parse(self, rest: list[str]) -> Call:
        call = Call()
        if rest[:1] == ["--json"]:
            call.json = True
            rest.pop(0)
        if not rest or rest.pop(0) != "device":
            raise Usage("unrecognized subcommand")
        new, old = "--x-ext-mem-config-file", "--x-qspi-config-file"
        flags = [new, old] if self.version >= _ALIASES_FROM else [new]
        if self.version < _EXTERNAL_CONFIG_FROM:
            flags = [old]
        while rest and rest[0].startswith("--"):
            if rest[0] not in flags:
                hint = f"\n\n  tip: a similar argument exists: '{flags[0]}'" if "config" in rest[0] else ""
                raise Usage(f"unexpected argument '{rest[0]}' found{hint}")
            call.config = rest[1]
            del rest[:2]
        name = rest.pop(0) if rest else ""
        reads = ("read", "x-read") if self.version >= _ALIASES_FROM else ("x-read",)
        if name not in (*reads, *(known for known in _COMMANDS if known != "read")):
            raise Usage(f"unrecognized subcommand '{name}'")
        call.command = "read" if name in reads else name
        valued, flagged = _COMMANDS[call.command]
        while rest:
            word = rest.pop(0)
            if word in (*valued, "--serial-number", "--core"):
                call.values[word] = rest.pop(0)
            elif word in flagged:
                call.flags.add(word)
            else:
                raise Usage(f"unexpected argument '{word}' found")
        return call

    def _put(self, kind: str, data: Mapping[str, Any]) -> None:
        if self._json:
            self._write(json.dumps({"type": kind, "data": data}) + "\n")

    def _write(self, text: str) -> None:
        size = 7 if "split" in self.faults else len(text)
        for at in range(0, len(text), size):
            self.out.write(text[at : at + size])
            self.out.flush()

    def _has(self, fault: str, call: Call) -> bool:
        return fault in self.faults or f"{fault}@{call.command}" in self.faults

    def _list(self) -> int:
        devices = [
            {
                "id": index,
                "serialNumber": board.serial.zfill(12),
                "traits": {"jlink": True, "seggerUsb": True, "usb": True},
                "devkit": {"boardVersion": "PCA10095"},
            }
            for index, board in enumerate(self.boards)
        ]
        devices.append({"id": 99, "serialNumber": "C0FFEE", "traits": {"mcuBoot": True, "serialPorts": True}})
        self._put("task_begin", {"task": _task("list")})
        self._put("info", {"devices": devices})
        self._put("task_end", {"task": _task("list"), "result": "success", "data": {"devices": devices}})
        return 0

    def _on_boards(self, call: Call) -> int:
        chosen = call.values.get("--serial-number")
        wanted = {text.lstrip("0") for text in chosen.split(",")} if chosen else None
        meant = [board for board in self.boards if wanted is None or board.serial.lstrip("0") in wanted]
        failures = []
        if not meant:
            failures.append((chosen or "", Failure("No device with that serial number was found")))
        for board in meant:
            task = {"task": _task(call.command)}
            self._put("task_begin", task)
            try:
                data = self._work(board, call)
            except Failure as failure:
                failures.append((board.serial, failure))
                error = {"code": failure.code, "description": str(failure)}
                self._put("task_end", {**task, "result": "fail", "message": str(failure), "error": error})
            else:
                self._put("task_end", {**task, "result": "success", "data": data})
        if failures:
            first = failures[0][1]
            self._put("batch_end", {"error": {"code": first.code, "description": str(first)}})
            self.err.write("Error: One or more batch tasks failed:\n")
            self.err.writelines(f" * {serial}: {each} ({each.kind})\n" for serial, each in failures)
            return 1
        self._put("batch_end", {"error": None})
        return 0

    # --- what it does to a board ---

    def _work(self, board: Board, call: Call) -> Mapping[str, Any]:
        board.clock.advance(START_TIME)
        for fault in self.faults:
            name, _, command = fault.partition("@")
            if name.startswith("fail-") and command in ("", call.command):
                raise Failure("The operation did not succeed", code=int(name.removeprefix("fail-")))
        if not board.conditions.powered:
            raise Failure("[jlink] Target voltage is too low")
        device = _Device(board, self._config(call), self.faults)
        if self.cut:
            left = self.cut - board.counters.modifying
            board.arm([PowerCut(left)] if left > 0 else [])
        try:
            if call.command in ("device-info", "protection-get", "recover"):
                return _ON_LOCKED[call.command](self, device, call)
            if call.core in board.protected:
                words = "The operation is unavailable due to readback protection"
                raise Failure(f"[jlink] {words}", "NotAvailableBecauseProtection", 24)
            return _ON_OPEN[call.command](self, device, call)
        except PowerLost:
            raise Failure("Timed out waiting for response from worker.") from None
        except QspiError as error:
            raise Failure(f"The operation failed: {error}") from None
        finally:
            board.save()

    def _config(self, call: Call) -> Mapping[str, Any] | None:
        if call.config is None:
            return None
        config: Mapping[str, Any] = json.loads(Path(call.config).read_text(encoding="utf-8"))
        return config

    def _info(self, device: _Device, call: Call) -> Mapping[str, Any]:
        board = device.board
        if "silent" in self.faults:
            return {"name": "device-info"}
        family = "NRF53_FAMILY" if board.soc.has_network_core else "NRF52_FAMILY"
        locked = "application" in board.protected
        version = (
            "NRF52832_xxAA_REV2" if "other-soc" in self.faults else f"{board.soc.name.upper()}_xxAA_REV1"
        )
        hardware = {"deviceFamily": family, "deviceVersion": "UNKNOWN" if locked else version}
        probe = {"serialNumber": board.serial, "protectionStatus": _status(board, "application")}
        return {"name": "device-info", "deviceInfo": {"hwInfo": hardware, "jlink": probe}}

    def _protection(self, device: _Device, call: Call) -> Mapping[str, Any]:
        if "silent" in self.faults:
            return {"name": "protection-get"}
        return {"name": "protection-get", "protectionStatus": _status(device.board, call.core)}

    def _recover(self, device: _Device, call: Call) -> Mapping[str, Any]:
        board = device.board
        board.erase_core(call.core)
        board.protected = tuple(name for name in board.protected if name != call.core)
        return {}

    def _read(self, device: _Device, call: Call) -> Mapping[str, Any]:
        address, size = int(call.values["--address"], 0), int(call.values["--bytes"], 0)
        width = int(call.values.get("--width", "32")) // 8
        if address % width or size % width:
            raise Failure("Address and size must be aligned to the width")
        data = device.read(address, size, call.core)
        piece = 0x400 if "pieces" in self.faults else size
        blocks = [
            {
                "startAddress": f"{address + at:#010X}".replace("X", "x"),
                "values": [
                    value for (value,) in struct.iter_unpack(f"<{' BH I'[width]}", data[at : at + piece])
                ],
            }
            for at in range(0, size, piece)
        ]
        return {"name": "memory-read", "serialNumber": device.board.serial, "memoryData": blocks}

    def _erase(self, device: _Device, call: Call) -> Mapping[str, Any]:
        if self._has("lazy", call):
            return {}
        if "--pages" in call.values:
            start, _, end = call.values["--pages"].partition("-")
            part = Range.between(int(start, 0), int(end, 0))
            device.erase_ranges([part], call.core)
        elif "--all-external" in call.flags:
            device.erase_external()
        else:
            device.board.erase_core(call.core)
        return {}

    def _program(self, device: _Device, call: Call) -> Mapping[str, Any]:
        segments = _parse_hex(Path(call.values["--firmware"]).read_text(encoding="ascii"))
        options = self._options(call.values.get("--options", ""))
        if self._has("lazy", call):
            return {}
        xip = device.board.soc.xip
        internal = [(at, data) for at, data in segments if not device.is_external(at)]
        external = [(at, data) for at, data in segments if device.is_external(at)]
        if external and device.config is None:
            raise Failure(
                f"No programmer is defined for the xip memory ({xip.start:#x}..{xip.end:#x}). "
                "An external memory config file is required"
            )
        self._erase_for(options["chip_erase_mode"], internal, device, call.core, device.board.erase_core)
        self._erase_for(
            options["ext_mem_erase_mode"], external, device, call.core, lambda core: device.erase_external()
        )
        pieces = [*_pages(internal), *_pages(external)]
        for index, (at, data) in enumerate(pieces):
            if index == len(pieces) // 2:
                self._break(call, device.board)
            device.program(at, data, call.core)
            percent = 100 * (index + 1) // len(pieces)
            if index == len(pieces) - 1 or percent // 25 != 100 * index // len(pieces) // 25:
                progress = {"progressPercentage": percent, "step": 1, "amountOfSteps": 1}
                self._put("task_progress", {"task": _task("program"), "progress": progress})
        if options["verify"] == "VERIFY_READ":
            for at, data in segments:
                if device.read(at, len(data), call.core) != data:
                    raise Failure("Verification failed", code=25)
        return {}

    def _options(self, text: str) -> Mapping[str, str]:
        given = dict(item.split("=", 1) for item in text.split(",") if item)
        old, new = "qspi_erase_mode", "ext_mem_erase_mode"
        if self.version < _RENAMED and new in given:
            raise Failure(f"Unknown option {new}")
        if old in given:
            given[new] = given.pop(old)
        usual = {"chip_erase_mode": "ERASE_ALL", new: "ERASE_ALL", "verify": "VERIFY_NONE", "reset": ""}
        if given.keys() - usual.keys():
            raise Failure(f"Unknown options {sorted(given.keys() - usual.keys())}")
        return {**usual, **given}

    def _erase_for(
        self,
        mode: str,
        segments: list[tuple[int, bytes]],
        device: _Device,
        core: str,
        erase_all: Callable[[str], None],
    ) -> None:
        if mode == "ERASE_ALL":
            # Whether the file has bytes in that memory or not.
            if core not in device.board.protected and (device.config or erase_all == device.board.erase_core):
                erase_all(core)
        elif mode == "ERASE_RANGES_TOUCHED_BY_FIRMWARE":
            device.erase_ranges([Range(at, len(data)) for at, data in segments], core)
        elif mode != "ERASE_NONE":
            raise Failure(f"Unknown erase mode {mode}")

    def _break(self, call: Call, board: Board) -> None:
        """Go wrong as a process, half-way through a file."""
        if not any(self._has(name, call) for name in ("hang", "die", "quit", "panic", "orphan", "daemon")):
            return
        board.save()
        self.out.flush()
        if self._has("orphan", call):
            # It keeps the streams open when its parent is gone.
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(601)"])
        elif self._has("daemon", call):
            # So does this one, and it is in no group of ours.
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(15)"], start_new_session=True)
        elif self._has("hang", call):
            with suppress(ValueError):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        elif self._has("die", call):
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._has("panic", call):
            self.err.write("thread 'main' panicked at src/worker.rs:1:1\n")
            self.err.flush()
            os._exit(101)
        elif self._has("quit", call):
            os._exit(0)

    def _halt(self, device: _Device, call: Call) -> Mapping[str, Any]:
        self.running[device.board.serial] = False
        return {}

    def _reset(self, device: _Device, call: Call) -> Mapping[str, Any]:
        self.running[device.board.serial] = True
        return {}


_Handler = Callable[[Fake, "_Device", Call], Mapping[str, Any]]
_ON_LOCKED: Mapping[str, _Handler] = {
    "device-info": Fake._info,
    "protection-get": Fake._protection,
    "recover": Fake._recover,
}
_ON_OPEN: Mapping[str, _Handler] = {
    "read": Fake._read,
    "erase": Fake._erase,
    "program": Fake._program,
    "halt": Fake._halt,
    "reset": Fake._reset,
}


def _parse_hex(text: str) -> list[tuple[int, bytes]]:
    """Return what a file's lines hold, put together where they follow each other."""
    base, pieces = 0, list[tuple[int, bytearray]]()
    for line in text.split():
        record = bytes.fromhex(line[1:])
        if sum(record) % 256:
            raise Failure("The firmware file has a wrong checksum")
        size, address, kind, data = record[0], record[1] << 8 | record[2], record[3], record[4:-1]
        if kind == 0:
            start = base + address
            if pieces and pieces[-1][0] + len(pieces[-1][1]) == start:
                pieces[-1][1].extend(data[:size])
            else:
                pieces.append((start, bytearray(data[:size])))
        elif kind == 4:
            base = int.from_bytes(data, "big") << 16
    if not pieces:
        raise Failure("The firmware file is empty")
    return [(start, bytes(data)) for start, data in pieces]


def _task(name: str) -> Mapping[str, Any]:
    return {"id": f"{name}-1", "name": name, "description": name.capitalize(), "data": {}}


def _status(board: Board, core: str) -> str:
    return f"NRFDL_PROTECTION_STATUS_{'ALL' if core in board.protected else 'NONE'}"


def _pages(segments: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for start, data in segments:
        for part in Range(start, len(data)).pieces(256):
            yield part.start, data[part.start - start :][: part.size]


class _Device:
    """The board through the debug port, its external flash through the QSPI as the configuration says."""

    def __init__(self, board: Board, config: Mapping[str, Any] | None, faults: frozenset[str]) -> None:
        self.board = board
        self.config = config
        self._faults = faults
        self._started = False

    def is_external(self, address: int) -> bool:
        uicr = self.board.internal[MemoryKind.UICR].memory.bus
        return address in self.board.soc.xip and address not in uicr

    # --- all memories ---

    def read(self, address: int, size: int, core: str) -> bytes:
        self.board.clock.advance(size / _RATE)
        if self.is_external(address):
            return b"".join(
                self._external_read(part.start, part.size)
                for part in Range(address - self.board.soc.xip.start, size).pieces(0x1_0000)
            )
        number, part, value = _FICR[self.board.soc.name]
        if address in (number, part):
            return (int(self.board.serial) if address == number else value).to_bytes(8, "little")[:size]
        flash, offset = self._internal(address, size, core)
        return self.board.internal[flash].read(offset, size)

    def program(self, address: int, data: bytes, core: str) -> None:
        self.board.clock.advance(len(data) / _RATE)
        if self.is_external(address):
            self._external_program(address - self.board.soc.xip.start, data)
        else:
            flash, offset = self._internal(address, len(data), core)
            self.board.internal[flash].program(offset, data)

    def erase_ranges(self, ranges: list[Range], core: str) -> None:
        done = set()
        if ranges and "all" in self._faults:
            if self.is_external(ranges[0].start):
                self.erase_external()
            else:
                self.board.erase_core(core)
            return
        if "wide" in self._faults:
            ranges = [part.aligned(0x1_0000) for part in ranges]
        for part in ranges:
            if self.is_external(part.start):
                unit = self._settings()["page_size"]
                for block in part.shifted(-self.board.soc.xip.start).blocks(unit):
                    if block.start not in done:
                        self._external_erase(block.start, unit)
                    done.add(block.start)
                continue
            kind, offset = self._internal(part.start, part.size, core)
            memory = self.board.internal[kind].memory
            if not memory.geometry.erase:
                raise Failure("UICR goes with all of its core only")
            for block in Range(offset, part.size).blocks(memory.geometry.sector):
                if block.start not in done:
                    self.board.internal[kind].erase_page(block.start)
                done.add(block.start)

    def _internal(self, address: int, size: int, core: str) -> tuple[MemoryKind, int]:
        for kind, flash in self.board.internal.items():
            inside = flash.memory.bus.covers(Range(address, size))
            if inside and (kind is MemoryKind.NETWORK) == (core == "network"):
                return kind, address - flash.memory.bus.start
        raise Failure(f"There is no memory of the {core} core at {address:#x}")

    # --- the external flash ---

    def _settings(self) -> Mapping[str, Any]:
        if self.config is None:
            raise Failure(
                "No programmer is defined for the xip memory. An external memory config file is required"
            )
        return self.config

    def _chip(self, offset: int, size: int) -> NorChip:
        """Start the QSPI, as the configuration has it, and return the chip."""
        settings, chip = self._settings(), self.board.chip
        if chip is None:
            raise Failure("The board has no external flash")
        if settings["firmware_config"]["peripheral"] != "QSPI":
            raise Failure("Only QSPI is modelled")
        if self.board.soc.has_network_core and settings["pins"] != _PINS_5340:
            raise Failure("The QSPI of the nRF5340 has other pins")
        if offset + size > settings["flash_size"]:
            raise Failure(f"{offset:#x} is outside of the external memory")
        if not self._started:
            self._started = True
            chip.command(op.WAKE)
            self.board.clock.advance(100e-6)
            if settings["address_mode"] == "MODE32BIT" and "stays-in-3-byte-mode" not in self._faults:
                chip.command(op.WRITE_ENABLE)
                chip.command(op.ENTER_4_BYTE)
        return chip

    def _address(self, offset: int) -> bytes:
        width = 4 if self._settings()["address_mode"] == "MODE32BIT" else 3
        return (offset % (1 << 8 * width)).to_bytes(width, "big")

    def _external_read(self, offset: int, size: int) -> bytes:
        chip = self._chip(offset, size)
        command = op.READS[self._settings()["readoc"].lower()]
        return chip.command(command.opcode, self._address(offset) + bytes(command.dummy), size)

    def _external_program(self, offset: int, data: bytes) -> None:
        chip = self._chip(offset, len(data))
        opcode = op.PROGRAMS[self._settings()["writeoc"].lower()]
        self._modify(chip, opcode, self._address(offset) + data)

    def _external_erase(self, offset: int, unit: int) -> None:
        opcode = next(code for code, size in op.ERASE_SIZES.items() if size == unit)
        self._modify(self._chip(offset, unit), opcode, self._address(offset))

    def erase_external(self) -> None:
        self._modify(self._chip(0, 0), op.ERASE_CHIP, b"")

    def _modify(self, chip: NorChip, opcode: int, out: bytes) -> None:
        chip.command(op.WRITE_ENABLE)
        chip.command(opcode, out)
        limit = self.board.clock.seconds + _BUSY_LIMIT
        while self.board.conditions.powered and chip.busy:
            self.board.clock.advance(0.001)
            if self.board.clock.seconds > limit:
                raise Failure("The external memory stays busy")


def _from_environment() -> Fake:
    folders = os.environ["FAKE_NRFUTIL_BOARDS"].split(os.pathsep)
    version = os.environ.get("FAKE_NRFUTIL_VERSION", "2.17.5")
    faults = os.environ.get("FAKE_NRFUTIL_FAULTS", "")
    major, minor, patch = (int(part) for part in version.split("."))
    return Fake(
        [Board.open(Path(folder)) for folder in folders if folder],
        (major, minor, patch),
        frozenset(filter(None, faults.split(","))),
        int(os.environ.get("FAKE_NRFUTIL_CUT", "0")),
    )


def run() -> NoReturn:
    """Be the program."""
    sys.exit(_from_environment().main(sys.argv[1:]))
