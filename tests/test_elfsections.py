"""Sections and symbols of linked programs: against a real linker and readelf, and against damaged files."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from buildgen.elf import ALLOC, EXECUTE, FUNCTION, OBJECT, WRITE, Label, Part, linked

from west_qspi.elfsections import Program, Symbol, parse_program, read_program
from west_qspi.errors import ElfError, FileUnreadable
from west_qspi.memory import Range

XIP = Range(0x1000_0000, 0x1000_0000)  # nRF5340 Product Specification, chapter "Memory"
CODE = Part("text", 0xC200, b"\x70\x47" * 8, ALLOC | EXECUTE)
FAR = Part(".extflash_text_reloc", 0x1012_0200, b"\x00\xbf" * 4, ALLOC | EXECUTE)
DATA = Part("datas", 0x2000_0000, b"\x01\x00\x00\x00\x02\x00\x00\x00", ALLOC | WRITE, load=0xC210)
BSS = Part("bss", 0x2000_0100, flags=ALLOC | WRITE, zeroed=0x40)
MAIN = Label("main", 0xC201, 4, FUNCTION, "text")
LOCAL = Label("helper", 0xC205, 4, FUNCTION, "text", "app.c")
DRAW = Label("draw", 0x1012_0201, 8, FUNCTION, ".extflash_text_reloc", "draw.c")
TABLE = Label("table", 0x2000_0000, 8, OBJECT, "datas")
WHOLE = linked([CODE, FAR, DATA, BSS], [MAIN, LOCAL, DRAW, TABLE])


def program(data: bytes = WHOLE) -> Program:
    return parse_program(data, "zephyr.elf")


def test_sections_are_where_the_linker_put_them() -> None:
    sections = {section.name: section for section in program().sections}
    far, data, bss = sections[".extflash_text_reloc"], sections["datas"], sections["bss"]
    assert far.range == Range(0x1012_0200, 8)
    assert (far.executable, far.writable, far.has_bytes) == (True, False, True)
    assert (data.executable, data.writable, data.allocated) == (False, True, True)
    assert (bss.has_bytes, bss.size) == (False, 0x40)
    assert not sections[".strtab"].allocated


def test_a_section_is_programmed_where_its_segment_says() -> None:
    found = program()
    places = {section.name: found.loaded_at(section) for section in found.sections if section.allocated}
    assert places == {"text": 0xC200, ".extflash_text_reloc": 0x1012_0200, "datas": 0xC210, "bss": None}
    assert [segment.loaded for segment in found.segments][-1] == Range(0xC210, 8)


def test_a_local_symbol_tells_its_source_file_and_a_global_one_does_not() -> None:
    found = program()
    assert found.symbol("helper") == Symbol("helper", 0xC205, 4, FUNCTION, 1, "app.c")
    assert found.symbol("main") == Symbol("main", 0xC201, 4, FUNCTION, 1, "")
    assert found.symbol("app.c") is None
    assert found.symbol("absent") is None


def test_functions_are_found_by_even_and_odd_pointers() -> None:
    found = program()
    assert found.function(0x1012_0201) == found.function(0x1012_0200) == found.symbol("draw")
    assert found.function(0x1012_0202) is None
    assert found.function(0x2000_0000) is None  # a variable
    assert [symbol.name for symbol in found.functions(XIP)] == ["draw"]


def test_words_are_read_at_the_addresses_of_the_running_program() -> None:
    found = program()
    assert found.words(0x2000_0000, 2) == (1, 2)
    assert found.words(0x2000_0004, 1) == (2,)
    # Past the end of the section, in zeroed memory, and nowhere.
    assert found.words(0x2000_0004, 2) == found.words(0x2000_0100, 1) == found.words(0x5000_0000, 1) == ()


def test_a_file_is_read_in_parts_and_as_a_whole_alike(tmp_path: Path) -> None:
    path = tmp_path / "zephyr.elf"
    path.write_bytes(WHOLE)
    found = read_program(path)
    assert (found.sections, found.symbols) == (program().sections, program().symbols)
    path.unlink()
    with pytest.raises(FileUnreadable):
        found.words(0xC200, 1)
    with pytest.raises(FileUnreadable):
        read_program(path)


def test_a_program_without_symbols_has_none() -> None:
    assert program(linked([CODE])).symbols == ()


SOURCE = """
int counter = 5; int zeroed[64]; static volatile int hidden = 7;
static int helper(int x) { return x + hidden; }
__attribute__((section(".extflash_text_reloc"))) int draw(int x) { return helper(x) * 3; }
void *const table[] __attribute__((section("initlevel"))) = { draw, 0 };
void _start(void) { counter = draw(counter) + zeroed[3]; }
"""
SCRIPT = """
SECTIONS {
  text 0xc200 : { *(.text*) }
  initlevel : { __init_start = .; KEEP(*(initlevel)) __init_end = .; }
  .extflash_text_reloc 0x10120200 : { *(.extflash_text_reloc) }
  datas 0x20000000 : AT(0x10000) { *(.data*) }
  bss (NOLOAD) : { *(.bss*) }
  /DISCARD/ : { *(.note*) *(.comment) *(.eh_frame*) *(.got*) *(.rel*) }
}
"""


@pytest.fixture(scope="module")
def of_a_linker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what GCC and GNU ld make of a source for 32 bits, with ARM's machine number put in."""
    folder = tmp_path_factory.mktemp("linker")
    if not (shutil.which("gcc") and shutil.which("readelf")):
        pytest.skip("there is no gcc, or no readelf")
    (folder / "app.c").write_text(SOURCE, encoding="utf-8")
    (folder / "app.ld").write_text(SCRIPT, encoding="utf-8")
    options = "-m32 -O1 -fno-pic -no-pie -fno-inline -nostdlib -static -Wl,--build-id=none -Wl,-T,app.ld"
    done = subprocess.run(
        ["gcc", *options.split(), "app.c", "-o", "app.elf"], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"this gcc does not make 32-bit programs: {done.stderr[:200]}")
    data = bytearray((folder / "app.elf").read_bytes())
    data[18:20] = (40).to_bytes(2, "little")  # e_machine: EM_386 to EM_ARM
    (folder / "app.elf").write_bytes(data)
    return folder / "app.elf"


