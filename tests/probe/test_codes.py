"""Every error number of Nordic's library becomes an error of ours that says what to do."""

from __future__ import annotations

import pytest

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
    Protected,
    QspiError,
    RunnerUnavailable,
    TargetError,
    UnknownDevice,
)
from west_qspi.probe.codes import error_of
from west_qspi.probe.wire import Call, Do, Failure

READ = Call(Do.READ, (0x2000_0000, 4))

# APIError.py of pynrfjprog 10.24.2; what a user can do about each is by section and kind.
EXPECTED: dict[int, type[QspiError]] = {
    -4: UnknownDevice,
    -5: UnknownDevice,
    -6: UnknownDevice,
    -11: Protected,
    -12: LowVoltage,
    -13: NoProbe,
    -90: Protected,
    -91: AccessRefused,
    -92: AccessRefused,
    -93: AccessRefused,
    -94: AccessRefused,
    -100: JLinkMissing,
    -101: JLinkMissing,
    -103: JLinkMissing,
    -150: LibraryMissing,
    -151: LibraryMissing,
    -152: LibraryMissing,
    -153: LibraryMissing,
}
OTHERS = [-1, -2, -3, -7, -10, -20, -21, -102, -104, -105, -160, -161, -162, -170, -171, -172, -173, -174]
OTHERS += [-175, -176, -220, -221, -255]


def error(code: int | None, *lines: str, call: Call = READ) -> QspiError:
    return error_of(call, Failure(code, lines), "J-Link 1", "application")


@pytest.mark.parametrize("code", EXPECTED)
def test_numbers_that_have_one_reason_become_its_error(code: int) -> None:
    found = error(code)
    assert type(found) is EXPECTED[code]
    assert isinstance(found, (TargetError, RunnerUnavailable))
    assert found.advice


@pytest.mark.parametrize("code", OTHERS)
def test_the_others_are_failures_of_the_link_with_number_and_meaning(code: int) -> None:
    found = error(code)
    assert isinstance(found, ProbeFailed)
    assert found.code == code
    assert "not known" not in found.reason
    assert found.advice


@pytest.mark.parametrize(
    ("call", "memory"),
    [
        (Call(Do.ERASE_PAGE, (0x1000,)), "application"),
        (Call(Do.PROGRAM, (0x1000, b"1234")), "application"),
        (Call(Do.QSPI_WRITE, (0, b"1234")), "external"),
        (Call(Do.QSPI_START, ()), "external"),
    ],
    ids=str,
)
def test_a_wait_for_flash_that_never_ends_is_told_from_one_for_the_probe(call: Call, memory: str) -> None:
    found = error_of(call, Failure(-220, ()), "J-Link 1", "application", 12.5)
    assert type(found) is FlashBusy
    assert (found.memory, found.seconds) == (memory, 12.5)


def test_no_answer_where_a_locked_device_would_give_one_is_no_device() -> None:
    # Access ports answer on a locked device too.
    found = error(-11, call=Call(Do.READ_PORT, (0, 0xFC)))
    assert type(found) is NoDevice
    assert "wiring" in str(found)


def test_the_serial_ports_and_later_numbers_are_not_lost() -> None:
    found = error(-110)
    assert isinstance(found, LinkError)
    assert "-110" in str(found)


def test_every_number_of_the_library_is_looked_at() -> None:
    numbers = pytest.importorskip("pynrfjprog.APIError").NrfjprogdllErr
    # 0 is success, -110 to -115 are modems' serial ports, -200 is a Python of the library's own; -254 is
    # what a worker makes of it.
    others = {0, -200, -254, *range(-115, -109)}
    assert {int(number) for number in numbers} - others == {*EXPECTED, *OTHERS}


def test_the_librarys_words_are_quoted_without_its_parts_and_only_once() -> None:
    found = error(
        -102,
        "[683000001] [Client] Encountered error -102: Command read executed for 1 milliseconds",
        "[683000001] [nRF53] The read access failed, but no cause could be determined.",
        "[683000001] [Worker] The read access failed, but no cause could be determined.",
        "[683000001] [Worker] An unknown error.",
    )
    assert str(found) == (
        "J-Link 1: reading 4 bytes at 0x20000000 failed: SEGGER's library reported an error: The read access "
        "failed, but no cause could be determined (code -102)"
    )


def test_the_supply_is_taken_from_the_librarys_words() -> None:
    found = error(-12, "[1] [Worker] Low voltage 1412 detected in target device.")
    assert isinstance(found, LowVoltage)
    assert found.millivolts == 1412


def test_a_library_that_cannot_be_opened_is_named() -> None:
    opening = Call(Do.OPEN, ("/opt/SEGGER/libjlinkarm.so",))
    assert "/opt/SEGGER/libjlinkarm.so" in str(error(-101, call=opening))
    assert "J-Link library: it was not found" in str(error(-100, call=Call(Do.OPEN, (None,))))


def test_what_is_none_of_the_librarys_errors_is_quoted() -> None:
    found = error(None, "RuntimeError: Could not load the NRFJPROG DLL", call=Call(Do.OPEN, (None,)))
    assert isinstance(found, LibraryMissing)
    assert "Could not load the NRFJPROG DLL" in str(found)
