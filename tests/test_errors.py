"""The errors as data: their tree, their words, and what machines read of them."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Iterator
from inspect import get_annotations
from typing import Any

import pytest

from west_qspi import errors
from west_qspi.errors import (
    BeyondAddressMode,
    BeyondChip,
    BinNeedsAddress,
    Boots,
    BrokenBuildFile,
    BuildError,
    ClockModeUnsupported,
    ConfigurationError,
    FileSystemError,
    FirmwareConflict,
    FlashBusy,
    FolderError,
    InputError,
    Interrupted,
    JournalDamaged,
    JournalOutdated,
    JournalUnreachable,
    MisplacedData,
    PartsFileError,
    PlacementError,
    ProofError,
    QspiError,
    SettingsError,
    StoppedAtOnce,
    TargetError,
    UnknownRunner,
    UsageError,
    WouldNotRun,
    WriteFailed,
)

SAMPLES: dict[str, Any] = {"str": "sample text", "int": 0x1234_5678, "bool": True, "float": 2.5}


def below(parent: type[QspiError]) -> Iterator[type[QspiError]]:
    for child in parent.__subclasses__():
        yield child
        yield from below(child)


CLASSES = sorted(below(QspiError), key=lambda kind: kind.__name__)
# The others group classes and are never raised themselves; to be stopped at once is a way to be interrupted.
RAISED = [kind for kind in CLASSES if not kind.__subclasses__() or kind is Interrupted]


def fields(kind: type[QspiError]) -> dict[str, str]:
    """Return names and types of all fields, base classes' first, as the annotations have them."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        own = get_annotations(base) if issubclass(base, QspiError) else {}
        found |= {name: text for name, text in own.items() if text in SAMPLES}
    return found


def sample_values(kind: type[QspiError]) -> dict[str, Any]:
    """Return a value for every field that is easy to find again."""
    values = {name: SAMPLES[text] for name, text in fields(kind).items()}
    if "boots" in values:
        values["boots"] = Boots.UNPROVEN
    return values


def sample(kind: type[QspiError]) -> QspiError:
    return kind(**sample_values(kind))


def drawn_tree() -> dict[str, str]:
    """Read the drawing in the module's docstring: each class with its parent, which its branch grows from."""
    parents: dict[str, str] = {}
    root, *lines = re.findall(r"^ +.*\w.*$", errors.__doc__ or "", re.MULTILINE)
    above = {root.index("QspiError"): "QspiError"}
    for line in lines:
        branch = re.search(r"[├└]─ ", line)
        assert branch is not None, line
        # Names come first, two blanks apart, and then words.
        names = re.match(r"[A-Z]\w+(?:  [A-Z]\w+)*(?=   *\S|$)", line[branch.end() :])
        assert names is not None, line
        parent = max(column for column in above if column < branch.start())
        for name in names[0].split():
            assert name not in parents, name
            parents[name] = above[parent]
        above = {column: name for column, name in above.items() if column <= parent}
        above[branch.end()] = names[0].split()[0]
    return parents


# --- the tree --------------------------------------------------------------------------------------


def test_the_drawn_tree_is_the_tree() -> None:
    real = {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}
    assert drawn_tree() == real


def test_the_drawing_is_read_right() -> None:
    tree = drawn_tree()
    assert tree["HexError"] == "InputError"
    assert tree["BeyondAddressMode"] == "PlacementError"
    assert tree["AddressWrapped"] == "ProofError"
    assert tree["JournalUnreachable"] == "InputError"
    assert tree["ConfigurationError"] == tree["PartsFileError"] == tree["FileSystemError"] == "InputError"
    assert tree["FolderError"] == "FileSystemError"
    assert tree["MisplacedData"] == "PlacementError"
    assert tree["ClockModeUnsupported"] == tree["IllegalAccess"] == "TargetError"
    assert tree["Interrupted"] == "QspiError"
    assert tree["StoppedAtOnce"] == "Interrupted"
    assert len(tree) > 50


def test_every_class_can_be_imported_from_the_package() -> None:
    names = {kind.__name__ for kind in CLASSES} | {"QspiError"}
    assert names | {"Boots", "board_state"} == set(errors.__all__)
    assert all(getattr(errors, name).__name__ == name for name in errors.__all__)


def test_only_wrong_usage_has_an_exit_code_of_its_own() -> None:
    assert {kind: kind.exit_code for kind in CLASSES if kind.exit_code != 1} == {
        UsageError: 2,
        UnknownRunner: 2,
        SettingsError: 2,
    }


# --- every class -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RAISED)
def test_text_and_advice_are_whole(kind: type[QspiError]) -> None:
    error = sample(kind)
    assert str(error)
    for text in (str(error), error.advice):
        assert not set("{}") & set(text)
        assert "  " not in text
        assert text == text.strip()
    assert not str(error).endswith(".")  # what follows is the advice, as a sentence of its own


