"""What can go wrong, as one tree; every class carries its data, and its text is made here.

::

    QspiError                          exit code 1
     ├─ UsageError                     the command line asks for something that cannot be meant (exit code 2)
     ├─ InputError                     a file is not what it should be
     │   ├─ FileUnreadable             missing, a folder, or not permitted
     │   ├─ FileUnwritable             no room, a folder, or not permitted
     │   ├─ HexError                   Intel HEX, with the line
     │   ├─ ElfError
     │   ├─ BinNeedsAddress
     │   ├─ EmptyFirmware              nothing in it to program
     │   ├─ FirmwareConflict           two files want different bytes at one address
     │   ├─ ImageError                 MCUboot header, TLVs, hash, signature, version
     │   ├─ SigningKeyError            not a key that MCUboot could use
     │   └─ SimulatedBoardError        the folder of a simulated board
     ├─ BuildError                     the build directory
     │   ├─ NotABuildDirectory
     │   ├─ BrokenBuildFile            present, but not to be understood, with the line where known
     │   ├─ MissingOutput              a file that the build should have made
     │   └─ UnsupportedSoc             built for a SoC without QSPI support here
     ├─ PlacementError                 bytes that have no place
     │   ├─ OutsideMemories  BeyondChip  BeyondAddressMode  OutsidePartition  NotErasable
     ├─ CheckFailed                    flashing would be pointless or harmful
     │   ├─ WrongSoc  HalvesDiffer  OtherHalfDiffers  PendingUpdate
     ├─ RunnerError
     │   ├─ UnknownRunner  RunnerUnavailable  RebuildFailed
     ├─ TargetError                    the device, the probe, the wires
     │   ├─ NoDevice  ChipAbsent  ChipAsleep  WrongChip  QuadDisabled
     │   ├─ Protected  LowVoltage  LinkError  FlashBusy  WriteProtected  PowerLost  IllegalAccess
     ├─ ProofError                     it was written, but it is not there
     │   ├─ WriteFailed  UnstableRead  AddressWrapped
     ├─ Interrupted                    the user stopped it at a safe point
     └─ StoppedAtOnce                  the user did not want to wait for one
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(eq=False)
class QspiError(Exception):
    """Base of everything this project raises on purpose.

    A subclass is its fields, a ``text`` over them and, where there is one thing to do, a ``hint``.
    """

    text: ClassVar[str] = ""
    hint: ClassVar[str] = ""
    exit_code: ClassVar[int] = 1

    def _values(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def __str__(self) -> str:
        return self.text.format_map(self._values())

    @property
    def advice(self) -> str:
        """What to do about it, or an empty string."""
        return self.hint.format_map(self._values())

    def as_json(self) -> dict[str, Any]:
        """Return name, message, advice and data, as ``--json`` prints them."""
        data = {
            name: value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
            for name, value in self._values().items()
        }
        return {"error": type(self).__name__, "message": str(self), "advice": self.advice, "data": data}


@dataclass(eq=False)
class UsageError(QspiError):
    """The command line asks for something that cannot be meant."""

    reason: str
    exit_code: ClassVar[int] = 2
    text: ClassVar[str] = "{reason}"


# --- files -----------------------------------------------------------------------------------------


@dataclass(eq=False)
class InputError(QspiError):
    """A file is not what it should be; ``path`` names it."""

    path: str


@dataclass(eq=False)
class FileUnreadable(InputError):
    """A file cannot be opened; ``reason`` is the operating system's word."""

    reason: str
    text: ClassVar[str] = "{path}: cannot be read: {reason}"


@dataclass(eq=False)
class FileUnwritable(InputError):
    """A file cannot be made; ``reason`` is the operating system's word."""

    reason: str
    text: ClassVar[str] = "{path}: cannot be written: {reason}"


