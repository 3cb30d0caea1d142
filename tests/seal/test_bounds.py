"""Hostile input gets a clear error and little memory, whatever its size."""

from __future__ import annotations

import base64
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foreseal import merkle
from foreseal.errors import ForesealError, Malformed, ProofError, Tampered
from foreseal.seal import jcs
from foreseal.seal.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from foreseal.seal.disk import read_file
from foreseal.seal.entry import MAX_ENTRY, parse_entry
from foreseal.seal.keys import author_id
from foreseal.seal.note import MAX_NOTE, MAX_SIGNATURES, Signer, decode_base64, parse_note, parse_vkey
from foreseal.seal.payload import read_csv
from foreseal.seal.policy import parse_policy
from foreseal.seal.receipt import MAX_PROOF, Receipt, parse_receipt
from foreseal.seal.tiles import read_bundle
from foreseal.seal.verify import verify_log, verify_receipt

TEN_THOUSAND = 10_000
HASH = base64.b64encode(bytes(32)).decode()
TEXT = f"example.com/log\n1\n{HASH}\n"


def peak(action: Callable[[], object]) -> int:
    """Bytes that were in use at most during ``action``, beyond those before it."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        action()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def refused(action: Callable[[], object], *, limit: int, kind: type[Exception] = ProofError) -> str:
    """The error's message, which is short; the memory stays under ``limit`` bytes."""
    said = []

    def run() -> None:
        with pytest.raises(kind) as error:
            action()
        said.append(str(error.value))

    assert peak(run) < limit
    assert 0 < len(said[0]) < 1000
    return said[0]


def signature(size: int, name: str = "n") -> str:
    return f"— {name} {base64.b64encode(bytes(size)).decode()}\n"


def test_a_note_with_ten_thousand_signatures_is_refused_by_their_number(signer: Signer) -> None:
    note = f"{TEXT}\n{signature(32) * TEN_THOUSAND}".encode()
    assert len(note) < MAX_NOTE
    said = refused(lambda: parse_note(note), limit=12 * len(note))
    assert said == f"a signed note has {TEN_THOUSAND} signatures; the limit is {MAX_SIGNATURES}."
    refused(lambda: open_checkpoint(note, [signer.verifier]), limit=12 * len(note))


def test_a_note_beyond_its_limit_is_refused_by_its_size_before_anything_else() -> None:
    notes = (f"{TEXT}\n{signature(96) * TEN_THOUSAND}".encode(), b"\xff" * (MAX_NOTE + 1))
    for note in notes:
        assert "the limit is" in refused(lambda note=note: parse_note(note), limit=50_000)


def test_a_note_with_as_many_unknown_signatures_as_allowed_still_counts(signer: Signer) -> None:
    note = sign_checkpoint(Checkpoint(signer.name, 0, merkle.EMPTY_ROOT), signer)
    note += (signature(68) * (MAX_SIGNATURES - 1)).encode()
    assert open_checkpoint(note, [signer.verifier]).size == 0
    with pytest.raises(Malformed, match="has 65 signatures; the limit is 64"):
        open_checkpoint(note + signature(68).encode(), [signer.verifier])


@pytest.mark.parametrize(
    "line",
    ["x" * 65_536, f"— {'x' * 65_536} {HASH}", f"— n {'A' * 65_535}", "— n " + " " * 65_536, "—" * 65_536],
)
def test_lines_of_64_kibibytes_are_refused_in_short_words(line: str) -> None:
    note = f"{TEXT}\n{line}\n".encode()
    refused(lambda: parse_note(note), limit=20 * len(note))
    refused(lambda: parse_checkpoint(f"{line}\n" * 2), limit=20 * len(note))
    refused(lambda: parse_vkey(line), limit=20 * len(note), kind=ForesealError)
    refused(lambda: parse_policy(f"log {line}\nquorum none\n"), limit=20 * len(note), kind=ForesealError)


@pytest.mark.parametrize("line", ["1" * 65_536, "-1", "01", "1e3", "１", "9007199254740992", " 1", ""])
def test_a_size_that_is_no_number_or_too_large_is_refused(line: str) -> None:
    refused(lambda: parse_checkpoint(f"example.com/log\n{line}\n{HASH}\n"), limit=3_000_000)


def test_a_proof_of_ten_thousand_hashes_is_refused() -> None:
    proof = [bytes(32)] * TEN_THOUSAND
    said = refused(lambda: merkle.verify_inclusion(bytes(32), 5, 9, proof, bytes(32)), limit=400_000)
    assert "too long" in said
    said = refused(lambda: merkle.verify_consistency(5, 9, proof, bytes(32), bytes(32)), limit=400_000)
    assert "too long" in said
    hashes = f"{HASH}\n" * TEN_THOUSAND
    receipt = f"c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\n{hashes}\n{TEXT}\n{signature(68)}".encode()
    said = refused(lambda: parse_receipt(receipt), limit=4_000_000)
    assert said == f"a receipt has {TEN_THOUSAND} hashes; the limit is {MAX_PROOF}."


def test_a_receipt_far_too_long_is_refused_before_it_is_read() -> None:
    data = b"c2sp.org/tlog-proof@v1\n" + bytes(1 << 24)
    assert "the limit is" in refused(lambda: parse_receipt(data), limit=50_000)
    verdicts = []
    assert peak(lambda: verdicts.append(verify_receipt(data, []))) < 100_000
    assert not verdicts[0].ok


def test_a_file_far_too_long_is_not_read_to_its_end(tmp_path: Path, signer: Signer) -> None:
    (tmp_path / "log").mkdir()
    with (tmp_path / "log" / "checkpoint").open("wb") as file:
        file.truncate(1 << 32)
    refused(lambda: read_file(tmp_path / "log" / "checkpoint", MAX_NOTE), limit=3 * MAX_NOTE)
    verdicts = []
    assert peak(lambda: verdicts.append(verify_log(tmp_path / "log", [signer.verifier]))) < 3 * MAX_NOTE
    assert "more than" in verdicts[0].problems[0]


