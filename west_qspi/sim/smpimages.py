"""The management group *image*, as Zephyr's mcumgr carries it out on the slots of a board.

Its traps are here too: with one updatable image the image number of an upload is not looked at; an erase
without a slot takes image 0's; any erase forgets an upload that is under way; and the primary slots of other
images than the running one cannot be confirmed, unless the application was built to allow it.

Source: Zephyr, ``subsys/mgmt/mcumgr/grp/img_mgmt/src`` (``img_mgmt.c``, ``img_mgmt_state.c``),
``subsys/dfu/boot/mcuboot.c``.
"""

from __future__ import annotations

from collections.abc import Callable

from west_qspi.build.model import UpdateMode
from west_qspi.sim import swap
from west_qspi.sim.board import Board
from west_qspi.sim.slots import FirmwareLayout
from west_qspi.sim.smp import IMAGE, READ, WRITE, Map, field
from west_qspi.sim.smpcodes import ImageCode, failing_as, refused
from west_qspi.sim.smpsettings import ServerSettings
from west_qspi.sim.smpstate import SlotStates
from west_qspi.sim.smpuploads import HASH_SIZE, Uploads
from west_qspi.trailer import Flag, Magic, Pending

STATE, UPLOAD, ERASE = 0, 1, 5  # commands


class ImageGroup:
    """The group's commands on one board from reset to reset; ``running`` has slots by image number."""

    def __init__(
        self, board: Board, layout: FirmwareLayout, settings: ServerSettings, running: dict[int, int]
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._slots = SlotStates(board, layout, settings, running)
        self._uploads = Uploads(self._slots, settings)

    @property
    def commands(self) -> dict[tuple[int, int, int], Callable[[Map], Map]]:
        """What is done for each operation, group and command."""
        known: dict[tuple[int, int, int], Callable[[Map], Map]] = {
            (READ, IMAGE, STATE): self.state,
            (WRITE, IMAGE, UPLOAD): self._uploads.take,
            (WRITE, IMAGE, ERASE): self.erase,
        }
        if self._layout.mode is not UpdateMode.DIRECT_XIP:
            known[WRITE, IMAGE, STATE] = self.mark
        return known

    # --- what there is ---

    def state(self, content: Map) -> Map:
        """Tell of the image in each slot. Raises nothing of its own."""
        del content
        return {"images": list(self._slots.entries()), "splitStatus": 0}

    # --- what shall run ---

    def mark(self, content: Map) -> Map:
        """Set an image for test, or confirm one. Raises Refused, PowerLost."""
        wanted = field(content, "hash", bytes, b"")
        confirm = field(content, "confirm", bool, False)
        if not wanted and not confirm:
            raise refused(ImageCode.INVALID_HASH)
        if wanted and len(wanted) != HASH_SIZE:
            raise refused(ImageCode.INVALID_HASH)
        index = self._slot_with(wanted) if wanted else self._slots.active(0)
        self._set_next(index, confirm)
        return self.state({})

    def _slot_with(self, digest: bytes) -> int:
        for index in range(2 * self._slots.count):
            image = self._slots.image(index)
            if image is not None and image.digest == digest:
                return index
        raise refused(ImageCode.HASH_NOT_FOUND)

    def _set_next(self, index: int, confirm: bool) -> None:
        number, place = divmod(index, 2)
        active, following = self._slots.active(number), self._slots.following(number)
        is_active = place == active
        if confirm and not is_active and not self._settings.confirm_other_slot:
            raise refused(ImageCode.IMAGE_CONFIRMATION_DENIED)
        if not confirm and is_active:
            raise refused(ImageCode.IMAGE_SETTING_TEST_TO_ACTIVE_DENIED)
        if self._layout.mode is not UpdateMode.DIRECT_XIP_REVERT:
            allowed = self._settings.confirm_secondary and not is_active
            if confirm and number != 0 and not self._settings.confirm_any and not allowed:
                raise refused(ImageCode.IMAGE_CONFIRMATION_DENIED)
            if following.kind is Pending.TEST:
                if confirm or place != following.slot:
                    raise refused(ImageCode.IMAGE_ALREADY_PENDING)
                return
            if confirm and place == following.slot:
                return
            swaps_already = following.kind is Pending.PERMANENT
            if (swaps_already and (is_active or not confirm)) or (
                following.kind is Pending.REVERT and not confirm
            ):
                raise refused(ImageCode.IMAGE_ALREADY_PENDING)
        self._write_next(index, is_active, confirm)

    def _write_next(self, index: int, active: bool, confirm: bool) -> None:
        """Write a trailer as ``boot_set_next`` does."""
        area = self._slots.area(index)
        if area is None:
            raise refused(ImageCode.INVALID_SLOT)
        found = swap.trailer_of(area)
        direct = self._layout.mode is UpdateMode.DIRECT_XIP_REVERT
        if found.magic is Magic.BAD:
            no_vectors = active and not direct
            raise refused(
                ImageCode.INVALID_IMAGE_VECTOR_TABLE if no_vectors else ImageCode.INVALID_IMAGE_HEADER_MAGIC
            )
        with failing_as(ImageCode.FLASH_WRITE_FAILED):
            if direct:
                swap.request_direct(area, confirmed=active or confirm)
            elif found.magic is Magic.UNSET:
                if not active:
                    number = index // 2 if self._slots.count > 1 else 0
                    swap.request(area, permanent=confirm, number=number)
            elif active and found.image_ok is Flag.UNSET:
                swap.set_image_ok(area)

    # --- what goes ---

    def erase(self, content: Map) -> Map:
        """Erase a slot, by default image 0's that does not run. Raises Refused, and what erasing raises."""
        index = field(content, "slot", int, 1 - self._slots.active(0))
        area = self._slots.area(index)
        if area is not None and self._slots.image(index) is not None and self._slots.in_use(index):
            raise refused(ImageCode.NO_FREE_SLOT)
        self._uploads.forget()
        if area is None:
            raise refused(ImageCode.INVALID_SLOT)
        if not area.blank:
            with failing_as(ImageCode.FLASH_ERASE_FAILED):
                area.erase(0, area.size)
        return {}
