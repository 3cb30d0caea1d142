"""Keys are made once, kept private, and never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from foreseal.errors import KeyMissing, Malformed, Refused, SetupError
from foreseal.seal.keys import author_id, generate_key, load_key, parse_author, public_bytes


def test_a_key_is_read_back_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    key = generate_key(tmp_path / "author.pem")
    assert public_bytes(load_key(tmp_path / "author.pem")) == public_bytes(key)
    assert (tmp_path / "author.pem").stat().st_mode & 0o777 == 0o600


def test_two_keys_differ(tmp_path: Path) -> None:
    assert public_bytes(generate_key(tmp_path / "a")) != public_bytes(generate_key(tmp_path / "b"))


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    generate_key(tmp_path / "key.pem")
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(Refused, match="never overwritten"):
        generate_key(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == before


def test_a_missing_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing) as error:
        load_key(tmp_path / "key.pem")
    assert "foreseal init" in error.value.hint


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    generate_key(path)
    path.chmod(0o640)
    with pytest.raises(SetupError, match="mode 0640") as error:
        load_key(path)
    assert error.value.hint == f"chmod 600 {path}"


def test_a_passphrase_is_needed_and_must_be_right(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = generate_key(path, b"open sesame")
    assert b"ENCRYPTED" in path.read_bytes()
    assert public_bytes(load_key(path, b"open sesame")) == public_bytes(key)
    with pytest.raises(SetupError, match="needs a passphrase"):
        load_key(path)
    with pytest.raises(SetupError, match="with this passphrase"):
        load_key(path, b"wrong")


@pytest.mark.parametrize("content", [b"", b"not a key", b"x" * 20_000])
def test_a_file_that_is_not_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SetupError, match=r"key\.pem"):
        load_key(path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    with pytest.raises(SetupError, match="does not hold an Ed25519 key"):
        load_key(path)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="keys"):
        generate_key(tmp_path / "keys" / "key.pem")


def test_an_author_is_named_by_key() -> None:
    assert parse_author(author_id(bytes(32))) == bytes(32)
    for text in ("", "ed25519:", "ed25519:" + "A" * 64, "ed25519:" + "0" * 62, "x25519:" + "0" * 64):
        with pytest.raises(Malformed):
            parse_author(text)
