"""``qspi-dfu pack`` and ``inspect`` as a user runs them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from buildgen.signing import KEY_NAME

from tests.dfu.cases import build_for, changed_package
from tests.helpers.boards import SMALL, build_of, changed
from tests.helpers.cli import Done, Folder, Run, runner
from tests.helpers.imgtool import private_pem, public_pem
from tests.helpers.trees import put

EXTERNAL = "watch_app.external.bin"


@pytest.fixture
def run(folder: Folder, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a product's folder, with a build and the key that it is signed with."""
    where = folder()
    shutil.copy(build_of(SMALL).path.parent / KEY_NAME, where)

    command = runner(capsys, "dfu")

    def run(*words: str) -> Done:
        done = command(*words)
        assert "Traceback" not in done.err
        return done

    return run


def value_of(done: Done) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return value


def wrong(**case: object) -> bytes:
    return changed_package({"says": [], **case})


# --- pack ------------------------------------------------------------------------------------------


def test_a_build_becomes_a_package_beside_it_with_a_table_of_what_is_in_it(run: Run) -> None:
    done = run("pack")
    assert done.status == 0
    head, *rows = done.out.splitlines()
    assert head.split()[:6] == ["file", "image", "slots", "partition", "version", "size"]
    found = {row.split()[0]: row for row in rows[:3]}
    assert set(found) == {"watch_app.internal.bin", "ipc_radio.bin", EXTERNAL}
    data = Path("build/watch_app/zephyr/zephyr.external.signed.bin").read_bytes()
    assert "mcuboot_secondary_2" in found[EXTERNAL]
    assert "0x120200" in found[EXTERNAL]
    assert ", proven" in found[EXTERNAL]
    assert rows[-1] == f"written: {Path('build/qspi_dfu.zip').absolute()}"
    assert "compared with the build in " in run("inspect", "build/qspi_dfu.zip").err
    assert run("inspect", "build/qspi_dfu.zip", "-d", "build").err == ""
    value = value_of(run("inspect", "build/qspi_dfu.zip", "--json"))
    external = next(image for image in value["images"] if image["file"] == EXTERNAL)
    assert external["sha256"] == hashlib.sha256(data).hexdigest()
    assert (external["image_number"], external["slots"], external["room"]) == (2, [4, 5], 0x100000 - 32)
    assert (value["type"], value["right"], value["remarks"]) == ("package", True, [])


def test_its_own_older_package_is_replaced_and_no_other_file(run: Run) -> None:
    assert run("pack").status == 0
    put(Path("build/qspi_dfu.zip"), "old")
    assert run("pack").status == 0
    good = Path("build/qspi_dfu.zip").read_bytes()
    assert good[:2] == b"PK"
    put(Path("release.zip"), "precious")
    refused = run("pack", "-o", "release.zip")
    assert (refused.status, Path("release.zip").read_text()) == (2, "precious")
    assert refused.err.startswith("error: release.zip is there already: --force replaces it")
    # No word of --force, which would not help.
    folder = run("pack", "-o", "build")
    assert (folder.status, folder.err) == (2, "error: build is a directory: name the file in it\n")
    assert run("pack", "-o", "release.zip", "--force").status == 0
    assert Path("release.zip").read_bytes() == good
    assert run("pack", "-o", "new.zip", "--json").status == 0
    assert Path("new.zip").read_bytes() == good


def test_a_build_whose_images_do_not_go_together_is_not_packed(run: Run) -> None:
    other = build_for({**vars(SMALL), "version": "1.0.1"}).path
    name = "watch_app/zephyr/zephyr.external.signed.bin"
    shutil.copy(other / name, Path("build") / name)
    done = run("pack", "--json")
    value = value_of(done)
    assert (done.status, value["right"], value["written"]) == (1, False, False)
    assert [remark["file"] for remark in value["remarks"]] == [EXTERNAL]
    assert not Path("build/qspi_dfu.zip").exists()
    assert run("pack").out.splitlines()[-1] == "nothing was written"


def test_a_package_can_be_asked_to_be_tied_together_by_mcuboot(run: Run) -> None:
    done = run("pack", "--require-dependency")
    assert done.status == 1
    assert 'imgtool sign --dependencies "(0, 1.0.0+0), (1, 1.0.0+0)" ...' in done.out
    assert not Path("build/qspi_dfu.zip").exists()


def test_a_missing_image_and_a_build_that_is_none_are_errors(run: Run) -> None:
    Path("build/watch_app/zephyr/zephyr.external.signed.bin").unlink()
    done = run("pack")
    assert done.status == 1
    assert "zephyr.external.signed.bin: missing (the signed image of watch_app external half)" in done.err
    assert run("pack", "-d", "nowhere").status == 1
    assert run("pack", "-o", "no/such/folder.zip", "-d", str(build_of(SMALL).path)).status == 1


