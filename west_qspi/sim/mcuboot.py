"""What MCUboot does with a board's slots at a reset: it installs, tests, reverts, and says what would run.

Source: MCUboot, ``boot/bootutil/src/loader.c`` (``context_boot_go``, ``boot_review_image_swap_types``,
``boot_verify_dependencies``, ``boot_select_or_erase``), ``docs/design.md`` chapters "High-level operation"
and "Multiple image boot"; for the network core's image sdk-mcuboot's ``pcd_network_core_update``. Signatures
are not looked at, encrypted images are taken as they are, and downgrades are allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from west_qspi.build.model import UpdateMode
from west_qspi.mcuboot import Header, ImageFlags, McubootImage
from west_qspi.memory import MemoryKind
from west_qspi.sim import swap
from west_qspi.sim.board import Board
from west_qspi.sim.slots import Area, FirmwareLayout, ImageSlots, Place
from west_qspi.trailer import Flag, Magic, Pending, SwapType, pending

_DIRECT = (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)
_UPGRADES = (Pending.TEST, Pending.PERMANENT, Pending.REVERT)
_SWAP_TYPES = {
    Pending.TEST: SwapType.TEST,
    Pending.PERMANENT: SwapType.PERMANENT,
    Pending.REVERT: SwapType.REVERT,
}
_BEGUN = {kind: plan for plan, kind in _SWAP_TYPES.items()}


@dataclass(frozen=True)
class Booted:
    """What came of a reset: by image number, which slot runs (0 or 1) and what was done with the update.

    ``running`` is None where nothing can be started. ``done`` has what was installed or reverted;
    ``refused`` the images whose update was not valid, ``waiting`` those that are held back by a dependency.
    """

    running: dict[int, int] | None
    done: dict[int, Pending] = field(default_factory=dict)
    refused: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()


def boot(board: Board, layout: FirmwareLayout) -> Booted:
    """Do all that MCUboot does between a reset and the start of the application.

    Raises PowerLost in the middle of it, after which another call goes on; LowVoltage, FlashBusy, and
    UsageError for a layout that does not fit the board.
    """
    run = _Run(board, layout)
    return run.choose_slots() if layout.mode in _DIRECT else run.update()


class _Run:
    """One reset: the slots as areas, and what was decided for each image."""

    def __init__(self, board: Board, layout: FirmwareLayout) -> None:
        self._board = board
        self._layout = layout
        self._swaps = layout.mode is UpdateMode.SWAP
        self._plans: dict[int, Pending] = {}
        self._done: dict[int, Pending] = {}
        self._refused: list[int] = []
        self._slots = {
            (image.number, place is image.secondary): Area(board, place)
            for image in layout.images
            for place in (image.primary, image.secondary)
            if place is not None
        }

    # --- one slot to run from ---

    def update(self) -> Booted:
        """Carry out what the trailers ask for, image by image."""
        updates = self._layout.mode in (UpdateMode.SWAP, UpdateMode.OVERWRITE)
        waiting: tuple[int, ...] = ()
        if updates:
            for image in self._layout.images:
                self._prepare(image.number)
            waiting = self._hold_back()
            for image in self._layout.images:
                self._perform(image)
        valid = all(
            self._valid(image.number, False) is not None for image in self._layout.images if image.primary
        )
        running = {image.number: 0 for image in self._layout.images} if valid else None
        return Booted(running, self._done, tuple(self._refused), waiting)

    def _prepare(self, number: int) -> None:
        """Decide about one image; one that was in the middle of a swap is finished at once."""
        primary, secondary = self._slots.get((number, False)), self._slots.get((number, True))
        self._plans[number] = Pending.NONE
        if self._swaps and primary and secondary and not swap.fit_together(primary, secondary):
            return
        plan = pending(
            swap.trailer_of(primary) if primary else None,
            swap.trailer_of(secondary) if secondary else None,
            swap=self._swaps,
        )
        failed = False
        if plan is Pending.RESUME and primary is not None and secondary is not None:
            if swap.moved(primary):
                swap.resume(primary, secondary)
                self._done[number] = plan
                self._review(number)
                return
            # No sector has moved yet: it begins anew, if the image still is valid.
            plan = _BEGUN[swap.trailer_of(primary).swap_type]
            failed = self._valid(number, True) is None
            if failed and swap.trailer_of(primary).image_ok is Flag.UNSET:
                swap.set_image_ok(primary)
        if plan in _UPGRADES and secondary is not None and self._valid(number, True) is None:
            self._drop(number, primary, secondary, plan)
            plan = Pending.NONE
        self._plans[number] = plan
        if failed or plan in (Pending.TEST, Pending.PERMANENT):
            self._review(number)
        if plan is Pending.NONE and self._layout.bootstrap and self._valid(number, False) is None:
            self._plans[number] = Pending.PERMANENT if self._valid(number, True) else plan

    def _drop(self, number: int, primary: Area | None, secondary: Area, plan: Pending) -> None:
        """Erase what cannot be installed; of an empty slot only what asks for it (``boot_validate_slot``)."""
        header = secondary.header()
        empty = secondary.read(0, 4) == b"\xff" * 4
        if not empty and not (header and header.flags & ImageFlags.NON_BOOTABLE):
            self._refused.append(number)
            secondary.erase(0, secondary.size)
        elif self._swaps:
            swap.erase_trailer(secondary)
            if plan is Pending.REVERT and primary is not None:
                swap.erase_trailer(primary)

    def _review(self, number: int) -> None:
        """Take back reverts of earlier images: what was cut off is one update of several images.

        Their new images are not confirmed yet only because the last boot did not come to its end.
        """
        for earlier, plan in self._plans.items():
            if earlier < number and plan is Pending.REVERT:
                self._plans[earlier] = Pending.NONE

    def _hold_back(self) -> tuple[int, ...]:
        """Drop all updates if what would run then lacks something that one of its images depends on."""
        after = {
            image.number: self._valid(image.number, self._plans[image.number] in _UPGRADES)
            for image in self._layout.images
        }
        if _lacking(after) is None:
            return ()
        waiting = tuple(number for number, plan in self._plans.items() if plan in _UPGRADES)
        self._plans = dict.fromkeys(self._plans, Pending.NONE)
        return waiting

    def _perform(self, image: ImageSlots) -> None:
        plan = self._plans[image.number]
        secondary = self._slots.get((image.number, True))
        if plan not in _UPGRADES or secondary is None:
            return
        primary = self._slots.get((image.number, False))
        if primary is None:
            self._start_network(image, secondary)
        elif self._swaps and self._layout.bootstrap and self._valid(image.number, False) is None:
            _overwrite(primary, secondary, keep=True)
            swap.set_image_ok(primary)
            swap.set_copy_done(primary)
        elif self._swaps:
            sizes = (held.size for held in (primary.image(), secondary.image()) if held is not None)
            swap.begin(primary, secondary, image.number, _SWAP_TYPES[plan], max(sizes))
        else:
            _overwrite(primary, secondary)
        self._done[image.number] = plan

    def _start_network(self, image: ImageSlots, secondary: Area) -> None:
        """Copy the body of an image to the network core's flash, from where its own bootloader starts it."""
        header = secondary.header()
        if image.network is None or header is None:
            return
        target = Area(self._board, Place(MemoryKind.NETWORK, image.network, header.image_size))
        target.erase(0, header.image_size)
        target.program(0, secondary.read(header.header_size, header.image_size))
        swap.erase_trailer(secondary)

    # --- two slots to run from ---

    def choose_slots(self) -> Booted:
        """Take for each image the slot with the higher version, the first one of equals.

        A slot whose image lacks what it depends on, in the slots that were taken for others, is passed over.
        """
        running: dict[int, int] = {}
        passed: set[tuple[int, int]] = set()
        waiting: list[int] = []
        while True:
            for image in self._layout.images:
                if image.number in running:
                    continue
                chosen = self._choose(image.number, passed)
                if chosen is None:
                    return Booted(None, refused=tuple(self._refused), waiting=tuple(waiting))
                running[image.number] = chosen
            lacking = _lacking({number: self._valid(number, bool(slot)) for number, slot in running.items()})
            if lacking is None:
                return Booted(running, refused=tuple(self._refused), waiting=tuple(waiting))
            waiting.append(lacking)
            passed.add((lacking, running.pop(lacking)))

    def _choose(self, number: int, passed: set[tuple[int, int]]) -> int | None:
        """Return the slot to run an image from; what is not valid, or was tried in vain, is erased."""
        while True:
            headers = {
                slot: header
                for slot in (0, 1)
                if (number, slot) not in passed and (header := self._header(number, slot)) is not None
            }
            if not headers:
                return None
            slot = max(sorted(headers), key=lambda each: headers[each].version.release)
            area, header = self._slots[number, bool(slot)], headers[slot]
            passed.add((number, slot))
            if header.flags & ImageFlags.ROM_FIXED and header.load_address != area.offset:
                continue
            tried = self._layout.mode is UpdateMode.DIRECT_XIP_REVERT and not _may_try(area)
            if not tried and self._valid(number, bool(slot)) is not None:
                passed.discard((number, slot))
                return slot
            if tried or not header.flags & ImageFlags.NON_BOOTABLE:
                self._refused.append(number)
                area.erase(0, area.size)

    def _header(self, number: int, slot: int) -> Header | None:
        """Return the header of a slot if it is one of an image that fits."""
        area = self._slots.get((number, bool(slot)))
        header = area.header() if area is not None else None
        if area is None or header is None:
            return None
        return header if header.header_size + header.image_size + header.protected_size < area.size else None

    def _valid(self, number: int, secondary: bool) -> McubootImage | None:
        """Return the image of a slot if MCUboot would start or install it."""
        area, other = self._slots.get((number, secondary)), self._slots.get((number, not secondary))
        image = area.image() if area is not None else None
        if area is None or image is None or image.hash_ok is False:
            return None
        room = swap.room(area)
        if self._swaps and other is not None:
            room = swap.room_to_swap(other, area) if secondary else swap.room_to_swap(area, other)
        return None if image.header.flags & ImageFlags.NON_BOOTABLE or image.size > room else image


