"""What goes wrong with updates over SMP: the link, the device's answers, and sets that are not whole."""

from __future__ import annotations

from west_qspi.errors.base import QspiError
from west_qspi.errors.device import NoDevice, TargetError
from west_qspi.errors.flashing import CheckFailed
from west_qspi.errors.inputs import InputError


class BrokenSet(InputError):
    """A package, or the images of a build, are no set that could be an update."""

    reason: str
    help: str
    text = "{path}: no set of images for an update: {reason}"
    hint = "{help} 'west qspi-dfu inspect' shows all that is wrong with a package."


class NoSmpDevice(NoDevice):
    """Nothing answers over SMP."""

    hint = (
        "Check the port or address, that the firmware runs and has an SMP server on this transport, and that "
        "no other program uses it; --timeout gives it more time."
    )


class SmpError(TargetError):
    """Something that was asked for over SMP was not done, or nobody knows; ``during`` says what it was."""

    during: str
    reason: str


class SmpLinkLost(SmpError):
    """The link broke, or no answer came."""

    text = "{device}: the link was lost during {during}: {reason}"
    hint = "Check the link and run the same command again: it goes on where this one stopped."


class SmpRefused(SmpError):
    """The device answered with an error; ``reason`` is its name, ``code`` its number, ``help`` what to do."""

    code: int
    help: str
    text = "{device}: the device refuses {during}: {reason} ({code})"
    hint = "{help}"


class SmpNotUnderstood(SmpError):
    """The device answered with what no SMP server should."""

    text = "{device}: the answer to {during} cannot be understood: {reason}"
    hint = (
        "Check that nothing else talks on this link, and that it is an SMP server of image management; then "
        "run the same command again."
    )


class NoSuchImage(CheckFailed):
    """The set has an image number that the device does not know."""

    device: str
    number: int
    known: str
    text = "{device}: there is no image {number} on the device, which has {known}; nothing was uploaded"
    hint = (
        "The firmware that runs needs CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER of at least the highest "
        "image number plus one, and this set has to be for this layout."
    )


class HalfSet(CheckFailed):
    """The device runs an image beside those that are to be replaced, of their version, that the set lacks."""

    device: str
    number: int
    version: str
    text = (
        "{device}: image {number} {version} runs there together with what is to be replaced, and the set has "
        "nothing for it; nothing was uploaded"
    )
    hint = (
        "Give a package of all images ('west qspi-dfu pack' makes it of a build), and one of this product: "
        "what the device has already is not sent again."
    )


class OtherKindOfUpdate(CheckFailed):
    """The set is for direct-XIP and the device's MCUboot moves images, or the other way round."""

    device: str
    made: str
    does: str
    text = "{device}: the set is {made}, but MCUboot {does} on this device; nothing was uploaded"
    hint = "Give the package of a build with the bootloader that this device has."


class NotNewer(CheckFailed):
    """With direct-XIP MCUboot would never start what is not newer than what runs."""

    device: str
    number: int
    version: str
    runs: str
    text = (
        "{device}: image {number} {version} is not newer than {runs}, which runs, and MCUboot starts the "
        "newest there (direct-XIP); nothing was uploaded"
    )
    hint = "Build it with a higher version, or program the device through a debug probe ('west qspi-flash')."


class OtherUpdatePending(CheckFailed):
    """Something that is not of the set is marked for the next boot."""

    device: str
    number: int
    version: str
    text = "{device}: image {number} {version}, which is not of this set, is marked for the next boot"
    hint = (
        "'west qspi-dfu repair' takes such marks back if the firmware has "
        "CONFIG_MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING. Else, if all of that set is marked ('west qspi-dfu "
        "list'), restart the device, so that it is installed, and then run 'west qspi-dfu repair --reset' "
        "with this package; or complete it first by 'west qspi-dfu repair' with its own package."
    )


class MayRunAlready(CheckFailed):
    """With direct-XIP something that is not of the set is listed as pending, and may be what runs."""

    device: str
    number: int
    version: str
    text = (
        "{device}: image {number} {version}, which is not of this set, is started by the next boot or runs "
        "already: with direct-XIP this device does not tell which; nothing was uploaded"
    )
    hint = (
        "An update could erase what runs. If 'west qspi-dfu list' shows the same after a restart, the device "
        "runs it: then program it through a debug probe ('west qspi-flash')."
    )


class SlotUnderTest(CheckFailed):
    """The device runs images on trial, and its slots hold what it would go back to."""

    device: str
    number: int
    version: str
    text = "{device}: image {number} {version} runs on trial; its other slot holds what it would go back to"
    hint = (
        "To keep it, if all of its set runs: 'west qspi-dfu upload --confirm' with its own package. To go "
        "back, and on to this one: 'west qspi-dfu repair --reset' with this package."
    )


