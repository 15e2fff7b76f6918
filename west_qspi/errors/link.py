"""What goes wrong on the way to a device: the probe, the cable, and the programs that drive them."""

from __future__ import annotations

from west_qspi.errors.device import NoDevice, TargetError


class NoProbe(NoDevice):
    """No debug probe is connected."""

    hint = (
        "Connect the probe by USB and switch the board on; on Linux, SEGGER's udev rules (99-jlink.rules) "
        "let users reach it."
    )


class UnknownProbe(NoDevice):
    """No connected probe has that serial number."""

    hint = "Leave -i out where only one is connected; 'west qspi-info' lists them."


class SeveralProbes(NoDevice):
    """More than one probe could be meant, and there is nobody to ask."""

    hint = "Choose one with -i; qspi-flash takes several -i, or --all."


class ProbeInUse(NoDevice):
    """Another run uses the probe."""

    hint = "Wait until the other run has ended."


class LinkError(TargetError):
    """The connection to the device failed while ``during`` went on."""

    during: str
    text = "{device}: the debug link failed during {during}"
    hint = "Check the cable and try a lower speed; the next run repairs what was left half done."


class ProbeFailed(LinkError):
    """A call of the probe's library failed; ``code`` is the library's, ``reason`` its own words."""

    code: int
    reason: str
    text = "{device}: {during} failed: {reason} (code {code})"
    hint = "Check the cable and try a lower --speed; the next run repairs what was left half done."


class ProbeGone(LinkError):
    """The probe is not there any more."""

    text = "{device}: the probe was disconnected during {during}"
    hint = "Connect it and run the same command again: it repairs what was left half done."


class ProbeHung(LinkError):
    """A call of the probe's library did not come back, so that its process was ended."""

    seconds: float
    text = (
        "{device}: {during} did not end within {seconds:.0f} s; the process of the probe's library was ended"
    )
    hint = "Reconnect the probe and run the same command again: it repairs what was left half done."


class ProbeCrashed(LinkError):
    """The process of the probe's library broke down."""

    reason: str
    text = "{device}: the probe's library broke down during {during}: {reason}"
    hint = "Reconnect the probe and run the same command again: it repairs what was left half done."


class NrfutilFailed(LinkError):
    """nrfutil says that something failed; ``code`` is its number, 0 where it gives none."""

    code: int
    reason: str
    text = "{device}: nrfutil failed during {during}: {reason} (code {code})"
    hint = (
        "Check cable and power, and close other programs that use the probe; the next run repairs the rest."
    )


class NrfutilHung(LinkError):
    """nrfutil did not come to its end, and was ended."""

    seconds: float
    text = "{device}: nrfutil did not end {during} within {seconds:.0f} s, and was ended"
    hint = "Reconnect the probe and run the same command again: it repairs what was left half done."


class NrfutilDied(LinkError):
    """nrfutil ended without a word on how it went."""

    reason: str
    text = "{device}: nrfutil broke off during {during}: {reason}"
    hint = "Run the same command again: it repairs what was left half done."


class NrfutilCannot(TargetError):
    """nrfutil has no way to find something out; ``what`` names it."""

    what: str
    text = "{device}: {what} cannot be asked for through nrfutil"
    hint = "Use -r pynrfjprog for it, or describe the chip with --ext-mem-config."


class RunBroken(TargetError):
    """The process of one of several boards ended without a word on what the board holds."""

    reason: str
    text = "{device}: its run broke off: {reason}"
    hint = "Run the same command again: it repairs what was left half done."


class RunHung(TargetError):
    """Nothing was heard of one of several boards for too long, so that its process was ended."""

    during: str
    seconds: float
    text = "{device}: nothing was heard of it for {seconds:.0f} s, during {during}; its process was ended"
    hint = "Reconnect the probe and run the same command again: it repairs what was left half done."
