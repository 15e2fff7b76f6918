from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.build.paths import Relocation, file_name, is_absolute, normalised

HERE = Path("/srv/ci/out")
FOLDER = HERE / "app" / "zephyr"


@pytest.mark.parametrize(
    ("birthplace", "text", "expected"),
    [
        ("/home/me/b", "/home/me/b/merged.hex", HERE / "merged.hex"),
        ("/home/me/b/", "/home/me/b/app/zephyr/zephyr.hex", FOLDER / "zephyr.hex"),
        ("/home/me/b", "/home/me/b", HERE),
        ("/home/me/b", "/home/me/b2/merged.hex", Path("/home/me/b2/merged.hex")),
        ("/home/me/b", "/HOME/me/b/merged.hex", Path("/HOME/me/b/merged.hex")),
        ("C:/dev/b", "C:/dev/b/merged.hex", HERE / "merged.hex"),
        ("C:/dev/b", "c:/Dev/b/Merged.hex", HERE / "Merged.hex"),
        ("C:/dev/b", r"C:\dev\b\app\zephyr\zephyr.hex", FOLDER / "zephyr.hex"),
        (r"C:\dev\b", "C:/dev/b/merged.hex", HERE / "merged.hex"),
        ("C:/dev/b", "D:/dev/b/merged.hex", Path("D:/dev/b/merged.hex")),
        ("/home/me/b", "zephyr.hex", FOLDER / "zephyr.hex"),
        ("/home/me/b", "../../merged.hex", FOLDER / "../../merged.hex"),
        (None, "/home/me/b/merged.hex", Path("/home/me/b/merged.hex")),
        (None, "zephyr.hex", FOLDER / "zephyr.hex"),
    ],
)
def test_a_path_is_found_again(birthplace: str | None, text: str, expected: Path) -> None:
    assert Relocation(birthplace, HERE).locate(text, FOLDER) == expected


def test_both_systems_spell_alike() -> None:
    assert normalised(r"C:\a\b" + "\\") == "C:/a/b"
    assert normalised(r"\\server\share\b") == "//server/share/b"
    assert normalised("/") == "/"
    assert normalised(r"odd\name") == r"odd\name"
    assert file_name(r"C:\a\merged.hex") == "merged.hex"
    assert [is_absolute(text) for text in ("/a", "C:/a", "a/b", "C:a")] == [True, True, False, False]
