"""nrfutil's configuration of external memory as a ``.json`` file.

Source: nrfutil's documentation, "Programming external memory": the fields, and which of them the QSPI needs.
``page_size`` there is the unit of erasing, ``pp_size`` the page of programming.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from typing import Any

from west_qspi.errors import ConfigurationError
from west_qspi.extflash.clock import SAFE, actual_clock, code_clocks, code_of
from west_qspi.extflash.fields import (
    U32,
    Choice,
    Field,
    Flag,
    KeyPath,
    Number,
    Word,
    entries_of,
    megahertz,
    read_fields,
    require,
    shown,
    write_fields,
)
from west_qspi.extflash.model import ExternalFlash, Kind, Pins
from west_qspi.extflash.nrfjprog import READS, WRITES
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.extflash.printable import plain
from west_qspi.soc import Soc

_TOOL = "nrfutil"
_COMMENT = "_comment"
_FASTEST = 96_000_000
_UNUSED = U32

_PIN_NAMES = tuple(item.name for item in dataclass_fields(Pins))
_QSPI_ONLY = frozenset({"pins.io2", "pins.io3", "read", "write"})
_IGNORED = frozenset({(_COMMENT,), *(("pins", f"io{number}") for number in range(4, 8))})

_FIELDS = (
    Field("peripheral", ("firmware_config", "peripheral"), Word("QSPI or SPIM0")),
    Field("compress", ("firmware_config", "compress"), Flag(), False),
    *(
        Field(f"pins.{name}", ("pins", name), Number(0, 63, _UNUSED), f"pins.{name}" not in _QSPI_ONLY)
        for name in _PIN_NAMES
    ),
    Field("size", ("flash_size",), Number(1, U32)),
    Field("frequency", ("sck_frequency",), Number(1, _FASTEST)),
    Field("address_bytes", ("address_mode",), Choice({"MODE24BIT": 3, "MODE32BIT": 4})),
    Field("read", ("readoc",), Choice(READS), False),
    Field("write", ("writeoc",), Choice(WRITES), False),
    Field("page", ("pp_size",), Choice({"PPSIZE256": 256, "PPSIZE512": 512}), False),
    Field("sck_delay", ("sck_delay",), Number(0, 255), False),
    Field("rx_delay", ("rx_delay",), Number(0, 7), False),
    Field("erase_unit", ("page_size",), Number(1, U32)),
)
KEYS = tuple(item.key for item in _FIELDS)
_QSPI_FIELDS = tuple(replace(item, needed=item.needed or item.fact in _QSPI_ONLY) for item in _FIELDS)

_HEAD = (
    "Tells nrfutil how to drive the external flash. Sizes are in bytes, the frequency is in Hz.",
    "'page_size' is the unit of erasing; a pin is its number + 32 * its port.",
    "On the nRF5340 the pins of the QSPI are fixed.",
)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:\n]|-?Infinity|NaN')
_LONGEST = 40
_HUGE = 1 << 200


def parse_json(text: str, path: str) -> ExternalFlash:
    """Read a ``.json`` file; ``path`` is its name. Raises ConfigurationError."""
    tree = _load(text, path)
    if not isinstance(tree, dict):
        raise ConfigurationError(path, 1, f"the file holds {shown(tree)}, where an object in braces belongs")
    found = entries_of(tree, _FIELDS, _key_lines(text, path), path)
    reading = read_fields({at: entry for at, entry in found if at not in _IGNORED}, _FIELDS)
    values = dict(reading.values)
    require(reading, _QSPI_FIELDS if values.get("peripheral") == "QSPI" else _FIELDS, path, 0, _TOOL)
    pins: dict[str, Any] = {name: values.pop(f"pins.{name}", None) for name in _PIN_NAMES}
    facts: dict[str, Any] = {**values, "pins": Pins(**pins)}
    return ExternalFlash(Kind.JSON, path, sources=reading.sources, unknown=reading.unknown, **facts)


def _load(text: str, path: str) -> object:
    try:
        return json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        what = f"{error.msg[:1].lower()}{error.msg[1:]}"
        raise ConfigurationError(path, error.lineno, f"not valid JSON: {what}") from None
    except RecursionError:
        raise ConfigurationError(path, 0, "not a programmer configuration: nested too deep") from None


def _integer(digits: str) -> int:
    # Python refuses numbers of some thousand digits without saying where they stand.
    return int(digits) if len(digits) <= _LONGEST else _HUGE


def _key_lines(text: str, path: str) -> Mapping[KeyPath, int]:
    """Return the line of each key of the two upper levels of a valid file.

    Raises ConfigurationError for what the parser lets through: a key that is given twice in one object, at
    any depth, and numbers that are none.
    """
    lines: dict[KeyPath, int] = {}
    # For each object or list around: its path where that matters, and the keys that were seen in it.
    around: list[tuple[KeyPath | None, dict[str, int]]] = []
    path_of_next: KeyPath | None = ()
    line, last = 1, ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line += 1
        elif token[0] == '"':
            last = token
        elif token in "{[":
            around.append((path_of_next if token == "{" else None, {}))
            path_of_next = None
        elif token in "}]":
            around.pop()
            path_of_next = None
        elif token == ":":
            here, seen = around[-1]
            key = json.loads(last)
            if key in seen:
                reason = f"{shown(key)} is given a second time, first in line {seen[key]}; leave one of them"
                raise ConfigurationError(path, line, reason)
            seen[key] = line
            path_of_next = (*here, key) if here is not None and len(here) < 2 else None
            if path_of_next:
                lines[path_of_next] = line
        else:
            raise ConfigurationError(path, line, f"{token} is not a number that JSON knows")
    return lines


def write_json(flash: ExternalFlash, soc: Soc, comments: bool) -> tuple[str, tuple[str, ...]]:
    """Return the text of a ``.json`` file, and what gets lost. Raises ValueError: see ``write_fields``."""
    frequency, changed = _clock(flash, soc)
    facts = {**flash.facts, **_pin_facts(flash.pins), "frequency": frequency}
    if frequency is None:
        del facts["frequency"]
    lost = (*changed, *_lost(flash))
    keys = list(write_fields(facts, _QSPI_FIELDS if flash.peripheral == "QSPI" else _FIELDS, _TOOL))
    tree: dict[str, Any] = {}
    if comments:
        tree[_COMMENT] = [*_HEAD, *_origins(keys, flash), *lost]
    for item, value in keys:
        table = tree
        for name in item.path[:-1]:
            table = table.setdefault(name, {})
        table[item.path[-1]] = value
    return json.dumps(tree, indent=2) + "\n", lost


def _clock(flash: ExternalFlash, soc: Soc) -> tuple[int | None, tuple[str, ...]]:
    """Return the frequency to write, and what is to be said of it."""
    if flash.frequency is None:
        return None, ()
    clock = actual_clock(flash, soc)
    if clock is None:
        bounded = min(flash.frequency, SAFE)
        refused = f"nrfjprog refuses {code_of(flash.frequency)} on the {soc.name}"
        return bounded, (f"{refused}: {megahertz(bounded)} stands in its place.",)
    if flash.peripheral not in (None, "QSPI"):
        return clock, ()
    # In between, the QSPI divides its way down to the next clock that it can make.
    slowest, fastest = (least_or_most(code_clocks(soc).values()) for least_or_most in (min, max))
    made = min(max(clock, slowest), fastest)
    if made == clock:
        return clock, ()
    bound = "least" if made == slowest else "most"
    becomes = f"The clock of {megahertz(clock)} becomes {megahertz(made)}"
    return made, (f"{becomes}, the {bound} that the QSPI of the {soc.name} can make.",)


def _pin_facts(pins: Pins | None) -> Mapping[str, object]:
    return {f"pins.{name}": getattr(pins, name) for name in _PIN_NAMES} if pins else {}


def _origins(keys: list[tuple[Field, object]], flash: ExternalFlash) -> Iterator[str]:
    """Yield where each value comes from; the pins in one line."""
    told = set()
    for item, _ in keys:
        key = "pins" if item.fact.startswith("pins.") else item.key
        if key not in told:
            yield plain(f"{key}: from {item.origin(flash)}")
        told.add(key)


def _lost(flash: ExternalFlash) -> Iterator[str]:
    if flash.instructions:
        sent = "; ".join(map(str, flash.instructions))
        yield f"The custom instructions ({sent}) are left out: what they do must be done already."
    if flash.address_bytes == 4 and flash.enter_4byte not in (None, FourByteEntry.NONE):
        command = flash.enter_4byte.value
        yield f"The chip must be in 4-byte address mode already ({command}): nrfutil has no way to enter it."
    if flash.spi_mode:
        yield f"SPI mode {flash.spi_mode} is left out: nrfutil has no key for it."
    if flash.wip_bit:
        yield f"The number of the busy bit ({flash.wip_bit}) is left out: nrfutil has no key for it."
    for name, high in (("IO2", flash.io2_high), ("IO3", flash.io3_high)):
        if high is not None:
            level = "high" if high else "low"
            yield f"The resting level of {name} ({level}) is left out: nrfutil has no key for it."
    if flash.retain_ram is not None:
        word = "yes" if flash.retain_ram else "no"
        yield f"Whether RAM is kept ({word}) is left out: nrfutil has no key for it."
