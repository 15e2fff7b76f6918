"""Sending one part: piece by piece, at the offsets that the device asks for, over a link that may break."""

from __future__ import annotations

from west_qspi.dfu.link import Device, Patience, Taken, persist, renew
from west_qspi.dfu.state import waiting
from west_qspi.dfu.updateset import Part
from west_qspi.errors import SmpLinkLost, SmpNotUnderstood
from west_qspi.events import Advanced, Finished, Listener, Operation, Started

# Lost links, and answers that go back or stay, until an upload gets further than it had been before.
_TRIES = 20


def send_part(
    device: Device, part: Part, listen: Listener, patience: Patience, *, is_new: bool = True
) -> None:
    """Upload one part, and go on after a lost link with what the device has of it.

    ``is_new`` tells that the device did not have it before: then it is complete once it is listed.

    Raises SmpLinkLost, SmpRefused, SmpNotUnderstood; the last also where the device says that it has got
    something else, or asks for the same piece over and over.
    """
    name, total = f"image {part.number}", len(part.data)
    listen(Started(Operation.UPLOAD, name, total))
    began = patience.clock()
    at, best, vain = 0, 0, 0
    lost_at: float | None = None
    while at < total:
        try:
            answer = device.take(part.number, part.data, at)
        except SmpLinkLost:
            if lost_at is None:
                # A port that is gone fails many times a second: until it is back, only time counts.
                lost_at, vain = patience.clock(), vain + 1
            if vain > _TRIES or patience.clock() - lost_at >= patience.wait:
                raise
            renew(device, patience)
            if is_new and at and _is_there(device, part, patience):
                break
            # The device says where to go on when it is told again what begins.
            at = 0
            continue
        _check(device, part, answer)
        lost_at = None
        if at and answer.offset != answer.end:
            # It has restarted, or another client uploads: only what begins an upload names the file, so that
            # no piece gets into another one.
            vain += 1
            at = 0
        elif answer.offset > best:
            at = best = answer.offset
            vain = 0
            listen(Advanced(Operation.UPLOAD, name, at))
        else:
            # The way back to where it was before it restarted may take many answers.
            vain += answer.offset == 0
            at = answer.offset
        if vain > _TRIES:
            text = (
                f"it asks for the piece at {answer.offset} again and again; perhaps another program uploads"
            )
            raise SmpNotUnderstood(device.name, f"the upload of {name}", text)
    listen(Finished(Operation.UPLOAD, name, total, patience.clock() - began))


def _check(device: Device, part: Part, answer: Taken) -> None:
    during = f"the upload of image {part.number}"
    if not 0 <= answer.offset <= len(part.data):
        text = f"it asks for the piece at {answer.offset} of {len(part.data)} bytes"
        raise SmpNotUnderstood(device.name, during, text)
    if answer.match is False:
        raise SmpNotUnderstood(device.name, during, "it says that what it has got is something else")


def _is_there(device: Device, part: Part, patience: Patience) -> bool:
    """Tell whether only the answer to the last piece was lost: a device forgets an upload that is complete.

    The hash comes at the end of the file, so that it is listed only when all of it is there.
    """
    images = persist(device, patience, device.images)
    other = waiting(images).get(part.number)
    return other is not None and other.digest == part.digest
