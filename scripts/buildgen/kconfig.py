"""``.config`` of sysbuild and of each image: those symbols that matter to flashing and updating.

Source of names and dependencies: sdk-nrf ``sysbuild/Kconfig.*``, Zephyr ``modules/Kconfig.mcuboot`` and
MCUboot ``boot/zephyr/Kconfig``.
"""

from __future__ import annotations

from collections.abc import Mapping

from buildgen.layout import HEADER, NETWORK_IMAGE, Domain, slot_name
from buildgen.options import BuildOptions

Symbols = dict[str, "str | int | bool"]

_SYSBUILD_MODES = {
    "overwrite": "OVERWRITE_ONLY",
    "swap": "SWAP_WITHOUT_SCRATCH",
    "direct-xip": "DIRECT_XIP",
}
_MCUBOOT_MODES = {
    "overwrite": "UPGRADE_ONLY",
    "swap": "SWAP_USING_MOVE",
    "direct-xip": "DIRECT_XIP",
}
# The largest slot has this many pages of 4096 bytes.
_MOST_SECTORS = 256
# What Zephyr's driver reports as the size of its pages, in bytes, and MCUboot counts in.
_USUAL_PAGE = 4096


class Hex(int):
    """A number that Kconfig writes in hex."""


def config_text(symbols: Mapping[str, str | int | bool]) -> bytes:
    """Return the text of a ``.config``; a symbol that is False is one that "is not set"."""
    return "".join(f"{_line(name, value)}\n" for name, value in symbols.items()).encode()


def _line(name: str, value: str | int | bool) -> str:
    if isinstance(value, bool):
        return f"{name}=y" if value else f"# {name} is not set"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{escaped}"'
    return f"{name}={value:#x}" if isinstance(value, Hex) else f"{name}={value}"


def sysbuild_config(options: BuildOptions, key: str) -> Symbols:
    """Return sysbuild's symbols; ``key`` is the path of the signing key."""
    symbols: Symbols = {
        "SB_CONFIG_BOARD": options.board_name,
        "SB_CONFIG_BOARD_QUALIFIERS": options.qualifiers,
        "SB_CONFIG_SOC": options.soc,
        "SB_CONFIG_PARTITION_MANAGER": options.managed,
        "SB_CONFIG_PM_OVERRIDE_EXTERNAL_DRIVER_CHECK": False,
    }
    if options.has_network:
        symbols |= {
            "SB_CONFIG_NETCORE_IPC_RADIO": True,
            "SB_CONFIG_NETCORE_IMAGE_NAME": NETWORK_IMAGE,
            "SB_CONFIG_NETCORE_IMAGE_DOMAIN": "CPUNET",
            "SB_CONFIG_NETCORE_APP_UPDATE": options.updates_network,
        }
    elif options.soc_part.has_network_core:
        symbols["SB_CONFIG_NETCORE_NONE"] = True
    symbols["SB_CONFIG_BOOTLOADER_MCUBOOT"] = options.bootloader
    if not options.bootloader:
        return {**symbols, "SB_CONFIG_BOOTLOADER_NONE": True}
    symbols |= {f"SB_CONFIG_MCUBOOT_MODE_{word}": m == options.mode for m, word in _SYSBUILD_MODES.items()}
    symbols |= {
        "SB_CONFIG_MCUBOOT_BUILD_DIRECT_XIP_VARIANT": options.direct_xip,
        "SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY": options.managed,
        "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE": options.split,
        "SB_CONFIG_BOOT_ENCRYPTION": False,
        "SB_CONFIG_MCUBOOT_UPDATEABLE_IMAGES": _images(options),
        "SB_CONFIG_MCUBOOT_ADDITIONAL_UPDATEABLE_IMAGES": 0,
        "SB_CONFIG_DFU_ZIP": True,
        "SB_CONFIG_DFU_ZIP_APP": True,
        "SB_CONFIG_DFU_ZIP_NET": options.updates_network,
    }
    return symbols | _signature("SB_CONFIG_BOOT", options, key) | _numbers("SB_CONFIG", options)


