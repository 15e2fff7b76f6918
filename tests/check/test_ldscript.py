"""Linker scripts: regions, sums, and the branch of the variant image."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from west_qspi.check.model import Spot
from west_qspi.check.parse.ldscript import LinkerRegion, parse_ldscript

PATH = Path("linker.ld")


def only(text: str) -> LinkerRegion:
    (region,) = parse_ldscript(text, PATH)
    return region


@pytest.mark.parametrize(
    "text",
    [
        "EXTFLASH (wx) : ORIGIN = 0x10120200, LENGTH = 0xffe00",
        "EXTFLASH : org = 0x10120200 , len = 0xffe00",
        "EXTFLASH(rx):o=0x10120200,l=0xffe00}",
        "MEMORY { EXTFLASH (wx) : ORIGIN = (0x10120000 + 0x200), LENGTH = 0x100000 - 0x200 }",
        "/* a : ORIGIN = 1, LENGTH = 1 */ EXTFLASH : ORIGIN = 0x10120200, LENGTH = 1M - 512",
        "EXTFLASH (wx) : ORIGIN = 0x10120200, LENGTH = 0xffe00\r",
    ],
)
def test_a_region_is_read_in_every_shape(text: str) -> None:
    region = only(text)
    assert (region.name, region.origin, region.length) == ("EXTFLASH", 0x10120200, 0xFFE00)
    assert region.variant is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4K", 4096),
        ("010", 8),
        ("09", None),
        ("(1) + (2)", 3),
        ("8 - (4 - 2)", None),
        ("BASE + 1", None),
        ("-1 + 2", None),
        ("0x", None),
        ("9" * 5000, None),
    ],
)
def test_origins_are_sums_of_plain_numbers_or_unknown(text: str, value: int | None) -> None:
    assert only(f"A : ORIGIN = {text}, LENGTH = 1").origin == value


def test_the_place_and_words_are_kept() -> None:
    region = only("\n/* two\n lines */\n  A : ORIGIN = BASE , LENGTH = SIZE\n")
    assert region.spot == Spot(PATH, 4, 3)
    assert (region.origin_text, region.length_text) == ("BASE", "SIZE")


@pytest.mark.parametrize(
    ("script", "variants"),
    [
        ("#if @V\n@R\n#else\n@R\n#endif\n@R", [True, False, None]),
        ("#ifdef @V\n@R\n#endif", [True]),
        ("#ifndef @V\n@R\n#else\n@R\n#endif", [False, True]),
        ("#if !defined(@V)\n@R\n#endif", [False]),
        ("#if @V\n#if OTHER\n@R\n#endif\n#endif", [True]),
        ("#if OTHER\n@R\n#elif @V\n@R\n#else\n@R\n#endif", [None, True, False]),
        ("#if @V\n@R\n#elif OTHER\n@R\n#else\n@R\n#endif", [True, False, False]),
        ("#else\n@R\n#endif\n#endif\n@R", [None, None]),
    ],
)
def test_branches_tell_the_variant_image(script: str, variants: list[bool | None]) -> None:
    text = script.replace("@V", "CONFIG_NCS_IS_VARIANT_IMAGE").replace("@R", "A : ORIGIN = 0, LENGTH = 1")
    assert [region.variant for region in parse_ldscript(text, PATH)] == variants


@pytest.mark.parametrize("text", ["", "MEMORY { }", "A : ORIGIN = 1", "/* A : ORIGIN = 1, LENGTH = 1", "\0"])
def test_scripts_without_regions_have_none(text: str) -> None:
    assert parse_ldscript(text, PATH) == ()


@pytest.mark.parametrize(
    "text",
    [
        "/*" * 500_000,
        "a" * 1_000_000,
        "a" + " " * 300_000,
        "a(" * 300_000,
        "A:o=" + " " * 500_000,
        "A:o=1,l=" * 99_999,
    ],
)
def test_hostile_scripts_take_time_by_their_length_only(text: str) -> None:
    begun = process_time()
    parse_ldscript(text, PATH)
    assert process_time() - begun < 4
