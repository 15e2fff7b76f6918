"""MCUboot images: header, TLVs, hash and signature.

An image is a header of at least 32 bytes, padded to ``header_size``; the body; an optional area of protected
TLVs; and an area of other TLVs. The hash covers everything before the latter. All numbers are little-endian.

Source: MCUboot, ``boot/bootutil/include/bootutil/image.h`` (layout), ``src/tlv.c`` and
``src/image_validate.c`` (what is refused), ``docs/design.md`` chapter "Image format".
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntFlag

from west_qspi.errors import ImageError
from west_qspi.mcuboot import signature

HEADER_MAGIC_BYTES = (0x96F3B83D).to_bytes(4, "little")
HEADER_SIZE = 32  # its fields; padding up to ``Header.header_size`` follows

_HEADER = struct.Struct("<4sIHHIIBBHI4x")
_PAIR = struct.Struct("<HH")  # an area's magic and total size; a TLV's type and length
_DEPENDENCY = struct.Struct("<B3xBBHI")
_AREA_MAGIC, _PROTECTED_AREA_MAGIC = 0x6907, 0x6908

_HASHES = {0x10: "sha256", 0x11: "sha384", 0x12: "sha512"}  # by TLV type
_ENCRYPTED_KEYS = range(0x30, 0x35)
_DEPENDS = 0x40

_WRONG_HASH = "the content does not match its hash"


class ImageFlags(IntFlag):
    """The header's flags: how the bootloader has to treat the body."""

    PIC = 0x1
    ENCRYPTED_AES128 = 0x4
    ENCRYPTED_AES256 = 0x8
    NON_BOOTABLE = 0x10
    RAM_LOAD = 0x20
    ROM_FIXED = 0x100
    COMPRESSED_LZMA1 = 0x200
    COMPRESSED_LZMA2 = 0x400
    COMPRESSED_ARM_THUMB = 0x800


@dataclass(frozen=True, order=True)
class Version:
    """An image's version, ordered with the build number last.

    MCUboot itself leaves the build number out of comparisons, unless it was built with
    ``CONFIG_BOOT_VERSION_CMP_USE_BUILD_NUMBER``: compare ``release`` for what it does by default.
    """

    major: int
    minor: int = 0
    revision: int = 0
    build: int = 0

    @property
    def release(self) -> tuple[int, int, int]:
        """The version without its build number."""
        return self.major, self.minor, self.revision

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.revision}+{self.build}"


@dataclass(frozen=True)
class Header:
    """An image's header; sizes in bytes, ``image_size`` that of the body alone.

    ``load_address`` means where the image must lie if ``flags`` has ROM_FIXED: an offset in its flash device.
    """

    load_address: int
    header_size: int
    protected_size: int
    image_size: int
    flags: ImageFlags
    version: Version

    @property
    def hashed_size(self) -> int:
        """How many bytes from the image's start the hash covers."""
        return self.header_size + self.image_size + self.protected_size


@dataclass(frozen=True)
class Tlv:
    """One type-length-value record; a protected one is covered by the hash."""

    type: int
    value: bytes
    protected: bool


@dataclass(frozen=True)
class Dependency:
    """The least version that another image (by MCUboot's number) must have."""

    image: int
    minimum: Version


@dataclass(frozen=True)
class McubootImage:
    """A well-formed image; ``size`` is all of it, from the header's first byte to the last TLV's last.

    ``digest`` is the hash that it stores, ``computed`` that of its content; both are None for an image that
    stores none, which only one with a pure signature may.
    """

    header: Header
    tlvs: tuple[Tlv, ...]
    size: int
    digest: bytes | None
    computed: bytes | None

    @property
    def version(self) -> Version:
        """The header's version."""
        return self.header.version

    @property
    def encrypted(self) -> bool:
        """Tell whether it was made encrypted; MCUboot leaves it marked so when it has decrypted it."""
        return bool(self.header.flags & (ImageFlags.ENCRYPTED_AES128 | ImageFlags.ENCRYPTED_AES256))

    @property
    def hash_ok(self) -> bool | None:
        """Tell whether the content is what was hashed; None where that cannot be known.

        It cannot where no hash is stored, and where the body is encrypted: the hash is over the plain one.
        """
        if self.digest is None:
            return None
        return True if self.digest == self.computed else None if self.encrypted else False

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """What it needs of other images; MCUboot heeds only protected ones."""
        unpacked = (
            _DEPENDENCY.unpack(tlv.value) for tlv in self.tlvs if tlv.type == _DEPENDS and tlv.protected
        )
        return tuple(Dependency(number, Version(*version)) for number, *version in unpacked)

    @property
    def signature_types(self) -> tuple[signature.SignatureType, ...]:
        """The kinds of its signatures, in order; empty for an unsigned image."""
        known = tuple(signature.SignatureType)
        return tuple(signature.SignatureType(tlv.type) for tlv in self.tlvs if tlv.type in known)


class _Flaw(Exception):
    """What is wrong with an image, before it is known how the image is called."""


def parse_header(data: bytes) -> Header | None:
    """Read a header from the first 32 bytes of ``data``; None where they do not begin with the magic."""
    if len(data) < HEADER_SIZE:
        return None
    magic, load_address, header_size, protected_size, image_size, flags, *version = _HEADER.unpack_from(data)
    if magic != HEADER_MAGIC_BYTES:
        return None
    return Header(load_address, header_size, protected_size, image_size, ImageFlags(flags), Version(*version))


