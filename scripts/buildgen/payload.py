"""Bytes that look like firmware: vectors, code, text, tables, runs of nothing; the same for the same seed.

What is made up here is only the content. Addresses in it are real: the vectors point into the image, and the
halves of a split image point into each other, so halves of two builds or of two slots do not fit together.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from random import Random

# Cortex-M has 16 vectors of its own; the nRF5340's application core adds 69.
_VECTORS = 85
_LINKS = 8
_FIRST_CODE = 4 * (_VECTORS + _LINKS)
# What Thumb-2 code is mostly made of, so that it compresses, and differs from noise, as code does.
_COMMON = bytes.fromhex(
    "00 46 68 60 f0 bd b5 20 21 22 23 47 70 f8 e7 d0 d1 2b 4b f7 ff 01 02 04 08 10 b1 28 9b"
)
_CODE = bytes(value if value % 3 == 0 else _COMMON[value % len(_COMMON)] for value in range(256))
_WORDS = b"settings battery display sensor bluetooth assert %d 0x%08x init failed: %s watch ok\n".split(b" ")


def image(seed: str, size: int, base: int, stack: int, links: Iterable[int] = ()) -> bytes:
    """Return code that begins with vectors, for bus address ``base``; at least 0x400 bytes.

    ``stack`` is the initial stack pointer; ``links`` are up to 8 addresses in other code that it calls.
    """
    rng = Random(f"{seed} image")
    handlers = [base + (rng.randrange(_FIRST_CODE, size - 2) & ~1 | 1) for _ in range(_VECTORS - 1)]
    for reserved in (7, 8, 9, 10, 13):
        handlers[reserved - 1] = 0
    return _whole(rng, [stack, *handlers, *links], _FIRST_CODE, size)


def half(seed: str, size: int, base: int, links: Iterable[int] = ()) -> bytes:
    """Return code that something else calls, for bus address ``base``; at least 0x100 bytes."""
    rng = Random(f"{seed} half")
    return _whole(rng, [*entries(seed, size, base), *links], 4 * 2 * _LINKS, size)


def entries(seed: str, size: int, base: int) -> list[int]:
    """Return 8 addresses of functions (odd: Thumb) in code of that size at ``base``."""
    rng = Random(f"{seed} entries")
    return [base + (rng.randrange(size // 2, size - 2) & ~1 | 1) for _ in range(_LINKS)]


def changed(data: bytes, change: int, changes: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the code after an edit: number ``change`` alters a word at one and at two thirds of it.

    ``changes`` are (offset, bytes) to lay over the result. Raises ValueError for one that does not fit.
    """
    result = bytearray(data)
    for offset in (len(data) // 3 & ~3, 2 * len(data) // 3 & ~3):
        word = int.from_bytes(result[offset : offset + 4], "little") ^ change
        result[offset : offset + 4] = word.to_bytes(4, "little")
    for offset, new in changes:
        if not 0 <= offset <= len(data) - len(new):
            raise ValueError(f"{len(new)} bytes at {offset:#x} do not fit into {len(data):#x} bytes")
        result[offset : offset + len(new)] = new
    return bytes(result)


def _whole(rng: Random, words: list[int], first: int, size: int) -> bytes:
    table = struct.pack(f"<{len(words)}I", *words).ljust(first, b"\0")
    return table + b"".join(_body(rng, size - len(table)))


def _body(rng: Random, size: int) -> Iterator[bytes]:
    left = size
    while left > 0:
        kind = rng.random()
        if kind < 0.70:
            piece = rng.randbytes(rng.randrange(256, 4096)).translate(_CODE)
        elif kind < 0.82:
            piece = b" ".join(rng.choices(_WORDS, k=rng.randrange(8, 64)))
        elif kind < 0.96:
            piece = bytes(rng.randrange(16, 1024))
        else:
            # Long enough that now and then a whole sector of it is blank.
            piece = b"\xff" * rng.randrange(16, 10_000)
        yield piece[:left]
        left -= len(piece)
