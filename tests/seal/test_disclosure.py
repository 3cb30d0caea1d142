"""What is disclosed must have been known when the forecast that rests on it was made."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger import CUTOFFS, Ledger, series_forecast

from foreseal.clock import EPOCH, MICROSECOND, format_instant
from foreseal.seal.disclosure import Disclosure, verify_disclosure, write_disclosure
from foreseal.seal.log import Log
from foreseal.seal.note import Signer

DS = CUTOFFS[0] - timedelta(hours=1)


def chunk(known_at: datetime) -> bytes:
    """A chunk of one row, ``a`` at `DS`."""
    head = "foreseal rows v1\nobservations 1\nstr unique_id\ntime ds\nfloat y\ntime known_at\n\n"
    us = [(each - EPOCH) // MICROSECOND for each in (DS, known_at)]
    return head.encode() + struct.pack("<I1sqdq", 1, b"a", us[0], 1.5, us[1])


@pytest.mark.parametrize(("late", "ok"), [(timedelta(0), True), (MICROSECOND, False)])
def test_a_row_that_was_known_only_after_the_cutoff_discloses_nothing(
    log: Log, author: Ed25519PrivateKey, signer: Signer, late: timedelta, ok: bool
) -> None:
    rows = chunk(CUTOFFS[0] + late)
    place = {"index": 0, "chunks": 1, "append": 1, "n": 1, "inner": [], "outer": []}
    digest = Disclosure({**place}, rows, b"").digest()
    ledger = Ledger(log, author)
    ledger.identity()
    ledger.dataset("d", "series")
    model, declared = ledger.model(), ledger.target("volume", "d", "series")
    snapshot = {"dataset": "d", "n": 1, "digest": digest, "rows": 1, "witnessed": 0}
    about = {**ledger.about("volume", declared, 0), "data": [snapshot]}
    payload = log.payloads.put(series_forecast(0))
    ledger.write("forecast", {**about, "forecaster": "us", "model": model, "ran": {}, "payload": payload})
    receipt = bytes(log.receipt(log.size - 1))
    asked = {"dataset": "d", "series": "a", "ds": format_instant(DS), "cutoff": format_instant(CUTOFFS[0])}
    verdict = verify_disclosure(write_disclosure({**place, **asked}, rows, receipt), [signer.verifier])
    assert verdict.ok == ok
    assert verdict.codes == (() if ok else ("rule",))
    assert ok or "a row that was not known at the cutoff" in verdict.problems[0]