def image_extent(read: Callable[[int, int], bytes], limit: int) -> int | None:
    """Return the size of the image on a device, TLVs included, or None where there is none within ``limit``.

    ``read(offset, count)`` gives bytes from the image's start on; at most 40 are asked for.
    """
    if limit < HEADER_SIZE:
        return None
    header = parse_header(read(0, HEADER_SIZE))
    try:
        return _total_size(header, read, limit) if header else None
    except _Flaw:
        return None


def parse_image(data: bytes, path: str = "<image>", address: int = 0) -> McubootImage:
    """Read the image that ``data`` begins with; what follows it is ignored. ``address`` is for messages.

    Raises ImageError where there is no image, it is cut off, its sizes or TLVs contradict each other, or it
    holds neither a hash nor a pure signature. A wrong hash is not raised: see ``hash_ok``.
    """
    try:
        return _parse(data)
    except _Flaw as flaw:
        raise ImageError(path, address, str(flaw)) from None


def check_image(data: bytes, path: str = "<image>", address: int = 0) -> McubootImage:
    """Do as ``parse_image``, and raise ImageError also where the content is not what was hashed."""
    image = parse_image(data, path, address)
    if image.hash_ok is False:
        raise ImageError(path, address, _WRONG_HASH)
    return image


def verify_signature(
    data: bytes,
    image: McubootImage,
    public_key: bytes,
    path: str,
    address: int = 0,
    *,
    key_path: str = "<key>",
) -> None:
    """Prove that ``image``, whose bytes are ``data``, is signed with a key, private or public half, in PEM.

    Like MCUboot, a signature counts only right after the TLV that names its key. An encrypted image is judged
    by the hash it stores. Raises ImageError, and SigningKeyError for a key that MCUboot could not use.
    """
    key = signature.load_key(public_key, key_path)
    records = ((tlv.type, tlv.value) for tlv in image.tlvs)
    content = data[: image.header.hashed_size]
    wrong = _WRONG_HASH if image.hash_ok is False else None
    reason = wrong or signature.refusal(records, image.digest, content, key)
    if reason is not None:
        raise ImageError(path, address, reason)


def _parse(data: bytes) -> McubootImage:
    if data[:4] != HEADER_MAGIC_BYTES:
        raise _Flaw(f"there is no image header, but {data[:4].hex(' ') or 'nothing'}")
    header = parse_header(data)
    if header is None:
        raise _Flaw(f"cut off in the header, after {len(data)} bytes")
    size = _total_size(header, lambda offset, count: data[offset : offset + count], len(data))
    hashed = header.hashed_size
    tlvs = [
        *_tlvs(data[hashed - header.protected_size : hashed], protected=True),
        *_tlvs(data[hashed:size], protected=False),
    ]
    stored = next((tlv for tlv in tlvs if tlv.type in _HASHES), None)
    computed = None
    if stored is not None:
        computed = hashlib.new(_HASHES[stored.type], data[:hashed]).digest()
        if len(stored.value) != len(computed):
            raise _Flaw(f"the hash has {len(stored.value)} bytes instead of {len(computed)}")
    image = McubootImage(header, tuple(tlvs), size, stored.value if stored else None, computed)
    _refuse_contradictions(image)
    return image


def _refuse_contradictions(image: McubootImage) -> None:
    if image.digest is None and not any(tlv.type == signature.PURE for tlv in image.tlvs):
        raise _Flaw("it holds no hash")
    if image.encrypted and not any(tlv.type in _ENCRYPTED_KEYS for tlv in image.tlvs):
        raise _Flaw("marked as encrypted, but it holds no encrypted key")
    for tlv in image.tlvs:
        if tlv.type == _DEPENDS and len(tlv.value) != _DEPENDENCY.size:
            raise _Flaw(f"a dependency has {len(tlv.value)} bytes instead of {_DEPENDENCY.size}")


def _total_size(header: Header, read: Callable[[int, int], bytes], limit: int) -> int:
    """Follow header and TLV areas to the image's end, which must not lie beyond ``limit``."""
    if header.header_size < HEADER_SIZE:
        raise _Flaw(f"the header claims a size of {header.header_size} bytes, less than {HEADER_SIZE}")
    end = header.header_size + header.image_size
    if header.protected_size:
        size = _area_size(read, end, limit, _PROTECTED_AREA_MAGIC)
        if size != header.protected_size:
            raise _Flaw(f"the header says {header.protected_size} bytes of protected TLVs, their area {size}")
        end += size
    return end + _area_size(read, end, limit, _AREA_MAGIC)


def _area_size(read: Callable[[int, int], bytes], offset: int, limit: int, wanted: int) -> int:
    if offset + _PAIR.size > limit:
        raise _Flaw(f"cut off: TLVs should begin at {offset:#x}, but there are only {limit:#x} bytes")
    magic, size = _PAIR.unpack(read(offset, _PAIR.size))
    if magic != wanted:
        raise _Flaw(f"the TLVs at {offset:#x} begin with {magic:#06x} instead of {wanted:#06x}")
    if size < _PAIR.size:
        raise _Flaw(f"the TLVs at {offset:#x} claim a size of {size} bytes, less than {_PAIR.size}")
    if offset + size > limit:
        raise _Flaw(f"cut off: the TLVs end at {offset + size:#x}, but there are only {limit:#x} bytes")
    return int(size)


def _tlvs(area: bytes, *, protected: bool) -> Iterator[Tlv]:
    at = _PAIR.size
    while at < len(area):
        if at + _PAIR.size > len(area):
            raise _Flaw("the last TLV is cut off")
        kind, size = _PAIR.unpack_from(area, at)
        at += _PAIR.size
        if at + size > len(area):
            raise _Flaw(f"TLV {kind:#06x} of {size} bytes goes past the end of the TLVs")
        yield Tlv(kind, area[at : at + size], protected)
        at += size
