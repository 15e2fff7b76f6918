from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.build.runners import RunnersConfig, parse_runners
from west_qspi.errors import BrokenBuildFile

DATA = Path(__file__).parent / "data"


def test_what_the_build_wrote() -> None:
    path = DATA / "split_nrf5340" / "app" / "zephyr" / "runners.yaml"
    config = parse_runners(path.read_text(), path)
    assert config == RunnersConfig(
        runners=("nrfutil", "nrfjprog"),
        flash_runner="nrfutil",
        hex_file="C:/dev/watch/build/merged.hex",
        bin_file="zephyr.bin",
        args={"nrfutil": ("--ext-mem-config-file=C:/dev/watch/qspi.json",), "nrfjprog": ()},
    )


def test_all_of_it_is_optional() -> None:
    assert parse_runners("runners:\nconfig:\nargs:\n", Path("runners.yaml")) == RunnersConfig()


def test_arguments_become_text() -> None:
    config = parse_runners("args:\n  jlink: [4000, --dt-flash=y]\n", Path("runners.yaml"))
    assert config.args == {"jlink": ("4000", "--dt-flash=y")}


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [("runners_text", 1, "'runners' should be a list"), ("config_list", 2, "'config' should be a mapping")],
)
def test_broken_files(name: str, line: int, reason: str) -> None:
    path = DATA / "broken" / f"{name}.runners.yaml"
    with pytest.raises(BrokenBuildFile, match=reason) as caught:
        parse_runners(path.read_text(), path)
    assert (caught.value.path, caught.value.line) == (str(path), line)
