"""Payloads are decoded once while they are kept, and what is kept is bounded."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import pytest

from foreseal.errors import Malformed, Tampered
from foreseal.seal import payload, tables
from foreseal.seal.tables import Tables

CASES = payload.forecast_cases(1)


def refer(data: bytes) -> dict[str, str | int]:
    return {"sha256": sha256(data).hexdigest(), "size": len(data)}


class Shelf:
    """Payloads by digest, and how often each was read."""

    def __init__(self, *payloads: bytes) -> None:
        self.held = {sha256(data).hexdigest(): data for data in payloads}
        self.reads: Counter[bytes] = Counter()

    def get(self, digest: str, size: int) -> bytes:
        data = self.held.get(digest)
        if data is None or len(data) != size:
            raise Tampered("it is not there.", code="payload-missing")
        self.reads[data] += 1
        return data


ONE, TWO, THREE = (CASES.encode([("case", f"0.{k}")]) for k in (1, 2, 3))


def test_a_payload_that_is_kept_is_not_read_again() -> None:
    shelf = Shelf(ONE, TWO)
    found = Tables(shelf.get)
    for data in (ONE, TWO, ONE, TWO):
        assert found.rows(CASES, refer(data)) == CASES.decode(data)
    assert shelf.reads == {ONE: 1, TWO: 1}


def test_no_more_is_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_KEPT", 2 * len(ONE))
    shelf = Shelf(ONE, TWO, THREE)
    found = Tables(shelf.get)
    for data in (ONE, TWO, THREE, THREE, TWO, ONE):
        assert found.rows(CASES, refer(data)) == CASES.decode(data)
    assert shelf.reads == {ONE: 2, TWO: 1, THREE: 1}
    monkeypatch.setattr(tables, "MAX_KEPT", len(ONE) - 1)
    alone = Tables(shelf.get)
    for _ in range(3):
        alone.rows(CASES, refer(ONE))
    assert shelf.reads[ONE] == 2 + 3


def test_bytes_that_are_kept_are_judged_anew_as_another_kind_or_size() -> None:
    shelf = Shelf(ONE)
    found = Tables(shelf.get)
    found.rows(CASES, refer(ONE))
    with pytest.raises(Malformed, match="header") as error:
        found.rows(payload.outcome_cases(), refer(ONE))
    assert error.value.code == "canonical"
    with pytest.raises(Malformed, match="2 decimals"):
        found.rows(payload.forecast_cases(2), refer(ONE))
    with pytest.raises(Tampered):
        found.rows(CASES, {**refer(ONE), "size": len(ONE) + 1})
