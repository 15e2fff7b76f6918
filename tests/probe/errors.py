"""The codes of Nordic's library, as the header that comes with pynrfjprog names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

INVALID_OPERATION = -2
INVALID_PARAMETER = -3
INVALID_DEVICE = -4
WRONG_FAMILY = -5
EMULATOR_NOT_CONNECTED = -10
CANNOT_CONNECT = -11
LOW_VOLTAGE = -12
NO_EMULATOR = -13
RECOVER_FAILED = -21
PROTECTED = -90
JLINK_ERROR = -102
READ_ERROR = -104
VERIFY_ERROR = -160
FILE_INVALID = -172
UNKNOWN_MEMORY = -173
TIME_OUT = -220
INTERNAL_ERROR = -254


@contextmanager
def fails_with(code: int) -> Iterator[None]:
    """Expect an error of the library with this code."""
    from pynrfjprog.APIError import APIError

    with pytest.raises(APIError) as caught:
        yield
    assert caught.value.err_code == code