def application_config(options: BuildOptions, domain: Domain, key: str, secondary: bool) -> Symbols:
    """Return the symbols of the application, or with ``secondary`` of its direct-XIP twin."""
    symbols = _common(options)
    symbols |= _load(options, domain, slot_name(0, secondary) if options.bootloader else "app")
    symbols |= _qspi(options, options.layout_page)
    if options.split:
        symbols |= {
            "CONFIG_XIP": True,
            "CONFIG_CODE_DATA_RELOCATION": True,
            "CONFIG_HAVE_CUSTOM_LINKER_SCRIPT": True,
            "CONFIG_CUSTOM_LINKER_SCRIPT": "linker_arm_extxip.ld",
            "CONFIG_BUILD_NO_GAP_FILL": True,
        }
    symbols |= {"CONFIG_APPLICATION_INIT_PRIORITY": 90, "CONFIG_BOOTLOADER_MCUBOOT": options.bootloader}
    if not options.bootloader:
        return symbols
    symbols |= {
        f"CONFIG_MCUBOOT_BOOTLOADER_MODE_{word}": m == options.mode for m, word in _SYSBUILD_MODES.items()
    }
    symbols |= {
        "CONFIG_MCUBOOT_SIGNATURE_KEY_FILE": key if options.signed else "",
        "CONFIG_MCUBOOT_ENCRYPTION_KEY_FILE": "",
        "CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION": options.version,
        "CONFIG_MCUBOOT_IMGTOOL_OVERWRITE_ONLY": options.mode == "overwrite",
        "CONFIG_UPDATEABLE_IMAGE_NUMBER": _images(options),
        "CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER": _images(options),
        "CONFIG_MCUMGR_GRP_IMG_QSPI_XIP_SPLIT_IMAGE": options.split and options.direct_xip,
    }
    return symbols | _numbers("CONFIG", options)


def mcuboot_config(options: BuildOptions, domain: Domain, key: str) -> Symbols:
    """Return MCUboot's symbols."""
    symbols = _common(options) | {"CONFIG_MCUBOOT": True} | _load(options, domain, "mcuboot")
    symbols |= _qspi(options, _USUAL_PAGE)
    symbols |= {f"CONFIG_BOOT_{word}": m == options.mode for m, word in _MCUBOOT_MODES.items()}
    symbols |= {
        "CONFIG_BOOT_DIRECT_XIP_REVERT": False,
        "CONFIG_SINGLE_APPLICATION_SLOT": False,
        "CONFIG_BOOT_BOOTSTRAP": options.bootstrap,
        "CONFIG_BOOT_VALIDATE_SLOT0": True,
        "CONFIG_BOOT_ENCRYPT_IMAGE": False,
        "CONFIG_BOOT_MAX_IMG_SECTORS_AUTO": False,
        "CONFIG_BOOT_MAX_IMG_SECTORS": _MOST_SECTORS,
        "CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS": not options.split,
        "CONFIG_UPDATEABLE_IMAGE_NUMBER": _images(options),
        "CONFIG_FLASH": True,
        "CONFIG_MULTITHREADING": True,
    }
    if options.updates_network:
        symbols |= {
            "CONFIG_NRF53_MULTI_IMAGE_UPDATE": True,
            "CONFIG_PCD_APP": True,
            "CONFIG_FLASH_SIMULATOR": True,
            "CONFIG_FLASH_SIMULATOR_DOUBLE_WRITES": True,
            "CONFIG_BOOT_IMAGE_ACCESS_HOOKS": True,
        }
    return symbols | _signature("CONFIG_BOOT", options, key) | _numbers("CONFIG", options)


def network_config(options: BuildOptions) -> Symbols:
    """Return the symbols of the network core's image."""
    return {
        "CONFIG_BOARD": options.board_name,
        "CONFIG_BOARD_TARGET": f"{options.board_name}/{options.soc}/cpunet",
        "CONFIG_SOC": options.soc,
        "CONFIG_SOC_SERIES_NRF53X": True,
        "CONFIG_SOC_NRF5340_CPUNET": True,
        "CONFIG_KERNEL_BIN_NAME": "zephyr",
        "CONFIG_PARTITION_MANAGER_ENABLED": options.managed,
        "CONFIG_FLASH_BASE_ADDRESS": Hex(0x0100_0000),
        "CONFIG_FLASH_SIZE": 256,
        "CONFIG_FLASH_LOAD_OFFSET": Hex(0x0),
        "CONFIG_FLASH_LOAD_SIZE": Hex(0x40000),
        "CONFIG_ROM_START_OFFSET": Hex(0x0),
        "CONFIG_BOOTLOADER_MCUBOOT": False,
    }


