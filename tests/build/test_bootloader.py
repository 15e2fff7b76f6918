from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.build.bootloader import encrypts, find_slots, slot_name, split_number, update_mode
from west_qspi.build.model import Kconfig, KconfigValue, Partition, Slot, UpdateMode
from west_qspi.memory import MemoryKind


def kconfig(**symbols: KconfigValue) -> Kconfig:
    return Kconfig(Path(".config"), symbols)


def partition(name: str, memory: MemoryKind | None) -> Partition:
    return Partition(name, 0, 0x1000, "somewhere", memory, 0, None)


@pytest.mark.parametrize(
    ("symbols", "mode"),
    [
        ({"CONFIG_BOOT_UPGRADE_ONLY": True}, UpdateMode.OVERWRITE),
        ({"CONFIG_BOOT_SWAP_USING_MOVE": True}, UpdateMode.SWAP),
        ({"CONFIG_BOOT_SWAP_USING_SCRATCH": True}, UpdateMode.SWAP),
        ({"CONFIG_BOOT_SWAP_USING_OFFSET": True}, UpdateMode.SWAP),
        ({"CONFIG_BOOT_DIRECT_XIP": True, "CONFIG_BOOT_DIRECT_XIP_REVERT": False}, UpdateMode.DIRECT_XIP),
        (
            {"CONFIG_BOOT_DIRECT_XIP": True, "CONFIG_BOOT_DIRECT_XIP_REVERT": True},
            UpdateMode.DIRECT_XIP_REVERT,
        ),
        ({"CONFIG_SINGLE_APPLICATION_SLOT": True}, UpdateMode.SINGLE_SLOT),
        ({"CONFIG_BOOT_FIRMWARE_LOADER": True}, UpdateMode.FIRMWARE_LOADER),
    ],
)
def test_mcuboots_own_configuration_decides(symbols: dict[str, KconfigValue], mode: UpdateMode) -> None:
    app = kconfig(CONFIG_MCUBOOT_BOOTLOADER_MODE_SWAP_SCRATCH=True)
    assert update_mode(kconfig(**symbols), app, None) is mode


def test_who_is_asked_next() -> None:
    app = kconfig(CONFIG_BOOTLOADER_MCUBOOT=True, CONFIG_MCUBOOT_BOOTLOADER_MODE_DIRECT_XIP_WITH_REVERT=True)
    sysbuild = kconfig(SB_CONFIG_BOOTLOADER_MCUBOOT=True, SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=True)
    assert update_mode(None, app, sysbuild) is UpdateMode.DIRECT_XIP_REVERT
    assert update_mode(None, kconfig(), sysbuild) is UpdateMode.OVERWRITE
    assert update_mode(kconfig(), kconfig(), None) is UpdateMode.SWAP
    assert update_mode(None, kconfig(), None) is None


def test_slots_of_partition_manager() -> None:
    flash, external = MemoryKind.APPLICATION, MemoryKind.EXTERNAL
    names = {
        "mcuboot_secondary_2": external,
        "mcuboot_primary_2": external,
        "mcuboot_primary_2_pad": external,
        "mcuboot_primary_app": flash,
        "mcuboot_secondary": external,
        "mcuboot_primary": flash,
        "mcuboot_primary_1": None,
        "slot4_partition": flash,
    }
    found = find_slots([partition(name, memory) for name, memory in names.items()], managed=True)
    assert [(slot.number, slot.secondary, slot.partition.name) for slot in found] == [
        (0, False, "mcuboot_primary"),
        (0, True, "mcuboot_secondary"),
        (2, False, "mcuboot_primary_2"),
        (2, True, "mcuboot_secondary_2"),
    ]
    assert [slot_name(slot.number, slot.secondary, True) for slot in found] == [
        s.partition.name for s in found
    ]


def test_slots_of_the_devicetree() -> None:
    names = ["slot5_partition", "slot0_partition", "slot1_partition", "slot4_partition", "slot0_ns_partition"]
    found = find_slots([partition(name, MemoryKind.APPLICATION) for name in names], managed=False)
    assert [(slot.number, slot.secondary) for slot in found] == [(0, False), (0, True), (2, False), (2, True)]
    assert slot_name(2, True, managed=False) == "slot5_partition"


SPLIT = {"SB_CONFIG_QSPI_XIP_SPLIT_IMAGE": True}
NUMBER = "SB_CONFIG_MCUBOOT_QSPI_XIP_IMAGE_NUMBER"
XIP_SLOT = Slot(3, False, partition("mcuboot_primary_3", MemoryKind.EXTERNAL))
UPDATE_SLOT = Slot(4, True, partition("mcuboot_secondary_4", MemoryKind.EXTERNAL))


@pytest.mark.parametrize(
    ("app", "sysbuild", "has_hex", "expected"),
    [
        ({}, None, False, None),
        ({"CONFIG_XIP_SPLIT_IMAGE": True}, None, False, 2),
        ({}, {**SPLIT, NUMBER: 1}, False, 1),
        ({}, {**SPLIT, NUMBER: 3}, False, 3),
        ({}, {**SPLIT, NUMBER: -1}, False, 2),
        ({}, SPLIT, False, 2),
        ({}, {"SB_CONFIG_QSPI_XIP_SUPPORT": True}, False, 2),
        ({"CONFIG_MCUBOOT_QSPI_XIP_IMAGE_NUMBER": 1}, SPLIT, False, 1),
        ({"CONFIG_MCUBOOT_QSPI_XIP_IMAGE_NUMBER": 1}, None, False, 1),
        ({"CONFIG_MCUBOOT_QSPI_XIP_IMAGE_NUMBER": -1}, None, False, None),
        ({"CONFIG_MCUBOOT_QSPI_XIP_IMAGE_NUMBER": False}, None, False, None),
        ({}, {"SB_CONFIG_QSPI_XIP_SPLIT_IMAGE": False}, True, None),
        ({}, {}, True, 3),
        ({}, None, True, 3),
    ],
)
def test_the_image_number_of_the_external_half(
    app: dict[str, KconfigValue],
    sysbuild: dict[str, KconfigValue] | None,
    has_hex: bool,
    expected: int | None,
) -> None:
    top = None if sysbuild is None else kconfig(**sysbuild)
    assert split_number(kconfig(**app), top, [XIP_SLOT, UPDATE_SLOT], has_hex) == expected


def test_an_external_half_without_any_slot_is_the_old_image_two() -> None:
    assert split_number(kconfig(), None, [], True) == 2


def test_encryption() -> None:
    assert encrypts(kconfig(CONFIG_BOOT_ENCRYPT_IMAGE=True), None)
    assert encrypts(None, kconfig(SB_CONFIG_BOOT_ENCRYPTION=True))
    assert not encrypts(kconfig(), kconfig(SB_CONFIG_BOOT_ENCRYPTION=False))