def of_readelf(option: str, path: Path) -> list[str]:
    done = subprocess.run(["readelf", option, "-W", path], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_sections_are_those_that_readelf_lists(of_a_linker: Path) -> None:
    listed = []
    for line in of_readelf("-S", of_a_linker):
        found = re.match(r"\s+\[ *[1-9]\d*\] (\S+)\s+\S+\s+(\w+) (\w+) (\w+) \w\w\s+([A-Z]*) ", line)
        if found:
            name, address, offset, size, flags = found.groups()
            listed.append((name, int(address, 16), int(offset, 16), int(size, 16), set(flags) & set("WAX")))
    ours = [
        (
            section.name,
            section.address,
            section.offset,
            section.size,
            {
                letter
                for letter, on in (
                    ("W", section.writable),
                    ("A", section.allocated),
                    ("X", section.executable),
                )
                if on
            },
        )
        for section in read_program(of_a_linker).sections
    ]
    assert len(listed) > 5
    assert ours == listed


def test_symbols_are_those_that_readelf_lists(of_a_linker: Path) -> None:
    kinds = {"NOTYPE": 0, "OBJECT": 1, "FUNC": 2, "SECTION": 3}
    listed = []
    for line in of_readelf("-s", of_a_linker):
        found = re.match(r"\s+[1-9]\d*: (\w+) +(\d+) (\w+) +(\w+) +\w+ +(\w+) ?(.*)", line)
        if found and found[3] != "FILE":
            value, size, kind, _, _, name = found.groups()
            # Of a section's symbol, readelf shows the name of the section.
            listed.append((int(value, 16), int(size), kinds[kind], "" if kind == "SECTION" else name))
    found_here = read_program(of_a_linker)
    assert len(listed) >= 8
    assert [(each.value, each.size, each.kind, each.name) for each in found_here.symbols] == listed
    hidden = found_here.symbol("hidden")
    assert hidden is not None
    assert hidden.file == "app.c"


def test_words_and_load_addresses_are_those_of_the_linker(of_a_linker: Path) -> None:
    found = read_program(of_a_linker)
    start, draw = found.symbol("__init_start"), found.symbol("draw")
    assert start is not None
    assert draw is not None
    assert draw.value == 0x1012_0200
    assert found.words(start.value, 2) == (0x1012_0200, 0)
    counter = found.symbol("counter")
    assert counter is not None
    assert found.words(counter.value, 1) == (5,)
    datas = next(section for section in found.sections if section.name == "datas")
    assert found.loaded_at(datas) == 0x10000  # AT(0x10000) in the script


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the ELF header is cut off: 0 of 52 bytes"),
        (b":10" + bytes(60), "this is no ELF file"),
        (WHOLE[:-1], "lie past the end of the file"),
        (WHOLE[:18] + b"\xf3\x00" + WHOLE[20:], "for machine 243, not for ARM"),
        (WHOLE[:46] + b"\x00\x01" + WHOLE[48:], "section headers are 256 bytes each, not 40"),
        (WHOLE[:48] + b"\x00\x00" + WHOLE[50:], "more than 65279 sections"),
        (WHOLE[:50] + b"\x01\x00" + WHOLE[52:], "section 1 should hold names"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_said_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ElfError) as caught:
        program(data)
    assert reason in caught.value.reason


def test_no_damage_of_a_file_gives_anything_but_a_program_or_a_typed_error() -> None:
    rng = random.Random(20261121)
    refused = 0
    for _ in range(6000):
        data = bytearray(WHOLE)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randrange(1, 4)):
            if data:
                # The headers at both ends are what decides.
                at = rng.choice((rng.randrange(len(data)), rng.randrange(min(len(data), 64)), -1))
                at = at if at >= 0 else max(0, len(data) - 1 - rng.randrange(400))
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        try:
            found = program(bytes(data))
            found.symbol("main")
            found.words(0xC200, 4)
            list(found.functions(XIP))
            [found.loaded_at(section) for section in found.sections]
        except ElfError:
            refused += 1
    # Most damage is to bytes that nothing here depends on.
    assert 1000 < refused < 5500


def test_fifty_thousand_symbols_take_less_than_a_blink() -> None:
    labels = [
        Label(f"function_{n:05}", 0x1_0001 + 4 * n, 4, FUNCTION, "text", "big.c") for n in range(50_000)
    ]
    found = program(linked([Part("text", 0x1_0000, bytes(200_000), ALLOC | EXECUTE)], labels))
    start = time.process_time()
    assert len(found.symbols) == 50_000
    # About 60 ms on a slow machine; the bound only keeps it from growing with the square of their number.
    assert time.process_time() - start < 2