@dataclass(eq=False)
class HexError(InputError):
    """An Intel HEX file breaks the format; ``line`` counts from 1."""

    line: int
    reason: str
    text: ClassVar[str] = "{path}:{line}: {reason}"
    hint: ClassVar[str] = "The file is damaged or cut off; build it again or fetch a fresh copy."


@dataclass(eq=False)
class ElfError(InputError):
    """An ELF file cannot be used."""

    reason: str
    text: ClassVar[str] = "{path}: {reason}"


@dataclass(eq=False)
class BinNeedsAddress(InputError):
    """Raw bytes were given with no word of where they go."""

    text: ClassVar[str] = "{path}: this is neither Intel HEX nor ELF, so it needs an address"
    hint: ClassVar[str] = "Give it as {path}@ADDRESS or {path}@PARTITION."


@dataclass(eq=False)
class EmptyFirmware(InputError):
    """There is nothing to program."""

    text: ClassVar[str] = "{path}: holds no data"
    hint: ClassVar[str] = "Build the project again; an empty file programs nothing and proves nothing."


@dataclass(eq=False)
class FirmwareConflict(InputError):
    """Two files want different bytes at one bus address."""

    other: str
    address: int
    value: int
    other_value: int
    count: int = 1
    text: ClassVar[str] = (
        "{path} and {other} disagree at {address:#010x}: {value:#04x} against {other_value:#04x} "
        "({count} bytes differ in all)"
    )
    hint: ClassVar[str] = "Flash one of the two, or build again so that both come from one build."


@dataclass(eq=False)
class ImageError(InputError):
    """An MCUboot image that the bootloader would refuse; ``address`` is where its header should be."""

    address: int
    reason: str
    text: ClassVar[str] = "{path}: image at {address:#010x}: {reason}"
    hint: ClassVar[str] = "MCUboot would refuse it; build and sign again."


@dataclass(eq=False)
class SigningKeyError(InputError):
    """A file holds no key that MCUboot could check signatures with."""

    reason: str
    text: ClassVar[str] = "{path}: not a usable signing key: {reason}"
    hint: ClassVar[str] = "Name the PEM file that the bootloader was built with; its public half is enough."


@dataclass(eq=False)
class SimulatedBoardError(InputError):
    """The folder of a simulated board holds something that was not written by it."""

    reason: str
    text: ClassVar[str] = "{path}: not a simulated board: {reason}"
    hint: ClassVar[str] = "Delete the folder to begin with a blank board, or name another one."


# --- build directories -----------------------------------------------------------------------------


@dataclass(eq=False)
class BuildError(QspiError):
    """A build directory cannot be used; ``path`` is the file or folder concerned."""

    path: str


@dataclass(eq=False)
class NotABuildDirectory(BuildError):
    """There is no build here."""

    reason: str
    text: ClassVar[str] = "{path}: not a build directory: {reason}"
    hint: ClassVar[str] = "Name the build directory with -d, or make one with 'west build'."


@dataclass(eq=False)
class BrokenBuildFile(BuildError):
    """A file of the build is there, but cannot be understood; ``line`` is 0 where it is not known."""

    line: int
    reason: str
    text: ClassVar[str] = "{path}:{line}: {reason}"
    hint: ClassVar[str] = "Build again from scratch: west build --pristine."

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}" if self.line else f"{self.path}: {self.reason}"


@dataclass(eq=False)
class MissingOutput(BuildError):
    """A file that the build should have made is not there."""

    purpose: str
    text: ClassVar[str] = "{path}: missing ({purpose})"
    hint: ClassVar[str] = "The build did not finish, or its outputs were not copied along: build again."


@dataclass(eq=False)
class UnsupportedSoc(BuildError):
    """The build is for a SoC that has no external flash on a QSPI peripheral, or is not known here."""

    soc: str
    text: ClassVar[str] = "{path}: built for {soc}, which is not supported"
    hint: ClassVar[str] = "Supported are the nRF5340 and the nRF52840."


# --- placement -------------------------------------------------------------------------------------