def _common(options: BuildOptions) -> Symbols:
    dual = options.soc_part.has_network_core
    return {
        "CONFIG_BOARD": options.board_name,
        "CONFIG_BOARD_TARGET": options.board_target,
        "CONFIG_SOC": options.soc,
        f"CONFIG_SOC_SERIES_{'NRF53X' if dual else 'NRF52X'}": True,
        f"CONFIG_SOC_{'NRF5340_CPUAPP' if dual else 'NRF52840'}": True,
        "CONFIG_KERNEL_BIN_NAME": "zephyr",
        "CONFIG_FLASH_BASE_ADDRESS": Hex(0x0),
        "CONFIG_FLASH_SIZE": 1024,
        "CONFIG_BUILD_WITH_TFM": False,
    }


def _load(options: BuildOptions, domain: Domain, name: str) -> Symbols:
    if options.managed:
        # Left over from the board's devicetree; Partition Manager's map is what counts.
        offset = 0x0 if name == "mcuboot" else 0x10000 if options.soc == "nrf5340" else 0xC000
        return {
            "CONFIG_PARTITION_MANAGER_ENABLED": True,
            "CONFIG_FLASH_LOAD_OFFSET": Hex(offset),
            "CONFIG_ROM_START_OFFSET": Hex(0x0),
        }
    place = domain[name]
    header = HEADER if options.bootloader and name != "mcuboot" else 0
    return {
        "CONFIG_PARTITION_MANAGER_ENABLED": False,
        "CONFIG_FLASH_USES_MAPPED_PARTITION": True,
        "CONFIG_FLASH_LOAD_OFFSET": Hex(place.address),
        "CONFIG_FLASH_LOAD_SIZE": Hex(place.size),
        "CONFIG_ROM_START_OFFSET": Hex(header),
    }


def _qspi(options: BuildOptions, page: int | None) -> Symbols:
    symbols: Symbols = {
        "CONFIG_NORDIC_QSPI_NOR": True,
        "CONFIG_NORDIC_QSPI_NOR_XIP": options.split,
        "CONFIG_NORDIC_QSPI_NOR_INIT_PRIORITY": 41,
        **({} if page is None else {"CONFIG_NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE": page}),
        "CONFIG_NORDIC_QSPI_NOR_STACK_WRITE_BUFFER_SIZE": 16,
    }
    if options.managed:
        chip, dual = options.chip_part, options.soc_part.has_network_core
        around = "/soc/peripheral@50000000/qspi@2b000" if dual else "/soc/qspi@40029000"
        symbols |= {
            "CONFIG_PM_EXTERNAL_FLASH_ENABLED": True,
            "CONFIG_PM_EXTERNAL_FLASH_HAS_DRIVER": True,
            "CONFIG_PM_EXTERNAL_FLASH_PATH": f"{around}/{chip.name.lower()}@0",
            "CONFIG_PM_EXTERNAL_FLASH_BASE": 0,
            "CONFIG_PM_EXTERNAL_FLASH_SIZE_BITS": chip.size * 8,
            "CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY": options.bootloader,
            "CONFIG_PM_OVERRIDE_EXTERNAL_DRIVER_CHECK": False,
        }
    return symbols


def _images(options: BuildOptions) -> int:
    return 1 + options.updates_network + (options.xip_number is not None)


def _signature(prefix: str, options: BuildOptions, key: str) -> Symbols:
    symbols: Symbols = {
        f"{prefix}_SIGNATURE_TYPE_NONE": not options.signed,
        f"{prefix}_SIGNATURE_TYPE_RSA": False,
        f"{prefix}_SIGNATURE_TYPE_ECDSA_P256": options.signed,
        f"{prefix}_SIGNATURE_TYPE_ED25519": False,
    }
    return symbols | ({f"{prefix}_SIGNATURE_KEY_FILE": key} if options.signed else {})


def _numbers(prefix: str, options: BuildOptions) -> Symbols:
    return {
        f"{prefix}_MCUBOOT_APPLICATION_IMAGE_NUMBER": 0,
        f"{prefix}_MCUBOOT_NETWORK_CORE_IMAGE_NUMBER": 1 if options.updates_network else -1,
        f"{prefix}_MCUBOOT_WIFI_PATCHES_IMAGE_NUMBER": -1,
        f"{prefix}_MCUBOOT_QSPI_XIP_IMAGE_NUMBER": -1 if options.xip_number is None else options.xip_number,
        f"{prefix}_MCUBOOT_MCUBOOT_IMAGE_NUMBER": -1,
    }
