"""Signed notes agree with the specification's example and accept one spelling only."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from foreseal.errors import ForesealError, Malformed, Tampered, UsageError
from foreseal.seal.note import (
    MAX_SIGNATURES,
    Ed25519Verifier,
    Signer,
    decode_base64,
    encode_base64,
    parse_note,
    parse_vkey,
    sign_note,
)

# The example of c2sp.org/signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

# The example of golang.org/x/mod/sumdb/note, with its signing key.
GO_SEED = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_example_of_the_specification_verifies() -> None:
    note = parse_note(NOTE)
    assert note.text == "This is an example message.\n"
    assert note.signers([parse_vkey(VKEY)]) == (parse_vkey(VKEY),)
    assert bytes(note) == NOTE


def test_signing_gives_the_bytes_of_another_implementation() -> None:
    signer = Signer("PeterNeumann", Ed25519PrivateKey.from_private_bytes(decode_base64(GO_SEED)[1:]))
    assert str(signer.verifier) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert sign_note(GO_TEXT, signer) == f"{GO_TEXT}\n{GO_LINE}".encode()


def test_signatures_by_unknown_keys_are_ignored_even_under_a_known_name(signer: Signer) -> None:
    known = parse_vkey(VKEY)
    stranger = Signer(known.name, signer.key)
    note = parse_note(NOTE + str(stranger.sign("This is an example message.\n")).encode())
    assert note.signers([known]) == (known,)
    with pytest.raises(Tampered, match="no key that you named"):
        note.signers([signer.verifier])


def test_one_bad_signature_by_a_known_key_rejects_the_note(signer: Signer) -> None:
    text = "This is an example message.\n"
    note = parse_note(NOTE + str(signer.sign("Something else.\n")).encode())
    with pytest.raises(Tampered, match="does not fit the text"):
        note.signers([parse_vkey(VKEY), signer.verifier])
    both = parse_note(NOTE + str(signer.sign(text)).encode())
    assert len(both.signers([parse_vkey(VKEY), signer.verifier])) == 2


def test_the_text_may_hold_empty_lines(signer: Signer) -> None:
    text = "first\n\nsecond\n\n"
    note = parse_note(sign_note(text, signer))
    assert note.text == text
    assert note.signers([signer.verifier])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace(b"\n", b"\r\n"),
        NOTE.replace(b"example m", b"example\tm"),
        NOTE.replace(b"example m", b"example\xffm"),
        NOTE.replace("—".encode(), b"-"),
        NOTE.replace(b"foo U", b"foo  U"),
        NOTE.replace(b"example.com/foo", b"example.com+foo"),
        NOTE.replace(b"example.com/foo", "example.com\u2003foo".encode()),
        NOTE.replace(b"example.com/foo ", b" "),
        NOTE.replace(b"yaQM=", b"yaQN="),
        NOTE.replace(b"yaQM=", b"yaQM"),
        NOTE.replace(b"Uw2Q", b"Uw2_"),
        b"text\n\n\xe2\x80\x94 name AAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAAA==\n",
        NOTE + NOTE.split(b"\n\n")[1] * MAX_SIGNATURES,
        b"x" * (1 << 20) + NOTE,
    ],
)
def test_threat_15_what_is_not_a_note_in_its_one_spelling_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_note(data)


def test_at_least_sixteen_signatures_are_accepted(signer: Signer) -> None:
    signers = [Signer(f"witness{i}.example", signer.key) for i in range(16)]
    note = parse_note(sign_note("text\n", *signers))
    assert len(note.signers([each.verifier for each in signers])) == 16


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("530d903a", "530D903A"),
        VKEY.replace("foo", "fo o"),
        VKEY + "=",
        VKEY[:-4],
        VKEY.replace("+Ae", "+Be"),
        VKEY.replace("+Aek", "+Bek"),
    ],
)
def test_a_verifier_key_with_any_part_wrong_is_refused(vkey: str) -> None:
    with pytest.raises(ForesealError):
        parse_vkey(vkey)


def test_an_unsupported_kind_of_key_is_named() -> None:
    with pytest.raises(UsageError, match="0x04"):
        parse_vkey("witness.example+da77ade7+" + encode_base64(b"\x04" + bytes(32)))


def test_a_verifier_key_prints_back(signer: Signer) -> None:
    assert parse_vkey(str(signer.verifier)) == signer.verifier
    with pytest.raises(Malformed):
        Ed25519Verifier("name", b"short")


@given(st.binary(max_size=40))
def test_threat_15_base64_has_one_spelling(data: bytes) -> None:
    text = encode_base64(data)
    assert decode_base64(text) == data
    for other in (text + "\n", " " + text, text.rstrip("="), text + "="):
        if other != text:
            with pytest.raises(Malformed):
                decode_base64(other)
