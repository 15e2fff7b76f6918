"""What nrfjprog's two formats, ``.ini`` and ``.toml``, have in common: the keys, the names, what gets lost.

Sources: QspiDefault.ini and config.toml of nrfjprog 10.24.2, and its release notes. That version refuses a
file that lacks a key (-176, CONFIG_PROPERTY_MISSING_ERROR), except ``RxDelay`` and the custom instructions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from west_qspi.extflash import opcodes as op
from west_qspi.extflash.clock import CODES, code_clocks, fastest_code
from west_qspi.extflash.fields import (
    U32,
    Choice,
    Field,
    Flag,
    KeyPath,
    Number,
    Reading,
    Rule,
    megahertz,
    write_fields,
)
from west_qspi.extflash.model import ExternalFlash, Instruction, Kind, Pins
from west_qspi.extflash.setup import data_lines
from west_qspi.soc import Soc

TOOL = "nrfjprog"
MOST_DATA = 8
"""The bytes that go out after the opcode of a custom instruction at most (CINSTRDAT0 and CINSTRDAT1)."""

READS: Mapping[str, object] = {
    name.upper(): name for name in ("fastread", "read2o", "read2io", "read4o", "read4io")
}
WRITES: Mapping[str, object] = {name.upper(): name for name in op.PROGRAMS}

_LEVELS = Choice({"LEVEL_HIGH": True, "LEVEL_LOW": False})
_FREQUENCIES: Mapping[str, int] = {code: int(code[1:]) * 1_000_000 for code in CODES}

# The name in ``Pins``, in .ini, in .toml.
_PINS: tuple[tuple[str, str, str], ...] = (
    ("csn", "CSN", "csn"),
    ("sck", "SCK", "sck"),
    ("io0", "DIO0", "dio0"),
    ("io1", "DIO1", "dio1"),
    ("io2", "DIO2", "dio2"),
    ("io3", "DIO3", "dio3"),
)
# In the order of nrfjprog's own .ini: the fact, the key in .ini, the key in .toml below [qspi], the rule.
_TABLE: tuple[tuple[str, str, str, Rule], ...] = (
    ("size", "MemSize", "mem_size", Number(0, U32)),
    ("read", "ReadMode", "read_mode", Choice(READS)),
    ("write", "WriteMode", "write_mode", Choice(WRITES)),
    ("address_bytes", "AddressMode", "address_mode", Choice({"BIT24": 3, "BIT32": 4})),
    ("frequency", "Frequency", "frequency", Choice(_FREQUENCIES)),
    ("spi_mode", "SpiMode", "spi_mode", Choice({"MODE0": 0, "MODE3": 3})),
    ("sck_delay", "SckDelay", "sck.delay", Number(0, 255)),
    ("rx_delay", "RxDelay", "rx_delay", Number(0, 7)),
    ("io2_high", "CustomInstructionIO2Level", "custom.io2_level", _LEVELS),
    ("io3_high", "CustomInstructionIO3Level", "custom.io3_level", _LEVELS),
    *(
        row
        for name, capitals, table in _PINS
        for row in (
            (f"pins.{name}.pin", f"{capitals}Pin", f"{table}.pin", Number(0, 31)),
            (f"pins.{name}.port", f"{capitals}Port", f"{table}.port", Number(0, 1)),
        )
    ),
    ("wip_bit", "WIPIndex", "wip_index", Number(0, 7)),
    ("page", "PPSize", "page_program_size", Choice({"PAGE256": 256, "PAGE512": 512})),
    ("retain_ram", "RetainRAM", "retain_ram", Flag(numbers=True)),
)

INI_FIELDS = tuple(Field(fact, (key,), rule, fact != "rx_delay") for fact, key, _, rule in _TABLE)
TOML_FIELDS = tuple(
    Field(fact, ("qspi", *key.split(".")), rule, fact != "rx_delay") for fact, _, key, rule in _TABLE
)

INI_INSTRUCTION = "InitializationCustomInstruction"
TOML_INSTRUCTIONS: KeyPath = ("qspi", "custom", "instructions")
INI_KEYS = (*(item.key for item in INI_FIELDS), INI_INSTRUCTION)
TOML_KEYS = (*(item.key for item in TOML_FIELDS), ".".join(TOML_INSTRUCTIONS))

HEAD = (
    "Tells nrfjprog how to drive the external flash on the QSPI. Sizes are in bytes.",
    "The custom instructions are sent, in their order, whenever nrfjprog starts the QSPI.",
    "The pins must be given, but are ignored on the nRF5340, where they are fixed.",
)

_MEANINGS: Mapping[int, str] = {
    op.WRITE_ENABLE: "write enable",
    op.WRITE_DISABLE: "write disable",
    op.WRITE_STATUS: (
        "write status register (non-volatile; after one run it may be commented out to spare the chip)"
    ),
    op.WRITE_STATUS_2: "write status register 2 (non-volatile as well)",
    op.WRITE_STATUS_2_ALTERNATIVE: "write status register 2 (non-volatile as well)",
    op.WRITE_STATUS_3: "write status register 3 (non-volatile as well)",
    op.ENTER_4_BYTE: "enter 4-byte address mode",
    op.EXIT_4_BYTE: "leave 4-byte address mode",
    op.WAKE: "wake from deep power-down",
    op.SLEEP: "go to deep power-down",
    op.RESET_ENABLE: "allow a reset",
    op.RESET: "reset",
}


def meaning(instruction: Instruction) -> str:
    """Say what a custom instruction does, as far as its opcode tells."""
    return _MEANINGS.get(instruction.opcode, "see the datasheet of the part")


def description(
    kind: Kind, path: str, reading: Reading, instructions: tuple[Instruction, ...]
) -> ExternalFlash:
    """Make the description of what a complete file says."""
    values = dict(reading.values)
    pins = {name: values.pop(f"pins.{name}.pin") + 32 * values.pop(f"pins.{name}.port") for name, *_ in _PINS}
    return ExternalFlash(
        kind,
        path,
        pins=Pins(**pins),
        instructions=instructions,
        sources=reading.sources,
        unknown=reading.unknown,
        **values,
    )


def contents(
    flash: ExternalFlash, fields: tuple[Field, ...], soc: Soc
) -> tuple[list[tuple[Field, object]], tuple[str, ...]]:
    """Return what each key holds for a description, and what gets lost.

    Raises ValueError for a chip that is not on the QSPI, and see ``write_fields``.
    """
    if flash.peripheral not in (None, "QSPI"):
        raise ValueError(f"the chip is on {flash.peripheral}; nrfjprog drives the QSPI only")
    facts = {**flash.facts, **_split_pins(flash.pins)}
    lost = list(_lost(flash))
    if flash.frequency is not None and not _is_nominal(flash):
        code = fastest_code(soc, flash.frequency)
        facts["frequency"] = _FREQUENCIES[code]
        clock = code_clocks(soc)[code]
        if clock != flash.frequency:
            wanted, made = megahertz(flash.frequency), megahertz(clock)
            lost.insert(0, f"The clock of {wanted} becomes {made}, which {code} makes on the {soc.name}.")
    return list(write_fields(facts, fields, TOOL)), tuple(lost)


def _is_nominal(flash: ExternalFlash) -> bool:
    return flash.kind in (Kind.INI, Kind.TOML) and flash.frequency in _FREQUENCIES.values()


def _split_pins(pins: Pins | None) -> Mapping[str, object]:
    split: dict[str, object] = {}
    for name, *_ in _PINS:
        pin = getattr(pins, name) if pins else None
        if pin is not None:
            split[f"pins.{name}.pin"], split[f"pins.{name}.port"] = pin % 32, pin // 32
    return split


def _lost(flash: ExternalFlash) -> Iterator[str]:
    """Yield what only nrfutil's format has a key for; what nrfjprog does anyway is not lost."""
    if flash.compress is not None:
        yield f"'compress' ({str(flash.compress).lower()}) is left out: nrfjprog has no such choice."
    if flash.erase_unit not in (None, 0x1000):
        yield f"The erase unit of {flash.erase_unit} bytes is left out: nrfjprog's files have no key for it."
    if flash.kind is Kind.JSON:
        wanted = ["AB (wakes the chip)"]
        if flash.address_bytes == 4:
            wanted.append("B7 (enters 4-byte address mode)")
        if data_lines(flash.read or "", flash.write or "") == 4:
            wanted.append("the one that enables quad mode")
        kinds = ", ".join(wanted)
        yield f"nrfutil's format has no instructions; 'qspi-config generate' writes what is missing: {kinds}."
