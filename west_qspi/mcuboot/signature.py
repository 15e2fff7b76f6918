"""The signatures of MCUboot images: which key, which algorithm, over what.

Source: MCUboot, ``image_validate.c``, ``image_rsa.c``, ``image_ecdsa.c`` and ``image_ed25519.c`` in
``boot/bootutil/src``, and imgtool's ``keys`` package (how a public key is encoded before it is hashed).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from west_qspi.errors import SigningKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

KEY_HASH, PUBLIC_KEY, PURE = 0x01, 0x02, 0x25  # TLV types


class SignatureType(IntEnum):
    """The kinds of signature, by TLV type."""

    RSA2048 = 0x20
    ECDSA = 0x22
    RSA3072 = 0x23
    ED25519 = 0x24


@dataclass(frozen=True)
class Key:
    """A public key that MCUboot can use; ``encoded`` is what it compares or hashes to recognise it."""

    type: SignatureType
    encoded: bytes
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

    def proves(self, signature: bytes, digest: bytes, content: bytes | None) -> bool:
        """Tell whether ``signature`` was made with this key: over ``content`` if given, else ``digest``."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

        try:
            if isinstance(self.public, rsa.RSAPublicKey):
                algorithm = _hash(digest)
                scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
                self.public.verify(signature, digest, scheme, utils.Prehashed(algorithm))
            elif isinstance(self.public, ec.EllipticCurvePublicKey):
                # imgtool --pad-sig adds zeros up to the greatest length; the second byte is DER's own length.
                signature = signature[: signature[1] + 2] if len(signature) > 1 else signature
                self.public.verify(signature, digest, ec.ECDSA(utils.Prehashed(_hash(digest))))
            else:
                self.public.verify(signature, digest if content is None else content)
        except InvalidSignature:
            return False
        return True


def load_key(pem: bytes, path: str) -> Key:
    """Read a signing key, private or public half, from the bytes of a PEM file.

    Raises SigningKeyError for anything but RSA of 2048 or 3072 bits, ECDSA P-256 or P-384, and Ed25519.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )

    try:
        private = b"PRIVATE KEY" in pem
        key = load_pem_private_key(pem, None).public_key() if private else load_pem_public_key(pem)
    except TypeError:
        raise SigningKeyError(path, "it is locked with a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SigningKeyError(path, "it is not a key in PEM format") from None
    info = PublicFormat.SubjectPublicKeyInfo
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in (2048, 3072):
        kind = SignatureType.RSA2048 if key.key_size == 2048 else SignatureType.RSA3072
        return Key(kind, key.public_bytes(Encoding.DER, PublicFormat.PKCS1), key)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)):
        return Key(SignatureType.ECDSA, key.public_bytes(Encoding.DER, info), key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Key(SignatureType.ED25519, key.public_bytes(Encoding.DER, info), key)
    raise SigningKeyError(path, "MCUboot takes RSA of 2048 or 3072 bits, ECDSA P-256 or P-384, and Ed25519")


def refusal(tlvs: Iterable[tuple[int, bytes]], digest: bytes | None, content: bytes, key: Key) -> str | None:
    """Return why MCUboot, built with ``key``, would refuse a signature, or None where it accepts one.

    ``tlvs`` are an image's (type, value) pairs in order, ``digest`` the hash that it stores, ``content`` the
    bytes under the hash. A signature counts only after a TLV that names the key, with none other between.
    """
    tlvs = tuple(tlvs)
    kinds = [SignatureType(kind) for kind, _ in tlvs if kind in tuple(SignatureType)]
    if not kinds:
        return "it is not signed"
    if key.type not in kinds:
        return f"it is signed with {kinds[0].name}, but the key is for {key.type.name}"
    pure = any(kind == PURE for kind, _ in tlvs)
    if digest is None and key.type is not SignatureType.ED25519:
        return "it holds no hash that could be signed"
    named = ours = False
    for kind, value in tlvs:
        if kind in (KEY_HASH, PUBLIC_KEY):
            named = _names(key, kind, value)
            ours = ours or named
        elif kind == key.type:
            if named and key.proves(value, digest or b"", content if pure else None):
                return None
            named = False
    return "its signature does not match its content" if ours else "it is signed with another key"


def _names(key: Key, kind: int, value: bytes) -> bool:
    if kind == PUBLIC_KEY:
        return value == key.encoded
    # imgtool hashes the key with the algorithm that it hashes the image with.
    return value in (hashlib.new(name, key.encoded).digest() for name in ("sha256", "sha384", "sha512"))


def _hash(digest: bytes) -> hashes.HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    return {32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512()}[len(digest)]