@pytest.mark.parametrize("kind", RAISED)
def test_json_holds_every_field(kind: type[QspiError]) -> None:
    error = sample(kind)
    value = json.loads(json.dumps(error.as_json()))
    assert value == {
        "error": kind.__name__,
        "message": str(error),
        "advice": error.advice,
        "data": sample_values(kind),
    }


@pytest.mark.parametrize("kind", RAISED)
def test_an_error_crosses_from_one_process_to_another(kind: type[QspiError]) -> None:
    error = sample(kind)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert other is not error
        assert type(other) is kind
        assert vars(other) == vars(error) == sample_values(kind)
        assert (str(other), other.advice) == (str(error), error.advice)


@pytest.mark.parametrize("kind", RAISED)
def test_the_text_names_what_it_is_about(kind: type[QspiError]) -> None:
    text = str(sample(kind))
    if issubclass(kind, InputError | BuildError | TargetError):
        assert text.startswith("sample text")
    if issubclass(kind, PlacementError):
        assert text.startswith("sample text: 0x12345678-0x12345678")
    if issubclass(kind, ProofError):
        assert text.startswith("sample text: ")
        assert "0x12345678" in text


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_is_documented(kind: type[QspiError]) -> None:
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")  # which dataclasses write themselves


def test_values_are_taken_by_place_and_by_name() -> None:
    assert vars(BrokenBuildFile("a", 3, "b")) == vars(BrokenBuildFile(reason="b", path="a", line=3))
    assert FirmwareConflict("a", "b", 1, 2, 3).count == 1
    assert pickle.loads(pickle.dumps(FirmwareConflict("a", "b", 1, 2, other_value=3))).other_value == 3


@pytest.mark.parametrize(
    ("values", "named"),
    [(("a", 3), {}), (("a", 3, "b", "c"), {}), (("a", 3, "b"), {"line": 4}), (("a", 3, "b"), {"lin": 4})],
    ids=["too few", "too many", "twice", "unknown"],
)
def test_wrong_values_are_a_mistake_of_ours(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="BrokenBuildFile"):
        BrokenBuildFile(*values, **named)


# --- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [BrokenBuildFile, ConfigurationError, PartsFileError, SettingsError])
def test_a_line_that_is_not_known_is_left_out(
    kind: type[BrokenBuildFile | ConfigurationError | PartsFileError | SettingsError],
) -> None:
    assert str(kind("b/domains.yaml", 3, "no 'default'")) == "b/domains.yaml:3: no 'default'"
    assert str(kind("b/domains.yaml", 0, "no 'default'")) == "b/domains.yaml: no 'default'"


def test_files_of_the_user_come_with_a_place_that_shows_right_ones() -> None:
    assert "west qspi-config generate" in ConfigurationError("Qspi.ini", 3, "no 'MemSize'").advice
    assert "docs/external-flash.md" in PartsFileError("parts.toml", 3, "no 'size'").advice
    assert "docs/check.md" in SettingsError(".west-qspi.toml", 3, "no rule 'QX9'").advice
    assert str(FileSystemError("assets", "does not fit")) == "assets: does not fit"
    assert "docs/data-in-partitions.md" in FileSystemError("assets", "does not fit").advice


def test_what_is_wrong_with_a_folder_is_not_mended_by_other_sizes() -> None:
    error = FolderError("assets/link", "this link leads out of the folder")
    assert str(error) == "assets/link: this link leads out of the folder"
    assert "links stay inside" in error.advice
    assert "sizes" not in error.advice


def test_a_build_that_is_broken_again_after_building_has_wrong_board_files() -> None:
    advice = BrokenBuildFile("zephyr.dts", 7, "'readoc' is 'bogus'").advice
    assert "west build --pristine" in advice
    assert "correct the board's files" in advice


def test_bytes_beyond_the_chip_are_told_with_whose_word_its_size_is() -> None:
    error = BeyondChip("a.bin", 0x1080_0000, 0x1080_0064, 0x80_0000, "'MemSize' in Qspi.ini:4")
    assert str(error) == (
        "a.bin: 0x10800000-0x10800064 goes past the end of the external flash: it has 0x800000 bytes by "
        "'MemSize' in Qspi.ini:4"
    )
    assert "bytes, not bits" in error.advice


def test_bytes_beyond_24_bits_are_told_with_whose_word_the_mode_is() -> None:
    error = BeyondAddressMode("a.bin", 0x1100_0100, 0x1100_0164, 0x100, "'AddressMode' in Qspi.ini:7")
    assert str(error) == (
        "a.bin: 0x11000100-0x11000164 needs 32-bit addresses, but the chip is set up for 24 bits by "
        "'AddressMode' in Qspi.ini:7: it would land at offset 0x100"
    )
    for words in ("address-size-32", "enter-4byte-addr", "BIT32", "0xB7", "MODE32BIT"):
        assert words in error.advice


