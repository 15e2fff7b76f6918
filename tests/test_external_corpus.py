"""Real devicetrees and programmer configurations: what is read is what is written, in every format."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.corpus import corpus
from west_qspi.build.devicetree import external_flash
from west_qspi.build.dts import read_dts
from west_qspi.build.model import FlashNode
from west_qspi.extflash.clock import SAFE, actual_clock
from west_qspi.extflash.configfile import Format, Written, parse_config, read_config, write_config
from west_qspi.extflash.derive import completed, derive
from west_qspi.extflash.described import from_devicetree
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.extflash.parts import part_by_id
from west_qspi.soc import NRF5340, NRF52840, SOCS, Soc

Record = Callable[[str, object], None]

FORMAT_OF = {Kind.INI: Format.INI, Kind.TOML: Format.TOML, Kind.JSON: Format.JSON}
# What all three formats have a key for; the clock has one too, but with other values.
COMMON = ("size", "address_bytes", "read", "write", "page", "sck_delay", "rx_delay", "pins")
NODE = re.compile(r'\{([^{}]*compatible = "nordic,qspi-nor";[^{}]*)')


@pytest.fixture(scope="module")
def root() -> Path:
    return corpus()


def written(flash: ExternalFlash, format: Format, soc: Soc) -> tuple[ExternalFlash, Written]:
    """Return what is read from what is written, and what was said of it."""
    text = write_config(flash, format, soc)
    bare = parse_config(write_config(flash, format, soc, comments=False).text, "file", format)
    found = parse_config(text.text, "file", format)
    assert found == bare, "comments change nothing"
    assert found.unknown == ()
    return found, text


def same_clock(found: ExternalFlash, wanted: ExternalFlash, soc: Soc, said: Written) -> None:
    """See that the clock is the one that was wanted, or else slower, and spoken of."""
    made, asked = actual_clock(found, soc), actual_clock(wanted, soc)
    assert made is not None
    if made != asked:
        assert asked is None or made < asked
        assert any("MHz" in sentence for sentence in said.lost)


# --- devicetrees -----------------------------------------------------------------------------------


def trees(root: Path) -> list[Path]:
    return [
        path for path in sorted(root.rglob("zephyr.dts")) if NODE.search(path.read_text(encoding="utf-8"))
    ]


def chip_in(path: Path) -> tuple[FlashNode, Soc] | None:
    text = path.read_text(encoding="utf-8")
    soc = next(soc for name, soc in SOCS.items() if f"nordic,{name}" in text.lower())
    node = external_flash(read_dts(path), soc, chosen_first=False)
    return (node, soc) if node is not None and node.on_qspi else None


def test_every_devicetree_says_what_stands_in_it(root: Path, record_property: Record) -> None:
    count = 0
    for path in trees(root):
        found = chip_in(path)
        if found is None:
            continue
        node, soc = found
        flash = from_devicetree(node, soc)
        texts = [match[1] for match in NODE.finditer(path.read_text(encoding="utf-8"))]
        # Chips that are switched off are in the file as well, such as a board's own one beside another.
        assert any(_agrees(flash, text) for text in texts), path
        count += 1
    assert count >= 10
    record_property("count: real devicetrees with a chip on QSPI", count)


def _agrees(flash: ExternalFlash, text: str) -> bool:
    """Compare with the node's text, read by other means."""
    size = re.search(r"\bsize = < (\w+) >;", text)
    jedec = re.search(r"jedec-id = \[ ([0-9a-fA-F ]+?) \];", text)
    word = {name: re.search(rf'\b{name} = "(\w+)";', text) for name in ("readoc", "writeoc")}
    reads, writes = word["readoc"], word["writeoc"]
    return (
        flash.size == (int(size[1], 0) // 8 if size else None)
        and flash.jedec_id == (bytes.fromhex(jedec[1]) if jedec else None)
        and flash.read == (reads[1] if reads else "fastread")
        and flash.write == (writes[1] if writes else "pp")
        and (flash.address_bytes == 4) == ("address-size-32;" in text)
    )


def test_every_devicetree_gives_a_configuration_in_every_format(root: Path, record_property: Record) -> None:
    count = 0
    for path in trees(root):
        found = chip_in(path)
        if found is None:
            continue
        node, soc = found
        flash = derive(from_devicetree(node, soc), soc, sfdp=node.sfdp)
        assert flash.size, path
        assert (flash.address_bytes == 4) == (flash.size > 1 << 24), path
        for format in Format:
            back, said = written(flash, format, soc)
            for fact, value in back.facts.items():
                if fact != "frequency":
                    assert value == flash.facts[fact], (path, format, fact)
            assert set(COMMON) <= set(back.facts), (path, format)
            same_clock(back, flash, soc, said)
            count += 1
    record_property("count: configurations written from real devicetrees and read again", count)


def test_every_known_chip_is_driven_by_what_its_part_knows(root: Path) -> None:
    for path in trees(root):
        found = chip_in(path)
        part = part_by_id(found[0].jedec_id) if found and found[0].jedec_id else None
        if found is None or part is None:
            continue
        flash = derive(from_devicetree(*found), found[1])
        assert flash.quad_enable == part.quad_enable, path
        assert (flash.size or 0) <= part.size, path


# --- configuration files ---------------------------------------------------------------------------


def files(root: Path) -> list[Path]:
    """Return nrfjprog's and nrfutil's files, told from others of those suffixes by a key that they need."""
    suffixes = {".ini": "MemSize", ".json": '"flash_size"', ".toml": "mem_size"}
    found = []
    for path in sorted(root.rglob("*")):
        word = suffixes.get(path.suffix.lower())
        if word and path.is_file() and word in path.read_text(encoding="utf-8", errors="replace"):
            found.append(path)
    return found


def test_every_file_goes_into_the_other_formats_and_back(root: Path, record_property: Record) -> None:
    paths, count = files(root), 0
    assert {path.suffix for path in paths} >= {".ini", ".json"}
    for path in paths:
        first = read_config(path)
        home = FORMAT_OF[first.kind]
        assert all(source.line > 0 for source in first.sources.values()), path
        for soc in (NRF5340, NRF52840):
            for format in Format:
                whole = completed(first, soc)
                there, said = written(whole, format, soc)
                back, _ = written(completed(there, soc), home, soc)
                for fact in COMMON:
                    if fact in first.facts:
                        assert getattr(there, fact) == getattr(first, fact), (path, format, fact)
                        assert getattr(back, fact) == getattr(first, fact), (path, format, fact)
                same_clock(there, first, soc, said)
                count += 1
    record_property("count: real configurations converted and back", count)


def test_nrfjprogs_two_formats_hold_the_same(root: Path) -> None:
    for path in files(root):
        first = read_config(path)
        if first.kind is Kind.JSON:
            continue
        for soc in (NRF5340, NRF52840):
            there, said = written(first, Format.TOML, soc)
            back, _ = written(there, Format.INI, soc)
            assert said.lost == (), path
            assert there.facts == first.facts, path
            assert back.facts == first.facts, path


def test_every_files_clock_is_one_that_the_socs_can_make(root: Path) -> None:
    """So that the conversions above had clocks to keep."""
    clocks = [actual_clock(read_config(path), NRF5340) for path in files(root)]
    assert clocks
    assert all(clock is not None and clock <= SAFE for clock in clocks)
