"""What is right is let alone: applications of many kinds, and builds with all options, have no findings.

The applications in ``tests/data/healthy`` are as those for nRF5340 and nRF52840 look in the field, with
several SDKs' ways to configure images, boards, partitions and programmers. They would build and boot.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from buildgen.chipnode import ChipNode
from buildgen.chips import CHIPS
from buildgen.options import MODES, PARTITION_SOURCES, SOC_NAMES

from tests.helpers.boards import build_of
from tests.helpers.buildcases import SMALL
from west_qspi.check.engine import Result, check_sources
from west_qspi.check.model import Severity
from west_qspi.check.settings import Settings

DATA = Path(__file__).parents[1] / "data" / "healthy"
APPLICATIONS = sorted(path for path in DATA.iterdir() if path.is_dir())
# Notes tell of what works and could be better.
NOTED = {"QX704": "Partition Manager is deprecated"}


def wrong(result: Result) -> list[str]:
    return [
        f"{item.severity.value} {item.rule} {item.spot}: {item.text}"
        for item in result.findings
        if item.severity is not Severity.NOTE or item.rule not in NOTED
    ]


@pytest.mark.parametrize("folder", APPLICATIONS, ids=lambda path: path.name)
def test_nothing_is_found_in_an_application_that_is_right(folder: Path) -> None:
    result = check_sources([folder], Settings())
    assert result.variants
    assert wrong(result) == []


def test_the_applications_that_are_right_are_of_many_kinds() -> None:
    assert len(APPLICATIONS) >= 25


# The linked programs, without which a note says what was not checked, need more room than a small build has.
WHOLE = replace(SMALL, elf=True, internal_size=0x4000, external_size=0x4000)
BUILDS: list[dict[str, Any]] = [
    *(
        {"soc": soc, "mode": mode, "partitions": partitions, "split": split}
        for soc, mode, partitions, split in product(SOC_NAMES, MODES, PARTITION_SOURCES, (True, False))
    ),
    *({"mode": mode, "network": False} for mode in MODES),
    *({"chip": chip} for chip in CHIPS),
    {"split": False, "elf": False},
    {"mode": "direct-xip", "network": False, "merge_twin": True},
    {"signed": False},
    {"bootstrap": True},
    {"board": "acme_watch"},
    {"fstab": True, "data": (("littlefs_storage", 0x100000), ("log_storage", 0x8000))},
    {"chip_node": ChipNode(size_in_bytes=True, sfdp=True)},
    {"chip_node": ChipNode(pinctrl=False)},
    {"chip_node": ChipNode(psel_shift=16, cpol_cpha=True)},
    {"chip_node": ChipNode(rx_delay=2, sck_delay_ns=50)},
]


def said(options: dict[str, Any]) -> str:
    return " ".join(str(value if value is not True else name) for name, value in options.items())[:60]


@pytest.mark.parametrize("options", BUILDS, ids=said)
def test_nothing_is_found_in_a_build_that_is_right(options: dict[str, Any]) -> None:
    result = check_sources([], Settings(), build_of(replace(WHOLE, **options)), full=True)
    assert result.variants == 1
    assert wrong(result) == []
