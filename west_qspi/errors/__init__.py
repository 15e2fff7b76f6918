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
     │   ├─ JournalDamaged  JournalOutdated  JournalUnreachable   bytes that an interrupted run had in hand
     │   ├─ UpdatePackageError         a package for updates, with the line of its manifest
     │   ├─ BrokenSet                  images that could be no update
     │   ├─ SigningKeyError            not a key that MCUboot could use
     │   ├─ ConfigurationError         a programmer configuration, with the line
     │   ├─ PartsFileError             the user's own table of parts, with the line
     │   ├─ SettingsError              settings or baseline of a check, with the line (exit code 2)
     │   ├─ FileSystemError            a folder that does not fit, an image that does not mount
     │   │   └─ FolderError            no folder, or one with what no image holds
     │   └─ SimulatedBoardError        the folder of a simulated board
     ├─ BuildError                     the build directory
     │   ├─ NotABuildDirectory
     │   ├─ BrokenBuildFile            present, but not to be understood, with the line where known
     │   ├─ MissingOutput              a file that the build should have made
     │   └─ UnsupportedSoc             built for a SoC without QSPI support here
     ├─ PlacementError                 bytes that have no place
     │   ├─ OutsideMemories  BeyondChip  BeyondAddressMode  OutsidePartition  MisplacedData
     │   └─ NotErasable
     ├─ CheckFailed                    flashing would be pointless or harmful
     │   ├─ WrongSoc  HalvesDiffer  HalfAlone  OtherHalfDiffers  EraseTakesImages  PendingUpdate
     │   ├─ WouldNotRun                a rule of qspi-check says so
     │   ├─ NobodyReads                the board cannot be read, so nobody knows
     │   ├─ NoSuchImage  NoVariant  HalfSet  OtherKindOfUpdate  NotNewer   no such update for this device
     │   └─ OtherUpdatePending  MayRunAlready  SlotUnderTest  HalfKept   nor for the state that it is in
     ├─ Declined                       the user was asked, and did not say yes
     ├─ RunnerError
     │   ├─ UnknownRunner  RebuildFailed  ToolMissing  PackageMissing
     │   ├─ ExternalOutOfReach  ErasesTooMuch   one of Zephyr's that is not fit for this firmware
     │   ├─ RunnerRefuses  RunnerBroken  ToolFailed  ToolHung   what one of Zephyr's came to
     │   └─ RunnerUnavailable          it exists, but not here
     │       ├─ LibraryMissing  JLinkMissing  NrfutilMissing  NrfutilTooOld
     │       └─ NoZephyr  RunnerUnusable  RunnerToolMissing
     ├─ TargetError                    the device, the probe, the wires
     │   ├─ NoDevice                   nothing answers, or not the one that is meant
     │   │   └─ NoProbe  UnknownProbe  SeveralProbes  ProbeInUse  UnknownDevice  NoSmpDevice
     │   ├─ LinkError                  the debug link
     │   │   └─ ProbeFailed  ProbeGone  ProbeHung  ProbeCrashed  NrfutilFailed  NrfutilHung  NrfutilDied
     │   ├─ RunBroken  RunHung         one of several boards
     │   ├─ SmpError                   a device that is asked over SMP
     │   │   └─ SmpLinkLost  SmpRefused  SmpNotUnderstood
     │   ├─ ChipAbsent  ChipAsleep  WrongChip  WrongAddressMode  QuadDisabled  ClockModeUnsupported
     │   ├─ UnknownChip  Protected  LowVoltage  AccessRefused  NrfutilCannot
     │   └─ FlashBusy  WriteProtected  PowerLost  IllegalAccess
     ├─ UpdateFailed                   an update over SMP did not come to its end
     │   ├─ NothingMarked  HalfMarked  HalfReplaced  NotConfirmed  HalfConfirmed
     │   └─ NotRestarted  NotBack  NotInstalled  MixedRunning  NeedsRestart  UpdateStopped
     ├─ ProofError                     it was written, but it is not there
     │   └─ WriteFailed  UnstableRead  AddressWrapped  ForeignChanged
     └─ Interrupted                    the user stopped it at a safe point
         └─ StoppedAtOnce              and did not want to wait for one