def test_a_checkpoint_of_an_impossible_size_does_not_make_a_verifier_work(
    tmp_path: Path, signer: Signer
) -> None:
    """A log's own key may claim nine quadrillion entries; the first missing file ends it."""
    (tmp_path / "log").mkdir()
    checkpoint = Checkpoint(signer.name, 2**53 - 1, bytes(32))
    (tmp_path / "log" / "checkpoint").write_bytes(sign_checkpoint(checkpoint, signer))
    verdicts = []
    assert peak(lambda: verdicts.append(verify_log(tmp_path / "log", [signer.verifier]))) < 10_000_000
    assert not verdicts[0].ok


DEEP = {
    "lists": b"[" * TEN_THOUSAND + b"]" * TEN_THOUSAND,
    "objects": b'{"a":' * TEN_THOUSAND + b"1" + b"}" * TEN_THOUSAND,
    "open": b"[" * TEN_THOUSAND,
    "in an entry": b'{"v":' + b"[" * TEN_THOUSAND + b"]" * TEN_THOUSAND + b"}",
    "just too deep": b"[" * 12 + b"]" * 12,
}
STRANGE = {
    "float": b'{"v":1.5}',
    "integral float": b'{"v":1.0}',
    "exponent": b'{"v":1e400}',
    "not a number": b'{"v":NaN}',
    "infinity": b'{"v":-Infinity}',
    "null": b'{"v":null}',
    "key twice": b'{"v":1,"v":1}',
    "key twice, escaped": b'{"v":1,"\\u0076":1}',
    "huge integer": b'{"v":' + b"9" * 8000 + b"}",
    "beyond exact": b'{"v":9007199254740992}',
    "minus zero": b'{"v":-0}',
    "NUL": b'{"v":"\x00"}',
    "NUL after": b'{"v":1}\x00',
    "CR": b'{"v":1}\r',
    "CR LF": b'{"v":\r\n1}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "not UTF-8": b'{"v":"\xff"}',
    "surrogate": b'{"v":"\\ud800"}',
    "space": b'{"v": 1}',
    "unsorted": b'{"b":1,"a":1}',
    "two values": b"{}{}",
    "a number": b"1",
    "nothing": b"",
}


@pytest.mark.parametrize("data", [*DEEP.values(), *STRANGE.values()], ids=[*DEEP, *STRANGE])
def test_json_that_no_honest_writer_makes_is_refused(data: bytes) -> None:
    refused(lambda: parse_entry(data), limit=2_000_000)
    if data != b"1":
        refused(lambda: jcs.decode(data), limit=2_000_000, kind=Malformed)


def test_an_entry_over_its_limit_is_refused_by_its_size() -> None:
    data = b'{"v":"' + b"x" * (1 << 24) + b'"}'
    said = refused(lambda: parse_entry(data), limit=50_000)
    assert said == f"an entry has {len(data)} bytes; the limit is {MAX_ENTRY}."


def test_ten_thousand_fields_are_refused(author: Ed25519PrivateKey) -> None:
    key = author_id(author.public_key().public_bytes_raw())
    fields = ",".join(f'"k{i:05d}":1' for i in range(TEN_THOUSAND))
    refused(lambda: jcs.encode({str(i): [None] for i in range(TEN_THOUSAND)}), limit=8_000_000)
    data = f'{{"author":"{key}",{fields}}}'.encode()
    refused(lambda: parse_entry(data), limit=100_000)


@pytest.mark.parametrize(
    "text",
    ["A" * 65_537, "AA", "AA=", "AA==\n", "AB==", "AAA\x00", "AAAA\r\n", "-_==", "é" * 4, "A===", "AA==AA=="],
    ids=repr,
)
def test_base64_with_a_second_spelling_is_refused(text: str) -> None:
    refused(lambda: decode_base64(text), limit=1_000_000, kind=Malformed)


@pytest.mark.parametrize("char", ["\x00", "\r", "\x7f", "\t", "\x1b"], ids=repr)
def test_a_control_character_is_refused_wherever_it_stands(signer: Signer, char: str) -> None:
    root = merkle.leaf_hash(b"x")
    signed = sign_checkpoint(Checkpoint(signer.name, 1, root), signer)
    good = Receipt(b"x", 0, (), signed)
    assert parse_receipt(bytes(good)) == good
    for data, parse in ((signed, lambda data: open_checkpoint(data, [signer.verifier])),
                        (bytes(good), lambda data: open_checkpoint(parse_receipt(data).checkpoint,
                                                                   [signer.verifier]))):  # fmt: skip
        for at in range(len(data) + 1):
            with pytest.raises((Malformed, Tampered)):
                parse(data[:at] + char.encode() + data[at:])


def test_a_bundle_that_claims_more_than_it_holds_is_refused() -> None:
    refused(lambda: read_bundle(b"\xff\xff" + b"x"), limit=100_000)
    refused(lambda: read_bundle(b"\x00\x01x" * TEN_THOUSAND + b"\x00"), limit=2_000_000)


def test_payloads_with_strange_bytes_are_refused() -> None:
    header = b"unique_id,ds,y,known_at\n"
    for line in (
        b"a\x00,b\n",
        b"a,b\r\n",
        b'"a,b\n',
        b"\xff,b\n",
        b'"a"b,c\n',
        b"a,b",
        b"," * 65_536 + b'"\n',
    ):
        refused(lambda line=line: read_csv(header + line, 4), limit=30_000_000)
