"""Custom instructions: which bit they set or clear, and sequences that cannot do what they are for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from west_qspi.extflash.instructions import (
    enables_quad,
    quad_effect,
    quad_method,
    quad_remark,
    remarks,
)
from west_qspi.extflash.model import Instruction
from west_qspi.extflash.setup import QUAD_ENABLE_METHODS


def sequence(text: str) -> tuple[Instruction, ...]:
    """Read ``06, 01 4000``: opcodes with their data, in hexadecimal."""
    items = [item.split() for item in text.split(",") if item.strip()]
    return tuple(Instruction(int(code, 16), bytes.fromhex("".join(data))) for code, *data in items)


def one(text: str) -> Instruction:
    (instruction,) = sequence(text)
    return instruction


# JESD216, "Quad Enable Requirements": the register, the bit and the opcodes that write it.
@pytest.mark.parametrize(
    ("text", "method", "effect"),
    [
        ("01 40", "S1B6", True),
        ("01 400002", "S1B6", True),
        ("01 00", "S1B6", False),
        ("01 BF", "S1B6", False),
        ("01 0002", "S1B6", False),
        ("31 02", "S1B6", None),
        ("01", "S1B6", None),
        ("3E 80", "S2B7", True),
        ("3E 7F", "S2B7", False),
        ("01 80", "S2B7", None),
        ("01 0002", "S2B1v1", True),
        ("01 02FD", "S2B1v1", False),
        # Writing one byte clears the second register on these, and leaves it alone on the others.
        ("01 00", "S2B1v1", False),
        ("01 00", "S2B1v4", None),
        ("01 00", "S2B1v6", None),
        ("01 0002", "S2B1v5", True),
        ("31 02", "S2B1v6", True),
        ("31 00", "S2B1v6", False),
        ("11 FF", "S2B1v6", None),
        ("01 40", "NONE", None),
    ],
)
def test_what_a_register_write_does_to_the_bit(text: str, method: str, effect: bool | None) -> None:
    assert quad_effect(one(text), method) is effect


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("AB, 06, 01 40", "S1B6"),
        ("06, 01 400002", "S1B6"),
        ("06, 01 0002", "S2B1v1"),
        ("06, 31 02", "S2B1v6"),
        ("06, 3E 80", "S2B7"),
        ("06, 01 4002", None),  # bits of two kinds of parts
        ("06, 01 00", None),
        ("AB", None),
        ("", None),
    ],
)
def test_instructions_show_which_bit_a_part_needs(text: str, method: str | None) -> None:
    assert quad_method(sequence(text)) == method


@pytest.mark.parametrize(
    ("text", "sets"),
    [("01 40", True), ("01 0002", True), ("31 02", True), ("3E 80", True), ("01 00", False), ("06", False)],
)
def test_whether_it_sets_the_bit_of_some_part(text: str, sets: bool) -> None:
    assert enables_quad(one(text)) is sets


@pytest.mark.parametrize("code", ["20", "52", "D8", "C7", "60"])
def test_an_erase_is_fatal(code: str) -> None:
    (remark,) = remarks(sequence(f"06, {code}"), 3)
    assert remark.fatal
    assert remark.text == f"instruction {code} erases, whenever the QSPI is started"


@pytest.mark.parametrize("text", ["B9", "AB, B9", "AB, B9, 06"])
def test_a_chip_that_is_put_to_sleep_and_not_woken_hears_nothing(text: str) -> None:
    (remark,) = remarks(sequence(text), 3)
    assert remark.fatal
    assert remark.text == "instruction B9 puts the chip to sleep, and it hears nothing that follows"


@pytest.mark.parametrize(("code", "word"), [("E9", "leaves"), ("99", "resets the chip, which leaves")])
def test_a_mode_that_is_left_again(code: str, word: str) -> None:
    sent = sequence(f"B7, 66, {code}")
    (remark,) = remarks(sent, 4)
    assert remark.fatal
    assert remark.text == f"instruction {code} {word} the 4-byte mode that B7 has entered"
    # Before B7, or with 24-bit addresses afterwards, it is in order.
    assert list(remarks(sequence(f"66, {code}, B7"), 4)) == []
    assert list(remarks(sent, 3)) == []
    assert list(remarks(sequence(f"B7, {code}, B7"), 4)) == []


@pytest.mark.parametrize("text", ["", "AB", "B9, AB", "AB, B7, 06, 01 40", "66, 99, AB, 06, 31 02", "66"])
def test_sequences_that_are_in_order(text: str) -> None:
    assert list(remarks(sequence(text), 4)) == []


@pytest.mark.parametrize(
    ("text", "method", "fatal", "part"),
    [
        ("AB", None, False, "no instruction that sets the chip's quad enable bit"),
        ("AB", "S1B6", False, "no instruction that sets the chip's quad enable bit"),
        ("06, 01 00", None, False, "instruction 01 [00] clears a quad enable bit, and"),
        ("06, 01 00", "S1B6", True, "instruction 01 [00] clears the chip's quad enable bit (S1B6), and"),
        ("06, 01 00", "S2B1v6", False, "01 [00] does not set the chip's (S2B1v6) quad enable bit"),
        ("06, 01 40", "S2B1v6", False, "01 [40] does not set the chip's (S2B1v6) quad enable bit"),
        ("06, 11 02", None, False, "11 [02] does not set any quad enable bit"),
        # The last word counts.
        ("06, 01 40, 06, 01 00", "S1B6", True, "instruction 01 [00] clears"),
        ("06, 01", "S1B6", False, "instruction 01 does not set"),
    ],
)
def test_four_lines_that_are_not_prepared(text: str, method: str | None, fatal: bool, part: str) -> None:
    remark = quad_remark(sequence(text), method)
    assert remark is not None
    assert (remark.fatal, part in remark.text) == (fatal, True)


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("06, 01 40", None),
        ("06, 01 0002", None),
        ("06, 01 40", "S1B6"),
        ("06, 01 00, 06, 01 40", "S1B6"),
        ("06, 31 02, 06, 01 00", "S2B1v6"),
        ("", "NONE"),
        ("06, 01 00", "NONE"),
    ],
)
def test_four_lines_that_are_prepared(text: str, method: str | None) -> None:
    assert quad_remark(sequence(text), method) is None


INSTRUCTIONS = st.builds(Instruction, st.integers(0, 255), st.binary(max_size=8))


@given(st.lists(INSTRUCTIONS), st.sampled_from([None, 3, 4]), st.sampled_from([None, *QUAD_ENABLE_METHODS]))
@settings(derandomize=True, deadline=None)
def test_whatever_is_sent_the_remarks_are_whole_sentences(
    sent: list[Instruction], address_bytes: int | None, method: str | None
) -> None:
    about = quad_remark(sent, method)
    for remark in (*remarks(sent, address_bytes), *([about] if about else [])):
        assert remark.text
        assert not remark.text.endswith(".")
