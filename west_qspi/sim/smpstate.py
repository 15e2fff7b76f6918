"""What mcumgr makes of the slots: what is in them, which run, and what the next boot is going to do.

Source: Zephyr, ``subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt_state.c`` (``img_mgmt_get_next_boot_slot``,
``img_mgmt_slot_in_use``, ``img_mgmt_state_read``), ``img_mgmt.c`` (``img_mgmt_active_slot``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from west_qspi.build.model import UpdateMode
from west_qspi.mcuboot import ImageFlags, McubootImage
from west_qspi.sim import swap
from west_qspi.sim.board import Board
from west_qspi.sim.slots import Area, FirmwareLayout
from west_qspi.sim.smp import Map
from west_qspi.sim.smpsettings import ServerSettings
from west_qspi.trailer import Flag, Magic, Pending, Trailer, pending


@dataclass(frozen=True)
class NextBoot:
    """What the next boot of one image is going to be: the slot (0 or 1), and for which reason."""

    slot: int
    kind: Pending


class SlotStates:
    """The slots of ``count`` images; slots are counted through, twice the image's number and one more.

    ``running`` has the slots (0 or 1) that were started, by image number.
    """

    def __init__(
        self, board: Board, layout: FirmwareLayout, settings: ServerSettings, running: dict[int, int]
    ) -> None:
        self.count = layout.count if settings.images is None else settings.images
        self._board = board
        self._layout = layout
        self._settings = settings
        self._running = running

    def entries(self) -> Iterator[Map]:
        """Yield what a client is told of each slot that holds an image."""
        for number in range(self.count):
            yield from self._of(number)

    def _of(self, number: int) -> Iterator[Map]:
        active, following = self.active(number), self.following(number)
        reverts = following.kind is Pending.REVERT
        for place in (0, 1):
            image = self.image(2 * number + place)
            if image is None or image.digest is None:
                continue
            other = place != active
            coming = other and following.slot == place
            entry: dict[str, Any] = {"image": number} if self.count > 1 else {}
            yield entry | {
                "slot": place,
                "version": _version(image),
                "hash": image.digest,
                "bootable": not image.header.flags & ImageFlags.NON_BOOTABLE,
                "pending": coming and not reverts,
                "confirmed": (coming and reverts) or (not other and not reverts),
                "active": not other,
                "permanent": coming and following.kind is Pending.PERMANENT,
            }

    def active(self, number: int) -> int:
        """Return which slot of an image (0 or 1) is taken for the one that runs."""
        if self.count == 1:
            return self._running.get(number, 0)
        # mcumgr takes the first slot for granted as soon as there are several images. Nordic's goes by the
        # application's own slot, for all of them.
        return self._running.get(0, 0) if self._settings.follows_slots else 0

    def following(self, number: int) -> NextBoot:
        """Say what the next boot does with an image."""
        active = self.active(number)
        if self._layout.mode in (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT):
            return self._next_direct(number, active)
        areas = [self.area(2 * number + place) for place in (0, 1)]
        trailers = [swap.trailer_of(area) if area else None for area in areas]
        kind = pending(trailers[0], trailers[1], swap=True)
        if kind in (Pending.NONE, Pending.RESUME):
            return NextBoot(active, Pending.NONE)
        return NextBoot(1 - active, kind)

    def _next_direct(self, number: int, active: int) -> NextBoot:
        mine, other = (self.image(2 * number + place) for place in (active, 1 - active))
        stay = NextBoot(active, Pending.NONE)
        if mine is None or other is None:
            return stay
        newer = other.version.release > mine.version.release
        if self._layout.mode is UpdateMode.DIRECT_XIP:
            return NextBoot(1 - active, Pending.PERMANENT) if newer else stay
        own, its = (self._trailer(2 * number + place) for place in (active, 1 - active))
        good = own.magic is Magic.GOOD and own.image_ok is not Flag.SET
        if good and own.copy_done is Flag.SET:
            return NextBoot(1 - active, Pending.REVERT)
        if newer and its.magic is Magic.GOOD:
            if its.image_ok is Flag.SET:
                return NextBoot(1 - active, Pending.PERMANENT)
            if its.copy_done is not Flag.SET:
                return NextBoot(1 - active, Pending.TEST)
        return stay

    def in_use(self, index: int) -> bool:
        """Tell whether a slot must not be erased: it runs, or is going to with the next boot."""
        number, place = divmod(index, 2)
        if self._layout.mode is not UpdateMode.DIRECT_XIP:
            following = self.following(number)
            if following.slot == place and following.kind is Pending.REVERT:
                return True
            marked = following.slot == place and following.kind is Pending.TEST
            if (marked or following.kind is Pending.PERMANENT) and not self._settings.erase_pending:
                return True
        return place == self.active(number)

    def area(self, index: int) -> Area | None:
        """Return a slot, None where there is none in flash."""
        place = self._layout.slot(index)
        return Area(self._board, place) if place is not None else None

    def image(self, index: int) -> McubootImage | None:
        """Return what a slot holds, whether or not its hash is right; None where that is no image."""
        area = self.area(index)
        return area.image() if area is not None else None

    def _trailer(self, index: int) -> Trailer:
        area = self.area(index)
        return swap.trailer_of(area) if area is not None else Trailer()


def _version(image: McubootImage) -> str:
    version = image.version
    text = f"{version.major}.{version.minor}.{version.revision}"
    return f"{text}.{version.build}" if version.build else text