@dataclass(eq=False)
class PlacementError(QspiError):
    """Bytes have no place on the device; ``start`` and ``end`` are bus addresses, end exclusive."""

    origin: str
    start: int
    end: int


@dataclass(eq=False)
class OutsideMemories(PlacementError):
    """Bytes lie in no memory of the SoC."""

    soc: str
    text: ClassVar[str] = "{origin}: {start:#010x}-{end:#010x} lies in no memory of the {soc}"
    hint: ClassVar[str] = (
        "External flash begins at 0x10000000 on the nRF5340 and at 0x12000000 on the nRF52840."
    )


@dataclass(eq=False)
class BeyondChip(PlacementError):
    """Bytes lie in the XIP window, but past the end of the chip; ``size`` is the chip's, in bytes."""

    size: int
    text: ClassVar[str] = (
        "{origin}: {start:#010x}-{end:#010x} goes past the end of the external flash ({size:#x} bytes)"
    )
    hint: ClassVar[str] = "Correct the chip's size in the devicetree, or move the partition."


@dataclass(eq=False)
class BeyondAddressMode(PlacementError):
    """Bytes lie past 16 MiB, and the chip is addressed with 24 bits."""

    wrapped: int
    text: ClassVar[str] = (
        "{origin}: {start:#010x}-{end:#010x} needs 32-bit addresses, but the chip is set up for 24 bits: "
        "it would land at offset {wrapped:#x}"
    )
    hint: ClassVar[str] = "Add 'address-size-32;' (and 'enter-4byte-addr') to the flash's devicetree node."


@dataclass(eq=False)
class OutsidePartition(PlacementError):
    """Bytes go past the partition that they were meant for."""

    partition: str
    limit: int
    text: ClassVar[str] = (
        "{origin}: {start:#010x}-{end:#010x} does not fit partition '{partition}', which ends "
        "at {limit:#010x}"
    )
    hint: ClassVar[str] = "Make the partition larger, or the image smaller."


@dataclass(eq=False)
class NotErasable(PlacementError):
    """Bytes are already there, differ, and this memory can only be erased together with the whole device."""

    memory: str
    text: ClassVar[str] = (
        "{origin}: {start:#010x}-{end:#010x} in {memory} holds other data, and that memory cannot be erased "
        "by itself"
    )
    hint: ClassVar[str] = "Use --recover (erases the whole device first), or leave this data out."


# --- checks before flashing ------------------------------------------------------------------------


@dataclass(eq=False)
class CheckFailed(QspiError):
    """Flashing would be pointless or harmful."""


@dataclass(eq=False)
class WrongSoc(CheckFailed):
    """The build is for another SoC than the device."""

    wanted: str
    found: str
    text: ClassVar[str] = "the build is for the {wanted}, but the device is an {found}"
    hint: ClassVar[str] = "Build for this board, or pick the right device with --dev-id."


@dataclass(eq=False)
class HalvesDiffer(CheckFailed):
    """The halves of a split image are not of one build."""

    first: str
    first_version: str
    second: str
    second_version: str
    text: ClassVar[str] = "{first} has version {first_version}, but {second} has {second_version}"
    hint: ClassVar[str] = "The two halves must come from one build; build again and flash both."


@dataclass(eq=False)
class OtherHalfDiffers(CheckFailed):
    """Only a part of linked images was asked for, and the device does not hold the rest of that build."""

    origin: str
    start: int
    end: int
    text: ClassVar[str] = (
        "the board holds something else than {origin} at {start:#010x}-{end:#010x}, which belongs to what "
        "was selected: halves of two builds would meet"
    )
    hint: ClassVar[str] = "Flash without --only, so that everything comes from one build."


@dataclass(eq=False)
class PendingUpdate(CheckFailed):
    """At the next boot MCUboot would put something else in the place of what is flashed.

    ``slot`` is the partition, ``state`` says what was found in it.
    """

    slot: str
    state: str
    text: ClassVar[str] = "{slot}: {state}"
    hint: ClassVar[str] = (
        "--clear-pending makes MCUboot forget it (erases one sector of that slot); "
        "--keep-pending flashes all the same."
    )


