"""Commitments cannot be chosen among after the outcome."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import CUTOFFS, Ledger, case_forecast, case_outcome

from foreseal.seal.log import Log
from foreseal.seal.note import Signer
from foreseal.seal.verify import verify_log

Made = list[tuple[str, bytes, bytes]]


@pytest.fixture
def ledger(log: Log, author: Ed25519PrivateKey) -> Ledger:
    return Ledger(log, author)


def commit(ledger: Ledger, probabilities: tuple[str, ...]) -> tuple[dict[str, object], Made]:
    """Commit to several probabilities for one cutoff, in this order, after a revealed baseline."""
    ledger.identity()
    ledger.dataset("cases", "cases")
    model, declared = ledger.model("logistic"), ledger.target("disease", "cases", "cases")
    about = ledger.about("disease", declared, 0)
    ledger.at = CUTOFFS[0] + timedelta(minutes=5)
    made = []
    for name, p in (("baseline", "0.300"), *(("us", p) for p in probabilities)):
        data, salt = case_forecast(p), sha256(f"{name}{p}".encode()).digest()
        made.append((ledger.forecast(about, name, model, data, salt), salt, data))
    ledger.reveal(*made[0])
    return about, made[1:]


def status(ledger: Ledger, about: dict[str, object], signer: Signer) -> tuple[str, str]:
    """Status of ``us`` and the forecast that was counted, once settled."""
    ledger.outcome(about, case_outcome(0))
    ledger.score("disease", 0)
    assert verify_log(ledger.log.folder, [signer.verifier]).ok
    scored = ledger.track("disease")[1].scores[0][0].entry["scores"][0]
    assert scored["forecaster"] == "us"
    return scored["status"], scored["forecast"]


def test_threat_06_who_commits_to_three_forecasts_and_reveals_the_best_has_revealed_nothing(
    ledger: Ledger, signer: Signer
) -> None:
    about, made = commit(ledger, ("0.050", "0.500", "0.990"))
    ledger.reveal(*made[2])
    assert status(ledger, about, signer) == ("unrevealed", made[0][0])


def test_threat_06_the_first_of_several_commitments_counts_once_it_is_revealed(
    ledger: Ledger, signer: Signer
) -> None:
    about, made = commit(ledger, ("0.050", "0.990"))
    for each in reversed(made):
        ledger.reveal(*each)
    assert status(ledger, about, signer) == ("scored", made[0][0])
