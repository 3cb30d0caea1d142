"""A checkpoint is a size and a root under one origin, signed by that log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foreseal.errors import Malformed, Tampered
from foreseal.merkle import EMPTY_ROOT
from foreseal.seal.checkpoint import (
    MAX_SIZE,
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    read_checkpoint,
    sign_checkpoint,
)
from foreseal.seal.note import Ed25519Verifier, Signer

ROOT = "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="
TEXT = f"example.com/log\n15\n{ROOT}\n"


def test_a_checkpoint_prints_back(signer: Signer) -> None:
    checkpoint = parse_checkpoint(TEXT)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/log", 15)
    assert str(checkpoint) == TEXT
    assert open_checkpoint(sign_checkpoint(checkpoint, signer), [signer.verifier]) == checkpoint


def test_extension_lines_are_kept() -> None:
    assert parse_checkpoint(TEXT + "extra\n").extensions == ("extra",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        TEXT[:-1],
        TEXT + "\n",
        TEXT.replace("15", "015"),
        TEXT.replace("15", "+15"),
        TEXT.replace("15", "-1"),
        TEXT.replace("15", "1_5"),
        TEXT.replace("15", "١٥"),
        TEXT.replace("15", str(MAX_SIZE + 1)),
        TEXT.replace("15", "9" * 5000),
        TEXT.replace("15", "0"),
        TEXT.replace("83cs=", "83ct="),
        TEXT.replace("83cs=", "83c="),
        TEXT.replace("example.com/log", ""),
    ],
)
def test_what_is_not_a_checkpoint_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_checkpoint(text)


def test_an_empty_log_has_the_empty_root() -> None:
    assert Checkpoint("log", 0, EMPTY_ROOT).size == 0
    with pytest.raises(Malformed):
        Checkpoint("log", 0, bytes(32))


def test_a_key_of_another_log_does_not_speak_for_this_one(signer: Signer) -> None:
    signed = sign_checkpoint(Checkpoint("example.com/other", 0, EMPTY_ROOT), signer)
    with pytest.raises(Tampered, match=r"signed by another log, example\.com/log"):
        open_checkpoint(signed, [signer.verifier])


def test_checkpoints_of_an_independent_log_and_its_witness_vectors_are_read(shared: Path) -> None:
    cases = json.loads((shared / "ledger" / "witness_cases.json").read_text())
    public = bytes.fromhex(cases["sigsum_log_public_key_hex"])
    key = Ed25519Verifier(cases["origin"], public)
    opened = []
    for case in cases["cases"]:
        if case["method"] != "POST":
            continue
        note = case["body"].partition("\n\n")[2].encode()
        try:
            opened.append(open_checkpoint(note, [key]).size)
        except Tampered:
            assert read_checkpoint(note).size >= 0
        except Malformed:
            assert note == b"" or b"\n" in note
    assert 5 in opened
