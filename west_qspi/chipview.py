"""Descriptions of the external flash, findings and inspections, as text lines and as JSON values; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from west_qspi.extflash.compare import Difference, Level, differences
from west_qspi.extflash.lint import Finding
from west_qspi.extflash.model import FACTS, ExternalFlash
from west_qspi.extflash.words import fact_name, value_text
from west_qspi.render import Style, plain, table
from west_qspi.soc import Soc
from west_qspi.targets.inspection import Inspection

# What people look for first, however much the descriptions agree on it.
_ALWAYS = ("jedec_id", "size", "address_bytes")
_SILENT = "-"
_STYLES = {Level.ERROR: "bad", Level.WARNING: "warn", Level.NOTE: "dim"}


def side_by_side(
    descriptions: Sequence[ExternalFlash],
    soc: Soc | None,
    style: Style = plain,
    *,
    width: int | None = None,
    everything: bool = False,
) -> Iterator[str]:
    """Yield all descriptions as columns, then what differs from the first one and what that means.

    Facts that nothing differs in are left out unless ``everything`` is wanted. A table that would be wider
    than ``width`` columns becomes a list.
    """
    found = [{item.fact: item for item in differences(flash, descriptions[0], soc)} for flash in descriptions]
    said = [fact for fact in FACTS if any(getattr(flash, fact) is not None for flash in descriptions)]
    facts = [fact for fact in said if everything or _is_of_interest(fact, descriptions, found)]
    rows = []
    for fact in facts:
        cells = [fact_name(fact)]
        for flash, different in zip(descriptions, found, strict=True):
            mark = " *" if fact in different else ""
            cells.append((value_text(flash, fact, soc) or _SILENT) + mark)
        rows.append(cells)
    for number, flash in enumerate(descriptions, 1):
        yield f"[{number}] {flash.kind.value}: {flash.name}"
    yield ""
    numbers = [f"[{number}]" for number, _ in enumerate(descriptions, 1)]
    yield from _rows(numbers, rows, style, width)
    if len(facts) < len(said):
        left_out = len(said) - len(facts)
        yield style(
            "dim", f"{left_out} more {'fact' if left_out == 1 else 'facts'} without a difference: --all"
        )
    for number, (flash, different) in enumerate(zip(descriptions, found, strict=True), 1):
        if different:
            yield ""
            yield f"* [{number}] {flash.name} differs from [1]:"
            yield from _explained(flash, different.values(), style)


def _is_of_interest(
    fact: str, descriptions: Sequence[ExternalFlash], found: Sequence[Mapping[str, Difference]]
) -> bool:
    values = {getattr(flash, fact) for flash in descriptions} - {None}
    differs = any(fact in each for each in found)
    unlike_each_other = getattr(descriptions[0], fact) is None and len(values) > 1
    return fact in _ALWAYS or differs or unlike_each_other or len(descriptions) == 1


def _rows(
    numbers: Sequence[str], rows: Sequence[Sequence[str]], style: Style, width: int | None
) -> Iterator[str]:
    head = ("", *numbers)
    first, *body = table(head, rows, left=range(len(head)))
    if width is None or max(map(len, (first, *body))) <= width:
        yield style("dim", first)
        yield from body
        return
    for name, *cells in rows:
        yield name
        for cell in dict.fromkeys(cell for cell in cells if cell != _SILENT):
            said_by = (number for number, each in zip(numbers, cells, strict=True) if each == cell)
            yield f"  {' '.join(said_by)} {cell}"


def _explained(flash: ExternalFlash, items: Iterable[Difference], style: Style) -> Iterator[str]:
    for item in sorted(items, key=lambda item: list(Level).index(item.level)):
        level = style(_STYLES[item.level], f"{item.level.value}:")
        source = flash.source(item.fact)
        where = f" ({source})" if source.line else ""
        yield f"  {level} {fact_name(item.fact)} {item.found}, not {item.reference}: {item.text}{where}"


def descriptions_json(descriptions: Sequence[ExternalFlash], soc: Soc | None) -> dict[str, Any]:
    """Return all descriptions, with what differs from the first one."""
    return {
        "descriptions": [
            {
                "kind": flash.kind.value,
                "name": flash.name,
                "facts": {fact: _json_value(value) for fact, value in flash.facts.items()},
                "sources": {fact: str(source) for fact, source in flash.sources.items()},
            }
            for flash in descriptions
        ],
        "differences": [
            {
                "name": flash.name,
                "fact": item.fact,
                "level": item.level.value,
                "found": item.found,
                "reference": item.reference,
                "text": item.text,
            }
            for flash in descriptions[1:]
            for item in differences(flash, descriptions[0], soc)
        ],
    }


def _json_value(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return value if isinstance(value, (int, str, bool)) else str(value)


def finding_lines(findings: Sequence[Finding], style: Style = plain) -> Iterator[str]:
    """Yield findings as linters write them: place, rule, level, text, and what to do indented below."""
    for item in findings:
        place = f"{item.source.origin}:{item.source.line}:" if item.source.line else f"{item.source.origin}:"
        yield f"{place} {item.rule} {style(_STYLES[item.level], item.level.value)}: {item.text}"
        if item.advice:
            yield f"  {style('dim', 'fix:')} {item.advice}"


def finding_json(item: Finding) -> dict[str, Any]:
    """Return one finding."""
    return {
        "rule": item.rule,
        "level": item.level.value,
        "file": item.source.origin,
        "line": item.source.line,
        "key": item.source.key,
        "text": item.text,
        "advice": item.advice,
    }


def inspection_lines(found: Inspection) -> Iterator[str]:
    """Yield what a chip is, and the state that it is in."""
    name = found.part.name if found.part else "not in the table of parts"
    yield f"external flash  JEDEC id {found.jedec_id.hex(' ').upper()}: {name}"
    if found.size is not None:
        yield f"  size          {found.size:#x} ({found.size >> 20} MiB)"
    for register, value in found.registers:
        yield f"  {register:<13} {value:#04x}"
    if found.four_byte is not None:
        yield f"  address mode  {'4' if found.four_byte else '3'} bytes"
    if found.quad is not None:
        yield f"  quad mode     {'enabled' if found.quad else 'not enabled'}"
    yield f"  protection    {'some or all blocks are write-protected' if found.protected else 'none'}"


def inspection_json(found: Inspection) -> dict[str, Any]:
    """Return what a chip is, and the state that it is in."""
    return {
        "jedec_id": found.jedec_id.hex(),
        "part": found.part.name if found.part else None,
        "size": found.size,
        "registers": dict(found.registers),
        "four_byte": found.four_byte,
        "quad": found.quad,
        "write_protected": found.protected,
    }
