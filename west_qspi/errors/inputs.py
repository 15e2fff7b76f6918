"""What users hand us: command lines, files, build directories."""

from __future__ import annotations

from west_qspi.errors.base import QspiError, at_line


class UsageError(QspiError):
    """The command line asks for something that cannot be meant."""

    reason: str
    exit_code = 2
    text = "{reason}"


class InputError(QspiError):
    """A file is not what it should be; ``path`` names it."""

    path: str


class FileUnreadable(InputError):
    """A file cannot be opened; ``reason`` is the operating system's word."""

    reason: str
    text = "{path}: cannot be read: {reason}"


class FileUnwritable(InputError):
    """A file cannot be made; ``reason`` is the operating system's word."""

    reason: str
    text = "{path}: cannot be written: {reason}"


class HexError(InputError):
    """An Intel HEX file breaks the format; ``line`` counts from 1."""

    line: int
    reason: str
    text = "{path}:{line}: {reason}"
    hint = "The file is damaged or cut off; build it again or fetch a fresh copy."


class JournalDamaged(InputError):
    """The copy of bytes that an interrupted run had in hand cannot be read."""

    reason: str
    text = "{path}: the bytes that an interrupted run had in hand cannot be read: {reason}"
    hint = "Delete the file if the board's data is right as it is, or can be written anew."


class JournalOutdated(InputError):
    """Something else has written where an interrupted run had bytes in hand; ``address`` is on the bus."""

    address: int
    text = (
        "{path}: an interrupted run had bytes in hand here, but something else has since written to "
        "{address:#010x}"
    )
    hint = "Delete the file to keep what the board holds, or program the file itself to go back."


class JournalUnreachable(InputError):
    """Bytes wait to be put back into a memory that this job does not reach; ``address`` is on the bus."""

    address: int
    text = (
        "{path}: bytes of an interrupted run wait to be put back at {address:#010x}, out of this job's reach"
    )
    hint = "Flash the whole firmware, or delete the file if those bytes can be written anew."


class ElfError(InputError):
    """An ELF file cannot be used."""

    reason: str
    text = "{path}: {reason}"


class BinNeedsAddress(InputError):
    """Raw bytes were given with no word of where they go."""

    text = "{path}: this is neither Intel HEX nor ELF, so it needs an address"
    hint = "Give it as --file {path}@ADDRESS or --file {path}@PARTITION."


class EmptyFirmware(InputError):
    """There is nothing to program."""

    text = "{path}: holds no data"
    hint = "Build the project again; an empty file programs nothing and proves nothing."


class FirmwareConflict(InputError):
    """Two files want different bytes at one bus address."""

    other: str
    address: int
    value: int
    other_value: int
    count: int = 1
    text = (
        "{path} and {other} disagree at {address:#010x}: {value:#04x} against {other_value:#04x} "
        "({count} bytes differ in all)"
    )
    hint = "Flash one of the two, or build again so that both come from one build."


class ImageError(InputError):
    """An MCUboot image that the bootloader would refuse; ``address`` is where its header should be."""

    address: int
    reason: str
    text = "{path}: image at {address:#010x}: {reason}"
    hint = "MCUboot would refuse it; build and sign again."


class UpdatePackageError(InputError):
    """A package for updates cannot be understood; ``line`` is one of its manifest, 0 where none is meant."""

    line: int
    reason: str
    text = "{path}: {reason}"
    hint = "'west qspi-dfu pack' makes a right one from the build."

    @property
    def flaw(self) -> str:
        """What is wrong, without the package's name."""
        return at_line("manifest.json", self.line, self.reason) if self.line else self.reason

    def __str__(self) -> str:
        return f"{self.path}: {self.flaw}"


class SigningKeyError(InputError):
    """A file holds no key that MCUboot could check signatures with."""

    reason: str
    text = "{path}: not a usable signing key: {reason}"
    hint = "Name the PEM file that the bootloader was built with; its public half is enough."


class SimulatedBoardError(InputError):
    """The folder of a simulated board holds something that was not written by it."""

    reason: str
    text = "{path}: not a simulated board: {reason}"
    hint = "Delete the folder to begin with a blank board, or name another one."


class ConfigurationError(InputError):
    """A programmer configuration cannot be understood; ``line`` is 0 where it is not known."""

    line: int
    reason: str
    text = "{path}:{line}: {reason}"
    hint = "'west qspi-config generate' writes a right one from the build."

    def __str__(self) -> str:
        return at_line(self.path, self.line, self.reason)


class PartsFileError(InputError):
    """A file of the user's own parts cannot be understood; ``line`` is 0 where it is not known."""

    line: int
    reason: str
    text = "{path}:{line}: {reason}"
    hint = "docs/external-flash.md shows what such a file looks like."

    def __str__(self) -> str:
        return at_line(self.path, self.line, self.reason)


class SettingsError(InputError):
    """The settings or the baseline of a check cannot be understood; ``line`` is 0 where it is not known."""

    line: int
    reason: str
    exit_code = 2
    text = "{path}:{line}: {reason}"
    hint = "docs/check.md says what may stand there."

    def __str__(self) -> str:
        return at_line(self.path, self.line, self.reason)


class FileSystemError(InputError):
    """A folder cannot be made into a file system image, or an image cannot be read."""

    reason: str
    text = "{path}: {reason}"
    hint = "docs/data-in-partitions.md says what can be made and read, and where the sizes come from."


class FolderError(FileSystemError):
    """A folder, or what is in it, is not what a file system image can be made from or read back into."""

    hint = "Name a folder of files and folders, whose links stay inside, with names of up to 255 bytes."


class BuildError(QspiError):
    """A build directory cannot be used; ``path`` is the file or folder concerned."""

    path: str


class NotABuildDirectory(BuildError):
    """There is no build here."""

    reason: str
    text = "{path}: not a build directory: {reason}"
    hint = "Name the build directory with -d, or make one with 'west build'."


class BrokenBuildFile(BuildError):
    """A file of the build is there, but cannot be understood; ``line`` is 0 where it is not known."""

    line: int
    reason: str
    text = "{path}:{line}: {reason}"
    hint = (
        "Build again from scratch (west build --pristine); if that gives the same, correct the board's files."
    )

    def __str__(self) -> str:
        return at_line(self.path, self.line, self.reason)


class MissingOutput(BuildError):
    """A file that the build should have made is not there."""

    purpose: str
    text = "{path}: missing ({purpose})"
    hint = "The build did not finish, or its outputs were not copied along: build again."


class UnsupportedSoc(BuildError):
    """The build is for a SoC that has no external flash on a QSPI peripheral, or is not known here."""

    soc: str
    text = "{path}: built for {soc}, which is not supported"
    hint = "Supported are the nRF5340 and the nRF52840."
