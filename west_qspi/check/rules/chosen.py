"""QX301 to QX303: which chip devicetree chooses for Partition Manager, in the application and in MCUboot."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.check.chip import PM_CHOICE, Chip, find_chip
from west_qspi.check.devicetree import View
from west_qspi.check.model import Severity
from west_qspi.check.parse.cmake import located
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant


@rule("QX301", "app-ext-flash-chosen-missing", Severity.ERROR, f"{SDK_NRF}pull/2325")
def app_ext_flash_chosen_missing(variant: Variant) -> Iterator[Hit]:
    """Partitions are placed in external flash, and the application's devicetree does not choose a chip.

    Without ``nordic,pm-ext-flash`` Partition Manager has no such region, and the build breaks or drops them.

    Fix: choose the chip in the application's overlay.

    Bad:
        / { chosen { }; };
    Good:
        / { chosen { nordic,pm-ext-flash = &mx25r64; }; };
    """
    board, name = variant.known_board, variant.board
    entry = next((item for item in variant.external if item.name != EXTERNAL), None)
    if entry is None or name is None or variant.dt.chosen(PM_CHOICE) is not None:
        return
    if board is None or board.chosen:
        return  # the board's own files may choose it
    if not _for_board(variant.dt, name) or not _partitions_for_board(variant, name):
        return  # its overlay may be elsewhere, or the partitions are other boards'
    if variant.dt.includes_others:
        return
    text = f"'{entry.name}' is in external flash, but no overlay for {name} chooses {PM_CHOICE}"
    text += ": the build stops, or leaves its partitions out"
    chip = board.chip or "CHIP"
    fix = f"Add / {{ chosen {{ {PM_CHOICE} = &{chip}; }}; }}; to boards/{name}.overlay."
    yield Hit(entry.spot, text, fix)


def _partitions_for_board(variant: Variant, board: str) -> bool:
    """Tell whether the partitions are meant for that board: by the file's name, or as it is the only one."""
    if variant.pm is not None and board in variant.pm.path.stem:
        return True
    overlays = (variant.folder / "boards").glob("*.overlay")
    return all(path.stem == board or path.stem.startswith(f"{board}_") for path in overlays)


def _for_board(view: View, board: str) -> bool:
    """Tell whether a file of that very board is among those of a devicetree."""
    return any(file.path.stem == board or file.path.stem.startswith(f"{board}_") for file in view.files)


@rule("QX302", "mcuboot-ext-flash-chosen-missing", Severity.ERROR, f"{DEVZONE}116344/")
def mcuboot_ext_flash_chosen_missing(variant: Variant) -> Iterator[Hit]:
    """A slot is in external flash, and MCUboot's own devicetree does not choose a chip for it.

    The application's overlays do not reach MCUboot. It logs "Failed to open flash area" with -2 or -19, and
    then that raising BOOT_MAX_IMG_SECTORS might help, which it does not.

    Fix: choose the chip in sysbuild/mcuboot/boards/BOARD.overlay or sysbuild/mcuboot.overlay too.

    Bad:
        boards/nrf5340dk_nrf5340_cpuapp.overlay alone
    Good:
        sysbuild/mcuboot/boards/nrf5340dk_nrf5340_cpuapp.overlay as well
    """
    board = variant.known_board
    chosen = variant.dt.chosen(PM_CHOICE)
    slots = variant.external_slots
    if not slots or chosen is None or variant.has_mcuboot is False or board is None or board.chosen:
        return
    if variant.dt_mcuboot.chosen(PM_CHOICE) is not None or not _mcuboot_files(variant):
        return
    if variant.dt_mcuboot.includes_others:
        return
    text = f"'{slots[0].name}' is in external flash, but MCUboot's devicetree does not choose {PM_CHOICE}"
    text += ': MCUboot logs "Failed to open flash area", and installs no update'
    fix = f"Add the same to sysbuild/mcuboot/boards/{variant.board}.overlay."
    yield Hit(chosen.spot, text, fix)


def _mcuboot_files(variant: Variant) -> bool:
    """Tell whether MCUboot is configured here for this board; not where it is for other boards only."""
    if any("mcuboot_" in word for call in variant.cmake for word in call.arguments):
        return False  # sysbuild.cmake may pass it an overlay
    if variant.board and _for_board(variant.dt_mcuboot, variant.board):
        return True
    others = variant.reader.has_folder(variant.images / "mcuboot" / "boards")
    # A build may have MCUboot's settings without its devicetree.
    return not others and bool(variant.dt_mcuboot.files or variant.as_written.mcuboot.settings)


@rule("QX303", "ext-flash-chosen-differs", Severity.ERROR, f"{DEVZONE}116344/")
def ext_flash_chosen_differs(variant: Variant) -> Iterator[Hit]:
    """MCUboot and the application choose different chips, or give the same one different sizes.

    Partition Manager lays the slots out for the application's chip; MCUboot looks for them on its own, and
    finds nothing, or cannot reach the end.

    Fix: choose the same chip in both, and describe it in one file that both include.

    Bad:
        nordic,pm-ext-flash = &w25q128;   in boards/BOARD.overlay
        nordic,pm-ext-flash = &mx25r64;   in sysbuild/mcuboot/boards/BOARD.overlay
    Good:
        nordic,pm-ext-flash = &w25q128;   in both
    """
    if not variant.external_slots or variant.has_mcuboot is False or not _all_overlays_here(variant):
        return
    if not variant.mcuboot_overlays and (variant.board is None or not _mcuboot_files(variant)):
        return
    app, mcuboot = variant.chip, find_chip(variant.dt_mcuboot, variant.known_board)
    if app is None or mcuboot is None:
        return
    chosen = variant.dt_mcuboot.chosen(PM_CHOICE)
    if not _same_node(variant, app, mcuboot):
        if chosen is not None and variant.dt.chosen(PM_CHOICE) is not None:
            text = (
                f"MCUboot chooses '{mcuboot.label}', and the application '{app.label}', for which the slots "
                "are laid out: MCUboot finds nothing in them"
            )
            yield Hit(chosen.spot, text, f"Write {PM_CHOICE} = &{app.label};")
    elif app.size and mcuboot.size and app.size != mcuboot.size:
        spot = mcuboot.size_spot or app.size_spot
        text = (
            f"'{app.label}' has {mcuboot.size:#x} bytes in MCUboot, and {app.size:#x} in the application, "
            "for which the slots are laid out"
        )
        guessed = mcuboot.size_spot is None or app.size_spot is None
        if spot is not None:
            fix = "Give it the same size in both."
            yield Hit(spot, text, fix, severity=Severity.WARNING if guessed else None)


def _same_node(variant: Variant, app: Chip, mcuboot: Chip) -> bool:
    """Tell whether two labels are one node's, or may be: a path is not followed."""
    if app.label == mcuboot.label or any("/" in label for label in (app.label, mcuboot.label)):
        return True
    nodes = (*variant.dt.nodes(), *variant.dt_mcuboot.nodes())
    return any({app.label, mcuboot.label} <= set(node.handles) for node in nodes)


def _all_overlays_here(variant: Variant) -> bool:
    """Tell whether it is known where every overlay is that CMake passes on to MCUboot."""
    passed = [call for call in variant.cmake if any(_is_overlay_of_mcuboot(word) for word in call.arguments)]
    words = ((word, call.spot.path.parent) for call in passed for word in call.arguments)
    return all(located(word, folder) is not None for word, folder in words)


def _is_overlay_of_mcuboot(word: str) -> bool:
    return word.startswith("mcuboot_") and word.endswith("DTC_OVERLAY_FILE")
