"""SMP as a server sees it: frames, results and error codes, and the management group *os*.

A frame is a header of 8 bytes, big-endian (operation and version, flags, length, group, sequence, command),
and a CBOR map. Source: Zephyr, ``doc/services/device_mgmt/smp_protocol.rst`` and ``smp_groups``;
``subsys/mgmt/mcumgr/smp/src/smp.c``. Written without the ``smp`` package, so that clients made with it are a
second opinion on both.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from west_qspi.errors import PackageMissing

HEADER = struct.Struct(">BBHHBB")
OS, IMAGE = 0, 1  # groups
READ, WRITE = 0, 2

Map = Mapping[str, Any]

_GREATEST = 0xFFFF_FFFF
_NO_MAP: Map = MappingProxyType({})  # of a request whose content is no map; most commands do not look at it


class Code(IntEnum):
    """Results that are the same in all groups."""

    OK = 0
    UNKNOWN = 1
    NO_MEMORY = 2
    INVALID = 3
    NO_ENTRY = 5
    BAD_STATE = 6
    NOT_SUPPORTED = 8
    CORRUPT = 9
    TOO_NEW = 13


class Refused(Exception):
    """A command ends with an error: ``code`` is a general one, or that of ``group``.

    ``old`` is what clients of version 1, which know general codes only, are told instead.
    """

    def __init__(self, code: int, group: int | None = None, old: int = Code.UNKNOWN) -> None:
        super().__init__(code)
        self.code, self.group = code, group
        self.old = code if group is None else old


@dataclass(frozen=True)
class Request:
    """One request: ``operation`` is READ or WRITE, ``version`` 0 or 1 for SMP version 1 or 2.

    ``problem`` is why it is refused before anybody looks at what it asks for, None where it is not.
    """

    operation: int
    version: int
    group: int
    sequence: int
    command: int
    content: Map
    problem: Code | None = None

    @property
    def key(self) -> tuple[int, int, int]:
        """Operation, group and command."""
        return self.operation, self.group, self.command


def parse_request(frame: bytes) -> Request | None:
    """Read one frame; None for what a server drops without an answer. Raises PackageMissing."""
    loads = cbor().loads
    if len(frame) < HEADER.size:
        return None
    first, _, length, group, sequence, command = HEADER.unpack_from(frame)
    operation, version = first & 0x07, first >> 3 & 0x03
    body = frame[HEADER.size : HEADER.size + length]
    problem = None
    if len(body) < length:
        problem = Code.CORRUPT
    elif operation not in (READ, WRITE):
        problem = Code.NOT_SUPPORTED
    elif version > 1:
        problem = Code.TOO_NEW
    try:
        found = loads(body)
    except Exception:  # cbor2 lets errors of many kinds through for bytes that are not CBOR
        found = None
    content = found if isinstance(found, dict) and all(isinstance(key, str) for key in found) else _NO_MAP
    return Request(operation, min(version, 1), group, sequence, command, content, problem)


def answer(request: Request, content: Map) -> bytes:
    """Return the frame that answers a request. Raises PackageMissing."""
    body = cbor().dumps(dict(content))
    first = request.version << 3 | (READ if request.operation == READ else WRITE) + 1
    return HEADER.pack(first, 0, len(body), request.group, request.sequence, request.command) + bytes(body)


def refusal(request: Request, error: Refused) -> Map:
    """Return the content of an answer that tells of an error, in the request's version."""
    if error.group is None or request.version == 0:
        return {"rc": int(error.old)}
    return {"err": {"group": error.group, "rc": int(error.code)}}


def field(content: Map, name: str, kind: type, default: Any = None) -> Any:
    """Return a value of a request, the default where it is absent; Refused for one of another type.

    Numbers are of 32 bits, without a sign.
    """
    if content is _NO_MAP:
        raise Refused(Code.INVALID)
    value: Any = content.get(name, default)
    if value is default:
        return default
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise Refused(Code.INVALID)
    if isinstance(value, int) and not 0 <= value <= _GREATEST:
        raise Refused(Code.INVALID)
    return value


def cbor() -> Any:
    """Return the package for CBOR. Raises PackageMissing."""
    try:
        import cbor2
    except ModuleNotFoundError:
        raise PackageMissing("cbor2") from None
    return cbor2
