from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.build.build import Build
from west_qspi.build.model import Shape
from west_qspi.build.shape import detect_shape
from west_qspi.errors import BrokenBuildFile, MissingOutput, NotABuildDirectory

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("split_nrf5340", Shape.SYSBUILD_PM),
        ("dts_nrf5340", Shape.SYSBUILD_DTS),
        ("legacy_nrf5340", Shape.CHILD_PARENT),
        ("single_nrf52840", Shape.SINGLE),
    ],
)
def test_the_four_shapes(name: str, shape: Shape) -> None:
    assert detect_shape(DATA / name)[0] is shape


def test_only_sysbuild_has_a_configuration_of_its_own() -> None:
    _, sysbuild = detect_shape(DATA / "split_nrf5340")
    assert sysbuild is not None
    assert sysbuild.enabled("SB_CONFIG_QSPI_XIP_SPLIT_IMAGE")
    assert detect_shape(DATA / "legacy_nrf5340")[1] is None


def test_partition_managers_result_tells_where_options_do_not(tmp_path: Path) -> None:
    (tmp_path / "domains.yaml").write_text("default: app\n")
    assert detect_shape(tmp_path) == (Shape.SYSBUILD_DTS, None)
    (tmp_path / "partitions.yml").write_text("")
    assert detect_shape(tmp_path) == (Shape.SYSBUILD_PM, None)

    old = tmp_path / "old"
    (old / "zephyr").mkdir(parents=True)
    (old / "zephyr" / ".config").write_text('CONFIG_SOC="nRF9160_SICA"\n')
    assert detect_shape(old)[0] is Shape.SINGLE
    (old / "partitions.yml").write_text("")
    assert detect_shape(old)[0] is Shape.CHILD_PARENT


def test_leftovers_of_partition_manager_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "domains.yaml").write_text("default: app\n")
    (tmp_path / "partitions.yml").write_text("")
    (tmp_path / "zephyr").mkdir()
    (tmp_path / "zephyr" / ".config").write_text("# SB_CONFIG_PARTITION_MANAGER is not set\n")
    assert detect_shape(tmp_path)[0] is Shape.SYSBUILD_DTS


def refusal(path: Path) -> str:
    with pytest.raises(NotABuildDirectory) as caught:
        Build.load(path)
    assert caught.value.path == str(path)
    return caught.value.reason


def test_what_is_there_instead(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "it is empty"
    assert refusal(tmp_path / "nowhere") == "there is no such directory"
    (tmp_path / "notes.txt").write_text("x")
    assert refusal(tmp_path / "notes.txt") == "it is a file"
    assert refusal(tmp_path) == "it has neither domains.yaml nor zephyr/runners.yaml"
    (tmp_path / "prj.conf").write_text("CONFIG_FLASH=y\n")
    assert refusal(tmp_path) == "it is a source directory"
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "domains.yaml").write_text("default: app\n")
    assert refusal(tmp_path) == f"but {tmp_path / 'build'} is one"


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert refusal(tmp_path) == "Permission denied"


def test_a_sysbuild_without_its_list_of_images(tmp_path: Path) -> None:
    (tmp_path / "zephyr").mkdir()
    (tmp_path / "zephyr" / ".config").write_text("SB_CONFIG_PARTITION_MANAGER=y\n")
    with pytest.raises(MissingOutput) as caught:
        Build.load(tmp_path)
    assert caught.value.path == str(tmp_path / "domains.yaml")


def test_a_single_image_without_configuration(tmp_path: Path) -> None:
    (tmp_path / "zephyr").mkdir()
    (tmp_path / "zephyr" / "runners.yaml").write_text("runners: [jlink]\n")
    with pytest.raises(MissingOutput) as caught:
        Build.load(tmp_path)
    assert caught.value.path == str(tmp_path / "zephyr" / ".config")


def test_a_broken_list_of_images(tmp_path: Path) -> None:
    (tmp_path / "domains.yaml").write_text("default: [\n")
    with pytest.raises(BrokenBuildFile):
        Build.load(tmp_path)
