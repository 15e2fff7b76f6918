"""What nrfutil's answers mean: failures as errors of ours, and what was asked for."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from west_qspi.errors import (
    NrfutilDied,
    NrfutilFailed,
    NrfutilHung,
    NrfutilTooOld,
    Protected,
    QspiError,
)
from west_qspi.nrfutil.lines import BatchEnded, Ended, Line, Told
from west_qspi.nrfutil.tool import NAME, Ran
from west_qspi.nrfutil.versions import refused_argument

# Zephyr's scripts/west_commands/runners/nrf_common.py: the two numbers that it knows.
_PROTECTED_CODE, _VERIFY_CODE = 24, 25
_PROTECTED_WORDS = re.compile(r"NotAvailableBecauseProtection|readback protection", re.IGNORECASE)
_HEAD = re.compile(r"^\s*(?:\*\s*\w+:\s*|Error:\s*)")
_LONGEST = 300
_DEPTH = 4


def error_of(ran: Ran, device: str, during: str, core: str, limit: float) -> QspiError | None:
    """Return what went wrong with a call, None where it says that all went well.

    ``device`` and ``core`` name what it was for, ``limit`` is how many seconds it had.
    """
    if ran.status is None:
        return NrfutilHung(device, during, limit)
    ends = [line for line in ran.lines if isinstance(line, Ended | BatchEnded)]
    failures = [line for line in ends if not line.success]
    words = _summary((*(line.message for line in failures), ran.plain))
    codes = [line.code for line in failures if line.code is not None]
    if failures or ran.status != 0:
        refused = refused_argument(ran.plain) if not failures else None
        if refused is not None:
            return NrfutilTooOld(NAME, f"'nrfutil device' does not know {refused}, which is needed here")
        if _PROTECTED_CODE in codes or _PROTECTED_WORDS.search(words):
            return Protected(device, core)
        if _VERIFY_CODE in codes:
            words = f"what it read back is not what it wrote ({words})" if words else "its own verification"
        if failures or (words and ran.status > 0):
            return NrfutilFailed(device, during, codes[0] if codes else 0, words or "without a reason")
        end = f"signal {-ran.status}" if ran.status < 0 else f"exit status {ran.status}"
        return NrfutilDied(device, during, f"it ended with {end}{': ' if words else ''}{words}")
    if not ends and not any(isinstance(line, Told) for line in ran.lines):
        return NrfutilDied(device, during, "it ended without a word on how it went")
    return None


def _summary(texts: Iterable[str]) -> str:
    """Return what was said, each thing once, on one line."""
    lines = [_HEAD.sub("", line).strip() for text in texts for line in text.splitlines()]
    said = "; ".join(dict.fromkeys(line for line in lines if line and not line.endswith("failed:")))
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]} ..."


def found(lines: Iterable[Line], key: str) -> Any:
    """Return the first value of ``key`` in what was told, at any depth; None where there is none."""
    for line in lines:
        if isinstance(line, Ended | Told):
            for value in _values(line.data, key, _DEPTH):
                return value
    return None


def _values(data: Mapping[str, Any], key: str, depth: int) -> Iterator[Any]:
    if data.get(key) is not None:
        yield data[key]
    for value in data.values():
        if depth and isinstance(value, dict):
            yield from _values(value, key, depth - 1)


def memory_of(blocks: object, address: int, size: int) -> bytes | None:
    """Return the ``size`` bytes from ``address`` on in an answer's ``memoryData``; None where it lacks any.

    Values are words of 32 bits, or bytes where there are as many.
    """
    result = bytearray()
    for block in blocks if isinstance(blocks, list) else ():
        try:
            start, values = int(str(block["startAddress"]), 0), block["values"]
            if start != address + len(result):
                return None
            kind = "B" if len(values) == size - len(result) else "I"
            result += struct.pack(f"<{len(values)}{kind}", *values)
        except (KeyError, TypeError, ValueError, struct.error):
            return None
    return bytes(result) if len(result) == size else None
