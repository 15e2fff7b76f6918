"""Packages as the SDK makes them, in which nothing is wrong, and packages in which one thing is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from buildgen.signing import KEY_NAME

from tests.dfu.cases import PACKAGES, build_for, changed_package, content_of, zipped
from tests.helpers.imgtool import private_pem, public_pem, sign
from west_qspi.build.build import Build
from west_qspi.dfu.inspection import Inspected, Key, inspect
from west_qspi.dfu.linked import linked_images, package_name
from west_qspi.dfu.package import read_package
from west_qspi.dfu.remark import Level

CASES = sorted(path.stem for path in PACKAGES.iterdir())
# Every shape that the generator makes, and what is in its package.
SHAPES = [
    ({}, 3),
    ({"mode": "direct-xip"}, 4),
    ({"mode": "direct-xip", "network": False, "split": False}, 2),
    ({"mode": "swap"}, 2),
    ({"split": False}, 2),
    ({"soc": "nrf52840"}, 2),
    ({"partitions": "dts"}, 3),
    ({"partitions": "dts", "mode": "direct-xip"}, 4),
]


def key_of(build: Build) -> Key:
    path = build.path.parent / KEY_NAME
    return Key(path.read_bytes(), path.name)


def inspected(data: bytes, folder: Path, build: Build | None = None, **options: Any) -> Inspected:
    path = folder / "update.zip"
    path.write_bytes(data)
    linked, key = (linked_images(build), key_of(build)) if build else ((), None)
    return inspect(read_package(path), linked, key, **options)


def test_a_package_with_the_name_of_another_product_is_warned_of(tmp_path: Path) -> None:
    lamp, watch = (build_for({"app": app, "version": "1.1.0"}) for app in ("lamp", "watch_app"))
    data = lamp.package_file.read_bytes()
    found = inspected(data, tmp_path, watch, name=package_name(watch))
    assert [remark.level for remark in found.remarks if "for another product" in remark.text] == [
        Level.WARNING
    ]
    assert not inspected(data, tmp_path, lamp, name=package_name(lamp)).remarks


@pytest.mark.parametrize(("options", "images"), SHAPES)
def test_nothing_is_wrong_with_the_package_of_a_build(options: dict[str, object], images: int) -> None:
    build = build_for(options)
    found = inspect(read_package(build.package_file), linked_images(build), key_of(build))
    assert found.remarks == ()
    assert len(found.parts) == images
    assert found.proven == {part.file for part in found.parts}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said_and_nothing_else(name: str, tmp_path: Path) -> None:
    case = json.loads((PACKAGES / f"{name}.json").read_text(encoding="utf-8"))
    found = inspected(changed_package(case), tmp_path, build_for(case.get("options", {})))
    said = [(remark.level.value, remark.file, remark.text) for remark in found.remarks]
    assert len(said) == len(case["says"]), said
    for level, file, words in case["says"]:
        assert [text for *about, text in said if about == [level, file] and words in text], (words, said)
    assert found.bad is not case.get("right", False)


def test_a_line_is_that_of_the_entry(tmp_path: Path) -> None:
    case = {"set": {"watch_app.external.bin": {"load_address": 0x10200}}, "says": []}
    data = changed_package(case)
    (remark,) = inspected(data, tmp_path, build_for({})).remarks
    lines = content_of(tmp_path / "update.zip")["manifest.json"].decode().splitlines()
    entry = "".join(lines[remark.line - 1 :])
    assert entry.strip().startswith("{")
    assert json.JSONDecoder().raw_decode(entry.strip())[0]["file"] == "watch_app.external.bin"


def test_without_a_build_a_package_is_only_judged_by_itself(tmp_path: Path) -> None:
    case = {"without": ["watch_app.external.bin"], "drop": ["watch_app.external.bin"], "says": []}
    found = inspected(changed_package(case), tmp_path)
    assert found.remarks == ()
    assert found.linked == (None, None)
    assert found.proven == frozenset()


def test_a_member_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    build = build_for({})
    path = tmp_path / "update.zip"
    path.write_bytes(build.package_file.read_bytes())
    with pytest.warns(UserWarning, match="Duplicate name"), ZipFile(path, "a") as archive:
        archive.writestr("ipc_radio.bin", content_of(build.package_file)["ipc_radio.bin"])
    (remark,) = inspect(read_package(path)).remarks
    assert (remark.level.value, remark.file) == ("error", "ipc_radio.bin")


# --- keys ------------------------------------------------------------------------------------------


def test_another_key_than_the_one_it_is_signed_with_is_told(tmp_path: Path) -> None:
    build = build_for({})
    package = read_package(build.package_file)
    found = inspect(package, (), Key(public_pem("p256", 7), "other.pem"))
    assert [remark.text for remark in found.remarks] == ["it is signed with another key (other.pem)"] * 3
    assert found.proven == frozenset()


def two_images(*, keys: tuple[bytes | None, bytes | None], words: tuple[list[str], list[str]]) -> bytes:
    images = [
        sign(bytes([number]) * 64, *more, version="1.2.3+4", key=key)
        for number, (key, more) in enumerate(zip(keys, words, strict=True))
    ]
    files = [
        {
            "file": f"{number}.bin",
            "image_index": str(number),
            "slot_index_primary": str(2 * number + 1),
            "slot_index_secondary": str(2 * number + 2),
            "version_MCUBOOT": "1.2.3+4",
        }
        for number in range(2)
    ]
    content = {f"{number}.bin": image for number, image in enumerate(images)}
    return zipped({**content, "manifest.json": json.dumps({"files": files}).encode()})


def test_two_keys_in_one_package_are_an_error(tmp_path: Path) -> None:
    data = two_images(keys=(private_pem("p256"), private_pem("p256", 1)), words=([], []))
    (remark,) = inspected(data, tmp_path).remarks
    assert (remark.level.value, remark.file) == ("error", "1.bin")
    assert remark.text == "it is signed with another key than 0.bin"


def test_images_without_signatures_are_noted(tmp_path: Path) -> None:
    (remark,) = inspected(two_images(keys=(None, None), words=([], [])), tmp_path).remarks
    assert (remark.level.value, remark.file) == ("note", "")


def test_what_an_encrypted_image_holds_cannot_be_checked_but_its_signature_can(tmp_path: Path) -> None:
    key = private_pem("p256")
    content = {
        "a.bin": sign(bytes(64), key=key, encrypt_to=public_pem("p256", 1)),
        "manifest.json": b'{"files": [{"file": "a.bin"}]}',
    }
    (tmp_path / "a.zip").write_bytes(zipped(content))
    found = inspect(read_package(tmp_path / "a.zip"), (), Key(key, "key.pem"))
    assert [(remark.level.value, remark.text) for remark in found.remarks] == [
        ("note", "its hash cannot be checked: it is encrypted")
    ]
    assert found.proven == {"a.bin"}


# --- dependencies ----------------------------------------------------------------------------------


def tied(
    tmp_path: Path, first: str | None, second: str | None, *, require: bool = True
) -> list[tuple[str, str]]:
    words = tuple(["--dependencies", each] if each else [] for each in (first, second))
    data = two_images(keys=(private_pem("p256"),) * 2, words=(words[0], words[1]))
    return [
        (r.file, r.advice or r.text) for r in inspected(data, tmp_path, require_dependency=require).remarks
    ]


def test_the_words_that_are_shown_tie_the_images(tmp_path: Path) -> None:
    shown = tied(tmp_path, None, None)
    build = " (in a build: CONFIG_MCUBOOT_EXTRA_IMGTOOL_ARGS)."
    assert shown == [
        ("0.bin", 'Sign it with: imgtool sign --dependencies "(1, 1.2.3+4)" ...' + build),
        ("1.bin", 'Sign it with: imgtool sign --dependencies "(0, 1.2.3+4)" ...' + build),
    ]
    first, second = (advice.split('"')[1] for _, advice in shown)
    assert tied(tmp_path, first, second) == []


def test_a_dependency_in_one_direction_lets_the_other_be_installed_alone(tmp_path: Path) -> None:
    assert [file for file, _ in tied(tmp_path, "(1, 1.2.3+4)", None)] == ["1.bin"]


def test_a_dependency_on_an_older_version_ties_nothing(tmp_path: Path) -> None:
    assert [file for file, _ in tied(tmp_path, "(1, 1.2.2+9)", "(0, 1.2.3)")] == ["0.bin"]


def test_the_build_number_of_a_dependency_does_not_count(tmp_path: Path) -> None:
    assert tied(tmp_path, "(1, 1.2.3+0)", "(0, 1.2.3+9)") == []


def test_one_list_for_both_images_does_no_harm(tmp_path: Path) -> None:
    both = "(0, 1.2.3+4), (1, 1.2.3+4)"
    assert tied(tmp_path, both, both) == []


def test_a_dependency_that_cannot_be_met_is_an_error_without_being_asked_for(tmp_path: Path) -> None:
    ((file, _),) = tied(tmp_path, "(1, 1.2.4)", None, require=False)
    assert file == "0.bin"
    assert tied(tmp_path, "(5, 1.0.0)", None, require=False) == [
        ("0.bin", "it needs image 5 with version 1.0.0+0 or newer, which is not in the package")
    ]
