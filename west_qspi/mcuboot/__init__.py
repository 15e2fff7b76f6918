"""MCUboot images: headers, TLVs, hashes, signatures."""

from west_qspi.mcuboot.image import (
    HEADER_MAGIC_BYTES,
    HEADER_SIZE,
    Dependency,
    Header,
    ImageFlags,
    McubootImage,
    Tlv,
    Version,
    check_image,
    image_extent,
    parse_header,
    parse_image,
    verify_signature,
)
from west_qspi.mcuboot.signature import SignatureType

__all__ = [
    "HEADER_MAGIC_BYTES",
    "HEADER_SIZE",
    "Dependency",
    "Header",
    "ImageFlags",
    "McubootImage",
    "SignatureType",
    "Tlv",
    "Version",
    "check_image",
    "image_extent",
    "parse_header",
    "parse_image",
    "verify_signature",
]