# --- inspect ---------------------------------------------------------------------------------------


def test_what_is_wrong_is_shown_with_what_to_do_and_ends_with_1(run: Run) -> None:
    data = wrong(options=vars(SMALL), without=[EXTERNAL], drop=[EXTERNAL])
    put(Path("bad.zip"), data)
    done = run("inspect", "bad.zip")
    assert done.status == 1
    text = "image 2 is missing: watch_app external half for mcuboot_secondary_2"
    assert f"error: {text}; what is installed without it does not run" in done.out.splitlines()
    assert "  fix: Make it anew with 'west qspi-dfu pack'." in done.out.splitlines()
    assert done.out.splitlines()[-1] == "bad.zip: 1 error, 0 warnings, 0 notes"


def test_an_empty_package_and_one_without_signatures_are_shown_too(run: Run) -> None:
    everything = ["watch_app.internal.bin", EXTERNAL, "ipc_radio.bin"]
    put(Path("empty.zip"), wrong(options=vars(SMALL), without=everything, drop=everything))
    done = run("inspect", "empty.zip")
    assert (done.status, done.out.splitlines()[0]) == (1, "error: its manifest lists no files")
    unsigned = build_of(changed(SMALL, signed=False)).package_file
    shutil.rmtree("build")
    done = run("inspect", str(unsigned))
    assert done.status == 0
    assert [line.split()[-2] for line in done.out.splitlines()[1:4]] == ["none"] * 3
    assert "note: no image is signed: MCUboot must have been built without a key" in done.out.splitlines()


def test_without_a_build_the_package_is_judged_by_itself_and_that_is_said(run: Run) -> None:
    put(Path("update.zip"), wrong())
    shutil.rmtree("build")
    done = run("inspect", "update.zip")
    assert done.status == 0
    assert "not compared with a build: no build is in reach; -d DIR names one" in done.err
    assert "signatures are not checked: no key is named" in done.err
    assert "not proven" in done.out
    assert run("inspect", "update.zip", "-d", "build").status == 1
    keyed = run("inspect", "update.zip", "--key", KEY_NAME)
    assert (keyed.status, keyed.out.count(", proven")) == (0, 3)


def test_a_build_that_nobody_named_and_that_is_of_no_use_is_only_noted(run: Run) -> None:
    put(Path("update.zip"), wrong())
    Path("build/partitions.yml").write_text("app: [", encoding="utf-8")
    done = run("inspect", "update.zip")
    assert done.status == 0
    assert "not compared with a build: " in done.err
    assert "partitions.yml:" in done.err
    assert run("inspect", "update.zip", "-d", "build").status == 1


def test_a_key_is_one_that_the_images_must_be_signed_with(run: Run) -> None:
    put(Path("other.pem"), public_pem("p256", 3))
    done = run("inspect", "build/dfu_application.zip", "--key", "other.pem")
    assert done.status == 1
    assert done.out.count("it is signed with another key (other.pem)") == 3
    put(Path("rsa.pem"), private_pem("rsa2048"))
    assert (
        "it is signed with ECDSA, but the key is for RSA2048"
        in run("inspect", "build/dfu_application.zip", "--key", "rsa.pem").out
    )
    put(Path("none.pem"), "no key")
    assert run("inspect", "build/dfu_application.zip", "--key", "none.pem").status == 1
    assert "cannot be read" in run("inspect", "build/dfu_application.zip", "--key", "nowhere.pem").err


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "cannot be read: No such file"),
        (b"", "no package for updates: File is not a zip file"),
        (b":00000001FF\n", "no package for updates: File is not a zip file"),
    ],
)
def test_what_is_no_package_is_an_error(run: Run, data: bytes | None, says: str) -> None:
    if data is not None:
        put(Path("a.zip"), data)
    done = run("inspect", "a.zip")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"error: a.zip: {says}")
    assert "hint: 'west qspi-dfu pack' makes a right one from the build." in done.err


def test_a_manifest_that_is_wrong_is_an_error_with_its_line(run: Run) -> None:
    put(Path("a.zip"), wrong(set={EXTERNAL: {"image_index": "two"}}))
    done = run("inspect", "a.zip")
    assert done.status == 1
    line = wrong_line("a.zip", '"image_index": "two"')
    assert done.err.startswith(f"error: a.zip: manifest.json:{line}: 'image_index' should be a number")
    value = value_of(run("inspect", "a.zip", "--json"))
    assert (value["error"], value["data"]["line"]) == ("UpdatePackageError", line)


def wrong_line(path: str, words: str) -> int:
    with ZipFile(path) as archive:
        lines = archive.read("manifest.json").decode().splitlines()
    return next(number for number, line in enumerate(lines, 1) if words in line)


def test_an_action_is_needed(run: Run) -> None:
    assert run().status == 2
    assert run("inspect").status == 2
    assert run("send").status == 2
