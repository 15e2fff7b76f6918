"""The door to programmer configurations: nrfjprog's ``.ini`` and ``.toml``, nrfutil's ``.json``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from west_qspi.errors import ConfigurationError
from west_qspi.extflash.ini import parse_ini, write_ini
from west_qspi.extflash.jsonfile import parse_json, write_json
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.textfile import LARGEST, read_text, too_large
from west_qspi.extflash.tomlfile import parse_toml, write_toml
from west_qspi.soc import Soc


class Format(str, Enum):
    """A format, by the suffix of its files."""

    INI = "ini"
    TOML = "toml"
    JSON = "json"


class Written(NamedTuple):
    """A file's text, and one sentence for each fact that the format cannot hold, or that had to change."""

    text: str
    lost: tuple[str, ...]


_PARSERS: Mapping[Format, Callable[[str, str], ExternalFlash]] = {
    Format.INI: parse_ini,
    Format.TOML: parse_toml,
    Format.JSON: parse_json,
}
_WRITERS: Mapping[Format, Callable[[ExternalFlash, Soc, bool], tuple[str, tuple[str, ...]]]] = {
    Format.INI: write_ini,
    Format.TOML: write_toml,
    Format.JSON: write_json,
}
_QSPI_TABLE = re.compile(r"^[ \t]*\[[ \t]*qspi\b", re.MULTILINE)


def read_config(path: Path) -> ExternalFlash:
    """Read a configuration; its suffix tells the format, or its content where the suffix is another one.

    Raises FileUnreadable, ConfigurationError.
    """
    text = read_text(path, ConfigurationError)
    return parse_config(text, str(path), _format(path.suffix, text))


def _format(suffix: str, text: str) -> Format:
    name = suffix[1:].lower()
    if name in tuple(Format):
        return Format(name)
    if text.lstrip().startswith("{"):
        return Format.JSON
    return Format.TOML if _QSPI_TABLE.search(text) else Format.INI


def parse_config(text: str, path: str, format: Format) -> ExternalFlash:
    """Read a configuration's text; ``path`` names it. Raises ConfigurationError.

    Each fact has its source: the key as it is in that format, and the line. Keys that mean nothing to the
    tool are listed as unknown.
    """
    if len(text) > LARGEST:
        raise too_large(len(text.encode(errors="replace")), path, ConfigurationError)
    return _PARSERS[format](text, path)


def write_config(flash: ExternalFlash, format: Format, soc: Soc, *, comments: bool = True) -> Written:
    """Write all that the format holds of a description; ``comments`` say where each value comes from.

    Instructions and, in nrfjprog's formats, ``rx_delay`` may be None; so may, in nrfutil's, ``page``,
    ``sck_delay``, ``rx_delay`` and ``compress``. Raises ValueError where another fact that the format needs
    is missing, or has a value that the format has no form for.
    """
    return Written(*_WRITERS[format](flash, soc, comments))
