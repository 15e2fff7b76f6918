"""What a call of nrfutil meant: a success, or which of our errors; and which version spells what how."""

from __future__ import annotations

import pytest

from west_qspi.errors import (
    NrfutilDied,
    NrfutilFailed,
    NrfutilHung,
    NrfutilTooOld,
    Protected,
    QspiError,
)
from west_qspi.nrfutil.answers import error_of, found, memory_of
from west_qspi.nrfutil.lines import BatchEnded, Ended, Line, Told
from west_qspi.nrfutil.tool import Ran
from west_qspi.nrfutil.versions import Version, Words, older, parse_version, refused_argument, words_of

GOOD = Ended(True)


def judged(status: int | None, *lines: Line, plain: str = "") -> QspiError | None:
    return error_of(Ran(status, lines, plain), "J-Link 1", "reading", "network", 60.0)


def test_a_success_is_an_end_and_status_0() -> None:
    assert judged(0, GOOD) is None
    assert judged(0, Told({"devices": []})) is None
    assert judged(0, GOOD, BatchEnded(True), plain="warning: a new version is there") is None


@pytest.mark.parametrize(
    ("status", "lines", "plain", "error", "words"),
    [
        (None, (GOOD,), "", NrfutilHung, "60 s"),
        (0, (), "", NrfutilDied, "without a word"),
        (-9, (), "", NrfutilDied, "signal 9"),
        (-11, (GOOD,), "", NrfutilDied, "signal 11"),
        (3, (), "", NrfutilDied, "exit status 3"),
        (1, (GOOD,), "", NrfutilDied, "exit status 1"),
        (1, (), "Error: no such thing", NrfutilFailed, "during reading: no such thing"),
        (0, (Ended(False, "It broke", 7),), "", NrfutilFailed, "It broke (code 7)"),
        (0, (GOOD, BatchEnded(False, "", 7)), "", NrfutilFailed, "code 7"),
        (1, (Ended(False, "Verification failed", 25),), "", NrfutilFailed, "read back is not what it wrote"),
        (1, (BatchEnded(False, "", 24),), "", Protected, "network"),
        (1, (), " * 1: Nope (NotAvailableBecauseProtection)", Protected, "network"),
        (1, (Ended(False, "unavailable due to readback protection"),), "", Protected, "network"),
        (2, (), "error: unexpected argument '--core' found", NrfutilTooOld, "--core"),
    ],
)
def test_each_way_to_fail_has_its_error(
    status: int | None, lines: tuple[Line, ...], plain: str, error: type[QspiError], words: str
) -> None:
    judgement = judged(status, *lines, plain=plain)
    assert type(judgement) is error
    assert words in str(judgement)
    assert judgement.advice


def test_what_is_said_twice_is_told_once_and_without_its_decoration() -> None:
    plain = "Error: One or more batch tasks failed:\n * 001050000001: It broke (Generic)\n"
    error = judged(1, Ended(False, "It broke (Generic)", 7), plain=plain)
    assert str(error).count("It broke") == 1
    assert "batch tasks" not in str(error)
    long = judged(1, plain="Error: " + "blah " * 500)
    assert len(str(long)) < 500


def test_a_value_is_found_at_any_depth_of_what_was_told() -> None:
    lines = (Ended(True), Told({"a": {"b": {"wanted": 0}}, "wanted": None}), Ended(True, data={"wanted": 2}))
    assert found(lines, "wanted") == 0
    assert found(lines, "none") is None


def block(start: str, values: list[object]) -> dict[str, object]:
    return {"startAddress": start, "values": values}


def test_memory_is_put_together_of_words_or_bytes() -> None:
    assert memory_of([block("0x10", [0x04030201, 8])], 0x10, 8) == bytes((1, 2, 3, 4, 8, 0, 0, 0))
    assert memory_of([block("0x10", [1, 2, 3, 4])], 0x10, 4) == bytes((1, 2, 3, 4))
    assert memory_of([block("16", [1]), block("20", [2])], 16, 8) == bytes((1, 0, 0, 0, 2, 0, 0, 0))


@pytest.mark.parametrize(
    "blocks",
    [
        *(None, [], "x", {}, [None], [{}], [block("0x10", [1])], [block("0x10", [1, 2, 3])]),
        *([block("0x14", [1, 2])], [block("zero", [1, 2])], [block("0x10", ["a", "b"])]),
        *([block("0x10", [1 << 32, 0])], [block("0x10", [-1, 0])], [block("0x10", [1]), block("0x18", [1])]),
    ],
)
def test_an_answer_that_lacks_something_is_none(blocks: object) -> None:
    assert memory_of(blocks, 0x10, 8) is None


# --- versions ---


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("nrfutil-device 2.8.6 (a1b2c3d 2025-02-03)\ncommit: 1\n", Version(2, 8, 6)),
        ("nrfutil-device 2.17.5-rc.1", Version(2, 17, 5)),
        ("nrfutil device", None),
        ("", None),
    ],
)
def test_the_version_is_found_in_what_the_tool_says(text: str, version: Version | None) -> None:
    assert parse_version(text) == version


def test_the_erase_option_has_its_old_name_before_2_7_8() -> None:
    names = [words_of(version).external_erase for version in (Version(2, 7, 7), Version(2, 7, 8), None)]
    assert names == ["qspi_erase_mode", "ext_mem_erase_mode", "ext_mem_erase_mode"]


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        # DevZone 122188, with the hint that followed.
        (
            "error: unexpected argument '--x-ext-mem-config-file' found\n\n"
            "  tip: a similar argument exists: '--x-qspi-config-file'",
            "--x-ext-mem-config-file",
        ),
        ("error: unrecognized subcommand 'read'", "read"),
        ("Error: something failed: 'read'", None),
        ("", None),
    ],
)
def test_the_word_that_the_tool_refuses_is_found(text: str, argument: str | None) -> None:
    assert refused_argument(text) == argument


def test_an_older_word_takes_the_place_of_a_refused_one_once() -> None:
    words = older(Words(), "read")
    assert words == Words(read="x-read")
    assert older(words, "x-read") is None
    assert older(Words(), "--x-ext-mem-config-file") == Words(config="--x-qspi-config-file")
    assert older(Words(), "--core") is None
