"""Partition Manager's results: ``partitions.yml``, ``regions.yml`` and ``pm.config``.

Source of the form: sdk-nrf ``scripts/partition_manager.py`` and ``partition_manager_output.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

from buildgen.layout import Area, Domain, Place


def pm_files(domain: Domain, suffix: str = "") -> dict[str, bytes]:
    """Return the three files of one core; ``suffix`` is that of their names, such as ``_CPUNET``."""
    return {
        f"partitions{suffix}.yml": _lines(_partitions(domain)),
        f"regions{suffix}.yml": _lines(_regions(domain)),
        f"pm{suffix}.config": "\n".join(_config(domain)).encode(),
    }


def _lines(lines: Iterator[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _partitions(domain: Domain) -> Iterator[str]:
    anchors = 0
    for place in sorted(domain.places, key=lambda place: place.name):
        yield f"{place.name}:"
        yield f"  address: {place.address:#x}"
        yield f"  end_address: {place.end:#x}"
        if place.span:
            anchors += 1
            yield f"  orig_span: &id{anchors:03}"
            yield from (f"  - {name}" for name in place.span)
        yield f"  region: {place.region}"
        yield f"  size: {place.size:#x}"
        if place.span:
            yield f"  span: *id{anchors:03}"


def _regions(domain: Domain) -> Iterator[str]:
    for area in sorted(domain.areas, key=lambda area: area.name):
        yield f"{area.name}:"
        yield f"  base_address: {area.base:#x}"
        yield f"  default_driver_kconfig: {_text(area.driver)}"
        yield f"  device: {_text(area.device)}"
        yield f"  dynamic_partition: {area.dynamic or 'null'}"
        yield f"  name: {area.name}"
        yield f"  placement_strategy: {area.strategy}"
        yield f"  size: {area.size:#x}"


def _text(text: str) -> str:
    return text or "''"


def _config(domain: Domain) -> Iterator[str]:
    areas = {area.name: area for area in domain.areas}
    ordered = sorted(sorted(domain.places, key=lambda place: place.name), key=lambda place: place.address)
    number = 0
    for place in ordered:
        area = areas[place.region]
        yield from _symbols(place, area)
        if area.device:
            upper = place.name.upper()
            yield f"PM_{upper}_ID={number}"
            yield f"PM_{place.name.lower()}_ID=PM_{upper}_ID"
            yield f"PM_{place.name.lower()}_IS_ENABLED=1"
            yield f"PM_{number}_LABEL={upper}"
            number += 1
        if place.span:
            yield f'PM_{place.name.upper()}_SPAN="{" ".join(place.span)}"'
    yield f"PM_NUM={number}"
    by_size = " ".join(place.name for place in sorted(ordered, key=lambda place: place.size))
    yield f'PM_ALL_BY_SIZE="{by_size}"'


def _symbols(place: Place, area: Area) -> Iterator[str]:
    values = {
        "OFFSET": hex(place.address - area.base),
        "ADDRESS": hex(place.address),
        "END_ADDRESS": hex(place.end),
        "SIZE": hex(place.size),
        "NAME": place.name,
    }
    for key, value in values.items():
        yield f"PM_{place.name.upper()}_{key}={value}"