def _lacking(images: Mapping[int, McubootImage | None]) -> int | None:
    """Return the first image that depends on what the others are not, None where there is none."""
    for number, held in images.items():
        for dependency in held.dependencies if held else ():
            other = images.get(dependency.image)
            if other is None or other.version.release < dependency.minimum.release:
                return number
    return None


def _overwrite(primary: Area, secondary: Area, *, keep: bool = False) -> None:
    """Copy an image, and ``keep`` the copy. A cut lets it be done again, as the request is erased last.

    Source: ``boot_copy_image`` in ``loader.c``, as built with MCUBOOT_OVERWRITE_ONLY_FAST.
    """
    image = secondary.image()
    size = image.size if image else 0
    primary.erase(0, size)
    swap.erase_trailer(primary)
    primary.program(0, secondary.read(0, size))
    swap.set_magic(primary)
    if not keep:
        secondary.erase(0, secondary.sector)
    secondary.erase(secondary.size - secondary.sector, secondary.sector)


def _may_try(area: Area) -> bool:
    """Tell whether direct-XIP with revert starts an image: once without being confirmed, then never."""
    found = swap.trailer_of(area)
    if found.magic is not Magic.GOOD:
        return False
    if found.copy_done is Flag.SET:
        return found.image_ok is Flag.SET
    swap.set_copy_done(area)
    return True
