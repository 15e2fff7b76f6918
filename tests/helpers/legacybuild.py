"""A build from before sysbuild, made of the images of one with it: other places, names and options.

In its package the load address of the external half is the internal one's. Source: sdk-nrf v2.7.0,
``cmake/partition_manager.cmake`` and ``modules/mcuboot/CMakeLists.txt``.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.trees import put, tree
from west_qspi.build.build import Build

UPDATES = {
    "watch_app.internal.bin": "internal_flash_update.bin",
    "watch_app.external.bin": "qspi_flash_update.bin",
    "watch_app.signed.bin": "app_update.bin",
    "mcuboot_secondary_app.signed.bin": "mcuboot_secondary_app_update.bin",
    "ipc_radio.bin": "net_core_app_update.bin",
}


def make_legacy(source: Build, root: Path, package: dict[str, bytes]) -> Build:
    """Make it in ``root``; ``package`` is what is in the other build's package."""
    split = "watch_app.external.bin" in package
    app = _config(source.application.directory, "MCUBOOT_", "UPDATEABLE_IMAGE")
    app += ["CONFIG_BOOTLOADER_MCUBOOT=y", *(["CONFIG_XIP_SPLIT_IMAGE=y"] if split else [])]
    mcuboot = ["CONFIG_MCUBOOT=y", *_config(source.path / "mcuboot", "MCUBOOT_", "UPDATEABLE_IMAGE")]
    manifest = json.loads(package["manifest.json"])
    for entry in manifest["files"]:
        entry["file"] = UPDATES[entry["file"]]
        if entry["file"] == "qspi_flash_update.bin":
            entry["load_address"] = manifest["files"][0]["load_address"]
    files = {UPDATES[name]: data for name, data in package.items() if name in UPDATES}
    tree(
        root,
        {
            "zephyr/.config": "\n".join(app),
            "zephyr/zephyr.dts": (source.application.directory / "zephyr" / "zephyr.dts").read_bytes(),
            "zephyr/runners.yaml": "runners:\n- nrfjprog\nflash-runner: nrfjprog\n"
            "config:\n  hex_file: merged_domains.hex\nargs:\n  nrfjprog: []\n",
            "mcuboot/zephyr/.config": "\n".join(mcuboot),
            "CMakeCache.txt": "ZEPHYR_BASE:PATH=C:/ncs/zephyr\nAPPLICATION_SOURCE_DIR:PATH=C:/work/watch\n",
            "partitions.yml": (source.path / "partitions.yml").read_bytes(),
            "regions.yml": (source.path / "regions.yml").read_bytes(),
            "zephyr/manifest.json": json.dumps(manifest),
            **{f"zephyr/{name}": data for name, data in files.items()},
            **({"zephyr/qspi_flash.hex": ":00000001FF\n"} if split else {}),
        },
    )
    if source.network is not None:
        for name in ("partitions_CPUNET.yml", "regions_CPUNET.yml"):
            put(root / "hci_ipc" / name, (source.path / name).read_bytes())
        put(root / "hci_ipc/zephyr/.config", "\n".join(_config(source.network.directory)))
    return Build.load(root)


def _config(directory: Path, *without: str) -> list[str]:
    lines = (directory / "zephyr" / ".config").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not any(f"CONFIG_{word}" in line for word in without)]
