"""What keeps a job from being flashed: places, images, runners."""

from __future__ import annotations

from west_qspi.errors.base import QspiError


class PlacementError(QspiError):
    """Bytes have no place on the device; ``start`` and ``end`` are bus addresses, end exclusive."""

    origin: str
    start: int
    end: int


class OutsideMemories(PlacementError):
    """Bytes lie in no memory of the SoC."""

    soc: str
    text = "{origin}: {start:#010x}-{end:#010x} lies in no memory of the {soc}"
    hint = "External flash begins at 0x10000000 on the nRF5340 and at 0x12000000 on the nRF52840."


class BeyondChip(PlacementError):
    """Bytes lie in the XIP window, but past the end of the chip: ``size`` bytes, as ``source`` says."""

    size: int
    source: str
    text = (
        "{origin}: {start:#010x}-{end:#010x} goes past the end of the external flash: it has {size:#x} bytes "
        "by {source}"
    )
    hint = (
        "Correct that size where it is wrong (bytes, not bits), or move the data; data at 0x12000000 may be "
        "meant for an nRF52840."
    )


class BeyondAddressMode(PlacementError):
    """Bytes lie past 16 MiB, and ``source`` has the chip addressed with 24 bits."""

    wrapped: int
    source: str
    text = (
        "{origin}: {start:#010x}-{end:#010x} needs 32-bit addresses, but the chip is set up for 24 bits by "
        "{source}: it would land at offset {wrapped:#x}"
    )
    hint = (
        "Devicetree: add 'address-size-32;' and 'enter-4byte-addr' to the flash's node; nrfjprog: BIT32 and "
        "the instruction 0xB7; nrfutil: MODE32BIT."
    )


class OutsidePartition(PlacementError):
    """Bytes go past the partition that they were meant for."""

    partition: str
    limit: int
    text = (
        "{origin}: {start:#010x}-{end:#010x} does not fit partition '{partition}', which ends "
        "at {limit:#010x}"
    )
    hint = "Make the partition larger, or the image smaller."


class MisplacedData(PlacementError):
    """Data would lie where the build has something else, or nothing; ``excerpt`` shows the map around it."""

    reason: str
    excerpt: str
    text = "{origin}: {start:#010x}-{end:#010x} {reason}\n{excerpt}"
    hint = "Name the partition that it is for, declare one, or insist with --force."


class NotErasable(PlacementError):
    """Bytes are already there, differ, and this memory can only be erased together with the whole device."""

    memory: str
    text = (
        "{origin}: {start:#010x}-{end:#010x} in {memory} holds other data, and that memory cannot be erased "
        "by itself"
    )
    hint = "Use --recover (erases the whole device first), or leave this data out."


class CheckFailed(QspiError):
    """Flashing would be pointless or harmful."""


class WrongSoc(CheckFailed):
    """The build is for another SoC than the device."""

    wanted: str
    found: str
    text = "the build is for the {wanted}, but the device is an {found}"
    hint = "Build for this board, or pick the right device with --dev-id."


class WouldNotRun(CheckFailed):
    """A rule of ``qspi-check`` finds in the build what keeps it from booting, or harms the board.

    ``line`` is 0 for a file as a whole; ``fix`` may be empty; ``others`` is how many more findings there are.
    """

    rule: str
    path: str
    line: int
    finding: str
    fix: str
    others: int
    build: str
    text = "this build would not run: {finding} ({rule}, {path}:{line}, and {others} more)"
    hint = "{fix} 'west qspi-check -d {build}' shows everything; --no-check flashes it all the same."

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        more = f", and {self.others} more" if self.others else ""
        return f"this build would not run: {self.finding} ({self.rule}, {place}{more})"

    @property
    def advice(self) -> str:
        """What to do about it: the finding's own advice, if it has any, and how to see or pass over it."""
        return super().advice.lstrip()


class HalvesDiffer(CheckFailed):
    """The halves of a split image are not of one build."""

    first: str
    first_version: str
    second: str
    second_version: str
    text = "{first} has version {first_version}, but {second} has {second_version}"
    hint = "The two halves must come from one build; build again and flash both."


