"""Text of files as it may be printed; by itself, as the least commands need more of this package."""

from __future__ import annotations


def plain(text: str) -> str:
    """Return a text that is safe to print: on one line, without control characters."""
    return text if text.isprintable() else ascii(text)[1:-1]