# --- runners and the device ------------------------------------------------------------------------


@dataclass(eq=False)
class RunnerError(QspiError):
    """The way to the device cannot be taken."""


@dataclass(eq=False)
class UnknownRunner(RunnerError):
    """No runner has that name; ``known`` lists those that exist."""

    name: str
    known: str
    text: ClassVar[str] = "no runner '{name}'; there are: {known}"
    hint: ClassVar[str] = "Choose one with -r, or once for all: west config qspi.runner sim"


@dataclass(eq=False)
class RunnerUnavailable(RunnerError):
    """The runner exists, but cannot be used here."""

    name: str
    reason: str
    text: ClassVar[str] = "runner '{name}' is not available: {reason}"


@dataclass(eq=False)
class RebuildFailed(RunnerError):
    """The build before flashing failed; ``command`` is what was run."""

    command: str
    status: int
    text: ClassVar[str] = "'{command}' failed with exit status {status}; nothing was flashed"
    hint: ClassVar[str] = "Mend the build, or flash what is there with --skip-rebuild."


@dataclass(eq=False)
class TargetError(QspiError):
    """The device does not do what it was asked to; ``device`` names it."""

    device: str


@dataclass(eq=False)
class NoDevice(TargetError):
    """Nothing answers."""

    reason: str
    text: ClassVar[str] = "{device}: no device: {reason}"


@dataclass(eq=False)
class WrongChip(TargetError):
    """Another external flash than the build's devicetree says; ids are hex strings."""

    wanted: str
    found: str
    text: ClassVar[str] = (
        "{device}: the external flash answers with JEDEC id {found}, the devicetree says {wanted}"
    )
    hint: ClassVar[str] = (
        "Wrong board, or a second-source part: correct 'jedec-id' and 'size' in the devicetree."
    )


@dataclass(eq=False)
class ChipAbsent(TargetError):
    """The external flash answers nothing."""

    found: str
    text: ClassVar[str] = "{device}: no external flash answers (JEDEC id reads {found})"
    hint: ClassVar[str] = (
        "Check power, pins and chip select of the flash, and that no other code drives its pins."
    )


@dataclass(eq=False)
class ChipAsleep(TargetError):
    """The external flash is in deep power-down and did not wake."""

    text: ClassVar[str] = "{device}: the external flash is in deep power-down and does not wake with 0xAB"
    hint: ClassVar[str] = "Power-cycle the board."


@dataclass(eq=False)
class QuadDisabled(TargetError):
    """Quad commands were asked for, and the chip's quad enable bit cannot be set."""

    method: str
    text: ClassVar[str] = "{device}: the external flash refuses to set its quad enable bit ({method})"
    hint: ClassVar[str] = (
        "Check 'quad-enable-requirements' in the devicetree, the WP# pin and the status register's lock bits."
    )


@dataclass(eq=False)
class Protected(TargetError):
    """Access port protection is on; ``cores`` names what is locked."""

    cores: str
    text: ClassVar[str] = "{device}: access is protected ({cores})"
    hint: ClassVar[str] = "--recover unlocks it, and erases internal flash and UICR of that core completely."


@dataclass(eq=False)
class LowVoltage(TargetError):
    """The supply is too low to program; values in millivolts."""

    millivolts: int
    needed: int
    text: ClassVar[str] = "{device}: supply voltage is {millivolts} mV, programming needs {needed} mV"
    hint: ClassVar[str] = "Power the board; the probe's VTref must see its supply."


@dataclass(eq=False)
class LinkError(TargetError):
    """The connection to the device failed while ``during`` went on."""

    during: str
    text: ClassVar[str] = "{device}: the debug link failed during {during}"
    hint: ClassVar[str] = (
        "Check the cable and try a lower speed; the next run repairs what was left half done."
    )


