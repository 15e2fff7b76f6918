"""The error numbers of Nordic's library as errors of ours.

Source: ``APIError.py`` of pynrfjprog 10.24.2; what they mean in practice was seen with the library itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from west_qspi.errors import (
    AccessRefused,
    FlashBusy,
    JLinkMissing,
    LibraryMissing,
    LinkError,
    LowVoltage,
    NoDevice,
    NoProbe,
    ProbeFailed,
    ProbeGone,
    Protected,
    QspiError,
    UnknownDevice,
)
from west_qspi.memory import MemoryKind
from west_qspi.probe.wire import Call, Do, Failure

RUNNER = "pynrfjprog"
LEAST_MILLIVOLTS = 1700
"""What nRF5340 and nRF52840 need, by their Product Specifications."""

DOUBTFUL = (-2, -102, -104, -105)
"""Errors that a probe which was pulled out, or a board without power, may lead to."""

BAD_LINK = (-102, -104)
"""Errors that a clock which is too fast may lead to."""


# What the library's own words do not say.
_MEANINGS: Mapping[int, str] = {
    -1: "out of memory",
    -2: "not possible in this state",
    -3: "not a value that it takes",
    -7: "the session has ended",
    -10: "the probe cannot be reached; another program may use it",
    -20: "the flash controller reported an error",
    -21: "recovering failed",
    -102: "SEGGER's library reported an error",
    -104: "memory could not be read or written",
    -105: "the probe did not answer in time",
    -160: "what was read is not what was written",
    -161: "RAM that is needed is switched off",
    -162: "a file could not be read or written",
    -170: "a file is broken",
    -171: "a file of an unknown kind",
    -172: "a file does not fit",
    -173: "there is no memory at that address",
    -174: "a configuration of the wrong kind",
    -175: "a configuration that is broken",
    -176: "a configuration that lacks something",
    -220: "it took too long",
    -221: "the update of a device failed",
    -254: "internal error",
    -255: "not implemented",
}
_REFUSALS: Mapping[int, str] = {
    -91: "the memory protection unit is in the way",
    -92: "the core is off",
    -93: "it is secure memory, and TrustZone lets nothing through",
    -94: "block protection is on",
}
_DEVICES = {-4: "not a device for this", -5: "another family of devices", -6: "not known to the library"}
_SEGGER = {
    -100: "it was not found",
    -101: "it could not be opened",
    -103: "it is too old",
}
_PARTS = {
    -150: "a part of it is missing",
    -151: "a part of it could not be opened",
    -152: "a part of it is of another version",
    -153: "its helper program is missing",
}
_TIME_OUT = -220
_ON_INTERNAL = (Do.ERASE_PAGE, Do.PROGRAM)
_ON_EXTERNAL = (Do.QSPI_START, Do.QSPI_READ, Do.QSPI_WRITE, Do.QSPI_ERASE, Do.QSPI_CUSTOM)
_WORKING_ON_LOCKED = (Do.CONNECT, Do.CONNECT_IP, Do.READ_PORT, Do.WRITE_PORT)
_VOLTAGE = re.compile(r"[Ll]ow voltage (\d+)")


def error_of(call: Call, failure: Failure, device: str, core: str, seconds: float = 0.0) -> QspiError:
    """Return the error that a failed call means; ``core`` is the one whose bus was used.

    ``seconds`` is how long the call took.
    """
    code, during, words = failure.code, str(call), failure.words
    if code is None:
        return LibraryMissing(RUNNER, f"Nordic's library cannot be used: {words}")
    if code in _SEGGER:
        where = "".join(f" {path!s}" for path in call.arguments if call.do is Do.OPEN and path)
        return JLinkMissing(RUNNER, f"SEGGER's J-Link library{where}: {_SEGGER[code]}")
    if code in _PARTS:
        return LibraryMissing(RUNNER, f"Nordic's library: {_PARTS[code]}")
    if code == -13:
        return NoProbe(RUNNER, "no debug probe is connected")
    if code == -11 and call.do in _WORKING_ON_LOCKED:
        return NoDevice(device, "no SoC answers behind the probe: look at wiring and power")
    if code in (-11, -90):
        return Protected(device, core)
    if code == -12:
        found = _VOLTAGE.search(words)
        return LowVoltage(device, int(found[1]) if found else 0, LEAST_MILLIVOLTS)
    if code == _TIME_OUT and call.do in (*_ON_INTERNAL, *_ON_EXTERNAL):
        # The library waited for the flash, not for the probe.
        return FlashBusy(device, core if call.do in _ON_INTERNAL else MemoryKind.EXTERNAL.value, seconds)
    if code in _DEVICES:
        return UnknownDevice(device, f"{_DEVICES[code]}: {words}" if words else _DEVICES[code])
    if code in _REFUSALS:
        return AccessRefused(device, during, _REFUSALS[code])
    meaning = _MEANINGS.get(code, "an error that is not known here")
    return ProbeFailed(device, during, code, f"{meaning}: {words}" if words else meaning)


def gone(device: str, call: Call) -> LinkError:
    """Return the error of a probe that is not there any more."""
    return ProbeGone(device, str(call))
