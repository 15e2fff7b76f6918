"""The commands of ``nrfutil device`` that are used, each as a function with a deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from west_qspi import hexfile
from west_qspi.errors import NrfutilDied, NrfutilMissing
from west_qspi.firmware import Firmware
from west_qspi.memory import Range
from west_qspi.nrfutil.answers import error_of, found, memory_of
from west_qspi.nrfutil.lines import Line, Progress
from west_qspi.nrfutil.tool import NAME, Ran, Tool, no_listener
from west_qspi.nrfutil.versions import Version, Words, older, parse_version, refused_argument, words_of

GRACE = 60.0
"""Seconds that a call may take beyond what it moves: its start, the probe's, waiting for another program."""

# What a call is allowed for what it does: far slower than a probe usually is, and the slowest flash.
_SLOWEST_RATE = 10_000.0
_SLOWEST_ERASE = 0.5

_CORES: Mapping[str, str] = {"application": "Application", "network": "Network"}


@dataclass(frozen=True)
class Probe:
    """A debug probe that nrfutil lists; ``listed`` is its serial number as nrfutil writes it."""

    listed: str

    @property
    def serial(self) -> str:
        """Its number without leading zeros, as it is printed on boards."""
        return self.listed.lstrip("0") or "0"


def installed_version(tool: Tool, grace: float = GRACE) -> Version | None:
    """Return the version of ``nrfutil device``; None where it does not tell. Raises NrfutilMissing."""
    ran = tool.run(["device", "--version"], grace, no_listener)
    if ran.status is None:
        raise NrfutilMissing(NAME, f"'nrfutil device --version' did not end within {grace:.0f} s")
    if ran.status != 0:
        lines = [line.strip() for line in ran.plain.splitlines() if line.strip()]
        reason = lines[0] if lines else f"exit status {ran.status}"
        raise NrfutilMissing(NAME, f"its command 'device' cannot be run: {reason}")
    return parse_version(ran.plain)


def probes(tool: Tool, grace: float = GRACE) -> tuple[Probe, ...]:
    """Return the J-Link probes within reach. Raises NrfutilMissing, LinkError."""
    ran = tool.run(["--json", "device", "list"], grace, no_listener)
    _raise_error(ran, NAME, "listing the devices", "", grace)
    devices = found(ran.lines, "devices")
    listed = [_probe(device) for device in devices if isinstance(device, dict)] if devices else []
    return tuple(sorted((probe for probe in listed if probe), key=lambda probe: probe.listed))


def _probe(device: Mapping[str, Any]) -> Probe | None:
    traits, serial = device.get("traits"), device.get("serialNumber")
    # Old versions have no traits.
    is_probe = bool(traits.get("jlink")) if isinstance(traits, dict) else True
    return Probe(str(serial)) if serial and is_probe else None


def _raise_error(ran: Ran, device: str, during: str, core: str, limit: float) -> None:
    error = error_of(ran, device, during, core, limit)
    if error is not None:
        raise error


