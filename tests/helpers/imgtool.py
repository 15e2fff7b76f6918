"""Signed images, made by the real imgtool through its command line."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from imgtool.main import imgtool

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def private_key(kind: str, number: int = 0) -> PrivateKey:
    """Return the ``number``-th key of a kind; the same one on every call."""
    del number
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves: dict[str, ec.EllipticCurve] = {
        "p224": ec.SECP224R1(),
        "p256": ec.SECP256R1(),
        "p384": ec.SECP384R1(),
    }
    return ec.generate_private_key(curves[kind])


def private_pem(kind: str, number: int = 0, password: bytes | None = None) -> bytes:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return private_key(kind, number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def public_pem(kind: str, number: int = 0) -> bytes:
    public = private_key(kind, number).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(
    body: bytes,
    *words: str,
    version: str = "1.2.3+4",
    header_size: int = 0x20,
    slot_size: int = 0x4000,
    key: bytes | None = None,
    encrypt_to: bytes | None = None,
) -> bytes:
    """Return what ``imgtool sign`` makes of ``body``; ``words`` are more of its options, keys are PEM."""
    with TemporaryDirectory() as folder:
        source, result, key_file, encryption_file = (
            Path(folder, name) for name in ("body.bin", "image.bin", "key.pem", "encryption.pem")
        )
        source.write_bytes(body)
        arguments = ["sign", "--version", version, "--align", "4", "--pad-header"]
        arguments += ["--header-size", str(header_size), "--slot-size", str(slot_size)]
        if key is not None:
            key_file.write_bytes(key)
            arguments += ["--key", str(key_file)]
        if encrypt_to is not None:
            encryption_file.write_bytes(encrypt_to)
            arguments += ["--encrypt", str(encryption_file)]
        with contextlib.redirect_stdout(io.StringIO()):
            imgtool([*arguments, *words, str(source), str(result)], standalone_mode=False)
        return result.read_bytes()