class HalfAlone(CheckFailed):
    """A part of what boots is given, ``half``, and there is no build to say what it goes with."""

    origin: str
    half: str
    text = (
        "{origin}: {half} is there, but no application in internal flash: without a build nobody knows which "
        "one uses it, and halves of two builds could meet"
    )
    hint = "Give the application too (--hex-file again), or the build (-d); --force flashes it all the same."


class OtherHalfDiffers(CheckFailed):
    """Only a part of linked images was asked for, and the device does not hold the rest of that build."""

    origin: str
    start: int
    end: int
    text = (
        "the board holds something else than {origin} at {start:#010x}-{end:#010x}, which belongs to what "
        "was selected: halves of two builds would meet"
    )
    hint = "Flash the whole firmware, so that everything comes from one build."


class EraseTakesImages(CheckFailed):
    """Erasing whole memories would take images away that the job does not bring back."""

    unit: str
    text = (
        "erasing whole memories would take {unit} off the board, and what is flashed does not bring it back"
    )
    hint = "Flash the whole firmware, or leave --erase and --recover out."


class PendingUpdate(CheckFailed):
    """At the next boot MCUboot would put something else in the place of what is flashed.

    ``slot`` is the partition, ``state`` says what was found in it.
    """

    slot: str
    state: str
    text = "{slot}: {state}"
    hint = (
        "--clear-pending makes MCUboot forget it (blanks that slot's trailer or header); "
        "--keep-pending flashes all the same."
    )


class Declined(QspiError):
    """The user was asked, and did not say yes; ``what`` would have been done."""

    what: str
    text = "nothing was {what}: the answer was not yes"


class RunnerError(QspiError):
    """The way to the device cannot be taken."""


class UnknownRunner(RunnerError):
    """No runner has that name; ``known`` lists those that exist."""

    name: str
    known: str
    text = "no runner '{name}'; there are: {known}"
    exit_code = 2
    hint = "Choose one with -r, or once for all: west config qspi.runner NAME"


class ToolMissing(RunnerError):
    """A program that is needed cannot be run; ``reason`` is the operating system's word."""

    name: str
    reason: str
    text = "'{name}' cannot be run: {reason}"
    hint = "Install it, or flash what is there with --skip-rebuild."


class PackageMissing(RunnerError):
    """A Python package that is needed is not installed."""

    name: str
    text = "the Python package '{name}' is not installed"
    hint = 'Install it for this Python: pip install "{name}"'


class RunnerUnavailable(RunnerError):
    """The runner exists, but cannot be used here."""

    name: str
    reason: str
    text = "runner '{name}' is not available: {reason}"


class LibraryMissing(RunnerUnavailable):
    """Nordic's library is not installed, or cannot be used here."""

    hint = (
        "pip install pynrfjprog; it exists for Windows and Linux on x86-64, Linux on Arm, and macOS. All "
        "else works without it."
    )


class JLinkMissing(RunnerUnavailable):
    """SEGGER's library for J-Link probes is not there, or cannot be used."""

    hint = (
        "Install SEGGER's J-Link software, or say where its library is: --jlink-dll PATH (west config "
        "qspi.jlink-dll)."
    )


class NrfutilMissing(RunnerUnavailable):
    """nrfutil, or its command ``device``, is not installed, or cannot be run."""

    hint = (
        "Install nrfutil from nordicsemi.com, put it on the PATH, and run: nrfutil install device. The "
        "Python package of the same name is another, older program."
    )


class NrfutilTooOld(RunnerUnavailable):
    """The installed version of nrfutil's command ``device`` does not know what is needed."""

    hint = "Bring it up to date: nrfutil upgrade device"


class RebuildFailed(RunnerError):
    """The build before flashing failed; ``command`` is what was run."""

    command: str
    status: int
    text = "'{command}' failed with exit status {status}; nothing was flashed"
    hint = "Mend the build, or flash what is there with --skip-rebuild."
