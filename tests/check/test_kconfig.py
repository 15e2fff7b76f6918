"""What an image is configured with: the last word counts, and what nobody says is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.check.kconfig import Config
from west_qspi.check.model import Spot
from west_qspi.check.parse.kconf import parse_kconf

PATH = Path("prj.conf")


def config(text: str) -> Config:
    return Config.merged(parse_kconf(text, PATH), Spot(PATH))


@pytest.mark.parametrize("symbol", ["A", "CONFIG_A"])
def test_the_last_word_counts_with_or_without_the_prefix(symbol: str) -> None:
    found = config("CONFIG_A=y\n# CONFIG_A is not set\n")
    assert found.on(symbol) is False
    assert found.at(symbol) == Spot(PATH, 2, 1)


def test_what_nobody_sets_is_not_known_unless_these_are_all() -> None:
    assert config("").on("A") is None
    assert Config(complete=True).on("A") is False
    assert config("CONFIG_A=y").on("A") is True
    assert config("CONFIG_A=m").on("A") is False


def test_numbers_and_texts_are_read() -> None:
    found = config('CONFIG_N=0x10\nCONFIG_T="a b"\nSB_CONFIG_S=y\n')
    text = found.get("T")
    assert (found.number("N"), found.number("T"), found.number("X")) == (16, None, None)
    assert text is not None
    assert (text.value, found.get("X")) == ("a b", None)
    assert found.on("SB_CONFIG_S") is True
    assert found.get("S") is None


def test_a_place_is_the_first_symbols_that_is_set_or_the_files() -> None:
    found = config("\nCONFIG_B=y\n")
    assert found.at("A", "B") == Spot(PATH, 2, 1)
    assert found.at("A") == Spot(PATH)
    assert Config().at("A") is None
