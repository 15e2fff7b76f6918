"""What is told of linked programs: of made builds, and of tables made word by word."""

from __future__ import annotations

import random
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from buildgen import BuildOptions
from buildgen.elf import ALLOC, EXECUTE, FUNCTION, OBJECT, Label, Part, linked

from tests.helpers.boards import build_of
from west_qspi.build.build import Build
from west_qspi.build.linked import handlers, inits, linked_program, vectors
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Severity
from west_qspi.check.parse.cmake import parse_cmake
from west_qspi.check.relocation import relocations
from west_qspi.check.settings import Settings
from west_qspi.elfsections import Program, parse_program
from west_qspi.errors import ElfError
from west_qspi.hexfile import loads

WITH_ELF = BuildOptions(internal_size=0x800, external_size=0x400, network_size=0x400, elf=True)


def program_of(**options: object) -> Program:
    found = linked_program(build_of(replace(WITH_ELF, **options)).application)  # type: ignore[arg-type]
    assert found is not None
    return found


# --- made builds -------------------------------------------------------------------------------------


def test_what_is_called_at_start_is_found_in_order_of_the_levels() -> None:
    found = [(call.level, call.name) for call in inits(program_of())]
    assert found == [
        ("PRE_KERNEL_1", "clk_init"),
        ("PRE_KERNEL_2", "sys_clock_driver_init"),
        ("POST_KERNEL", "sensor_bus_init"),
        ("POST_KERNEL", "qspi_nor_init"),
        ("POST_KERNEL", "nrf_flash_init"),
        ("POST_KERNEL", "display_init"),
        ("APPLICATION", "ui_init"),
    ]


def test_vectors_and_handlers_are_found_with_the_handler_behind_the_one_of_nrfx() -> None:
    program = program_of()
    assert {call.name for call in vectors(program) if call.name in ("z_arm_reset", "_isr_wrapper")}
    names = {"nrfx_qspi_irq_handler", "nrfx_isr", "button_isr", "z_irq_spurious"}
    assert {call.name for call in handlers(program)} == names


def test_the_program_of_a_build_holds_the_bytes_that_are_flashed() -> None:
    build = build_of(WITH_ELF)
    program = linked_program(build.application)
    assert program is not None
    flashed = loads(build.application.hex_file.read_bytes())
    starts = sorted(segment.physical for segment in program.segments)
    assert [segment.start for segment in flashed.segments] == [starts[0], starts[-1]]
    reset = program.words(starts[0], 2)[1]
    assert flashed.segments[0].data[4:8] == struct.pack("<I", reset)
    function = program.function(reset)
    assert function is not None
    assert function.name == "z_arm_reset"


def test_a_build_without_linked_programs_tells_nothing(tmp_path: Path) -> None:
    build = build_of(replace(WITH_ELF, elf=False))
    assert linked_program(build.application) is None
    copy = tmp_path / "build"
    shutil.copytree(build_of(WITH_ELF).path, copy)
    (copy / "watch_app" / "zephyr" / "zephyr.elf").unlink()
    assert linked_program(Build.load(copy).application) is None


# --- tables word by word -----------------------------------------------------------------------------


def with_inits(entries: bytes, *more: Part) -> Program:
    """Return a program with one level, whose functions f and g are at 0x101 and, far away, 0x10120201."""
    parts = [
        Part("text", 0x100, bytes(16), ALLOC | EXECUTE),
        Part(".extflash_text_reloc", 0x1012_0200, bytes(16), ALLOC | EXECUTE),
        Part("initlevel", 0x200, entries),
        *more,
    ]
    labels = [
        Label("f", 0x101, 4, FUNCTION, "text"),
        Label("g", 0x1012_0201, 4, FUNCTION, ".extflash_text_reloc"),
        Label("__init_POST_KERNEL_start", 0x200, part="initlevel"),
        Label("__init_end", 0x200 + len(entries), part="initlevel"),
        Label("_sw_isr_table", 0x200, len(entries), OBJECT, "initlevel"),
    ]
    return parse_program(linked(parts, labels), "zephyr.elf")


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def test_an_entry_with_a_function_and_a_device_calls_the_function() -> None:
    # Zephyr before 4.1: the entry of a device has both. What lies behind its sixth word is something else.
    device = Part("devices", 0x300, words(0, 0, 0, 0, 0, 0x1012_0201))
    found = inits(with_inits(words(0x101, 0x300), device))
    assert [(call.level, call.name) for call in found] == [("POST_KERNEL", "f")]


def test_an_entry_without_a_function_calls_the_devices_own() -> None:
    device = Part("devices", 0x300, words(0, 0, 0, 0, 0, 0x1012_0201))
    assert [call.name for call in inits(with_inits(words(0, 0x300), device))] == ["g"]


