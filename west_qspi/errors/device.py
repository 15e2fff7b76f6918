"""What a device does wrong, and runs that did not come to their end."""

from __future__ import annotations

from enum import Enum

from west_qspi.errors.base import QspiError


class TargetError(QspiError):
    """The device does not do what it was asked to; ``device`` names it."""

    device: str


class NoDevice(TargetError):
    """Nothing answers."""

    reason: str
    text = "{device}: no device: {reason}"


class UnknownDevice(NoDevice):
    """What answers is none of the SoCs that are known here."""

    hint = "Only the nRF5340 and the nRF52840 have external flash that is programmed here."


class WrongChip(TargetError):
    """Another external flash than the build's devicetree says; ids are hex strings."""

    wanted: str
    found: str
    text = "{device}: the external flash answers with JEDEC id {found}, the devicetree says {wanted}"
    hint = "Wrong board, or a second-source part: correct 'jedec-id' and 'size' in the devicetree."


class UnknownChip(TargetError):
    """The external flash is in no table of parts, and nothing else says how to drive it; ``found`` is hex."""

    found: str
    text = "{device}: the external flash answers with JEDEC id {found}, which is no part that is known here"
    hint = (
        "Describe the part (--parts: size, quad enable method, 4-byte mode, times), or say how it is driven "
        "(--ext-mem-config), or give the build (-d): docs/external-flash.md."
    )


class ChipAbsent(TargetError):
    """The external flash answers nothing."""

    found: str
    text = "{device}: no external flash answers (JEDEC id reads {found})"
    hint = "Check power, pins and chip select of the flash, and that no other code drives its pins."


class ChipAsleep(TargetError):
    """The external flash is in deep power-down and did not wake."""

    text = "{device}: the external flash is in deep power-down and does not wake with 0xAB"
    hint = "Power-cycle the board."


class QuadDisabled(TargetError):
    """Quad commands were asked for, and the chip's quad enable bit cannot be set."""

    method: str
    text = "{device}: the external flash refuses to set its quad enable bit ({method})"
    hint = (
        "Check 'quad-enable-requirements' in the devicetree, the WP# pin and the status register's lock bits."
    )


class WrongAddressMode(TargetError):
    """By its own word the external flash takes another number of address bytes than it would be sent."""

    wanted: int
    found: int
    text = (
        "{device}: the external flash is in {found}-byte address mode, but is driven with {wanted} address "
        "bytes"
    )
    hint = "Set 'address-size-32' and 'enter-4byte-addr' in the devicetree to what the part needs."


class ClockModeUnsupported(TargetError):
    """The QSPI peripheral is not started in this SPI mode."""

    soc: str
    mode: int
    text = "{device}: SPI mode {mode} was asked for, which the {soc}'s QSPI is not started in"
    hint = "Use MODE0: every NOR flash takes it."


class Protected(TargetError):
    """Access port protection is on; ``cores`` names what is locked."""

    cores: str
    text = "{device}: access is protected ({cores})"
    hint = "--recover unlocks it, and erases internal flash and UICR of that core completely."


class LowVoltage(TargetError):
    """The supply is too low to program; values in millivolts."""

    millivolts: int
    needed: int
    text = "{device}: supply voltage is {millivolts} mV, programming needs {needed} mV"
    hint = "Power the board; the probe's VTref must see its supply."


class AccessRefused(TargetError):
    """The device's own rules keep the probe from something."""

    during: str
    reason: str
    text = "{device}: {during} is refused: {reason}"
    hint = "What runs on the device, or ran, has locked it: power-cycle the board, or --recover it."


class FlashBusy(TargetError):
    """A flash stayed busy far beyond its datasheet time."""

    memory: str
    seconds: float
    text = "{device}: {memory} is still busy after {seconds:.1f} s"
    hint = "Power-cycle the board; if it stays, the flash is worn out or its supply is weak."


class WriteProtected(TargetError):
    """Block protection covers what is to be written."""

    memory: str
    register: int
    text = "{device}: {memory} is write-protected (status register {register:#04x})"
    hint = "Clear the block protection bits of the flash's status register."


class PowerLost(TargetError):
    """The device lost power in the middle of ``during``."""

    during: str
    text = "{device}: power was lost during {during}"
    hint = "Restore power and run the same command again: it repairs what was left half done."


class IllegalAccess(TargetError):
    """An access that the device's rules forbid: unaligned, or outside a memory."""

    reason: str
    text = "{device}: {reason}"


class ProofError(QspiError):
    """The device does not hold what was written; ``address`` is a bus address."""

    memory: str
    address: int


class WriteFailed(ProofError):
    """Two reads agree with each other and not with what was written."""

    wanted: str
    found: str
    count: int
    text = (
        "{memory}: not what was written at {address:#010x}: wanted {wanted}, found {found} "
        "({count} bytes differ in this sector)"
    )
    hint = "The write failed: worn or protected flash, quad mode not enabled, or a wrong program opcode."


class UnstableRead(ProofError):
    """Two reads of the same bytes differ: the bus cannot be trusted, so nothing can be proven over it."""

    first: str
    second: str
    text = "{memory}: two reads at {address:#010x} differ ({first} and then {second}): the bus is unreliable"
    hint = (
        "Try a slower clock, fewer data lines (FASTREAD, PP), a shorter cable, or reset and halt the SoC "
        "first."
    )


class ForeignChanged(ProofError):
    """Bytes have changed in a sector that nothing was asked for, ``count`` of those read with it."""

    count: int
    text = "{memory}: {count} bytes from {address:#010x} on have changed, although nobody asked for it"
    hint = (
        "The programming tool erases more than it was told to, or something on the board writes there: use "
        "-r pynrfjprog, and restore that data."
    )


class AddressWrapped(ProofError):
    """A write above 16 MiB changed the sector that 24-bit addressing would hit, or the chip says 24 bits."""

    wrapped: int
    reason: str
    text = "{memory}: what was meant for {address:#010x} may have gone to offset {wrapped:#x}: {reason}"
    hint = "The chip is in 3-byte address mode; set 'enter-4byte-addr' in the devicetree."


class Boots(str, Enum):
    """What a board starts after a run that did not come to its end."""

    AS_BEFORE = "as before"
    NOTHING = "nothing"
    UNPROVEN = "unproven"


class Interrupted(QspiError):
    """The user stopped the run at a safe point; the fields say what the board holds."""

    changed: bool
    boots: str
    done: int
    total: int
    hint = "Run the same command again to finish."

    def __str__(self) -> str:
        return f"interrupted: {board_state(self.changed, Boots(self.boots), self.done, self.total)}"


class StoppedAtOnce(Interrupted):
    """The user did not want to wait for a safe point; one step is half done."""

    def __str__(self) -> str:
        return f"stopped at once: {board_state(self.changed, Boots(self.boots), self.done, self.total)}"


_BOOTS = {
    Boots.AS_BEFORE: "what boots was not touched",
    Boots.NOTHING: "the board does not boot until a flash is finished",
    Boots.UNPROVEN: "the board boots it, but it is not proven",
}


def board_state(changed: bool, boots: Boots, done: int, total: int) -> str:
    """Say in words what a board holds after a run that did not come to its end; counts are bytes."""
    if not changed:
        return "nothing was changed; the board holds what it held before"
    return f"{done} of {total} bytes are written; {_BOOTS[boots]}"
