from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.build.domains import parse_domains
from west_qspi.errors import BrokenBuildFile

DATA = Path(__file__).parent / "data"
TEXT = """default: app
build_dir: C:/b
domains:
  - name: app
    build_dir: C:/b/app
  - name: mcuboot
    build_dir: C:/b/mcuboot
"""


def test_images_and_their_order() -> None:
    path = DATA / "split_nrf5340" / "domains.yaml"
    domains = parse_domains(path.read_text(), path)
    assert domains.default == "app"
    assert domains.build_dir == "C:/dev/watch/build"
    assert list(domains.directories) == ["app", "mcuboot", "ipc_radio"]
    assert domains.directories["mcuboot"] == "C:/dev/watch/build/mcuboot"
    assert domains.flash_order == ("ipc_radio", "app")


@pytest.mark.parametrize("order", ["", "flash_order:", "flash_order: []", "flash_order:\r\n"])
def test_without_an_order_the_default_image_is_flashed(order: str) -> None:
    assert parse_domains(TEXT + order, Path("domains.yaml")).flash_order == ("app",)


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("indentation", 6, "not valid YAML"),
        ("unknown_image", 6, "'flash_order' names 'radio'"),
        ("unknown_default", 1, "'default' names 'watch'"),
        ("no_default", 0, "'default' should be a string, but is nothing"),
        ("a_list", 0, "the file should be a mapping"),
    ],
)
def test_broken_files(name: str, line: int, reason: str) -> None:
    path = DATA / "broken" / f"{name}.domains.yaml"
    with pytest.raises(BrokenBuildFile, match=reason) as caught:
        parse_domains(path.read_text(), path)
    assert (caught.value.path, caught.value.line) == (str(path), line)
