"""What sysbuild writes around the images: ``domains.yaml``, ``build_info.yml``, ``runners.yaml``, the cache.

All paths are absolute, as real ones are. There is no generator's file (``build.ninja``), so nothing can be
rebuilt by CMake.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from buildgen.images import TWIN
from buildgen.layout import NETWORK_IMAGE
from buildgen.options import CONFIG_ARGUMENTS, BuildOptions

_PLAIN = re.compile(r"[A-Za-z0-9_./+@-](?:[A-Za-z0-9_./+@:,()= -]*[A-Za-z0-9_./+@)-])?")


@dataclass(frozen=True)
class Entry:
    """One image as sysbuild lists it; ``kind`` is the word that ``build_info.yml`` has for it, if any."""

    name: str
    flashed: bool
    hex_file: str
    source: str
    kind: str = ""


def image_entries(options: BuildOptions, root: Path) -> list[Entry]:
    """Return the images, the default one first."""
    top, source, sdk = root.as_posix(), root.parent.as_posix(), _sdk(options)
    own = f"{options.app}/zephyr/zephyr{'.signed' if options.bootloader else ''}.hex"
    flashed = "merged.hex" if options.managed else own
    found = [Entry(options.app, True, f"{top}/{flashed}", source, "MAIN")]
    if options.direct_xip:
        found.append(Entry(TWIN, False, "zephyr.hex", source))
    if options.bootloader:
        # With Partition Manager it is only built, and comes along in merged.hex.
        mcuboot = f"{sdk}/bootloader/mcuboot/boot/zephyr"
        found.append(Entry("mcuboot", not options.managed, "zephyr.hex", mcuboot, "BOOTLOADER"))
    if options.has_network:
        flashed = f"{top}/merged_CPUNET.hex" if options.managed else "zephyr.hex"
        found.append(Entry(NETWORK_IMAGE, True, flashed, f"{sdk}/nrf/applications/{NETWORK_IMAGE}"))
    return found


def sysbuild_files(options: BuildOptions, root: Path) -> dict[str, bytes]:
    """Return the files by their path in ``root``, which is where the build says that it was made."""
    images = image_entries(options, root)
    files = {
        "domains.yaml": _domains_yaml(options, root, images),
        "build_info.yml": _build_info(options, images),
        "CMakeCache.txt": _cache(options, root, "sysbuild_toplevel"),
    }
    for image in images:
        files[f"{image.name}/zephyr/runners.yaml"] = _runners(options, image)
        files[f"{image.name}/CMakeCache.txt"] = _cache(options, root / image.name, image.name)
    return files


def _sdk(options: BuildOptions) -> str:
    return f"/opt/nordic/ncs/{'v2.9.0' if options.managed else 'v3.3.0'}"


def _domains_yaml(options: BuildOptions, root: Path, images: list[Entry]) -> bytes:
    lines = [f"default: {options.app}", f"build_dir: {_scalar(root.as_posix())}", "domains:"]
    for image in images:
        lines += [f"  - name: {image.name}", f"    build_dir: {_scalar(f'{root.as_posix()}/{image.name}')}"]
    # The radio core goes first: the application starts it.
    flashed = sorted((image.name for image in images if image.flashed), key=_flash_rank)
    lines += ["flash_order:", *(f"  - {name}" for name in flashed)]
    return "\n".join(lines).encode()


def _flash_rank(name: str) -> int:
    return {"mcuboot": 0, NETWORK_IMAGE: 1}.get(name, 2)


def _build_info(options: BuildOptions, images: list[Entry]) -> bytes:
    sdk = _sdk(options)
    lines = ["cmake:", "  application:", f"    source-dir: {sdk}/zephyr/share/sysbuild", "  board:"]
    lines += [f"    name: {options.board_name}", "    path:"]
    lines += [f"     - {sdk}/zephyr/boards/nordic/{options.board_name}"]
    lines += [f"    qualifiers: {options.qualifiers}", "    revision: ", "  images:"]
    for image in images:
        lines += [f"   - name: {image.name}"]
        lines += [f"     source-dir: {_scalar(image.source)}"]
        lines += [f"     type: {image.kind}"] if image.kind else []
    # Newer SDKs quote every scalar, which makes a text of this.
    lines += ["  sysbuild: true" if options.managed else "  sysbuild: 'true'"]
    lines += ["version: 0.1.0", "west:"]
    lines += [f"  command: {_scalar(f'west build --sysbuild --board {options.board_target}')}"]
    lines += [f"  topdir: {sdk}", "  version: 1.2.0"]
    return "".join(f"{line}\n" for line in lines).encode()


def _runners(options: BuildOptions, image: Entry) -> bytes:
    device = {"nrf5340": "nrf5340_xxaa_app", "nrf52840": "nRF52840_xxAA"}[options.soc]
    if image.name == NETWORK_IMAGE:
        device = "nrf5340_xxaa_net"
    nrfutil, nrfjprog = (_arguments(options, image, runner) for runner in ("nrfutil", "nrfjprog"))
    text = f"""\
# Available runners configured by board.cmake.
runners:
- nrfutil
- nrfjprog
- jlink

# Default flash runner if --runner is not given.
flash-runner: nrfutil

# Default debug runner if --runner is not given.
debug-runner: jlink

# Common runner configuration values.
config:
  board_dir: {_sdk(options)}/zephyr/boards/nordic/{options.board_name}
  # Build outputs:
  elf_file: zephyr.elf
  hex_file: {_scalar(image.hex_file)}
  bin_file: zephyr.bin

# Runner specific arguments
args:
  nrfutil:
{nrfutil}
  nrfjprog:
{nrfjprog}
  jlink:
    - --dt-flash=y
    - --device={device}
    - --speed=4000
"""
    return text.encode()


def _arguments(options: BuildOptions, image: Entry, runner: str) -> str:
    """Return the lines of a runner's arguments; the network core has no QSPI and gets none."""
    files = [file for name, file in options.ext_mem_config if name == runner and image.name != NETWORK_IMAGE]
    given = [f"    - {_scalar(f'{CONFIG_ARGUMENTS[runner]}={file}')}" for file in files]
    return "\n".join(given) if given else "    []\n"


def _cache(options: BuildOptions, folder: Path, project: str) -> bytes:
    values = {
        "APPLICATION_BINARY_DIR:PATH": folder.as_posix(),
        "BOARD:STRING": options.board_target,
        "CACHED_BOARD:STRING": options.board_target,
        "CMAKE_PROJECT_NAME:STATIC": project,
        "ZEPHYR_BASE:PATH": f"{_sdk(options)}/zephyr",
    }
    return "".join(f"{name}={value}\n" for name, value in values.items()).encode()


def _scalar(text: str) -> str:
    """Return a YAML scalar, quoted only where a plain one would mean something else."""
    plain = _PLAIN.fullmatch(text) and ": " not in text and not text.startswith("- ")
    return text if plain else json.dumps(text)
