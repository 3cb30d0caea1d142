"""A policy names keys; what it asks for and is not supported is refused, not ignored."""

from __future__ import annotations

import pytest

from foreseal.errors import SettingsError
from foreseal.seal.note import Signer
from foreseal.seal.policy import Policy, parse_policy


def test_a_policy_lists_logs(signer: Signer) -> None:
    text = f"# who we trust\n\n  log\t{signer.verifier}  https://log.example\nquorum none\n"
    assert parse_policy(text) == Policy((signer.verifier,)) == Policy.of([str(signer.verifier)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no quorum line"),
        ("log {vkey}\n", "no quorum line"),
        ("quorum none\nquorum none\n", "line 2 .* not supported"),
        ("witness W {vkey}\nquorum W\n", "line 1 .* not supported: 'witness W"),
        ("quorum any\n", "line 1"),
        ("log {vkey}\nlog {vkey}\nquorum none\n", "line 2 .* same key"),
        ("log {vkey}x\nquorum none\n", "line 1"),
        ("log\nquorum none\n", "line 1"),
        ("\n" * (1 << 17), "more than"),
    ],
)
def test_a_line_that_is_wrong_or_unsupported_is_named(signer: Signer, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_policy(text.format(vkey=signer.verifier))
