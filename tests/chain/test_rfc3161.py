"""A timestamp counts if it is of this checkpoint, answers this request, and the named authority signed it."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from authorities import LocalAuthority
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreseal.chain import rfc3161
from foreseal.chain.der import sort_certificates
from foreseal.chain.rfc3161 import Authority, check_token
from foreseal.errors import Malformed, MissingExtra, ProofError, SettingsError, Tampered
from foreseal.seal.anchor import MAX_TOKEN
from foreseal.seal.checkpoint import Checkpoint

TEXT = str(Checkpoint("example.com/log", 15, sha256(b"root").digest()))
GARBAGE = (b"", b"\0", b"garbage", b"<html></html>", b"\x30\x84\xff\xff\xff\xff", b"0" * 99)
BY = "timestamp of CN=Good time,O=Good"


@pytest.fixture(scope="module")
def token(made: tuple[LocalAuthority, LocalAuthority]) -> bytes:
    return made[0].stamp(TEXT.encode())


def refuse(token: bytes, authority: Authority, match: str, text: str = TEXT, **options: object) -> None:
    with pytest.raises(ProofError, match=match):
        check_token(token, text, authority, **options)  # type: ignore[arg-type]


def test_a_good_timestamp_says_when_and_by_whom(token: bytes, authority: Authority) -> None:
    found = check_token(token, TEXT, authority)
    assert (found.origin, found.size, found.by) == ("example.com/log", 15, BY)
    assert abs(found.at - datetime.now(UTC)) < timedelta(minutes=10)
    assert found.at.microsecond == 500_000, "the accuracy, 1.5 s, is allowed for"


def test_openssl_says_the_same_of_it(token: bytes, local: LocalAuthority, tmp_path: Path) -> None:
    (tmp_path / "15.tsr").write_bytes(token)
    (tmp_path / "15.txt").write_text(TEXT)
    command = [local.openssl, "ts", "-verify", "-in", "15.tsr", "-data", "15.txt", "-CAfile", str(local.root)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Verification: OK" in found.stdout + found.stderr


def test_a_timestamp_of_another_checkpoint_is_refused(token: bytes, authority: Authority) -> None:
    for size, root in ((16, b"root"), (15, b"other")):
        text = str(Checkpoint("example.com/log", size, sha256(root).digest()))
        refuse(token, authority, f"not of the {size} entries", text)
    refuse(token, authority, "not of the 15 entries", TEXT.replace("example.com", "example.net"))


def test_a_digest_of_another_kind_is_refused(local: LocalAuthority, authority: Authority) -> None:
    refuse(local.stamp(TEXT.encode(), "-sha512", "-cert"), authority, "not of the 15 entries")


def test_an_authority_that_nobody_named_is_refused(other: LocalAuthority, authority: Authority) -> None:
    refuse(other.stamp(TEXT.encode()), authority, "by CN=Other time,O=Other is not one of the authority")


def test_a_certificate_for_another_purpose_is_refused(local: LocalAuthority) -> None:
    bare, root = local.stamp(TEXT.encode(), "-sha256"), local.root.read_bytes()
    good = local.signer.read_bytes()
    assert check_token(bare, TEXT, Authority.parse(root + good)).by == BY
    twin = local.certify("server", serial=str(x509.load_pem_x509_certificate(good).serial_number))
    refuse(bare, Authority.parse(root + twin), "purpose")


def test_the_named_signer_is_the_only_one_that_will_do(
    token: bytes, local: LocalAuthority, other: LocalAuthority
) -> None:
    pem = local.root.read_bytes()
    assert check_token(token, TEXT, Authority.parse(pem + local.signer.read_bytes())).by == BY
    refuse(token, Authority.parse(pem + other.signer.read_bytes()), "is not one of the authority")


def test_a_timestamp_without_certificates_is_checked_with_the_signer_that_is_named(
    local: LocalAuthority, authority: Authority
) -> None:
    bare = local.stamp(TEXT.encode(), "-sha256")
    refuse(bare, authority, "does not say who signed it")
    named = Authority.parse(local.root.read_bytes() + local.signer.read_bytes())
    assert check_token(bare, TEXT, named).by == BY


def test_a_chain_in_any_order_is_read(local: LocalAuthority, authority: Authority) -> None:
    local.chain = True
    token = local.stamp(TEXT.encode())
    assert check_token(token, TEXT, authority).by == BY
    assert sorted(sort_certificates(token)) == sorted(token)
    assert sort_certificates(sort_certificates(token)) == sort_certificates(token)


def test_a_wrong_nonce_is_refused(token: bytes, authority: Authority) -> None:
    refuse(token, authority, "its nonce differs", nonce=1)


def test_times_that_cannot_be_are_refused(token: bytes, authority: Authority) -> None:
    now = datetime.now(UTC)
    check_token(token, TEXT, authority, earliest=now - timedelta(minutes=1), latest=now)
    refuse(token, authority, "but it is", latest=now - timedelta(hours=1))
    refuse(token, authority, "was asked for at", earliest=now + timedelta(hours=1))


def test_a_refusal_of_the_authority_is_told_in_its_words(local: LocalAuthority, authority: Authority) -> None:
    refused = local.answer(local.query(TEXT.encode(), "-sha384", "-cert"))
    refuse(refused, authority, r"the authority gave no timestamp \(status 2: .*not supported")


@pytest.mark.parametrize(
    "garbage", [b"", b"\0", b"garbage", b"<html></html>", b"\x30\x84\xff\xff\xff\xff", b"0" * 99]
)
def test_garbage_is_refused(garbage: bytes, authority: Authority) -> None:
    refuse(garbage, authority, "this is no timestamp")


def test_a_timestamp_that_is_too_long_is_not_even_parsed(token: bytes, authority: Authority) -> None:
    refuse(token + bytes(MAX_TOKEN), authority, "the limit is")


def test_a_timestamp_cut_short_anywhere_is_refused(token: bytes, authority: Authority) -> None:
    for length in range(0, len(token), 7):
        refuse(token[:length], authority, "this is no timestamp")
    refuse(token + b"\0", authority, "this is no timestamp")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_timestamp_says_the_same_or_is_refused(
    data: st.DataObject, token: bytes, authority: Authority
) -> None:
    said = check_token(token, TEXT, authority)
    changed = bytearray(token)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(token) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(Malformed, Tampered):
        assert check_token(bytes(changed), TEXT, authority) == said


@given(st.binary(max_size=200))
def test_sorting_changes_nothing_but_the_order_of_whatever_it_is_given(data: bytes) -> None:
    assert sorted(sort_certificates(data)) == sorted(data)
    assert len(sort_certificates(data)) == len(data)


def test_a_file_without_a_root_says_what_is_missing(local: LocalAuthority, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no root certificate"):
        Authority.load(local.signer)
    with pytest.raises(SettingsError, match="no certificates in PEM form"):
        Authority.parse(b"nothing")
    with pytest.raises(SettingsError, match="is missing"):
        Authority.load(tmp_path / "no.pem")
    with pytest.raises(SettingsError, match="names 2 signers"):
        Authority.parse(local.root.read_bytes() + 2 * local.signer.read_bytes())


def test_without_the_extra_the_error_says_how_to_get_it(
    token: bytes, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rfc3161, "available", lambda: False)
    with pytest.raises(MissingExtra, match="foreseal\\[timestamp\\]"):
        check_token(token, TEXT, authority)
