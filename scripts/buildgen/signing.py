"""Signing with the real imgtool, but so that the same input always gives the same signature.

imgtool draws a random number for each ECDSA signature. Here it hands out the digest, the signature is made as
RFC 6979 says, and imgtool puts it into the image.
"""

from __future__ import annotations

import base64
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from buildgen.disk import write_file
from west_qspi.errors import SigningKeyError, UsageError
from west_qspi.fileio import opened

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KEY_NAME = "signing-key.pem"

# Like MCUboot's own sample keys no secret: whoever makes a build gets the same one.
_SAMPLE = int.from_bytes(b"signing key for made builds", "big")


@dataclass(frozen=True)
class Signer:
    """Makes MCUboot images; ``key_file`` and ``key`` are None where they carry a hash only."""

    key_file: Path | None
    key: EllipticCurvePrivateKey | None

    @classmethod
    def load(cls, path: Path) -> Signer:
        """Use the P-256 key in a PEM file; raises FileUnreadable and SigningKeyError."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        with opened(path) as stream:
            text = stream.read()
        try:
            key = load_pem_private_key(text, None)
        except (ValueError, TypeError) as error:
            raise SigningKeyError(str(path), f"no private key without a password: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise SigningKeyError(str(path), "only ECDSA P-256 is supported here")
        return cls(path, key)

    @classmethod
    def sample(cls, path: Path) -> Signer:
        """Use the key in ``path``, which is made first where there is none; raises FileUnwritable too."""
        if not path.exists():
            write_file(path, _sample_key())
        return cls.load(path)

    def sign(self, code: bytes, version: str, slot_size: int, *options: str) -> bytes:
        """Return header, padding to 0x200 bytes, code and trailer, as ``imgtool sign`` makes them.

        ``options`` are more words for imgtool. Raises UsageError with imgtool's own words, for instance where
        the image does not fit its slot.
        """
        arguments = ["--version", version, "--align", "4", "--header-size", "0x200", "--pad-header"]
        arguments += ["--slot-size", hex(slot_size), *options]
        with TemporaryDirectory() as folder:
            source, result = Path(folder, "code.bin"), Path(folder, "image.bin")
            source.write_bytes(code)
            if self.key is not None:
                key_file, signature = str(self.key_file), Path(folder, "signature")
                _imgtool(
                    *arguments, "--key", key_file, "--vector-to-sign", "digest", str(source), str(result)
                )
                signature.write_bytes(base64.b64encode(_signature(self.key, result.read_bytes())))
                arguments += ["--fix-sig", str(signature), "--fix-sig-pubkey", key_file]
            _imgtool(*arguments, str(source), str(result))
            return result.read_bytes()


def _sample_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.derive_private_key(_SAMPLE, ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _signature(key: EllipticCurvePrivateKey, digest: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    return key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256()), deterministic_signing=True))


def _imgtool(*arguments: str) -> None:
    # In this process: starting it anew takes a hundred times as long as the signing itself.
    from click import ClickException
    from imgtool.main import imgtool

    try:
        with redirect_stdout(StringIO()):
            imgtool(["sign", *arguments], standalone_mode=False)
    except ClickException as error:
        raise UsageError(f"imgtool: {error.format_message()}") from None
