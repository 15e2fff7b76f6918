"""Images made by imgtool, whole and damaged."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.imgtool import private_pem, public_pem, sign
from west_qspi.errors import ImageError, SigningKeyError
from west_qspi.mcuboot import (
    HEADER_MAGIC_BYTES,
    ImageFlags,
    McubootImage,
    SignatureType,
    Version,
    check_image,
    image_extent,
    parse_header,
    parse_image,
    verify_signature,
)

DATA = Path(__file__).parent / "data" / "mcuboot"
BODY = bytes(range(1, 101))
PLAIN = sign(BODY)
SIGNED = sign(BODY, "--dependencies", "(1, 0.9.0+7)", key=private_pem("p256"))

KINDS = {
    "rsa2048": SignatureType.RSA2048,
    "rsa3072": SignatureType.RSA3072,
    "p256": SignatureType.ECDSA,
    "p384": SignatureType.ECDSA,
    "ed25519": SignatureType.ED25519,
}


def verify(data: bytes, key: bytes, key_path: str = "key.pem") -> McubootImage:
    image = parse_image(data, "app.bin", 0x1_0000)
    verify_signature(data, image, key, "app.bin", 0x1_0000, key_path=key_path)
    return image


def with_tlvs(base: bytes, tlvs: list[tuple[int, bytes]]) -> bytes:
    """Return header and body of an unprotected image with other TLVs."""
    area = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in tlvs)
    return base[:132] + struct.pack("<HH", 0x6907, 4 + len(area)) + area


def tlvs_of(data: bytes) -> list[tuple[int, bytes]]:
    return [(tlv.type, tlv.value) for tlv in parse_image(data).tlvs]


# --- reading ---------------------------------------------------------------------------------------


def test_header_says_what_imgtool_was_told() -> None:
    data = sign(BODY, "--rom-fixed", "0x120000", version="255.254.65535+4294967295", header_size=0x200)
    header = parse_header(data)
    assert header is not None
    assert header.header_size == 0x200
    assert header.image_size == 100
    assert header.protected_size == 0
    assert header.load_address == 0x12_0000
    assert header.flags == ImageFlags.ROM_FIXED
    assert header.version == Version(255, 254, 65535, 4294967295)
    assert str(header.version) == "255.254.65535+4294967295"


@pytest.mark.parametrize("data", [b"", b"\xff" * 64, PLAIN[1:], PLAIN[:31]])
def test_no_header_where_there_is_none(data: bytes) -> None:
    assert parse_header(data) is None


def test_magic_bytes_are_those_on_the_flash() -> None:
    assert HEADER_MAGIC_BYTES == b"\x3d\xb8\xf3\x96" == PLAIN[:4]


def test_unsigned_image() -> None:
    image = check_image(PLAIN)
    assert image.version == Version(1, 2, 3, 4)
    # Header, body, area header, and one hash TLV.
    assert image.size == len(PLAIN) == 32 + 100 + 4 + 4 + 32
    assert image.digest == image.computed == hashlib.sha256(PLAIN[:132]).digest()
    assert image.hash_ok is True
    assert image.signature_types == ()
    assert image.dependencies == ()
    assert not image.encrypted


def test_what_follows_the_image_is_not_part_of_it() -> None:
    assert parse_image(SIGNED + b"\xff" * 1000) == parse_image(SIGNED)


def test_protected_tlvs() -> None:
    data = sign(BODY, "--security-counter", "9", "--dependencies", "(1, 0.9.0+7) (2, 3.4.5)")
    image = check_image(data)
    assert image.header.protected_size == 4 + 8 + 16 + 16
    assert [(tlv.type, tlv.protected) for tlv in image.tlvs] == [
        (0x50, True),
        (0x40, True),
        (0x40, True),
        (0x10, False),
    ]
    assert image.tlvs[0].value == b"\x09\x00\x00\x00"
    first, second = image.dependencies
    assert (first.image, first.minimum) == (1, Version(0, 9, 0, 7))
    assert (second.image, second.minimum) == (2, Version(3, 4, 5, 0))
    assert image.digest == hashlib.sha256(data[: 132 + 44]).digest()


def test_versions_are_ordered_by_number() -> None:
    texts = ["1.9.0+0", "1.10.0+0", "1.10.2+0", "1.10.2+1", "2.0.0+0"]
    versions = [parse_image(sign(BODY, version=text)).version for text in texts]
    assert sorted(versions, key=str) != versions
    assert sorted(versions) == versions
    assert [str(version) for version in versions] == texts
    assert versions[2].release == versions[3].release == (1, 10, 2)


# --- signatures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("half", [private_pem, public_pem], ids=["private", "public"])
def test_signature_is_proven_with_either_half_of_its_key(kind: str, half: type) -> None:
    data = sign(BODY, key=private_pem(kind))
    image = verify(data, half(kind))
    assert image.signature_types == (KINDS[kind],)
    assert image.hash_ok


@pytest.mark.parametrize("kind", KINDS)
def test_another_key_of_the_same_kind_is_refused(kind: str) -> None:
    data = sign(BODY, key=private_pem(kind))
    with pytest.raises(ImageError) as caught:
        verify(data, public_pem(kind, 1))
    assert caught.value.reason == "it is signed with another key"
    assert str(caught.value) == "app.bin: image at 0x00010000: it is signed with another key"


def test_another_kind_of_key_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        verify(SIGNED, public_pem("rsa2048"))
    assert caught.value.reason == "it is signed with ECDSA, but the key is for RSA2048"


def test_unsigned_image_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        verify(PLAIN, public_pem("p256"))
    assert caught.value.reason == "it is not signed"


@pytest.mark.parametrize("kind", ["p256", "p384"])
def test_padded_signature(kind: str) -> None:
    verify(sign(BODY, "--pad-sig", key=private_pem(kind)), public_pem(kind))


def test_whole_key_in_place_of_its_hash() -> None:
    data = sign(BODY, "--public-key-format", "full", key=private_pem("p256"))
    assert 0x02 in [tlv.type for tlv in parse_image(data).tlvs]
    verify(data, public_pem("p256"))
    with pytest.raises(ImageError) as caught:
        verify(data, public_pem("p256", 1))
    assert caught.value.reason == "it is signed with another key"


def test_pure_signature_is_over_the_content() -> None:
    data = sign(BODY, "--pure", "--security-counter", "1", key=private_pem("ed25519"))
    image = verify(data, public_pem("ed25519"))
    assert image.digest == hashlib.sha512(data[: image.header.hashed_size]).digest()


def test_pure_signature_without_a_hash() -> None:
    """MCUboot built for pure signatures does not look for a hash."""
    hashed, *others = tlvs_of(sign(BODY, "--pure", key=private_pem("ed25519")))
    assert hashed[0] == 0x12
    data = with_tlvs(PLAIN, others)
    image = verify(data, public_pem("ed25519"))
    assert (image.digest, image.computed, image.hash_ok) == (None, None, None)
    changed = bytearray(data)
    changed[50] ^= 1
    with pytest.raises(ImageError) as caught:
        verify(bytes(changed), public_pem("ed25519"))
    assert caught.value.reason == "its signature does not match its content"


def test_one_of_several_signatures_is_enough() -> None:
    first, second = (tlvs_of(sign(BODY, key=private_pem("p256", number))) for number in (0, 1))
    data = with_tlvs(PLAIN, [*first, *second[1:]])
    assert verify(data, public_pem("p256", 0)).signature_types == (SignatureType.ECDSA,) * 2
    verify(data, public_pem("p256", 1))
    with pytest.raises(ImageError) as caught:
        verify(data, public_pem("p256", 2))
    assert caught.value.reason == "it is signed with another key"


def test_signature_counts_only_after_its_key() -> None:
    hashed, named, signed = tlvs_of(sign(BODY, key=private_pem("p256")))
    verify(with_tlvs(PLAIN, [hashed, named, signed]), public_pem("p256"))
    for order in ([hashed, signed], [hashed, signed, named]):
        with pytest.raises(ImageError):
            verify(with_tlvs(PLAIN, order), public_pem("p256"))


def test_pure_signature_without_a_hash_is_only_for_ed25519() -> None:
    _, named, signed = tlvs_of(sign(BODY, key=private_pem("p256")))
    with pytest.raises(ImageError) as caught:
        verify(with_tlvs(PLAIN, [(0x25, b"\x01"), named, signed]), public_pem("p256"))
    assert caught.value.reason == "it holds no hash that could be signed"


def test_signature_of_other_content_is_refused() -> None:
    """A hash made to fit is not enough."""
    forged = bytearray(sign(BODY, key=private_pem("p256")))
    forged[40] ^= 0xFF
    forged[140:172] = hashlib.sha256(forged[:132]).digest()
    assert check_image(bytes(forged)).hash_ok
    with pytest.raises(ImageError) as caught:
        verify(bytes(forged), public_pem("p256"))
    assert caught.value.reason == "its signature does not match its content"


def test_signature_of_a_changed_body_names_the_hash() -> None:
    changed = bytearray(SIGNED)
    changed[40] ^= 0xFF
    with pytest.raises(ImageError) as caught:
        verify(bytes(changed), public_pem("p256"))
    assert caught.value.reason == "the content does not match its hash"


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "it is not a key in PEM format"),
        (b"\x00\xff garbage", "it is not a key in PEM format"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "it is not a key in PEM format"),
        (private_pem("p256", password=b"secret"), "it is locked with a password"),
        (
            public_pem("p224"),
            "MCUboot takes RSA of 2048 or 3072 bits, ECDSA P-256 or P-384, and Ed25519",
        ),
        (
            public_pem("rsa1024"),
            "MCUboot takes RSA of 2048 or 3072 bits, ECDSA P-256 or P-384, and Ed25519",
        ),
    ],
    ids=["empty", "garbage", "broken", "locked", "p224", "rsa1024"],
)
def test_unusable_keys(pem: bytes, reason: str) -> None:
    with pytest.raises(SigningKeyError) as caught:
        verify(SIGNED, pem, "keys/root.pem")
    assert (caught.value.path, caught.value.reason) == ("keys/root.pem", reason)
    assert str(caught.value) == f"keys/root.pem: not a usable signing key: {reason}"


# --- encryption ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", ["128", "256"])
def test_hash_of_an_encrypted_image_cannot_be_judged(bits: str) -> None:
    data = sign(
        BODY,
        "--encrypt-keylen",
        bits,
        key=private_pem("p256"),
        encrypt_to=public_pem("p256", 1),
    )
    image = check_image(data)
    assert image.encrypted
    assert image.hash_ok is None
    assert BODY not in data
    verify(data, public_pem("p256"))
    with pytest.raises(ImageError) as caught:
        verify(data, public_pem("p256", 2))
    assert caught.value.reason == "it is signed with another key"


def test_image_that_is_only_marked_as_encrypted() -> None:
    """As MCUboot leaves it in the primary slot: decrypted, with the flag still set."""
    data = sign(BODY, "--clear", key=private_pem("p256"), encrypt_to=public_pem("p256", 1))
    image = check_image(data)
    assert image.encrypted
    assert image.hash_ok is True
    assert BODY in data


# --- damage ----------------------------------------------------------------------------------------


def test_wrong_hash_is_a_value_first_and_an_error_when_checked() -> None:
    data = (DATA / "wrong-hash.bin").read_bytes()
    assert parse_image(data).hash_ok is False
    with pytest.raises(ImageError) as caught:
        check_image(data, "wrong-hash.bin", 0xC000)
    assert str(caught.value) == "wrong-hash.bin: image at 0x0000c000: the content does not match its hash"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no-header.bin", "there is no image header, but ff ff ff ff"),
        ("empty.bin", "there is no image header, but nothing"),
        ("cut-in-header.bin", "cut off in the header, after 20 bytes"),
        ("small-header.bin", "the header claims a size of 28 bytes, less than 32"),
        ("cut-in-body.bin", "cut off: TLVs should begin at 0x40, but there are only 0x30 bytes"),
        ("huge-body.bin", "cut off: TLVs should begin at 0x10000001f, but there are only 0x68 bytes"),
        ("cut-in-tlvs.bin", "cut off: the TLVs end at 0x68, but there are only 0x50 bytes"),
        ("wrong-tlv-magic.bin", "the TLVs at 0x40 begin with 0xffff instead of 0x6907"),
        ("small-tlv-area.bin", "the TLVs at 0x40 claim a size of 3 bytes, less than 4"),
        ("tlv-past-area.bin", "TLV 0x0010 of 33 bytes goes past the end of the TLVs"),
        ("half-tlv.bin", "the last TLV is cut off"),
        ("no-hash.bin", "it holds no hash"),
        ("short-hash.bin", "the hash has 31 bytes instead of 32"),
        ("no-protected-tlvs.bin", "the TLVs at 0x40 begin with 0x6907 instead of 0x6908"),
        (
            "protected-size-differs.bin",
            "the header says 12 bytes of protected TLVs, their area 16",
        ),
        ("short-dependency.bin", "a dependency has 8 bytes instead of 12"),
        ("encrypted-without-key.bin", "marked as encrypted, but it holds no encrypted key"),
    ],
)
def test_bad_files(name: str, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        parse_image((DATA / name).read_bytes(), name, 0x200)
    assert (caught.value.path, caught.value.address, caught.value.reason) == (name, 0x200, reason)


def test_every_bad_file_is_tested() -> None:
    marks = [mark for mark in test_bad_files.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]
    tested = {name for name, _ in marks[0].args[1]} | {"wrong-hash.bin"}
    assert tested == {path.name for path in DATA.glob("*.bin")}


@pytest.mark.parametrize("data", [PLAIN, SIGNED], ids=["plain", "signed"])
def test_cut_off_anywhere(data: bytes) -> None:
    for size in range(len(data)):
        with pytest.raises(ImageError):
            parse_image(data[:size])


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_changed_byte_is_noticed(mask: int) -> None:
    key = public_pem("p256")
    verify(SIGNED, key)
    for at in range(len(SIGNED)):
        changed = bytearray(SIGNED)
        changed[at] ^= mask
        with pytest.raises(ImageError):
            verify(bytes(changed), key)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_changed_byte_of_an_unsigned_image_is_noticed(mask: int) -> None:
    for at in range(len(PLAIN)):
        changed = bytearray(PLAIN)
        changed[at] ^= mask
        with pytest.raises(ImageError):
            check_image(bytes(changed))


@given(
    st.lists(st.tuples(st.integers(0, len(SIGNED) - 1), st.integers(0, 255)), max_size=8),
    st.integers(0, len(SIGNED)),
)
def test_damage_gives_an_image_error_and_nothing_else(changes: list[tuple[int, int]], size: int) -> None:
    data = bytearray(SIGNED)
    for at, value in changes:
        data[at] = value
    data = data[:size]
    try:
        image = parse_image(bytes(data))
        verify_signature(bytes(data), image, public_pem("p256"), "x")
    except ImageError:
        return
    assert bytes(data) == SIGNED


@given(st.binary(max_size=200))
def test_noise_after_the_magic_gives_an_image_error(noise: bytes) -> None:
    with pytest.raises(ImageError):
        check_image(HEADER_MAGIC_BYTES + noise)


# --- on a device -----------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [PLAIN, SIGNED], ids=["plain", "signed"])
def test_extent_reads_no_more_than_it_needs(data: bytes) -> None:
    slot = data + b"\xff" * 500
    asked: list[int] = []

    def read(offset: int, count: int) -> bytes:
        asked.append(count)
        return slot[offset : offset + count]

    assert image_extent(read, len(slot)) == len(data)
    assert sum(asked) <= 40


@pytest.mark.parametrize("data", [PLAIN, SIGNED], ids=["plain", "signed"])
def test_extent_keeps_within_its_limit(data: bytes) -> None:
    for limit in range(len(data)):

        def read(offset: int, count: int, limit: int = limit) -> bytes:
            assert offset + count <= limit
            return data[offset : offset + count]

        assert image_extent(read, limit) is None


def test_no_extent_in_an_erased_or_foreign_slot() -> None:
    assert image_extent(lambda offset, count: b"\xff" * count, 0x1000) is None
    assert image_extent(lambda offset, count: b"\x00" * count, 0x1000) is None
    broken = (DATA / "wrong-tlv-magic.bin").read_bytes()
    assert image_extent(lambda offset, count: broken[offset : offset + count], len(broken)) is None
