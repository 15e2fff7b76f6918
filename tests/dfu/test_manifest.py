"""The codec of manifest.json: both forms, what the SDK wrote at its time, and texts that are none."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.corpus import corpus
from tests.helpers.mutation import PIECES
from west_qspi.dfu.manifest import (
    VERSION,
    VERSION_DIRECT,
    VERSION_PLAIN,
    Entry,
    Manifest,
    parse_manifest,
    write_manifest,
)
from west_qspi.errors import UpdatePackageError

MANIFESTS = Path(__file__).parents[1] / "data" / "dfu" / "manifests"

# As sdk-nrf v2.9.0 wrote it for a split image with a network core, and v2.6 without image_index.
PAIRED = """\
{
    "format-version": 1,
    "time": 1744904991,
    "files": [
        {
            "type": "application",
            "board": "thingy53",
            "soc": "nrf5340",
            "load_address": 1180160,
            "image_index": "2",
            "slot_index_primary": "5",
            "slot_index_secondary": "6",
            "version_MCUBOOT": "0.1.0+0",
            "size": 292060,
            "file": "app.external.bin",
            "modtime": 1744904991
        }, {"file": "ipc_radio.bin", "image_index": "1", "load_address": "0x1008800",
            "slot_index_primary": 3, "slot_index_secondary": 4, "version": "1",
            "board": "thingy53/nrf5340/cpunet"}
    ],
    "name": "BORUS"
}
"""
DIRECT = '{"files": [{"file": "a.bin", "slot": "3", "image_index": "1", "version_MCUBOOT+XIP": "1.2.3"}]}'
OLD = (
    '{"format-version": 0, "files": [{"load_address": 49664, "version_MCUBOOT": "0.0.0+0", "file": "a.bin"}]}'
)

# What is wrong with each, and on which line: they are small enough to count.
WRONG = {
    "cut_off.json": (6, "not valid JSON"),
    "no_object.json": (0, "lists no files"),
    "no_files.json": (0, "lists no files"),
    "files_is_a_word.json": (0, "lists no files"),
    "entry_is_a_word.json": (4, "no object"),
    "entry_without_file.json": (4, "no 'file'"),
    "file_is_a_number.json": (5, "no 'file'"),
    "image_index_in_words.json": (5, "'image_index' should be a number"),
    "image_index_negative.json": (4, "'image_index' should be a number"),
    "load_address_of_33_bits.json": (5, "'load_address' should be a number of up to 32 bits"),
    "slot_index_from_0.json": (5, "'slot_index_primary' should be a number from 1"),
    "one_slot_index_only.json": (3, "'slot_index_secondary' should be a number from 1"),
    "slots_in_both_ways.json": (6, "not both"),
}

texts = st.text(max_size=12)
numbers = st.integers(0, 0xFFFF_FFFF)
entries = st.builds(
    Entry,
    file=st.text(min_size=1, max_size=12),
    number=st.integers(0, 99),
    slots=st.one_of(
        st.tuples(numbers.filter(lambda n: n < 0xFFFF_FFFF), st.integers(0, 99)), st.tuples(numbers)
    ),
    version=texts,
    version_key=st.sampled_from((VERSION, VERSION_DIRECT, VERSION_PLAIN)),
    load_address=st.none() | numbers,
    size=st.none() | numbers,
    board=texts,
    soc=texts,
)


def test_slots_count_from_0_though_the_file_counts_from_1() -> None:
    external, network = parse_manifest(PAIRED, "a.zip").entries
    assert (external.number, external.slots, external.direct) == (2, (4, 5), False)
    assert (external.load_address, external.size, external.version) == (0x120200, 292060, "0.1.0+0")
    assert (network.number, network.slots, network.load_address) == (1, (2, 3), 0x1008800)
    assert (network.version_key, network.version, network.board) == (
        VERSION_PLAIN,
        "1",
        "thingy53/nrf5340/cpunet",
    )
    assert (external.line, network.line) == (5, 17)


def test_with_direct_xip_an_entry_is_for_one_slot() -> None:
    (entry,) = parse_manifest(DIRECT, "a.zip").entries
    assert (entry.number, entry.slots, entry.direct, entry.version) == (1, (3,), True, "1.2.3")


def test_an_old_entry_without_a_number_is_of_image_0() -> None:
    (entry,) = parse_manifest(OLD, "a.zip").entries
    assert (entry.number, entry.slots, entry.load_address) == (0, (), 49664)


@given(st.builds(Manifest, texts, st.lists(entries, max_size=4).map(tuple)))
def test_what_is_written_is_read_again(manifest: Manifest) -> None:
    text = write_manifest(manifest)
    read = parse_manifest(text, "a.zip")
    assert read == manifest
    lines = text.splitlines()
    assert all(lines[entry.line - 1].strip() == "{" for entry in read.entries)


def test_what_is_written_is_in_the_sdk_s_words_and_types() -> None:
    entry = Entry("a.bin", 2, (4, 5), "1.2.3+4", load_address=0x120200, size=7, board="b", soc="s")
    (written,) = json.loads(write_manifest(Manifest("app", (entry,))))["files"]
    assert written.pop("modtime") == 315532800
    assert written == {
        "type": "application",
        "board": "b",
        "soc": "s",
        "load_address": 0x120200,
        "image_index": "2",
        "slot_index_primary": "5",
        "slot_index_secondary": "6",
        "version_MCUBOOT": "1.2.3+4",
        "size": 7,
        "file": "a.bin",
    }


def test_every_wrong_manifest_is_a_case() -> None:
    assert {path.name for path in MANIFESTS.iterdir()} == set(WRONG)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_manifest_is_refused_with_its_line(name: str) -> None:
    line, words = WRONG[name]
    with pytest.raises(UpdatePackageError) as caught:
        parse_manifest((MANIFESTS / name).read_text(encoding="utf-8"), "a.zip")
    assert caught.value.line == line
    assert words in caught.value.reason
    assert str(caught.value).startswith(f"a.zip: manifest.json:{line}: " if line else "a.zip: ")


def test_a_manifest_that_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(UpdatePackageError, match="not valid JSON"):
        parse_manifest("[" * 100_000 + "]" * 100_000, "a.zip")


def test_no_text_gives_anything_but_a_manifest_or_a_typed_error() -> None:
    rng, read = random.Random(7), 0
    for _ in range(3000):
        text = rng.choice((PAIRED, DIRECT, OLD))
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice((*PIECES, *"0123456789")) + text[at + rng.randrange(3) :]
        try:
            parse_manifest(text, "a.zip")
            read += 1
        except UpdatePackageError:
            continue
    assert read > 100


def test_manifests_of_real_builds_are_read() -> None:
    found = sorted(corpus().rglob("dfu_application.zip_manifest.json"))
    assert len(found) >= 5
    for path in found:
        manifest = parse_manifest(path.read_text(encoding="utf-8"), str(path))
        assert [entry.number for entry in manifest.entries] in ([0], [0, 1])
        assert all(entry.load_address and entry.size and entry.line for entry in manifest.entries)


def test_a_line_that_cannot_be_told_is_not_guessed() -> None:
    # The first "files" is in a part of the file that is not the manifest's list.
    text = '{"firmware": {"files": [1]},\n "files": [\n {"file": "a.bin", "image_index": "x"}]}'
    with pytest.raises(UpdatePackageError) as caught:
        parse_manifest(text, "a.zip")
    assert caught.value.line == 0
    assert "'image_index' should be a number" in str(caught.value)
