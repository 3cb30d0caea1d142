"""Cosignatures are those of the specification, and say at which second they were made."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from foreseal.errors import Malformed, UsageError
from foreseal.seal.cosignature import MAX_TIME, CosignatureSigner, CosignatureVerifier, parse_witness
from foreseal.seal.note import Ed25519Verifier, decode_base64, key_id, parse_note

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
SIGNER = CosignatureSigner("witness.example.com/w1", KEY)
TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
AT = datetime.fromtimestamp(1679315147, UTC)

# The example of c2sp.org/tlog-cosignature; the specification does not print the keys.
EXAMPLE = f"""\
{TEXT}
\N{EM DASH} example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\N{EM DASH} witness.example.com/w1 \
jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""


def test_the_example_of_the_specification_has_the_size_and_the_time_of_its_signed_message() -> None:
    line = parse_note(EXAMPLE.encode()).signatures[1]
    assert len(line.signature) == 72
    assert SIGNER.verifier.time(line.signature) == AT


def test_what_is_signed_is_the_message_of_the_specification() -> None:
    line = SIGNER.sign(TEXT, AT)
    message = f"cosignature/v1\ntime 1679315147\n{TEXT}".encode()
    KEY.public_key().verify(line.signature[8:], message)
    assert line.signature[:8] == (1679315147).to_bytes(8, "big")
    assert SIGNER.verifier.verifies(TEXT.encode(), line.signature)
    assert SIGNER.verifier.time(line.signature) == AT


def test_another_text_time_key_or_length_does_not_verify() -> None:
    verifier, signature = SIGNER.verifier, SIGNER.sign(TEXT, AT).signature
    text = TEXT.encode()
    other = CosignatureVerifier(verifier.name, bytes(range(32)))
    assert not other.verifies(text, signature)
    assert not verifier.verifies(text + b"x\n", signature)
    for at in range(len(signature)):
        flipped = signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]
        assert not verifier.verifies(text, flipped), at
    for damaged in (b"", signature[:-1], signature + b"\0", signature[8:]):
        assert not verifier.verifies(text, damaged)


def test_a_plain_signature_of_the_same_key_is_no_cosignature() -> None:
    plain = Ed25519Verifier(SIGNER.name, SIGNER.verifier.public)
    assert plain.key_id != SIGNER.verifier.key_id
    assert not plain.verifies(TEXT.encode(), SIGNER.sign(TEXT, AT).signature[8:])


def test_times_that_no_calendar_has_are_refused() -> None:
    beyond = (MAX_TIME + 1).to_bytes(8, "big")
    message = f"cosignature/v1\ntime {MAX_TIME + 1}\n{TEXT}".encode()
    assert not SIGNER.verifier.verifies(TEXT.encode(), beyond + KEY.sign(message))
    with pytest.raises(UsageError):
        SIGNER.sign(TEXT, datetime(1969, 12, 31, tzinfo=UTC))


@given(st.integers(0, MAX_TIME))
def test_every_other_time_survives(seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    line = SIGNER.sign(TEXT, at)
    assert SIGNER.verifier.verifies(TEXT.encode(), line.signature)
    assert SIGNER.verifier.time(line.signature) == at


def test_the_key_of_a_witness_reads_back_from_its_text() -> None:
    text = str(SIGNER.verifier)
    assert parse_witness(text) == SIGNER.verifier
    data = decode_base64(text.split("+", 2)[2])
    assert data[0] == 4
    assert SIGNER.verifier.key_id == key_id(SIGNER.name, 4, data[1:])
    with pytest.raises(Malformed):
        parse_witness(text.replace("w1", "w2"))
    with pytest.raises(UsageError, match="type 0x01"):
        parse_witness(str(Ed25519Verifier("a", bytes(32))))
