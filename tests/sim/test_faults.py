from __future__ import annotations

import pytest

from west_qspi.errors import UsageError
from west_qspi.memory import MemoryKind
from west_qspi.sim.faults import (
    Asleep,
    Fault,
    LinkFailure,
    LowSupply,
    NoChip,
    OtherChip,
    PowerCut,
    ReadFlips,
    StuckBits,
    StuckBusy,
    WriteProtection,
    parse_fault,
)

WORDS: list[tuple[str, Fault]] = [
    ("power-cut=120", PowerCut(120)),
    ("power-cut=120:7", PowerCut(120, seed=7)),
    ("link-error=3", LinkFailure(3)),
    ("read-flips=100", ReadFlips(100)),
    ("stuck-bits=external:0x1000:0x4:1", StuckBits(MemoryKind.EXTERNAL, 0x1000, 0x04, 1)),
    ("stuck-bits=uicr:0x0:0xff:0", StuckBits(MemoryKind.UICR, 0, 0xFF, 0)),
    ("stuck-busy=network", StuckBusy(MemoryKind.NETWORK)),
    ("other-chip=W25Q64JV", OtherChip("W25Q64JV")),
    ("no-chip", NoChip()),
    ("asleep", Asleep()),
    ("low-supply=1500", LowSupply(1500)),
    ("write-protected", WriteProtection()),
]


@pytest.mark.parametrize(("text", "fault"), WORDS)
def test_words(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault
    assert str(fault) == text


def test_other_spellings_of_numbers_and_names() -> None:
    assert parse_fault("power-cut=0x10") == PowerCut(16)
    assert parse_fault("other-chip=w25q64jv") == OtherChip("W25Q64JV")


def test_an_unknown_fault_is_answered_with_all_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault("nonsense")
    for text, _ in WORDS:
        assert text.partition("=")[0] in str(caught.value)
    assert "'nonsense' is not a fault" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "power-cut",
        "power-cut=",
        "power-cut=0",
        "power-cut=-1",
        "power-cut=many",
        "power-cut=1:2:3",
        "link-error=1:2",
        "read-flips=0",
        "stuck-bits=external:0:0x100:1",
        "stuck-bits=external:0:1:2",
        "stuck-bits=external:0:0:1",
        "stuck-bits=ram:0:1:1",
        "stuck-bits=external:0",
        "stuck-busy=uicr",
        "stuck-busy=",
        "low-supply=3V",
        "low-supply=",
    ],
)
def test_a_value_that_cannot_be_is_answered_with_the_form(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    name = text.partition("=")[0]
    assert f"'{text}' is not a fault: write it as {name}=" in str(caught.value)


@pytest.mark.parametrize("text", ["no-chip=1", "asleep=", "write-protected=yes"])
def test_a_plain_fault_takes_no_value(text: str) -> None:
    with pytest.raises(UsageError, match="is not a fault"):
        parse_fault(text)


def test_an_unknown_part_is_answered_with_all_there_are() -> None:
    with pytest.raises(UsageError, match=r"no part '24LC256'; there are: MX25R1635F.*MT25QL256"):
        parse_fault("other-chip=24LC256")
