"""Kconfig files: which symbols they may set by themselves, and how long that takes."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from west_qspi.check.parse.kconfigfile import parse_selected


def selected(text: str) -> set[str]:
    return set(parse_selected(text, Path("Kconfig")))


@pytest.mark.parametrize(
    "line",
    [
        "default y",
        "default 4096",
        'default "linker.ld"',
        "default $(dt_nodelabel_enabled,mx25r64)",
        "\tdefault !OTHER",
        "def_bool y",
        "def_int 3",
        'def_string "a"',
    ],
)
def test_a_symbol_with_a_default_of_any_kind_may_be_set(line: str) -> None:
    assert selected(f"config A\n\tbool\n{line}\n") == {"CONFIG_A"}


@pytest.mark.parametrize("word", ["config", "menuconfig", "configdefault"])
def test_a_default_belongs_to_the_symbol_above_it(word: str) -> None:
    assert selected(f"config A\n\tbool\n\n{word} B\n\tdefault y\n") == {"CONFIG_B"}


@pytest.mark.parametrize("word", ["select", "imply"])
def test_what_a_symbol_selects_or_implies_may_be_set_and_itself_not(word: str) -> None:
    assert selected(f"config A\n\tbool\n\t{word} B if C\n") == {"CONFIG_B"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "default y\n",
        "config A\n\tbool\n",
        "config A\n# default y\n",
        "config A\n\tdefaults y\n",
        "\0",
        "select",
    ],
)
def test_what_sets_nothing_has_no_symbols(text: str) -> None:
    assert selected(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "\t" * 1_000_000 + "x",
        "config " * 150_000,
        "config A\n" + "default y\n" * 100_000,
        "select " + " " * 900_000,
    ],
)
def test_hostile_files_take_time_by_their_length_only(text: str) -> None:
    begun = process_time()
    assert selected(text) <= {"CONFIG_A", "CONFIG_config"}
    assert process_time() - begun < 2