@dataclass(eq=False)
class FlashBusy(TargetError):
    """A flash stayed busy far beyond its datasheet time."""

    memory: str
    seconds: float
    text: ClassVar[str] = "{device}: {memory} is still busy after {seconds:.1f} s"
    hint: ClassVar[str] = "Power-cycle the board; if it stays, the flash is worn out or its supply is weak."


@dataclass(eq=False)
class WriteProtected(TargetError):
    """Block protection covers what is to be written."""

    memory: str
    register: int
    text: ClassVar[str] = "{device}: {memory} is write-protected (status register {register:#04x})"
    hint: ClassVar[str] = "Clear the block protection bits of the flash's status register."


@dataclass(eq=False)
class PowerLost(TargetError):
    """The device lost power in the middle of ``during``."""

    during: str
    text: ClassVar[str] = "{device}: power was lost during {during}"
    hint: ClassVar[str] = "Restore power and run the same command again: it repairs what was left half done."


@dataclass(eq=False)
class IllegalAccess(TargetError):
    """An access that the device's rules forbid: unaligned, or outside a memory."""

    reason: str
    text: ClassVar[str] = "{device}: {reason}"


# --- proof -----------------------------------------------------------------------------------------


@dataclass(eq=False)
class ProofError(QspiError):
    """The device does not hold what was written; ``address`` is a bus address."""

    memory: str
    address: int


@dataclass(eq=False)
class WriteFailed(ProofError):
    """Two reads agree with each other and not with what was written."""

    wanted: str
    found: str
    count: int
    text: ClassVar[str] = (
        "{memory}: not what was written at {address:#010x}: wanted {wanted}, found {found} "
        "({count} bytes differ in this sector)"
    )
    hint: ClassVar[str] = (
        "The write failed: worn or protected flash, quad mode not enabled, or a wrong program opcode."
    )


@dataclass(eq=False)
class UnstableRead(ProofError):
    """Two reads of the same bytes differ: the bus cannot be trusted, so nothing can be proven over it."""

    first: str
    second: str
    text: ClassVar[str] = (
        "{memory}: two reads at {address:#010x} differ ({first} and then {second}): the bus is unreliable"
    )
    hint: ClassVar[str] = (
        "Try a slower clock, fewer data lines (FASTREAD, PP), a shorter cable, or reset and halt the SoC "
        "first."
    )


@dataclass(eq=False)
class AddressWrapped(ProofError):
    """A write above 16 MiB changed the sector that 24-bit addressing would hit, or the chip says 24 bits."""

    wrapped: int
    reason: str
    text: ClassVar[str] = (
        "{memory}: what was meant for {address:#010x} may have gone to offset {wrapped:#x}: {reason}"
    )
    hint: ClassVar[str] = "The chip is in 3-byte address mode; set 'enter-4byte-addr' in the devicetree."


@dataclass(eq=False)
class Interrupted(QspiError):
    """The user stopped the run at a safe point; the fields say what the board holds."""

    changed: bool
    bootable: bool
    done: int
    total: int
    hint: ClassVar[str] = "Run the same command again to finish."

    def __str__(self) -> str:
        return f"interrupted: {board_state(self.changed, self.bootable, self.done, self.total)}"


@dataclass(eq=False)
class StoppedAtOnce(QspiError):
    """The user insisted on stopping, wherever the run was."""

    text: ClassVar[str] = "stopped at once; if programming had begun, the board is half written"
    hint: ClassVar[str] = "Run the same command again to finish."


def board_state(changed: bool, bootable: bool, done: int, total: int) -> str:
    """Say in words what a board holds after a run that did not come to its end; counts are bytes."""
    if not changed:
        return "nothing was changed; the board holds what it held before"
    written = f"{done} of {total} bytes are written"
    if bootable:
        return f"{written}; what boots was not touched"
    return f"{written}; the board does not boot until a flash is finished"