class HalfKept(CheckFailed):
    """A part of what runs on trial is confirmed, and the rest would go back."""

    device: str
    reason: str
    text = "{device}: a part of what runs is confirmed, and another part is not: {reason}"
    hint = (
        "Do not restart the device: it would run a mixture. First run 'west qspi-dfu repair' with the "
        "package of what runs, which confirms the rest."
    )


class NoVariant(CheckFailed):
    """A set of direct-XIP has no image for the slot that is free."""

    device: str
    number: int
    slot: int
    text = "{device}: the set has nothing for image {number} that runs from slot {slot}, the one that is free"
    hint = "A package for direct-XIP holds both variants: make one with 'west qspi-dfu pack'."


class UpdateFailed(QspiError):
    """An update did not come to its end; ``holds`` says what the device holds."""

    device: str
    holds: str
    reason: str


class UpdateStopped(UpdateFailed):
    """The user stopped it; ``reason`` says whether anything is marked."""

    text = "{device}: stopped; {reason}. The device holds: {holds}"
    hint = "Run the same command again: it goes on where this one stopped."


class NothingMarked(UpdateFailed):
    """Not all parts got there, so that none was marked."""

    help: str = "Run the same command again: it goes on where this one stopped."
    text = "{reason}\nnothing was marked: the next boot changes nothing. The device holds: {holds}"
    hint = "{help}"


class HalfMarked(UpdateFailed):
    """Some parts are marked, and others not; ``missing`` names these."""

    missing: str
    text = (
        "{reason}\nnot all parts are marked for the next boot, or nobody knows; missing: {missing}. "
        "The device holds: {holds}"
    )
    hint = (
        "Do not restart the device. Run 'west qspi-dfu repair' with the same package: it uploads and marks "
        "the rest."
    )


class HalfReplaced(UpdateFailed):
    """Of another set's marks some are taken back, and others may not be; ``numbers`` names the images."""

    numbers: str
    text = (
        "{reason}\nanother set was marked; of {numbers} some marks are taken back, and others may not be. "
        "The device holds: {holds}"
    )
    hint = "Do not restart the device. Run 'west qspi-dfu repair' with the same package: it goes on."


class NotRestarted(UpdateFailed):
    """The device did not come back from the restart with anything changed."""

    text = "{device}: it did not restart, or MCUboot did not install the update: {reason}. It holds: {holds}"
    hint = (
        "Restart it by hand, then 'west qspi-dfu list'; MCUboot leaves marked images alone whose "
        "dependencies are not met. --wait gives it more time."
    )


class NotBack(UpdateFailed):
    """The device has not answered since it was told to restart."""

    text = "{device}: it has not answered since it was told to restart: {reason}. Before it held: {holds}"
    hint = (
        "MCUboot may still be at work: --wait gives it more time, and the same command again goes on. "
        "Firmware on trial that does not run goes back by one more restart; a device that stays silent has "
        "to be programmed through a debug probe ('west qspi-flash')."
    )


class NotInstalled(UpdateFailed):
    """After the restart none of the set runs."""

    text = "{device}: MCUboot did not install the update: {reason}. It holds: {holds}"
    hint = (
        "Check keys and versions: a wrong signature or a lower version keeps MCUboot from installing. If the "
        "firmware crashed or restarted by itself, MCUboot has taken it back: see its log."
    )


class MixedRunning(UpdateFailed):
    """After the restart only a part of the set runs."""

    text = "{device}: only a part of the update runs: {reason}. It holds: {holds}"
    hint = "Nothing was confirmed. 'west qspi-dfu repair --reset' with the same package brings it to one set."


class NotConfirmed(UpdateFailed):
    """The set runs, but none of it could be confirmed."""

    help: str = (
        "Images other than the application's are confirmed over SMP only with "
        "CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_ANY=y; otherwise the firmware has to do it."
    )
    text = (
        "{reason}\nnothing was confirmed: all of it goes back at the next restart. The device holds: {holds}"
    )
    hint = "{help}"


class HalfConfirmed(UpdateFailed):
    """The set runs, and only a part of it is confirmed; ``missing`` names the rest."""

    missing: str
    text = "{reason}\n{missing} may not be confirmed, but other parts are. The device holds: {holds}"
    hint = (
        "Do not restart the device. Run 'west qspi-dfu repair' with the same package: it confirms the rest."
    )


class NeedsRestart(UpdateFailed):
    """Only a restart brings the device to one set."""

    text = "{device}: {reason}. It holds: {holds}"
    hint = "Say --reset to restart it."
