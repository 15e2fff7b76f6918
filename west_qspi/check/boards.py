"""What Zephyr's own board files say of the boards that most projects begin with, as those are not at hand.

Source: Zephyr, ``boards/nordic/*`` and ``boards/seeed/xiao_ble``, of 3.4 to 4.2: the SoC, the flash on QSPI,
and whether ``/chosen`` names it for Partition Manager.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from west_qspi.soc import NRF5340, NRF52840, Soc


class Board(NamedTuple):
    """One board: its SoC, the label, size in bytes and JEDEC id of its chip, and its choice for PM."""

    soc: Soc
    chip: str | None = None
    size: int = 0
    jedec_id: bytes = b""
    chosen: bool = False


_MX25R64 = ("mx25r64", 8 << 20, bytes.fromhex("C22817"))

BOARDS: Mapping[str, Board] = {
    "nrf5340dk": Board(NRF5340, *_MX25R64),
    "nrf52840dk": Board(NRF52840, *_MX25R64),
    "thingy53": Board(NRF5340, *_MX25R64, chosen=True),
    "nrf7002dk": Board(NRF5340),
    "nrf5340_audio_dk": Board(NRF5340),
    "nrf21540dk": Board(NRF52840, *_MX25R64),
    "nrf52840dongle": Board(NRF52840),
    "xiao_ble": Board(NRF52840, "p25q16h", 2 << 20, bytes.fromhex("856015")),
    "adafruit_feather_nrf52840": Board(NRF52840, "gd25q16", 2 << 20, bytes.fromhex("C84015")),
}


_SOC = r"nrf(?:5340_cpuapp|(?!5340)\d\d[a-z]?\d{2,3}(?:_cpuapp)?)(?:_?ns)?"
_REVISION = r"(?:\d+(?:_\d+){0,2}|[A-Z])"
_TARGET = re.compile(rf"(?P<plain>.+?_{_SOC})(?:_(?P<revision>{_REVISION}))?(?:_(?P<suffix>.+))?")


def board_in(name: str) -> tuple[str, str] | None:
    """Return the board and the file suffix in ``BOARD[_SUFFIX]``, None where no board can be told.

    A board ends in what Zephyr's build adds to a name: the SoC, its core for applications, ``ns``, and a
    revision. So ``nrf5340dk_nrf5340_cpuapp_minimal`` is the board without ``_minimal``, and
    ``watchdk_da7212`` is none. Source: Zephyr, ``zephyr_build_string`` in ``cmake/modules/extensions.cmake``.
    """
    if name in BOARDS:
        return name, ""
    found = _TARGET.fullmatch(name)
    if found is None:
        return None
    revision = f"_{found['revision']}" if found["revision"] else ""
    return found["plain"] + revision, found["suffix"] or ""


def is_board(name: str) -> bool:
    """Tell whether a name is an application core board's, and nothing more."""
    return board_in(name) == (name, "")


def without_revision(name: str) -> str:
    """Return a board's name as it is without a revision."""
    found = _TARGET.fullmatch(name)
    return found["plain"] if found and not found["suffix"] else name


def known_board(name: str) -> Board | None:
    """Return what is known of a board by its name, with or without qualifiers and revision."""
    plain = name.replace("/", "_").split("@")[0]
    matches = [key for key in BOARDS if plain == key or plain.startswith(f"{key}_")]
    return BOARDS[max(matches, key=len)] if matches else None


def soc_of(name: str) -> Soc | None:
    """Return the SoC that a board's name or qualifiers tell, or None."""
    board = known_board(name)
    if board is not None:
        return board.soc
    lower = name.lower()
    if "nrf5340" in lower:
        return NRF5340
    return NRF52840 if "nrf52840" in lower else None
