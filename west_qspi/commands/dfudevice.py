"""``qspi-dfu list``, ``upload`` and ``repair``: what has to do with a device over SMP."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from west_qspi.commands import Context, build_dir, build_dir_or_none, typed
from west_qspi.commands.dfuoptions import address_of
from west_qspi.console import Console
from west_qspi.dfu.link import Device, Patience, persist
from west_qspi.dfu.package import Package, read_package
from west_qspi.dfu.updateset import UpdateSet, set_of
from west_qspi.errors import (
    BrokenSet,
    NoSmpDevice,
    QspiError,
    SmpError,
    SmpLinkLost,
    UpdateStopped,
)
from west_qspi.events import Listener, Noticed

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.dfu.update import UpdateReport, Wish

Way = Callable[["Device", UpdateSet, "Wish", Listener, Patience], "UpdateReport"]

_SHA256 = 32


# --- what they share -------------------------------------------------------------------------------


@contextmanager
def _connected(args: argparse.Namespace) -> Iterator[Device]:
    """Connect to the device, and let it go in the end. Raises NoSmpDevice, UsageError, PackageMissing."""
    from west_qspi.dfu.device import SmpDevice
    from west_qspi.dfu.transport import SmpClientChannel

    device = SmpDevice(SmpClientChannel(address_of(args)), args.timeout)
    try:
        try:
            device.reconnect()
        except SmpLinkLost as error:
            raise NoSmpDevice(device.name, error.reason) from None
        yield device
    finally:
        device.close()


def _package_of(build: Build) -> Package:
    from west_qspi.dfu.pack import pack

    return pack(build, str(build.path))


def _sound(package: Package, build: Build | None, console: Console, *, tied: bool = False) -> UpdateSet:
    """Return the set in a package, ``tied`` if its images have to depend on each other. Raises BrokenSet."""
    from west_qspi.dfu.inspection import inspect
    from west_qspi.dfu.linked import linked_images, package_name
    from west_qspi.dfu.remark import REPACK, Level

    known = (linked_images(build), package_name(build)) if build is not None else ((), "")
    found = inspect(package, known[0], name=known[1], require_dependency=tied)
    for remark in found.remarks:
        text = f"{remark.file}: {remark.text}" if remark.file else remark.text
        if remark.level is Level.ERROR:
            raise BrokenSet(package.path, text, remark.advice or REPACK)
        if remark.level is Level.WARNING:
            console.listen(Noticed("package", text, warning=True))
    lacking = [part.file for part in found.parts if part.digest is None or len(part.digest) != _SHA256]
    if lacking:
        reason = f"{lacking[0]} has no SHA-256, by which a device is told what to boot"
        raise BrokenSet(package.path, reason, "Sign it with another kind of signature than a pure one.")
    return set_of(package)


def _wanted(args: argparse.Namespace, context: Context, console: Console) -> tuple[UpdateSet, Build | None]:
    """Return the set that is meant, and the build if there is one to say more of the device.

    A build that only happens to be near says nothing of a package.
    """
    from west_qspi.build.build import Build

    tied = getattr(args, "require_dependency", False)
    if args.package is None:
        build = Build.load(build_dir(args, context))
        return _sound(_package_of(build), build, console, tied=tied), build
    near = Build.load(build_dir(args, context)) if args.build_dir is not None else None
    return _sound(read_package(typed(args.package, context)), near, console, tied=tied), near


# --- the commands ----------------------------------------------------------------------------------


def _near(args: argparse.Namespace, context: Context, console: Console) -> Build | None:
    """Return the build that is named or in reach; one that nobody named and cannot be read is only noted."""
    try:
        return build_dir_or_none(args, context)[1]
    except QspiError as error:
        if args.build_dir is not None:
            raise
        console.listen(Noticed("no-build", f"the build in reach is of no use: {error}"))
        return None


def _whole(package: Package, build: Build | None, console: Console) -> UpdateSet | None:
    """Return the set in a package to hold a device against, None, with a warning, where it is none."""
    try:
        return _sound(package, build, console)
    except BrokenSet as error:
        text = f"what the device holds is not held against it: {error}"
        console.listen(Noticed("no-set", text, warning=True))
        return None


def run_list(args: argparse.Namespace, context: Context, console: Console) -> int:
    """Show what a device holds; return 1 where it does not fit together."""
    from west_qspi.dfu.state import judge
    from west_qspi.updateview import images_json, images_lines

    found: list[UpdateSet | None] = []
    if args.zip is not None:
        found.append(_whole(read_package(typed(args.zip, context)), None, console))
    build = _near(args, context, console)
    names = {}
    if build is not None:
        names = {(slot.number, int(slot.secondary)): slot.partition.name for slot in build.slots}
        try:
            found.append(_whole(_package_of(build), build, console))
        except QspiError:
            # A build that was only configured still has the partitions' names.
            if args.build_dir is not None and args.zip is None:
                raise
    known = [each for each in found if each is not None]
    with _connected(args) as device:
        images = persist(device, _patience(args), device.images)
        judged = judge(images, known)
        console.result(
            images_json(device.name, images, names, known, judged),
            images_lines(images, names, known, judged, console.style),
        )
    return 0 if judged.situation.sound else 1


def _patience(args: argparse.Namespace) -> Patience:
    return Patience(wait=args.wait)


def run_upload(args: argparse.Namespace, context: Context, console: Console) -> int:
    """Bring a set onto a device."""
    from west_qspi.dfu.update import update

    return _bring(args, context, console, update)


def run_repair(args: argparse.Namespace, context: Context, console: Console) -> int:
    """Bring a device to one set."""
    from west_qspi.dfu.repair import repair

    return _bring(args, context, console, repair)


def _stopped(device: Device, wanted: UpdateSet) -> UpdateStopped:
    """Say what a device holds when the user has stopped an update."""
    from west_qspi.dfu.state import UNHEARD, describe, judge, next_boot, running

    try:
        device.reconnect()
        images = device.images()
    except (SmpError, KeyboardInterrupt):
        # Who stops a second time does not want to wait for the answer.
        return UpdateStopped(device.name, UNHEARD, "nobody knows what is marked")
    changes = next_boot(images) != running(images)
    reason = "the next boot changes what runs" if changes else "the next boot changes nothing"
    found = judge(images, (wanted,)).situation
    if changes and not found.sound:
        reason = f"it is {found.value}, and must not restart before the same command has gone on"
    return UpdateStopped(device.name, describe(images, wanted), reason)


def _bring(args: argparse.Namespace, context: Context, console: Console, way: Way) -> int:
    from west_qspi.dfu.update import Outcome, Wish
    from west_qspi.updateview import report_json, report_lines

    wanted, build = _wanted(args, context, console)
    wish = Wish(args.reset, args.confirm, getattr(args, "again", False), mode=build.mode if build else None)
    with _connected(args) as device:
        try:
            report = way(device, wanted, wish, console.listen, _patience(args))
        except KeyboardInterrupt:
            raise _stopped(device, wanted) from None
        console.result(report_json(report), report_lines(report, console.style))
    # What was asked to be proven by a restart, and could not be, is no success.
    return 1 if report.outcome is Outcome.RESTARTED else 0