@dataclass
class Client:
    """One probe behind nrfutil. ``folder`` is private to it; ``config`` the file for the external flash.

    ``device`` names the board in errors. All methods raise NrfutilMissing, NrfutilTooOld, Protected and
    LinkError.
    """

    tool: Tool
    probe: Probe
    folder: Path
    version: Version | None = None
    config: Path | None = None
    device: str = ""
    grace: float = GRACE
    words: Words = field(default_factory=Words)

    def __post_init__(self) -> None:
        self.device = self.device or f"J-Link {self.probe.serial}"
        self.words = words_of(self.version)

    def _run(
        self,
        during: str,
        command: Callable[[Words], Sequence[str]],
        *,
        core: str = "application",
        seconds: float = 0.0,
        told: Callable[[Line], None] = no_listener,
    ) -> tuple[Line, ...]:
        """Carry out one command, with older words where the tool does not know the newer ones."""
        limit = self.grace + seconds
        while True:
            # Without a file, nrfutil takes the one of the development kit whose probe it is.
            config = [self.words.config, str(self.config)] if self.config else []
            name, *options = command(self.words)
            chosen = ["--serial-number", self.probe.listed, "--core", _CORES[core]]
            ran = self.tool.run(["--json", "device", *config, name, *options, *chosen], limit, told)
            refused = refused_argument(ran.plain) if ran.status else None
            words = older(self.words, refused) if refused else None
            if words is None:
                break
            self.words = words
        _raise_error(ran, self.device, during, core, limit)
        return ran.lines

    def info(self) -> Mapping[str, Any]:
        """Return what ``device-info`` says; empty where the answer is not understood."""
        told = found(self._run("looking at the device", lambda words: ["device-info"]), "deviceInfo")
        return told if isinstance(told, dict) else {}

    def protection(self, core: str) -> str | None:
        """Return the protection status of a core, None where the answer is not understood."""
        lines = self._run("asking for protection", lambda words: ["protection-get"], core=core)
        status = found(lines, "protectionStatus")
        return str(status) if status is not None else None

    def read(self, address: int, size: int, core: str) -> bytes:
        """Read ``size`` bytes, a multiple of 4, from a bus address that is one too."""
        during = f"reading {size} bytes at {address:#010x}"
        lines = self._run(
            during,
            lambda words: [
                *(words.read, "--address", f"{address:#010x}", "--bytes", str(size), "--width", "32")
            ],
            core=core,
            seconds=size / _SLOWEST_RATE,
        )
        data = memory_of(found(lines, "memoryData"), address, size)
        if data is None:
            raise NrfutilDied(self.device, during, "its answer does not hold what was asked for")
        return data

    def erase(self, part: Range, sector: int, core: str) -> None:
        """Erase the pages of ``part``, bus addresses, with sectors of that size."""
        self._run(
            f"erasing {part}",
            lambda words: ["erase", "--pages", f"{part.start:#010x}-{part.end:#010x}"],
            core=core,
            seconds=part.size // sector * _SLOWEST_ERASE,
        )

    def erase_external(self, seconds: float) -> None:
        """Erase the external flash whole, which is estimated to take so many seconds."""
        self._run(
            "erasing the external flash", lambda words: ["erase", "--all-external"], seconds=4 * seconds
        )

    def program(
        self, data: Firmware, core: str, *, erases: int, external: bool, told: Callable[[float], None]
    ) -> None:
        """Program ``data``, bus addresses of one memory, after erasing the ``erases`` sectors it lies in.

        With 0, nothing is erased. ``told`` gets the share that is done.
        """
        path = self.folder / "program.hex"
        hexfile.write(path, data)
        mode = "ERASE_RANGES_TOUCHED_BY_FIRMWARE" if erases else "ERASE_NONE"
        # Left out, the first is ERASE_ALL.
        internal_mode, external_mode = ("ERASE_NONE", mode) if external else (mode, "ERASE_NONE")

        def command(words: Words) -> Sequence[str]:
            options = f"chip_erase_mode={internal_mode},{words.external_erase}={external_mode}"
            # What it reads back itself is no proof, and takes time: all is read back and compared here.
            options += ",verify=VERIFY_NONE"
            return ["program", "--firmware", str(path), "--options", options]

        self._run(
            f"programming {data.size} bytes at {data.ranges[0].start:#010x}",
            command,
            core=core,
            seconds=data.size / _SLOWEST_RATE + erases * _SLOWEST_ERASE,
            told=lambda line: told(line.share) if isinstance(line, Progress) else None,
        )
        path.unlink(missing_ok=True)

    def recover(self, core: str) -> None:
        """Erase all of a core and unlock it."""
        self._run(f"recovering the {core} core", lambda words: ["recover"], core=core)

    def halt(self) -> None:
        """Stop the application core."""
        self._run("halting the device", lambda words: ["halt"])

    def reset(self, kind: str) -> None:
        """Reset the device and let it run; ``kind`` such as RESET_PIN."""
        self._run("resetting the device", lambda words: ["reset", "--reset-kind", kind])
