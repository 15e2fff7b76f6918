"""Kconfig fragments: every way to write an assignment, and what is none."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from west_qspi.check.model import Spot
from west_qspi.check.parse.kconf import Setting, parse_kconf

PATH = Path("prj.conf")


def values(text: str) -> list[tuple[str, str]]:
    return [(item.symbol, item.value) for item in parse_kconf(text, PATH)]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("CONFIG_A=y", "y"),
        ("  CONFIG_A = y  ", "y"),
        ("CONFIG_A=y # why", "y"),
        ("CONFIG_A=0x1000", "0x1000"),
        ('CONFIG_A="a # b"', "a # b"),
        ('CONFIG_A="open', "open"),
        ("CONFIG_A=", ""),
        ("# CONFIG_A is not set", "n"),
        ("#CONFIG_A is not set", "n"),
        ("CONFIG_A=y\r", "y"),
    ],
)
def test_an_assignment_is_read(line: str, value: str) -> None:
    assert values(line) == [("CONFIG_A", value)]


@pytest.mark.parametrize(
    "line",
    ["", "# CONFIG_A=y", "CONFIG_A", "CONFIG-A=y", "A=y", "#if 1", "CONFIG_A B=y", "\0", "CONFIG_\u0661=y"],
)
def test_what_is_no_assignment_is_passed_over(line: str) -> None:
    assert values(line) == []


def test_lines_and_columns_count_from_one_and_only_newlines_end_a_line() -> None:
    text = "# head\x0c\x85\n\n  CONFIG_A=y\n"
    assert parse_kconf(text, PATH) == (Setting("CONFIG_A", "y", Spot(PATH, 3, 3)),)


def test_a_prefix_names_the_image_that_sysbuild_passes_it_on_to() -> None:
    found = parse_kconf("SB_CONFIG_A=y\nmcuboot_CONFIG_B=n\nhci_ipc_SB_CONFIG_C=1\n", PATH)
    assert [(item.image, item.symbol) for item in found] == [
        (None, "SB_CONFIG_A"),
        ("mcuboot", "CONFIG_B"),
        ("hci_ipc", "SB_CONFIG_C"),
    ]


@pytest.mark.parametrize(
    ("value", "number"),
    [("16", 16), ("0x10", 16), ("y", None), ("", None), ("010", None), ("9" * 5000, None)],
)
def test_a_number_is_one_only_where_it_is_plain(value: str, number: int | None) -> None:
    assert parse_kconf(f"CONFIG_A={value}", PATH)[0].number == number


@pytest.mark.parametrize(
    "text", ["CONFIG_A=" + " " * 1_000_000 + "y", "CONFIG_" * 100_000 + "!=y", "# " * 500_000]
)
def test_long_lines_take_time_by_their_length_only(text: str) -> None:
    begun = process_time()
    parse_kconf(text, PATH)
    assert process_time() - begun < 2
