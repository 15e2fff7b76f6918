from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.build.info import BuildInfo, parse_build_info
from west_qspi.errors import BrokenBuildFile

PATH = Path("build_info.yml")


def test_quoted_and_plain_values_mean_the_same() -> None:
    text = "cmake: {application: {source-dir: %s}, sysbuild: %s}\nwest: {topdir: %s}\n"
    plain = text % ("/opt/zephyr/share/sysbuild", "true", "/opt")
    quoted = text % ("'/opt/zephyr/share/sysbuild'", "'true'", "'/opt'")
    assert parse_build_info(plain, PATH) == parse_build_info(quoted, PATH) == BuildInfo("/opt", "/opt/zephyr")


@pytest.mark.parametrize("text", ["", "cmake:\nwest:\n", "west:\n  topdir: ''\n", "version: 0.1.0\n"])
def test_it_may_say_nothing(text: str) -> None:
    assert parse_build_info(text, PATH) == BuildInfo()


def test_an_application_of_its_own_is_not_zephyr() -> None:
    assert parse_build_info("cmake: {application: {source-dir: /home/me/app}}", PATH).zephyr_base is None


def test_a_list_where_a_mapping_should_be() -> None:
    with pytest.raises(BrokenBuildFile, match="'west' should be a mapping"):
        parse_build_info("west: [topdir]\n", PATH)
