"""MEMORY regions of linker scripts, with the branches of the direct-XIP variant image told apart.

Source: GNU ld manual, "MEMORY Command"; sdk-nrf's sample ``extxip_smp_svr``, ``linker_arm_extxip.ld``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from west_qspi.check.model import Spot
from west_qspi.check.parse.textfile import LONGEST_NUMBER, blanked

_REGION = re.compile(
    r"\b(?P<name>\w+)\s*(?:\([^()]*\)\s*)?:\s*(?:ORIGIN|org|o)\s*=(?P<origin>[^,=\n]+),"
    r"\s*(?:LENGTH|len|l)\s*=\s*(?P<length>[^\s}/]+(?:\s*[-+*]\s*[^\s}/]+)*)",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_BRACKETED = re.compile(r"\(\s*(\w+)\s*\)")
_TERM = re.compile(r"0[xX][0-9a-fA-F]+|\d+", re.ASCII)
_VARIANT = "CONFIG_NCS_IS_VARIANT_IMAGE"


class LinkerRegion(NamedTuple):
    """One region; ``origin`` and ``length`` are None where they are no plain sums of numbers.

    ``variant`` is True in the branch for the direct-XIP variant image, False in the other, None outside.
    """

    name: str
    origin: int | None
    length: int | None
    variant: bool | None
    spot: Spot
    origin_text: str
    length_text: str


def parse_ldscript(text: str, path: Path) -> tuple[LinkerRegion, ...]:
    """Return the regions of a script in order."""
    return tuple(_regions(blanked(_COMMENT, text), path))


def _regions(text: str, path: Path) -> Iterator[LinkerRegion]:
    branches: list[tuple[bool | None, bool | None]] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        if words.startswith("#"):
            _branch(words, branches)
            continue
        for found in _REGION.finditer(line):
            variant = next((now for _, now in reversed(branches) if now is not None), None)
            yield LinkerRegion(
                found["name"],
                _value(found["origin"]),
                _value(found["length"]),
                variant,
                Spot(path, number, found.start() + 1),
                found["origin"].strip(),
                found["length"].strip(),
            )


def _branch(words: str, branches: list[tuple[bool | None, bool | None]]) -> None:
    """Keep, for each open condition, what it says of the variant image, and what its present branch does."""
    directive = words[1:].strip()
    named = _VARIANT in directive
    negated = "!" in directive or directive.startswith("ifndef")
    if directive.startswith("if"):
        branches.append((not negated, not negated) if named else (None, None))
    elif directive.startswith("elif") and named and branches:
        branches[-1] = (not negated, not negated)
    elif directive.startswith("el") and branches:
        first, _ = branches[-1]
        branches[-1] = (first, None if first is None else not first)
    elif directive.startswith("endif") and branches:
        branches.pop()


def _value(text: str) -> int | None:
    """Evaluate a sum of numbers, with ld's K and M; None for anything else."""
    plain = text.strip()
    if plain.startswith("(") and plain.endswith(")") and "(" not in plain[1:]:
        plain = plain[1:-1]
    total, sign = 0, 1
    for term in re.split(r"([-+])", _BRACKETED.sub(r"\1", plain)):
        word = term.strip()
        if word in ("+", "-"):
            sign = 1 if word == "+" else -1
            continue
        scale = {"k": 1 << 10, "m": 1 << 20}.get(word[-1:].lower(), 1)
        digits = word[:-1] if scale > 1 else word
        if len(digits) > LONGEST_NUMBER or not _TERM.fullmatch(digits):
            return None
        octal = digits[0] == "0" and digits.isdecimal()
        if octal and not set(digits) <= set("01234567"):
            return None
        total += sign * int(digits, 8 if octal else 0) * scale
        sign = 1
    return total
