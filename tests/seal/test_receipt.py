"""A receipt is one file with one spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from foreseal.errors import ForesealError, Malformed, Tampered
from foreseal.seal.log import Log
from foreseal.seal.receipt import MAX_PROOF, Receipt, parse_receipt
from foreseal.seal.verify import verify_receipt


@pytest.fixture
def receipt(log: Log) -> bytes:
    log.append([f"entry {i}".encode() for i in range(11)])
    return bytes(log.receipt(9))


def test_a_receipt_prints_back(receipt: bytes) -> None:
    parsed = parse_receipt(receipt)
    assert (parsed.entry, parsed.index, len(parsed.proof)) == (b"entry 9", 9, 3)
    assert bytes(parsed) == receipt
    assert parsed.check().size == 11


def test_the_only_entry_of_a_log_needs_no_proof(log: Log) -> None:
    log.append([b"one"])
    receipt = bytes(log.receipt(0))
    assert parse_receipt(receipt).proof == ()
    assert parse_receipt(receipt).check().size == 1


def test_the_receipt_of_another_index_or_entry_is_refused(receipt: bytes) -> None:
    parsed = parse_receipt(receipt)
    for other in (
        Receipt(parsed.entry, 8, parsed.proof, parsed.checkpoint),
        Receipt(b"entry 8", 9, parsed.proof, parsed.checkpoint),
        Receipt(parsed.entry, 9, parsed.proof[::-1], parsed.checkpoint),
    ):
        with pytest.raises(Tampered):
            other.check()
    with pytest.raises(Malformed):
        Receipt(parsed.entry, 9, parsed.proof[:-1], parsed.checkpoint).check()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"extra ZW50cnkgOQ==\n", b""),
        (b"extra ZW50cnkgOQ==", b"extra "),
        (b"extra ZW50cnkgOQ==", b"extra ZW50cnkgOQ"),
        (b"extra ZW50cnkgOQ==", b"extra ZW50cnkgOR=="),
        (b"extra", b"Extra"),
        (b"index 9", b"index 09"),
        (b"index 9", b"index -9"),
        (b"index 9", b"index  9"),
        (b"index 9", b"index 9\nindex 9"),
        (b"\n", b"\r\n"),
        (b"=\n\n", b"=\n"),
        (b"=\n\n", b"=\n\n\n"),
        (b"=\n\n", b"=\n" + b"A" * 43 + b"=\n" * MAX_PROOF),
    ],
)
def test_any_other_spelling_is_refused(receipt: bytes, old: bytes, new: bytes) -> None:
    assert old in receipt
    with pytest.raises(ForesealError):
        parse_receipt(receipt.replace(old, new, 1)).check()


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xff" * 10, b"c2sp.org/tlog-proof@v1\n\n", b"x" * 2**21])
def test_what_is_not_a_receipt_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_receipt(data)


def test_an_entry_that_is_in_the_log_but_is_no_entry_of_ours_is_not_verified(
    receipt: bytes, log: Log, tmp_path: Path
) -> None:
    verdict = verify_receipt(receipt, [log._signer.verifier])
    assert not verdict.ok
    assert "not JSON" in verdict.problems[0]