"""

from __future__ import annotations

from west_qspi.errors.base import QspiError
from west_qspi.errors.device import (
    AccessRefused,
    AddressWrapped,
    Boots,
    ChipAbsent,
    ChipAsleep,
    ClockModeUnsupported,
    FlashBusy,
    ForeignChanged,
    IllegalAccess,
    Interrupted,
    LowVoltage,
    NoDevice,
    PowerLost,
    ProofError,
    Protected,
    QuadDisabled,
    StoppedAtOnce,
    TargetError,
    UnknownChip,
    UnknownDevice,
    UnstableRead,
    WriteFailed,
    WriteProtected,
    WrongAddressMode,
    WrongChip,
    board_state,
)
from west_qspi.errors.dfu import (
    BrokenSet,
    HalfConfirmed,
    HalfKept,
    HalfMarked,
    HalfReplaced,
    HalfSet,
    MayRunAlready,
    MixedRunning,
    NeedsRestart,
    NoSmpDevice,
    NoSuchImage,
    NotBack,
    NotConfirmed,
    NothingMarked,
    NotInstalled,
    NotNewer,
    NotRestarted,
    NoVariant,
    OtherKindOfUpdate,
    OtherUpdatePending,
    SlotUnderTest,
    SmpError,
    SmpLinkLost,
    SmpNotUnderstood,
    SmpRefused,
    UpdateFailed,
    UpdateStopped,
)
from west_qspi.errors.flashing import (
    BeyondAddressMode,
    BeyondChip,
    CheckFailed,
    Declined,
    EraseTakesImages,
    HalfAlone,
    HalvesDiffer,
    JLinkMissing,
    LibraryMissing,
    MisplacedData,
    NotErasable,
    NrfutilMissing,
    NrfutilTooOld,
    OtherHalfDiffers,
    OutsideMemories,
    OutsidePartition,
    PackageMissing,
    PendingUpdate,
    PlacementError,
    RebuildFailed,
    RunnerError,
    RunnerUnavailable,
    ToolMissing,
    UnknownRunner,
    WouldNotRun,
    WrongSoc,
)
from west_qspi.errors.inputs import (
    BinNeedsAddress,
    BrokenBuildFile,
    BuildError,
    ConfigurationError,
    ElfError,
    EmptyFirmware,
    FileSystemError,
    FileUnreadable,
    FileUnwritable,
    FirmwareConflict,
    FolderError,
    HexError,
    ImageError,
    InputError,
    JournalDamaged,
    JournalOutdated,
    JournalUnreachable,
    MissingOutput,
    NotABuildDirectory,
    PartsFileError,
    SettingsError,
    SigningKeyError,
    SimulatedBoardError,
    UnsupportedSoc,
    UpdatePackageError,
    UsageError,
)
from west_qspi.errors.link import (
    LinkError,
    NoProbe,
    NrfutilCannot,
    NrfutilDied,
    NrfutilFailed,
    NrfutilHung,
    ProbeCrashed,
    ProbeFailed,
    ProbeGone,
    ProbeHung,
    ProbeInUse,
    RunBroken,
    RunHung,
    SeveralProbes,
    UnknownProbe,
)
from west_qspi.errors.tools import (
    ErasesTooMuch,
    ExternalOutOfReach,
    NobodyReads,
    NoZephyr,
    RunnerBroken,
    RunnerRefuses,
    RunnerToolMissing,
    RunnerUnusable,
    ToolFailed,
    ToolHung,
)

__all__ = [
    "AccessRefused",
    "AddressWrapped",
    "BeyondAddressMode",
    "BeyondChip",
    "BinNeedsAddress",
    "Boots",
    "BrokenBuildFile",
    "BrokenSet",
    "BuildError",
    "CheckFailed",
    "ChipAbsent",
    "ChipAsleep",
    "ClockModeUnsupported",
    "ConfigurationError",
    "Declined",
    "ElfError",
    "EmptyFirmware",
    "EraseTakesImages",
    "ErasesTooMuch",
    "ExternalOutOfReach",
    "FileSystemError",
    "FileUnreadable",
    "FileUnwritable",
    "FirmwareConflict",
    "FlashBusy",
    "FolderError",
    "ForeignChanged",
    "HalfAlone",
    "HalfConfirmed",
    "HalfKept",
    "HalfMarked",
    "HalfReplaced",
    "HalfSet",
    "HalvesDiffer",
    "HexError",
    "IllegalAccess",
    "ImageError",
    "InputError",
    "Interrupted",
    "JLinkMissing",
    "JournalDamaged",
    "JournalOutdated",
    "JournalUnreachable",
    "LibraryMissing",
    "LinkError",
    "LowVoltage",
    "MayRunAlready",
    "MisplacedData",
    "MissingOutput",
    "MixedRunning",
    "NeedsRestart",
    "NoDevice",
    "NoProbe",
    "NoSmpDevice",
    "NoSuchImage",
    "NoVariant",
    "NoZephyr",
    "NobodyReads",
    "NotABuildDirectory",
    "NotBack",
    "NotConfirmed",
    "NotErasable",
    "NotInstalled",
    "NotNewer",
    "NotRestarted",
    "NothingMarked",
    "NrfutilCannot",
    "NrfutilDied",
    "NrfutilFailed",
    "NrfutilHung",
    "NrfutilMissing",
    "NrfutilTooOld",
    "OtherHalfDiffers",
    "OtherKindOfUpdate",
    "OtherUpdatePending",
    "OutsideMemories",
    "OutsidePartition",
    "PackageMissing",
    "PartsFileError",
    "PendingUpdate",
    "PlacementError",
    "PowerLost",
    "ProbeCrashed",
    "ProbeFailed",
    "ProbeGone",
    "ProbeHung",
    "ProbeInUse",
    "ProofError",
    "Protected",
    "QspiError",
    "QuadDisabled",
    "RebuildFailed",
    "RunBroken",
    "RunHung",
    "RunnerBroken",
    "RunnerError",
    "RunnerRefuses",
    "RunnerToolMissing",
    "RunnerUnavailable",
    "RunnerUnusable",
    "SettingsError",
    "SeveralProbes",
    "SigningKeyError",
    "SimulatedBoardError",
    "SlotUnderTest",
    "SmpError",
    "SmpLinkLost",
    "SmpNotUnderstood",
    "SmpRefused",
    "StoppedAtOnce",
    "TargetError",
    "ToolFailed",
    "ToolHung",
    "ToolMissing",
    "UnknownChip",
    "UnknownDevice",
    "UnknownProbe",
    "UnknownRunner",
    "UnstableRead",
    "UnsupportedSoc",
    "UpdateFailed",
    "UpdatePackageError",
    "UpdateStopped",
    "UsageError",
    "WouldNotRun",
    "WriteFailed",
    "WriteProtected",
    "WrongAddressMode",
    "WrongChip",
    "WrongSoc",
    "board_state",
]
