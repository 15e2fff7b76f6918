"""The images of a build: what each is for, and which files it is flashed with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from west_qspi.build.domains import parse_domains
from west_qspi.build.kconfig import read_kconfig
from west_qspi.build.model import Image, ImageKind, Kconfig, Shape
from west_qspi.build.paths import Relocation, file_name, is_absolute, normalised
from west_qspi.build.runners import RunnersConfig, parse_runners
from west_qspi.build.textfile import read_text

# What Zephyr itself calls the only image of a build without sysbuild (west_commands/build_helpers.py).
_ONLY_IMAGE = "app"


@dataclass(frozen=True)
class ImageSet:
    """The images of one build, the default one's name, and those to flash in their order."""

    images: tuple[Image, ...]
    default: str
    flash_order: tuple[str, ...]
    relocation: Relocation


def load_images(root: Path, shape: Shape, sysbuild: Kconfig | None) -> ImageSet:
    """Read the images of the build in ``root``; raises MissingOutput and BrokenBuildFile."""
    if shape in (Shape.SYSBUILD_PM, Shape.SYSBUILD_DTS):
        return _of_sysbuild(root, sysbuild)
    return _without_sysbuild(root, shape)


def on_network_core(image: Image) -> bool:
    """Tell whether an image runs on the nRF5340's network core."""
    return image.kconfig.enabled("CONFIG_SOC_NRF5340_CPUNET")


def _of_sysbuild(root: Path, sysbuild: Kconfig | None) -> ImageSet:
    path = root / "domains.yaml"
    domains = parse_domains(read_text(path, "sysbuild's list of images"), path)
    relocation = Relocation(domains.build_dir, root)
    network = sysbuild.text("SB_CONFIG_NETCORE_IMAGE_NAME") if sysbuild else None
    images = []
    for name, build_dir in domains.directories.items():
        directory = relocation.locate(build_dir, root)
        if not directory.is_dir():
            directory = root / name
        kconfig = read_kconfig(directory / "zephyr" / ".config")
        kind = ImageKind.APPLICATION if name == domains.default else _kind(name, kconfig, network)
        runners = _runners(directory)
        images.append(
            _image(name, kind, directory, kconfig, runners, relocation, name in domains.flash_order)
        )
    return ImageSet(tuple(images), domains.default, domains.flash_order, relocation)


def _without_sysbuild(root: Path, shape: Shape) -> ImageSet:
    runners = _runners(root)
    relocation = Relocation(_birthplace(runners), root)
    kconfig = read_kconfig(root / "zephyr" / ".config")
    images = [_image(_ONLY_IMAGE, ImageKind.APPLICATION, root, kconfig, runners, relocation, True)]
    # Child images are merged into what the parent flashes; they are never flashed by themselves.
    children = _children(root) if shape is Shape.CHILD_PARENT else ()
    for directory in children:
        kconfig = read_kconfig(directory / "zephyr" / ".config")
        kind = _kind(directory.name, kconfig, None)
        image = _image(directory.name, kind, directory, kconfig, _runners(directory), relocation, False)
        if image.name not in {known.name for known in images}:
            images.append(image)
    return ImageSet(tuple(images), _ONLY_IMAGE, (_ONLY_IMAGE,), relocation)


def _children(root: Path) -> Iterator[Path]:
    for pattern in ("*/zephyr/.config", "*/*/zephyr/.config"):  # a child may have a child: hci_ipc/b0n
        for config in sorted(root.glob(pattern)):
            yield config.parent.parent


def _birthplace(runners: RunnersConfig) -> str | None:
    """Return where a build without sysbuild was made, which only its hex file's path may tell."""
    wanted = normalised(runners.hex_file) if runners.hex_file else ""
    ending = f"/zephyr/{file_name(wanted)}"
    return wanted.removesuffix(ending) if is_absolute(wanted) and wanted.endswith(ending) else None


def _kind(name: str, kconfig: Kconfig, network: str | None) -> ImageKind:
    if name == "mcuboot" or kconfig.enabled("CONFIG_MCUBOOT"):
        return ImageKind.BOOTLOADER
    if name.endswith("secondary_app"):
        return ImageKind.VARIANT
    other_core = kconfig.enabled("CONFIG_SOC_NRF5340_CPUNET")
    if name == network or (other_core and not kconfig.enabled("CONFIG_IS_SECURE_BOOTLOADER")):
        return ImageKind.NETWORK
    return ImageKind.OTHER


def _runners(directory: Path) -> RunnersConfig:
    path = directory / "zephyr" / "runners.yaml"
    return parse_runners(read_text(path, "how to flash"), path) if path.exists() else RunnersConfig()


def _image(
    name: str,
    kind: ImageKind,
    directory: Path,
    kconfig: Kconfig,
    runners: RunnersConfig,
    relocation: Relocation,
    flashed: bool,
) -> Image:
    folder = directory / "zephyr"
    return Image(
        name=name,
        kind=kind,
        directory=directory,
        kconfig=kconfig,
        hex_file=folder / f"{kernel_name(kconfig)}.hex",
        flash_file=relocation.locate(runners.hex_file, folder) if runners.hex_file else None,
        flashed=flashed,
        runner=runners.flash_runner,
        runner_args=runners.args,
    )


def kernel_name(kconfig: Kconfig) -> str:
    """Return the stem of an image's output files."""
    return kconfig.text("CONFIG_KERNEL_BIN_NAME") or "zephyr"