def test_misplaced_data_is_shown_on_the_map() -> None:
    error = MisplacedData("a.bin", 0x1000, 0x1064, "lies in no declared partition", "    > here\n      there")
    assert str(error) == (
        "a.bin: 0x00001000-0x00001064 lies in no declared partition\n    > here\n      there"
    )
    assert "--force" in error.advice


def test_a_clock_mode_is_told_with_the_soc_that_does_not_start_in_it() -> None:
    error = ClockModeUnsupported("board 1", "nRF5340", 3)
    assert str(error) == "board 1: SPI mode 3 was asked for, which the nRF5340's QSPI is not started in"
    assert "MODE0" in error.advice


def test_a_conflict_says_where_and_what() -> None:
    error = FirmwareConflict("a.hex", "b.hex", 0x1000_0200, 0x0F, 0xF0, count=3)
    assert str(error) == "a.hex and b.hex disagree at 0x10000200: 0x0f against 0xf0 (3 bytes differ in all)"


def test_braces_in_a_name_stay_as_they_are() -> None:
    error = BinNeedsAddress("out{1}/{path}.bin")
    assert str(error).startswith("out{1}/{path}.bin: ")
    assert error.advice == (
        "Give it as --file out{1}/{path}.bin@ADDRESS or --file out{1}/{path}.bin@PARTITION."
    )


def test_numbers_stay_numbers_for_machines() -> None:
    data = FlashBusy("board 1", "external", 12.5).as_json()["data"]
    assert data == {"device": "board 1", "memory": "external", "seconds": 12.5}
    assert WriteFailed("external", 0x1000_0000, "00", "ff", 2).as_json()["data"]["address"] == 0x1000_0000


@pytest.mark.parametrize("boots", Boots)
def test_a_run_that_changed_nothing_says_so_whatever_boots(boots: Boots) -> None:
    state = "nothing was changed; the board holds what it held before"
    assert errors.board_state(False, boots, 512, 2048) == state
    assert str(Interrupted(False, boots, 512, 2048)) == f"interrupted: {state}"
    assert str(StoppedAtOnce(False, boots, 512, 2048)) == f"stopped at once: {state}"


@pytest.mark.parametrize(
    ("boots", "word", "state"),
    [
        (Boots.AS_BEFORE, "as before", "what boots was not touched"),
        (Boots.NOTHING, "nothing", "the board does not boot until a flash is finished"),
        (Boots.UNPROVEN, "unproven", "the board boots it, but it is not proven"),
    ],
)
def test_a_broken_off_run_says_what_the_board_holds(boots: Boots, word: str, state: str) -> None:
    state = f"512 of 2048 bytes are written; {state}"
    assert errors.board_state(True, boots, 512, 2048) == state
    error = Interrupted(True, boots, 512, 2048)
    assert str(error) == f"interrupted: {state}"
    assert str(StoppedAtOnce(True, boots, 512, 2048)) == f"stopped at once: {state}"
    assert json.loads(json.dumps(error.as_json()))["data"] == {
        "changed": True,
        "boots": word,
        "done": 512,
        "total": 2048,
    }
    # What machines were told can be said again.
    assert str(Interrupted(True, word, 512, 2048)) == str(error)


def test_no_way_to_boot_is_left_out() -> None:
    states = {errors.board_state(True, boots, 1, 2) for boots in Boots}
    assert len(states) == len(Boots) == 3


def test_bytes_of_an_interrupted_run_are_named_with_what_to_do() -> None:
    damaged = JournalDamaged("j/1.erased.hex", "j/1.erased.hex:3: wrong checksum")
    outdated = JournalOutdated("j/1.erased.hex", 0x1000_2000)
    unreachable = JournalUnreachable("j/1.erasing.hex", 0x1000_2000)
    assert "cannot be read: j/1.erased.hex:3: wrong checksum" in str(damaged)
    assert "something else has since written to 0x10002000" in str(outdated)
    assert "wait to be put back at 0x10002000" in str(unreachable)
    for error in (damaged, outdated, unreachable):
        assert str(error).startswith(error.path)
        assert "elete the file" in error.advice


def test_a_build_that_would_not_run_is_told_with_the_place_and_how_many_more_there_are() -> None:
    one = WouldNotRun("QX206", "prj.conf", 0, "no driver", "", 0, "build")
    assert str(one) == "this build would not run: no driver (QX206, prj.conf)"
    assert one.advice.startswith("'west qspi-check -d build' shows")
    more = WouldNotRun("QX206", "prj.conf", 3, "no driver", "Add it.", 2, "build")
    assert str(more) == "this build would not run: no driver (QX206, prj.conf:3, and 2 more)"
    assert more.advice.startswith("Add it. 'west qspi-check -d build' shows")


def test_an_error_can_be_raised_and_caught_by_its_group() -> None:
    with pytest.raises(ProofError) as caught:
        raise WriteFailed("network", 0x0100_0000, "12", "ff", 1)
    assert isinstance(caught.value, WriteFailed)
    with pytest.raises(Interrupted, match="stopped at once"):
        raise StoppedAtOnce(True, Boots.NOTHING, 1, 2)
