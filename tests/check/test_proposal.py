"""An application that is in external flash as a whole: why it cannot boot, and what layout would.

The layout of the first project is modelled on a thread of Nordic's forum (DevZone 125422): its author put the
application and both its slots into external flash, with addresses of the bus.
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from tests.helpers.corpus import corpus
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Finding, Severity
from west_qspi.check.settings import Settings

THREAD = """
mcuboot: {address: 0x0, size: 0x10000}
mcuboot_pad: {address: 0x10000, size: 0x200}
settings_storage: {address: 0xf0000, size: 0x10000}
app: {address: 0x10000200, size: 0x1ffe00, region: external_flash}
mcuboot_primary: {address: 0x10000000, size: 0x200000, region: external_flash}
mcuboot_primary_pad: {address: 0x10000000, size: 0x200, region: external_flash}
mcuboot_primary_app: {address: 0x10000200, size: 0x1ffe00, region: external_flash}
mcuboot_secondary: {address: 0x10200000, size: 0x200000, region: external_flash}
mcuboot_secondary_pad: {address: 0x10200000, size: 0x200, region: external_flash}
mcuboot_secondary_app: {address: 0x10200200, size: 0x1ffe00, region: external_flash}
unused_1: {address: 0x10400000, size: 0x400000, region: external_flash}
rpmsg_nrf53_sram: {address: 0x20070000, size: 0x10000}
"""
# 0xf0000 - 0x10000 bytes are free inside, so that is the size of the application's slots, of which the second
# is in external flash, behind the two of 0x200000 bytes each that are there: 0x400000 + 0xe0000 = 0x4e0000.
WANTED = {
    "mcuboot_primary": (0x10000, 0xF0000),
    "mcuboot_pad": (0x10000, 0x10200),
    "app": (0x10200, 0xF0000),
    "mcuboot_primary_app": (0x10200, 0xF0000),
    "mcuboot_primary_1": (0x0, 0x200000),
    "mcuboot_primary_1_pad": (0x0, 0x200),
    "mcuboot_primary_1_app": (0x200, 0x200000),
    "mcuboot_secondary_1": (0x200000, 0x400000),
    "mcuboot_secondary": (0x400000, 0x4E0000),
}


def finding(root: Path) -> Finding:
    (only,) = (item for item in check_sources([root], Settings()).findings if item.rule == "QX111")
    return only


def project(root: Path, partitions: str, **files: str) -> Path:
    root.mkdir(exist_ok=True)
    for name, text in {"prj.conf": "", "pm_static.yml": partitions, **files}.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def block(fix: str, heading: str) -> str:
    """The indented lines that follow a heading: what the fix has for one file."""
    lines = fix.split("\n")
    at = next((number for number, line in enumerate(lines, 1) if line.startswith(heading)), len(lines))
    return "".join(f"{line.strip()}\n" for line in takewhile(lambda line: line.startswith(" "), lines[at:]))


def named(fix: str) -> dict[str, tuple[int, int]]:
    """The partitions that a fix names, with start and end."""
    found = yaml.safe_load(block(fix, "In pm_static.yml")) or {}
    return {name: (entry["address"], entry["address"] + entry["size"]) for name, entry in found.items()}


def check_thread(found: Finding) -> None:
    """The finding alone has to tell why the layout cannot boot, and which one would."""
    assert found.severity is Severity.ERROR
    for word in (
        "'mcuboot_primary'",
        "'app'",
        "'mcuboot_secondary'",
        "QSPI driver",
        "0x10000200",
        "XIP offset",
    ):
        assert word in found.text
    places = named(found.fix)
    left = next(name for name in places if name.startswith("unused_"))
    assert places.pop(left) == (0x4E0000, 0x800000)
    assert places == WANTED
    # Code begins behind the header of 0x200 bytes: 0x10000000 + 0x0 + 0x200, and 0x200000 - 0x200 are left.
    assert "ORIGIN = 0x10000200, LENGTH = 0x1ffe00" in found.fix
    options = block(found.fix, "Split the image. In sysbuild.conf")
    for option in (
        "QSPI_XIP_SPLIT_IMAGE",
        "MCUBOOT_MODE_OVERWRITE_ONLY",
        "PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY",
    ):
        assert f"SB_CONFIG_{option}=y\n" in options
    assert "SB_CONFIG_NETCORE_APP_UPDATE" in found.fix


def test_an_application_in_external_flash_is_told_why_and_what_would_boot(tmp_path: Path) -> None:
    check_thread(finding(project(tmp_path, THREAD)))


def test_the_author_of_the_thread_is_told_the_same() -> None:
    check_thread(finding(corpus() / "devzone-125422"))


def test_the_layout_that_is_named_has_no_errors(tmp_path: Path) -> None:
    found = finding(project(tmp_path / "before", THREAD))
    inside = "mcuboot: {address: 0x0, size: 0x10000}\nsettings_storage: {address: 0xf0000, size: 0x10000}\n"
    options = block(found.fix, "Split the image. In sysbuild.conf")
    script = block(found.fix, "In the linker script")
    after = project(
        tmp_path / "after",
        "",
        **{
            "pm_static_nrf5340dk_nrf5340_cpuapp.yml": inside + block(found.fix, "In pm_static.yml"),
            "sysbuild.conf": options + "SB_CONFIG_NETCORE_APP_UPDATE=n\n",
            "extxip.ld": f"MEMORY {{\n{script}}}\n",
            "app.overlay": "/ { chosen { nordic,pm-ext-flash = &mx25r64; }; };\n",
        },
    )
    (after / "pm_static.yml").unlink()
    layout = {f"QX1{number:02}" for number in range(1, 30)}
    found_after = check_sources([after], Settings()).findings
    assert [item for item in found_after if item.severity is Severity.ERROR and item.rule in layout] == []


def test_what_is_in_the_chip_stays_and_the_second_slot_goes_behind_it(tmp_path: Path) -> None:
    partitions = (
        "mcuboot_primary: {address: 0x0, size: 0x100000, region: external_flash}\n"
        "littlefs_storage: {address: 0x100000, size: 0x80000, region: external_flash}\n"
    )
    fix = finding(project(tmp_path, partitions)).fix
    places = named(fix)
    assert places["mcuboot_primary_1"] == (0x0, 0x100000)
    assert places["mcuboot_secondary_1"] == (0x180000, 0x280000)
    # MCUboot is taken to end at 0x10000, and nothing else is inside: 0x100000 - 0x10000 = 0xf0000 bytes.
    assert places["mcuboot_primary"] == (0x10000, 0x100000)
    assert places["mcuboot_secondary"] == (0x280000, 0x370000)
    assert "0x370000 bytes at least" in fix
    assert "0x12000200 on the nRF52840" in fix


def test_with_an_updatable_network_core_the_external_half_is_image_2(tmp_path: Path) -> None:
    partitions = "mcuboot_primary: {address: 0x0, size: 0x100000, region: external_flash}\n"
    update = {"sysbuild.conf": "SB_CONFIG_NETCORE_APP_UPDATE=y\n"}
    places = named(finding(project(tmp_path, partitions, **update)).fix)
    assert places["mcuboot_primary_2"] == (0x0, 0x100000)
    start, end = places["mcuboot_secondary_1"]
    assert end - start == 0x40000
    assert "mcuboot_primary_1" not in places


@pytest.mark.parametrize(
    ("more", "sysbuild"),
    [
        ("rest: {address: 0x100000, size: 0x700000, region: external_flash}\n", ""),
        ("", "SB_CONFIG_BOOTLOADER_MCUBOOT=n\n"),
    ],
    ids=["no room in the chip", "no bootloader"],
)
def test_where_no_layout_can_be_named_the_way_is(tmp_path: Path, more: str, sysbuild: str) -> None:
    text = f"mcuboot_primary: {{address: 0x0, size: 0x100000, region: external_flash}}\n{more}"
    root = project(tmp_path, text, **{"sysbuild.conf": sysbuild})
    (root / "pm_static.yml").rename(root / "pm_static_nrf5340dk_nrf5340_cpuapp.yml")
    overlay = "/ { chosen { nordic,pm-ext-flash = &mx25r64; }; };\n"
    (root / "app.overlay").write_text(overlay, encoding="utf-8")
    fix = finding(root).fix
    assert named(fix) == {}
    assert "internal flash" in fix
