"""Putting a build directory together, and on disk."""

from __future__ import annotations

from pathlib import Path

from buildgen.devicetree import application_dts, network_dts
from buildgen.dfu import dfu_files
from buildgen.disk import remove_files, write_file
from buildgen.images import TWIN, application_pieces, firmware_files
from buildgen.kconfig import (
    application_config,
    config_text,
    mcuboot_config,
    network_config,
    sysbuild_config,
)
from buildgen.layout import NETWORK_IMAGE, Domain, application_domain, network_domain
from buildgen.options import BuildOptions
from buildgen.pmfiles import pm_files
from buildgen.signing import KEY_NAME, Signer
from buildgen.sysbuild import sysbuild_files

# Names what was made here, so that a later build of another kind leaves nothing of this one behind.
_LIST = ".made-files"


def make_build(directory: Path, options: BuildOptions) -> tuple[Path, ...]:
    """Make a build directory, or make one anew; return its files.

    Files that are the same already stay untouched, as do files of others. Raises UsageError for code that
    does not fit its slot and data that does not fit the map, FileUnreadable and SigningKeyError for the key,
    FileUnwritable.
    """
    root = directory.absolute()
    signer = Signer(None, None)
    if options.bootloader and options.signed:
        signer = Signer.load(options.key.absolute()) if options.key else Signer.sample(root.parent / KEY_NAME)
    files = _all_files(root, options, signer)
    remove_files(root, _earlier(root) - set(files))
    for name, data in files.items():
        write_file(root / name, data)
    return tuple(root / name for name in files)


def _all_files(root: Path, options: BuildOptions, signer: Signer) -> dict[str, bytes]:
    domain = application_domain(options)
    pieces = application_pieces(options, domain)
    files = firmware_files(options, pieces, signer)
    if options.bootloader:
        files |= dfu_files(options, pieces, files)
    if options.managed:
        files |= pm_files(domain)
        files |= pm_files(network_domain(), "_CPUNET") if options.has_network else {}
    files |= sysbuild_files(options, root)
    files |= _configurations(options, domain, signer)
    return {_LIST: "".join(f"{name}\n" for name in sorted(files)).encode(), **files}


def _configurations(options: BuildOptions, domain: Domain, signer: Signer) -> dict[str, bytes]:
    """Return each image's Kconfig and devicetree, and sysbuild's Kconfig."""
    key = signer.key_file.as_posix() if signer.key_file else ""
    files = {"zephyr/.config": config_text(sysbuild_config(options, key))}
    images = {options.app: ("slot0_partition", application_config(options, domain, key, secondary=False))}
    if options.direct_xip:
        images[TWIN] = ("slot1_partition", application_config(options, domain, key, secondary=True))
    if options.bootloader:
        images["mcuboot"] = ("boot_partition", mcuboot_config(options, domain, key))
    for name, (partition, symbols) in images.items():
        files[f"{name}/zephyr/.config"] = config_text(symbols)
        files[f"{name}/zephyr/zephyr.dts"] = application_dts(options, domain, partition)
    if options.has_network:
        files[f"{NETWORK_IMAGE}/zephyr/.config"] = config_text(network_config(options))
        files[f"{NETWORK_IMAGE}/zephyr/zephyr.dts"] = network_dts(options)
    return files


def _earlier(root: Path) -> set[str]:
    """Return the names of what an earlier call made."""
    try:
        return set((root / _LIST).read_text().splitlines())
    except OSError:
        return set()
