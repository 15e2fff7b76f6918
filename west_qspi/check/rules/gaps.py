"""QX113: static partitions between which Partition Manager finds no place, or more than one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

from west_qspi.check.model import Severity, Spot
from west_qspi.check.parse.pmfile import PmEntry
from west_qspi.check.rule import DEVZONE, Hit, rule
from west_qspi.check.variant import EXTERNAL, SECTOR, Variant
from west_qspi.memory import MemoryKind

_INTERNAL = "flash_primary"


@rule("QX113", "external-static-gaps", Severity.ERROR, f"{DEVZONE}85987/")
def external_static_gaps(variant: Variant) -> Iterator[Hit]:
    """Static partitions leave gaps between them, where Partition Manager allows one at a certain place.

    In external flash what is free has to be at the end: "Statically defined partitions are not packed at
    start of region 'external_flash'". In internal flash there has to be one gap, app not counted, which is
    where the application goes: "Incorrect amount of gaps found in static configuration".

    Fix: fill each gap with an entry, such as EMPTY_0, or move what is behind it.

    Bad:
        mcuboot_secondary: {address: 0x0, size: 0xd4000, region: external_flash}
        mcuboot_primary_1: {address: 0x120000, size: 0x40000, region: external_flash}
    Good:
        mcuboot_secondary: {address: 0x0, size: 0xd4000, region: external_flash}
        EMPTY_0: {address: 0xd4000, size: 0x4c000, region: external_flash}
        mcuboot_primary_1: {address: 0x120000, size: 0x40000, region: external_flash}
    """
    if variant.pm is None or variant.sysbuild.on("SB_CONFIG_PARTITION_MANAGER") is False:
        return
    if not variant.app.number("CONFIG_PM_EXTERNAL_FLASH_BASE"):
        yield from _external(variant, variant.pm.within(EXTERNAL))
    # What has a span groups others, and app is what fills the gap, whatever is written.
    own = [
        entry for entry in variant.pm.within(_INTERNAL) if "span" not in entry.keys and entry.name != "app"
    ]
    yield from _internal(variant, own)


def _external(variant: Variant, entries: tuple[PmEntry, ...]) -> Iterator[Hit]:
    end = max((entry.end or 0 for entry in entries), default=0)
    size = variant.chip.size if variant.chip else None
    too_large = end > (size or variant.xip_base or 0x1000_0000)  # QX103, QX129
    if not end or too_large or not _whole(entries):
        return
    # Without the chip's size, only what is wrong both with and without a free rest is wrong.
    sizes = [size] if size else [end, end + SECTOR]
    wrong = [gaps for each in sizes if (gaps := _gaps(entries, each)) and not _is_rest(gaps, each)]
    if len(wrong) == len(sizes):
        inner = [gap for gap in wrong[0] if gap[1] <= end]
        yield from _hits(variant, entries, inner, "external flash, and what is free has to be at the end")


def _internal(variant: Variant, entries: list[PmEntry]) -> Iterator[Hit]:
    kinds = variant.soc.internal if variant.soc else ()
    size = next((memory.size for memory in kinds if memory.kind is MemoryKind.APPLICATION), None)
    end = max((entry.end or 0 for entry in entries), default=0)
    if size is None or not end or not _whole(entries) or end > size:
        return
    # A file for all boards may be meant for one with less flash than this one, of a kit's, has.
    if variant.pm and variant.pm.path.name == "pm_static.yml" and len(_gaps(entries, end)) == 1:
        return
    gaps = _gaps(entries, size)
    if not gaps:
        text = "internal flash is filled without the application, which goes where nothing else is"
        yield Hit(*_over_app(variant, entries, text))
    if len(gaps) > 1:
        why = "internal flash, and only one gap may be there, for the application"
        yield from _hits(variant, entries, _lesser(variant, gaps), why)


def _over_app(variant: Variant, entries: list[PmEntry], text: str) -> tuple[Spot, str, str]:
    """Return what is wrong where nothing is left: most often a slot that does not say what it groups."""
    app = variant.entry("app")
    at = app.address if app else None
    over = [each for each in entries if at is not None and (each.address or 0) <= at < (each.end or 0)]
    slot = next((each for each in over if each.name == "mcuboot_primary"), None)
    if slot is not None:
        return slot.spot, text, "Write span: [mcuboot_pad, app] for 'mcuboot_primary'."
    return (over or entries)[0].spot, text, "Remove what lies where 'app' is to be."


def _lesser(variant: Variant, gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the gaps but the one where the application is, or that is the largest."""
    app = variant.entry("app")
    at = app.address if app and app.address is not None else -1
    chosen = next((gap for gap in gaps if gap[0] <= at < gap[1]), max(gaps, key=lambda gap: gap[1] - gap[0]))
    return [gap for gap in gaps if gap != chosen]


def _gaps(entries: Iterable[PmEntry], size: int) -> list[tuple[int, int]]:
    """Return what Partition Manager takes for gaps: ends where nothing begins, and beginnings behind them.

    Source: sdk-nrf, ``scripts/partition_manager.py``, ``verify_static_conf_simple`` and
    ``get_dynamic_area_start_and_size``: partitions that overlap can hide a gap there, and so here.
    """
    entries = list(entries)
    starts = {size, *(entry.address or 0 for entry in entries)}
    ends = {0, *(entry.end or 0 for entry in entries)}
    return list(zip(sorted(ends - starts), sorted(starts - ends), strict=False))


def _is_rest(gaps: list[tuple[int, int]], size: int) -> bool:
    return len(gaps) == 1 and gaps[0][1] == size


def _whole(entries: Iterable[PmEntry]) -> bool:
    return all(entry.end is not None for entry in entries)


def _hits(
    variant: Variant, entries: Iterable[PmEntry], gaps: Iterable[tuple[int, int]], why: str
) -> Iterator[Hit]:
    """Yield each gap at the partition behind it, or the last one, with a name for what fills it."""
    entries = list(entries)
    behind = {entry.address: entry.at("address") for entry in reversed(entries)}
    names = {entry.name for entry in variant.pm.entries} if variant.pm else set()
    last = max(entries, key=lambda entry: entry.end or 0)
    fillers = (name for number in count() if (name := f"EMPTY_{number}") not in names)
    for start, stop in gaps:
        if stop < start:
            continue  # partitions that overlap, which QX102 tells in better words
        filler = f"Add '{next(fillers)}' with address {start:#x} and size {stop - start:#x}"
        fix = f"{filler}, or move what is around it."
        spot = behind.get(stop, last.at("size"))
        yield Hit(spot, f"nothing is at {start:#x}-{stop:#x} of {why}", fix)