@pytest.mark.parametrize("sixth", [0, 0x1012_0200, 0x1012_0203], ids=["none", "data", "no function"])
def test_a_device_whose_sixth_word_is_no_function_is_not_called(sixth: int) -> None:
    device = Part("devices", 0x300, words(0, 0, 0, 0, 0, sixth))
    assert inits(with_inits(words(0, 0x300), device)) == ()


def test_pointers_that_lead_nowhere_end_nothing() -> None:
    found = inits(with_inits(words(0, 0xFFFF_FFF0, 0x501, 0)))
    assert [(call.name, call.address) for call in found] == [("0x00000500", 0x500)]
    # An even word is no function's pointer, even where a function is.
    calls = handlers(with_inits(words(0x1012_0200, 0x101, 0xFFFF_FFFF, 0)))
    assert [call.name for call in calls] == ["f"]


def test_a_program_that_is_not_zephyrs_has_no_tables() -> None:
    program = parse_program(
        linked([Part("text", 0, bytes(64))], [Label("main", 1, 4, FUNCTION, "text")]), "x"
    )
    assert inits(program) == vectors(program) == handlers(program) == ()


def test_no_damage_of_a_program_gives_anything_but_tables_or_a_typed_error() -> None:
    whole = (build_of(WITH_ELF).application.directory / "zephyr" / "zephyr.elf").read_bytes()
    rng = random.Random(504)
    read = 0
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            # The symbols and the headers of sections are the last 2500 bytes.
            at = rng.choice((rng.randrange(len(data)), len(data) - 1 - rng.randrange(2500)))
            data[at] = rng.choice((0, 1, 0x80, 0xFF, rng.randrange(256)))
        try:
            program = parse_program(bytes(data), "zephyr.elf")
            inits(program), vectors(program), handlers(program)
            read += 1
        except ElfError:
            continue
    assert read > 200


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_rules_pass_over_a_program_that_cannot_be_read(tmp_path: Path, damage: str) -> None:
    copy = tmp_path / "build"
    shutil.copytree(build_of(replace(WITH_ELF, relocated=("button_isr",))).path, copy)
    path = copy / "watch_app" / "zephyr" / "zephyr.elf"
    whole = path.read_bytes()
    rules = {finding.rule for finding in check_sources([], Settings(), Build.load(copy)).findings}
    assert "QX504" in rules
    path.write_bytes({"cut": whole[:-1], "text": b"version https://git-lfs\n" * 9, "empty": b""}[damage])
    rules = {finding.rule for finding in check_sources([], Settings(), Build.load(copy)).findings}
    assert not rules & {"QX504", "QX505", "QX506", "QX507", "QX515", "QX516", "QX212"}
    assert "QX001" in rules


def test_a_program_that_was_stripped_is_told_and_not_called_broken(tmp_path: Path) -> None:
    copy = tmp_path / "build"
    shutil.copytree(build_of(WITH_ELF).path, copy)
    path = copy / "watch_app" / "zephyr" / "zephyr.elf"
    path.write_bytes(linked([Part("text", 0, bytes(64), ALLOC | EXECUTE)], []))
    (found,) = check_sources([], Settings(), Build.load(copy)).findings
    assert (found.rule, found.severity, found.spot.path) == ("QX003", Severity.NOTE, path)
    assert "no symbols" in found.text


# --- what sources relocate ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("FILES src/a.c src/b.c LOCATION EXTFLASH_TEXT NOCOPY", ("src/a.c src/b.c", {"TEXT"}, False)),
        ("LIBRARY kernel LOCATION EXTFLASH_TEXT_RODATA", ("library kernel", {"TEXT", "RODATA"}, True)),
        ("LOCATION EXTFLASH NOCOPY LIBRARY app", ("library app", None, False)),
    ],
)
def test_relocations_to_external_flash_are_read(
    arguments: str, expected: tuple[str, set[str] | None, bool]
) -> None:
    (found,) = relocations(parse_cmake(f"zephyr_code_relocate({arguments})", Path("CMakeLists.txt")))
    what, kinds, copied = expected
    every = {"TEXT", "RODATA", "DATA", "BSS", "NOINIT", "LITERAL"}  # gen_relocate_app.py, SectionKind
    assert (found.what, set(found.kinds), found.copied) == (what, kinds or every, copied)


@pytest.mark.parametrize(
    "text",
    [
        "zephyr_code_relocate(FILES src/a.c LOCATION RAM_DATA)",
        "zephyr_code_relocate(FILES src/a.c LOCATION EXTFLASH2)",
        "zephyr_code_relocate(FILES src/a.c LOCATION)",
        "target_sources(app PRIVATE LOCATION EXTFLASH)",
    ],
)
def test_what_goes_elsewhere_is_no_relocation(text: str) -> None:
    assert list(relocations(parse_cmake(text, Path("CMakeLists.txt")))) == []
